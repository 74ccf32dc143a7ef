"""A resource's bytes without what is secret in it say what is shown of it, and no more."""

import json

import pytest
from google.protobuf import any_pb2, struct_pb2

from rime_core import CLUSTER, LISTENER, SECRET, SourceError
from rime_envoy_api import message_class, to_redacted, to_shown
from rime_envoy_api.pool import AUTHORITY
from tests.planted import PLANTED, cluster, found_in, listener, secrets
from tests.rime_envoy_api.test_output import CORPUS
from tests.rime_envoy_api.test_redaction import sensitive_fields
from tests.rime_envoy_api.test_shown import KEY, packed

UNKNOWN_FIELD = b"\xfa\xff\xff\xff\x0f" + bytes([len(KEY)]) + KEY.encode()
"""One of the highest number that there may be, which nobody uses."""


@pytest.mark.parametrize("resource", CORPUS, ids=lambda resource: resource.name)
def test_it_shows_what_is_shown_of_the_resource(resource):
    redacted = to_redacted(resource.type_url, resource.body)
    shown = to_shown(resource.type_url, resource.body)

    assert to_shown(resource.type_url, redacted) == shown
    if "[redacted]" not in json.dumps(shown):
        assert redacted == resource.body


@pytest.mark.parametrize("message", [*secrets(), cluster(), listener()], ids=lambda message: message.name)
def test_no_planted_key_is_in_it(message):
    type_url = AUTHORITY + message.DESCRIPTOR.full_name
    body = message.SerializeToString()
    redacted = to_redacted(type_url, body)

    assert found_in(body.decode("latin-1"))
    assert found_in(redacted.decode("latin-1")) == []
    assert b"[redacted]" in redacted
    shown = to_shown(type_url, body)
    if "withheld" not in json.dumps(shown):
        assert to_shown(type_url, redacted) == shown


def test_every_field_that_envoys_api_calls_sensitive():
    for name, field in sensitive_fields():
        message = message_class(name)()
        value = KEY if field.type == field.TYPE_STRING else KEY.encode()
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
        redacted = to_redacted(AUTHORITY + name, message.SerializeToString())
        assert KEY.encode() not in redacted
        assert b"[redacted]" in redacted


@pytest.mark.parametrize("depth", [0, 1])
def test_a_field_that_nobody_knows_is_dropped(depth):
    made = message_class("envoy.config.cluster.v3.Cluster")(name="c")
    body = made.SerializeToString() + UNKNOWN_FIELD
    if depth:
        body = packed(CLUSTER, body)
        assert KEY.encode() in body
        assert b"c" in to_redacted(LISTENER, body)
        assert KEY.encode() not in to_redacted(LISTENER, body)
    else:
        assert to_redacted(CLUSTER, body) == made.SerializeToString()


@pytest.mark.parametrize(
    ("type_url", "value"), [("type.googleapis.com/acme.Secret", KEY.encode()), (SECRET, KEY.encode() + b"\xff")]
)
def test_an_any_that_cannot_be_looked_into_says_so(type_url, value):
    redacted = to_redacted(LISTENER, packed(type_url, value))
    (chain,) = message_class("envoy.config.listener.v3.Listener").FromString(redacted).filter_chains
    config = chain.filters[0].typed_config

    assert config.type_url == f"{AUTHORITY}google.protobuf.Struct"
    assert dict(struct_pb2.Struct.FromString(config.value)) == {
        "@type": type_url,
        "withheld": f"{len(value)} bytes that cannot be decoded",
    }


def test_an_any_in_an_any_is_looked_into():
    secret = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")(name="front")
    secret.generic_secret.secret.inline_bytes = PLANTED.encode()
    inner = any_pb2.Any(type_url=SECRET, value=secret.SerializeToString())
    body = packed(f"{AUTHORITY}google.protobuf.Any", inner.SerializeToString())

    assert found_in(to_redacted(LISTENER, body).decode("latin-1")) == []
    assert to_shown(LISTENER, to_redacted(LISTENER, body)) == to_shown(LISTENER, body)


def test_texts_in_maps_lists_and_wrappers():
    made = message_class("envoy.config.bootstrap.v3.Bootstrap")()
    made.node.metadata.update({"list": [{"api_key": KEY}, 1.5, None, True]})
    made.header_prefix = f"Bearer {KEY}"
    made.stats_config.stats_tags.add(tag_name="t", fixed_value=f"https://u:{KEY}@h")
    made.node.client_features.extend([f"token={KEY}", "plain"])
    type_url = f"{AUTHORITY}envoy.config.bootstrap.v3.Bootstrap"
    body = made.SerializeToString()

    redacted = to_redacted(type_url, body)
    assert KEY.encode() not in redacted
    assert b"plain" in redacted
    assert to_shown(type_url, redacted) == to_shown(type_url, body)


def test_what_is_not_known_as_a_whole_is_refused_and_not_quoted():
    for type_url, body in ((f"{AUTHORITY}acme.v1.Key", KEY.encode()), (CLUSTER, KEY.encode() + b"\xff")):
        with pytest.raises(SourceError) as error:
            to_redacted(type_url, body)
        assert KEY not in str(error.value)
