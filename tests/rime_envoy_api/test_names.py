"""What a resource is called: its own field says so."""

import pytest

from rime_core.type_urls import TYPES
from rime_envoy_api.names import name_of
from rime_envoy_api.pool import message_class


@pytest.mark.parametrize("xds_type", TYPES, ids=lambda xds_type: xds_type.plural)
def test_every_type_of_resource_has_a_name(xds_type):
    message = message_class(xds_type.url.rpartition("/")[2])()
    assert name_of(message) == ""

    setattr(message, "cluster_name" if xds_type.plural == "endpoints" else "name", "a")
    assert name_of(message) == "a"


def test_other_messages_may_have_none():
    assert name_of(message_class("google.protobuf.Duration")()) is None
    assert name_of(message_class("envoy.config.route.v3.HeaderMatcher")(name="a")) == "a"
