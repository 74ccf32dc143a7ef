"""Envoy's messages in a pool of their own, which nothing else in the process can disturb."""

import gc
import subprocess
import sys

import pytest
from google.protobuf import descriptor_pool, text_format

from rime_core.type_urls import TYPES
from rime_envoy_api import message_class, parse
from rime_envoy_api.pool import class_of_type_url, class_with_entries, option, pool
from tests.rime_envoy_api.test_canonical import CORPUS

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


@pytest.mark.parametrize(
    "full_name",
    [
        *(xds_type.url.rpartition("/")[2] for xds_type in TYPES),
        HCM,
        "envoy.config.bootstrap.v3.Bootstrap",
        "envoy.service.discovery.v3.DeltaDiscoveryRequest",
        "envoy.service.status.v3.ClientStatusResponse",
        "envoy.service.load_stats.v3.LoadStatsRequest",
        "envoy.service.auth.v3.CheckRequest",
        "envoy.extensions.filters.http.wasm.v3.Wasm",
        "xds.type.v3.TypedStruct",
        "udpa.type.v1.TypedStruct",
        "xds.core.v3.ResourceLocator",
        "google.protobuf.Struct",
        "google.rpc.Status",
    ],
)
def test_the_whole_api_is_there(full_name):
    message = message_class(full_name)()

    assert message.DESCRIPTOR.full_name == full_name
    assert message_class(full_name) is type(message)


def test_what_is_not_there():
    with pytest.raises(KeyError):
        message_class("envoy.api.v2.Cluster")
    assert class_of_type_url("type.googleapis.com/envoy.api.v2.Cluster") is None
    assert class_of_type_url("") is None


def test_it_is_not_the_pool_of_everybody():
    described = message_class(HCM).DESCRIPTOR

    assert described.file.pool is pool()
    assert pool() is not descriptor_pool.Default()
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(HCM)


def test_options_of_fields_and_oneofs_are_read():
    cluster = message_class("envoy.config.cluster.v3.Cluster").DESCRIPTOR
    health_check = message_class("envoy.config.core.v3.HealthCheck").DESCRIPTOR

    assert option(cluster.fields_by_name["name"], "validate.rules").string.min_len == 1
    assert option(health_check.oneofs_by_name["health_checker"], "validate.required") is True


def test_threads_that_ask_first_at_once_get_one_pool():
    """`rime serve` parses files in a thread while the first client's request is decoded in another."""
    script = """
import threading
from rime_envoy_api.pool import message_class, pool

together = threading.Barrier(8)
found = []

def ask():
    together.wait()
    made = message_class("envoy.config.cluster.v3.Cluster")
    found.append((made, made.DESCRIPTOR.file.pool, pool()))

threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len({made for made, _, _ in found}), len({id(each) for _, *pools in found for each in pools}))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert told.split() == ["8", "1", "1"]


def test_xds_protos_is_needed_by_the_build_alone():
    script = "import sys, rime_envoy_api; rime_envoy_api.parse('resources: []', origin='a'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    tops = {name.partition(".")[0] for name in loaded}
    assert "google" in tops
    assert not tops & {"envoy", "xds", "udpa", "validate", "opentelemetry", "cel", "betterproto2", "envoy_data_plane"}


def test_no_field_is_ever_missing():
    """A private pool was once seen to print a message with a field missing; classes and pool are kept since, and this
    parses, prints and drops messages, with the collector at work, as often as one run can afford."""
    resources = [
        resource
        for path in CORPUS.glob("*.yaml")
        for resource in parse(path.read_text(), origin=path.name).resources
        if resource.name in ("https", "backend", "database")
    ]
    assert len(resources) == 3
    shown: dict[str, list[str]] = {}
    for round_number in range(60):
        for resource in resources:
            message = message_class(resource.type_url.rpartition("/")[2]).FromString(resource.body)
            text = sorted(text_format.MessageToString(message, descriptor_pool=pool()).splitlines())
            assert shown.setdefault(resource.name, text) == text
            assert message.SerializeToString(deterministic=True) == resource.body
            del message
        if round_number % 10 == 0:
            gc.collect()


def test_a_message_may_have_one_of_its_maps_read_as_entries():
    name = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
    made = message_class(name)(
        type_url="t", initial_resource_versions={"a": "1", "b": "2"}, node={"id": "me"}, error_detail={"message": "no"}
    )
    message = class_with_entries(name, "initial_resource_versions").FromString(made.SerializeToString())

    entry = message_class(f"{name}.InitialResourceVersionsEntry")
    read = [entry.FromString(each) for each in message.initial_resource_versions]
    assert sorted((each.key, each.value) for each in read) == [("a", "1"), ("b", "2")]
    assert (message.type_url, message.node.id, message.error_detail.message) == ("t", "me", "no")
    assert class_with_entries(name, "initial_resource_versions") is type(message)


def test_messages_of_equal_short_names_may_both_have_theirs():
    for api in ("xds.type.matcher.v3", "envoy.config.common.matcher.v3"):
        made = class_with_entries(f"{api}.Matcher.MatcherTree.MatchMap", "map")
        assert made(map=[b"entry"]).map == [b"entry"]


@pytest.mark.parametrize("field", ["name", "health_checks", "nothing"])
def test_what_is_no_map_has_no_entries(field):
    with pytest.raises(KeyError, match=field):
        class_with_entries("envoy.config.cluster.v3.Cluster", field)
