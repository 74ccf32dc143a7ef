"""Whatever shape a secret has in a text of Envoy's, it is not in what comes out."""

import json

import pytest
from google.protobuf import json_format, text_format
from hypothesis import given
from hypothesis import strategies as st

from rime_envoy_api import message_class, redact_text
from rime_envoy_api.pool import option, pool
from tests.rime_envoy_api.test_rules import all_messages

KEY = "hush-hush"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"


def dumps(message):
    """The forms in which Envoy prints a message into an error."""
    yield text_format.MessageToString(message, descriptor_pool=pool())
    yield text_format.MessageToString(message, descriptor_pool=pool(), as_one_line=True)
    for snake_case in (True, False):
        shown = json_format.MessageToDict(message, preserving_proto_field_name=snake_case, descriptor_pool=pool())
        yield json.dumps(shown)
        yield json.dumps(shown, indent=2)
        yield json.dumps(json.dumps(shown))


def secret(text):
    made = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")(name="front")
    made.tls_certificate.certificate_chain.inline_string = (
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    )
    made.tls_certificate.private_key.inline_string = text
    made.tls_certificate.password.inline_bytes = text.encode()
    return made


@pytest.mark.parametrize(
    "text", [PEM, KEY, 'with "quotes" and \\ hush-hush', "hush-hush, {braces} 'single'\nhush-hush"]
)
def test_a_rejected_secret_is_named_but_not_told(text):
    message = secret(text)
    for dumped in dumps(message):
        for framed in (
            dumped,
            f"Error adding/updating secret(s) front: {dumped} : invalid",
            dumped[: len(dumped) - 15],
        ):
            redacted = redact_text(framed)
            assert not any(part in redacted for part in ("hush", "MIIE", "hkiG9w0", "aHVzaC1odXNo"))
            assert "front" in redacted
            assert "[redacted]" in redacted


def sensitive_fields():
    for name in all_messages():
        for field in message_class(name).DESCRIPTOR.fields:
            if field.type in (field.TYPE_STRING, field.TYPE_BYTES) and option(field, "udpa.annotations.sensitive"):
                yield name, field


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
        for dumped in dumps(message):
            redacted = redact_text(dumped)
            assert KEY not in redacted, (name, field.name)
            assert "aHVzaC1odXNo" not in redacted, (name, field.name)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abcdef.ghij", "Authorization: [redacted] [redacted]"),
        ('header {key: "x" value: "Basic dXNlcjpwYXNz"}', 'header {key: "x" value: "Basic [redacted]"}'),
        ("token eyJhbGciOi.eyJzdWIi.c2ln was refused", "token [redacted] was refused"),
        ("password=hush&user=me", "password=[redacted]"),
        ("access_token: 'hush'", "access_token: [redacted]"),
        ('"apiKey": "hush", "a": 1', '"apiKey": [redacted], "a": 1'),
        ("cannot reach redis://user:hush@cache:6379", "cannot reach redis://[redacted]@cache:6379"),
        ("at https://hush@shop.example/a", "at https://[redacted]@shop.example/a"),
        ("at redis://user:hu/sh@cache", "at redis://[redacted]@cache"),
        ("pwd: hush", "pwd: [redacted]"),
        ("db_pwd=hush", "db_pwd=[redacted]"),
        ("auth: hush", "auth: [redacted]"),
        ("signing_key: hush", "signing_key: [redacted]"),
        ("salt: hush", "salt: [redacted]"),
        ("at ghp_abcdefghijklmnopqrstuvwxyz", "at [redacted]"),
        ("at AKIAIOSFODNN7EXAMPLE", "at [redacted]"),
        ("at https://a/b?sig=hush&a=1", "at https://a/b?sig=[redacted]&a=1"),
        ("no END: -----BEGIN RSA PRIVATE KEY-----\nhush", "no END: [redacted]"),
        ("rest of a key: MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ", "rest of a key: [redacted]"),
    ],
)
def test_what_sounds_secret(text, redacted):
    assert redact_text(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "Error adding/updating cluster(s) backend: cannot create an EDS cluster without an EDS config",
        "duplicate address 127.0.0.1:8080 for listener outbound-8080-my-very-long-service-name-production-cluster-name",
        "no such field: 'conect_timeout' in envoy.config.cluster.v3.Cluster",
        "Didn't find an implementation for 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'",
        'name: "a" connect_timeout { seconds: 5 }',
        "author: me, authority: here, authorized: yes, basalt: grey, basic_auth: on",
        "tls_certificate.private_key: wants a mapping, not text of 16 characters",
        "private_key: is required",
        "no answer from http://cache:6379/a and mail@example.com",
        "",
    ],
)
def test_what_is_not_secret_stays(text):
    assert redact_text(text) == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8))
def test_no_text_of_a_key_gets_through(key):
    for dumped in dumps(secret(f"<{key}>")):
        redacted = redact_text(dumped)
        assert json.dumps(f"<{key}>")[1:-1] not in redacted
        assert f"<{key}>" not in redacted


def test_a_long_text_does_not_take_long():
    for text in (
        '"password": ' * 20_000,
        "-----BEGIN " * 20_000,
        "A1b" * 50_000,
        'token: "' + "\\" * 100_000,
        "a" * 300_000,
    ):
        redact_text(text)
    for word in (
        "a",
        "token",
        "Basic ",
        "eyJ",
        "eyJa.",
        "\\",
        '"',
        "token:",
        "token ",
        "-----BEGIN",
        "://",
        "://a",
        "://a:",
    ):
        redact_text(word * 100_000)
