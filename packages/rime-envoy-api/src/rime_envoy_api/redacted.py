"""A resource's bytes as anybody may see them: a message of the same type, without keys, passwords and tokens.

What is taken out is what `rime_envoy_api.shown` takes out, by the same rules; "[redacted]" stands in its place, and in
place of an `Any` that cannot be looked into a `google.protobuf.Struct` that says so. What stands in fields that Envoy's
v3 API does not know is dropped: nobody can say what it is.
"""

from typing import Any, Final

from google.protobuf import json_format

from rime_envoy_api.canonical import unpack
from rime_envoy_api.pool import AUTHORITY, Dynamic, message_class
from rime_envoy_api.redaction import redact_text
from rime_envoy_api.shown import (
    STRUCTS,
    WITHHELD,
    decoded,
    facts_of,
    fields_of,
    key_sounds_secret,
    struct_of,
    text_of,
    why_withheld,
)

_ANY: Final = "google.protobuf.Any"
_STRUCT: Final = "google.protobuf.Struct"


def to_redacted(type_url: str, body: bytes) -> bytes:
    """A resource's body without what is secret in it.

    Raises:
        SourceError: Envoy's v3 API has no such message, or the body is not one; the text quotes nothing of it.
    """
    message = decoded(type_url, body)
    _redact(message, secret=False)
    return _bytes_of(message)


def _bytes_of(message: Dynamic) -> bytes:
    message.DiscardUnknownFields()
    data: bytes = message.SerializePartialToString(deterministic=True)
    return data


def _redact(message: Dynamic, *, secret: bool) -> None:
    """Take what is secret out of a message, in place; `secret`: whatever text is in it is."""
    name = message.DESCRIPTOR.full_name
    if name == _ANY:
        _redact_any(message, secret=secret)
    elif name in STRUCTS:
        told = struct_of(message, secret=secret)
        message.Clear()
        json_format.ParseDict(told, message)
    else:
        for field, value, hidden in list(fields_of(message, secret=secret)):
            _redact_field(message, field, value, secret=hidden)


def _redact_field(message: Dynamic, field: Dynamic, value: Any, *, secret: bool) -> None:  # noqa: ANN401 - of any type
    inside = facts_of(field).map_value
    if inside is not None:
        for key in list(value):
            hidden = secret or key_sounds_secret(key)
            if inside.message_type is not None:
                _redact(value[key], secret=hidden)
            else:
                value[key] = _scalar(inside, value[key], secret=hidden)
    elif field.message_type is not None:
        for each in value if field.is_repeated else (value,):
            _redact(each, secret=secret)
    elif field.is_repeated:
        value[:] = [_scalar(field, each, secret=secret) for each in value]
    else:
        setattr(message, field.name, _scalar(field, value, secret=secret))


def _scalar(field: Dynamic, value: Any, *, secret: bool) -> Any:  # noqa: ANN401 - as above
    match value:
        case str():
            return text_of(field, value, secret=secret)
        case bytes():
            return text_of(field, value, secret=secret).encode()
        case _:
            return value


def _redact_any(packed: Dynamic, *, secret: bool) -> None:
    content = unpack(packed)
    if content is not None:
        _redact(content, secret=secret)
    else:
        content = message_class(_STRUCT)()
        json_format.ParseDict({"@type": redact_text(packed.type_url), WITHHELD: why_withheld(packed)}, content)
        packed.type_url = AUTHORITY + _STRUCT
    packed.value = _bytes_of(content)
