"""What is shown of a resource is what it says, less what is secret in it, wherever that stands."""

import json

import pytest
from google.protobuf import any_pb2, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER, LISTENER, ROUTE, SECRET, SourceError
from rime_envoy_api import message_class, to_json, to_shown
from rime_envoy_api.convert import convert
from rime_envoy_api.pool import AUTHORITY
from rime_envoy_api.tree import read_yaml
from tests.rime_envoy_api.test_output import CORPUS
from tests.rime_envoy_api.test_redaction import sensitive_fields

KEY = "hush-hush"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n"
CORE = f"{AUTHORITY}envoy.config.core.v3."


def shown(text, full_name):
    (node,) = read_yaml(text)
    message, faults = convert(node, full_name)
    assert faults == []
    return to_shown(AUTHORITY + full_name, message.SerializeToString())


@pytest.mark.parametrize("resource", CORPUS, ids=lambda resource: resource.name)
def test_what_has_no_secret_is_shown_whole(resource):
    expected = to_json(resource.type_url, resource.body)
    found = to_shown(resource.type_url, resource.body)

    if "[redacted]" not in json.dumps(found):
        assert found == expected
    assert found.keys() == expected.keys()


def test_hardly_anything_of_the_corpus_is_taken_out():
    told = [json.dumps(to_shown(each.type_url, each.body)) for each in CORPUS]

    assert len(told) > 5
    assert sum("[redacted]" in each for each in told) <= len(told) // 3


def test_a_secret_is_its_name_and_where_it_comes_from():
    found = shown(
        "{name: front, tls_certificate: {certificate_chain: {inline_string: public?},"
        " private_key: {inline_bytes: aHVzaA==}, password: {filename: /etc/password}}}",
        "envoy.extensions.transport_sockets.tls.v3.Secret",
    )

    assert found == {
        "@type": SECRET,
        "name": "front",
        "tls_certificate": {
            "certificate_chain": {"inline_string": "[redacted]"},
            "private_key": {"inline_bytes": "[redacted]"},
            "password": {"filename": "/etc/password"},
        },
    }


def test_every_field_that_envoys_api_calls_sensitive():
    found = list(sensitive_fields())

    assert found
    for name, field in found:
        message = message_class(name)()
        value = KEY if field.type == field.TYPE_STRING else KEY.encode()
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
        assert to_shown(AUTHORITY + name, message.SerializeToString())[field.name] in ("[redacted]", ["[redacted]"])


@pytest.mark.parametrize(
    ("full_name", "text"),
    [
        ("envoy.config.core.v3.HeaderValue", f"{{key: Authorization, value: {KEY}}}"),
        ("envoy.config.core.v3.HeaderValueOption", f"{{header: {{key: x-api-key, value: {KEY}}}}}"),
        ("envoy.config.route.v3.HeaderMatcher", f"{{name: cookie, string_match: {{exact: {KEY}}}}}"),
        ("envoy.config.core.v3.Metadata", f"{{filter_metadata: {{any: {{deep: [{{password: {KEY}}}]}}}}}}"),
        ("envoy.config.core.v3.Metadata", f"{{filter_metadata: {{client_secret: {{a: [{KEY}]}}}}}}"),
        ("envoy.config.core.v3.DataSource", json.dumps({"inline_string": f"redis://user:{KEY}@cache:6379"})),
        ("envoy.config.core.v3.DataSource", json.dumps({"inline_string": PEM.replace("MIIE", KEY)})),
        (
            "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
            f"{{stat_prefix: a, settings: {{op_timeout: 1s}}, downstream_auth_password: {{inline_string: {KEY}}}}}",
        ),
    ],
)
def test_secrets_by_what_they_are_called_and_what_they_look_like(full_name, text):
    told = json.dumps(shown(text, full_name))

    assert "[redacted]" in told
    assert KEY not in told


def test_what_only_sounds_secret_is_not_taken_out():
    assert shown("{token_bucket: {max_tokens: 5, fill_interval: 1s}}", LOCAL_RATE_LIMIT)["token_bucket"] == {
        "max_tokens": 5,
        "fill_interval": "1s",
    }
    found = shown(
        "{name: token-service, transport_socket_matches: [], metadata: {filter_metadata: {shop: {team: a, size: 2}}}}",
        "envoy.config.cluster.v3.Cluster",
    )
    assert found["name"] == "token-service"
    assert found["metadata"] == {"filter_metadata": {"shop": {"team": "a", "size": 2}}}


LOCAL_RATE_LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"


def packed(type_url, value):
    made = message_class("envoy.config.listener.v3.Listener")(name="web")
    chain = made.filter_chains.add()
    entry = chain.filters.add(name="filter")
    entry.typed_config.type_url, entry.typed_config.value = type_url, value
    return made.SerializeToString()


def typed_config(body):
    return to_shown(LISTENER, body)["filter_chains"][0]["filters"][0]["typed_config"]


def test_a_secret_inside_an_any_is_taken_out():
    secret = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")(name="front")
    secret.generic_secret.secret.inline_string = KEY
    inner = any_pb2.Any(type_url=SECRET, value=secret.SerializeToString())

    found = typed_config(packed(f"{AUTHORITY}google.protobuf.Any", inner.SerializeToString()))

    assert found == {
        "@type": f"{AUTHORITY}google.protobuf.Any",
        "value": {"@type": SECRET, "name": "front", "generic_secret": {"secret": {"inline_string": "[redacted]"}}},
    }


@pytest.mark.parametrize(
    ("type_url", "value"), [("type.googleapis.com/acme.Secret", KEY.encode()), (SECRET, KEY.encode() + b"\xff")]
)
def test_an_any_that_cannot_be_looked_into_is_its_type_and_its_size(type_url, value):
    assert typed_config(packed(type_url, value)) == {
        "@type": type_url,
        "withheld": f"{len(value)} bytes that cannot be decoded",
    }


def test_what_is_not_known_as_a_whole_is_refused_and_not_quoted():
    for type_url, body in ((f"{AUTHORITY}acme.v1.Key", KEY.encode()), (CLUSTER, KEY.encode() + b"\xff")):
        with pytest.raises(SourceError) as error:
            to_shown(type_url, body)
        assert KEY not in str(error.value)


def test_numbers_are_as_envoy_writes_them():
    struct = struct_pb2.Struct()
    struct.update({"whole": 5, "part": 0.1})

    found = typed_config(packed(f"{AUTHORITY}google.protobuf.Struct", struct.SerializeToString()))
    assert found["value"] == {"whole": 5, "part": 0.1}
    weighted = message_class("envoy.config.route.v3.RouteConfiguration")(name="r")
    fraction = weighted.virtual_hosts.add().routes.add().match.runtime_fraction.default_value
    fraction.numerator, fraction.denominator = 3, 1
    match = to_shown(ROUTE, weighted.SerializeToString())["virtual_hosts"][0]["routes"][0]["match"]
    assert match["runtime_fraction"]["default_value"] == {"numerator": 3, "denominator": "TEN_THOUSAND"}


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8))
def test_no_text_of_a_key_gets_through(key):
    made = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")(name="front")
    made.session_ticket_keys.keys.add().inline_string = f"<{key}>"
    made.tls_certificate.private_key.inline_bytes = f"<{key}>".encode()

    assert json.dumps(f"<{key}>")[1:-1] not in json.dumps(to_shown(SECRET, made.SerializeToString()))


def test_the_value_beside_a_name_that_sounds_secret_in_metadata():
    made = message_class("envoy.config.bootstrap.v3.Bootstrap")()
    made.node.metadata.update({"env": [{"name": "DB_PASSWORD", "value": KEY}, {"name": "MODE", "value": "fast"}]})
    shown = to_shown(f"{AUTHORITY}envoy.config.bootstrap.v3.Bootstrap", made.SerializeToString())
    assert shown["node"]["metadata"]["env"] == [
        {"name": "DB_PASSWORD", "value": "[redacted]"},
        {"name": "MODE", "value": "fast"},
    ]
