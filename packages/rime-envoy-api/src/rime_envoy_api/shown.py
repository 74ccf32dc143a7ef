"""Bytes to what anybody may see: Envoy's JSON without keys, passwords and tokens.

Taken out is, wherever it stands, in an `Any` as well:

- what Envoy's API marks as sensitive, and all text below a field whose name sounds secret;
- all text in a Secret (names and paths of files stay);
- the value beside a key that sounds secret: in headers, maps and `google.protobuf.Struct`;
- in every other text what `redact_text` finds, such as PEM blocks; and bytes that are no text.

An `Any` that Envoy's v3 API does not know, or whose bytes are not of its type, cannot be looked into: it is told by its
type and size. A resource that is not known as a whole is refused.
"""

import math
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from rime_core.errors import SourceError
from rime_core.type_urls import SECRET
from rime_envoy_api.canonical import unpack
from rime_envoy_api.output import JsonObject
from rime_envoy_api.pool import AUTHORITY, Dynamic, class_of_type_url, option
from rime_envoy_api.redaction import REDACTED, redact_text, sounds_secret

WITHHELD: Final = "withheld"
"""The field that stands in place of what cannot be looked into, and says why."""

_GOOGLE: Final = "google.protobuf."
_SECRETS: Final = SECRET.removeprefix(AUTHORITY)
STRUCTS: Final = (f"{_GOOGLE}Struct", f"{_GOOGLE}Value", f"{_GOOGLE}ListValue")
_TEXTS: Final = (f"{_GOOGLE}Duration", f"{_GOOGLE}Timestamp", f"{_GOOGLE}FieldMask")

_LABELS: Final[dict[str, str]] = {
    "envoy.config.route.v3.HeaderMatcher": "name",
    "envoy.config.route.v3.QueryParameterMatcher": "name",
}
"""Message → its field that says what the others are about; "key" in all that are not listed."""

_NAMING: Final = frozenset(
    ("name", "filename", "environment_variable", "path", "cluster", "cluster_name", "cluster_names", "stat_prefix")
)
"""Fields whose text says where a secret is, and is none."""


def to_shown(type_url: str, body: bytes) -> JsonObject:
    """A resource as what `json.dumps` takes, "@type" first, without what is secret in it.

    What is taken out reads "[redacted]"; an `Any` that cannot be looked into is `{"@type": ..., "withheld": why}`.

    Raises:
        SourceError: Envoy's v3 API has no such message, or the body is not one; the text quotes nothing of it.
    """
    return {"@type": type_url, **_fields(decoded(type_url, body), secret=False)}


def decoded(type_url: str, body: bytes) -> Dynamic:
    """The message that a resource is.

    Raises:
        SourceError: as `to_shown`.
    """
    name = type_url.rpartition("/")[2]
    made = class_of_type_url(type_url)
    if made is None:
        raise SourceError(f"Envoy's v3 API has no message {name}")
    try:
        return made.FromString(body)
    except DecodeError:
        raise SourceError(f"the {len(body)} bytes are not those of a {name}") from None


class _Facts(NamedTuple):
    """What is looked up once for a field."""

    map_value: Dynamic
    """The field of a map's values; None where it is no map."""
    is_secret: bool
    names_one: bool


@cache
def facts_of(field: Dynamic) -> _Facts:
    """What is known of a field whatever it holds."""
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    marked = bool(option(field, "udpa.annotations.sensitive"))
    return _Facts(
        field.message_type.fields_by_name["value"] if is_map else None,
        marked or sounds_secret(field.name),
        field.name in _NAMING and not marked,
    )


def is_secret(full_name: str) -> bool:
    """Whether all text in a message called so is secret."""
    return full_name == _SECRETS


def label_of(full_name: str) -> str:
    """The field of a message that says what its others are about."""
    return _LABELS.get(full_name, "key")


def fields_of(message: Dynamic, *, secret: bool) -> Iterator[tuple[Dynamic, Any, bool]]:
    """Each field of a message that is set, what it holds, and whether all text in that is secret."""
    described = message.DESCRIPTOR
    secret = secret or is_secret(described.full_name)
    label = label_of(described.full_name)
    labelled = label in described.fields_by_name and sounds_secret(str(getattr(message, label)))
    for field, value in message.ListFields():
        yield field, value, secret or facts_of(field).is_secret or (labelled and field.name != label)


def key_sounds_secret(key: object) -> bool:
    """Whether what stands beside this key of a map is secret."""
    return sounds_secret(_key(key))


def _fields(message: Dynamic, *, secret: bool) -> JsonObject:
    """The fields of a message; `secret`: whatever text is in it is."""
    found: JsonObject = {}
    for field, value, hidden in fields_of(message, secret=secret):
        inside = facts_of(field).map_value
        if inside is not None:
            found[field.name] = {
                _key(key): _value(inside, value[key], secret=hidden or key_sounds_secret(key)) for key in sorted(value)
            }
        elif field.is_repeated:
            found[field.name] = [_value(field, each, secret=hidden) for each in value]
        else:
            found[field.name] = _value(field, value, secret=hidden)
    return found


def _key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _value(field: Dynamic, value: Any, *, secret: bool) -> Any:  # noqa: ANN401 - whatever JSON has for it
    if field.message_type is not None:
        return _message(value, secret=secret)
    match field.type:
        case field.TYPE_STRING | field.TYPE_BYTES:
            return text_of(field, value, secret=secret)
        case field.TYPE_ENUM:
            named = field.enum_type.values_by_number.get(value)
            return named.name if named is not None else value
        case field.TYPE_INT64 | field.TYPE_UINT64 | field.TYPE_SINT64 | field.TYPE_FIXED64 | field.TYPE_SFIXED64:
            return str(value)
        case field.TYPE_DOUBLE:
            return _number(value)
        case field.TYPE_FLOAT:
            return _number(_shortest(value))
        case _:
            return value


def text_of(field: Dynamic, value: str | bytes, *, secret: bool) -> str:
    """What may be seen of the text, or the bytes, in a field."""
    if secret and not facts_of(field).names_one:
        return REDACTED
    return _bytes(value) if isinstance(value, bytes) else redact_text(value)


def _message(message: Dynamic, *, secret: bool) -> Any:  # noqa: ANN401 - as above
    name = message.DESCRIPTOR.full_name
    if not name.startswith(_GOOGLE):
        return _fields(message, secret=secret)
    if name == f"{_GOOGLE}Any":
        return _any(message, secret=secret)
    if name in STRUCTS:
        return struct_of(message, secret=secret)
    if name in _TEXTS:
        return json_format.MessageToDict(message)
    if list(message.DESCRIPTOR.fields_by_name) == ["value"]:  # a wrapper, such as UInt32Value
        return _value(message.DESCRIPTOR.fields_by_name["value"], message.value, secret=secret)
    return _fields(message, secret=secret)


def why_withheld(packed: Dynamic) -> str:
    """Why what is in an `Any` is not told."""
    return f"{len(packed.value)} bytes that cannot be decoded"


def _any(packed: Dynamic, *, secret: bool) -> JsonObject:
    told: JsonObject = {"@type": redact_text(packed.type_url)}
    content = unpack(packed)
    if content is None:
        return {**told, WITHHELD: why_withheld(packed)}
    inside = _message(content, secret=secret)
    name = content.DESCRIPTOR.full_name
    return {**told, "value": inside} if name.startswith(_GOOGLE) and name != f"{_GOOGLE}Empty" else {**told, **inside}


def struct_of(message: Dynamic, *, secret: bool) -> Any:  # noqa: ANN401 - as above
    """What may be seen of one of `STRUCTS`, which hold any JSON."""
    return _struct(json_format.MessageToDict(message), secret=secret)


def _struct(value: Any, *, secret: bool) -> Any:  # noqa: ANN401 - whatever JSON has
    match value:
        case dict():
            named = sounds_secret(str(value.get("name", "")))
            return {
                key: _struct(each, secret=secret or sounds_secret(key) or (named and key == "value"))
                for key, each in value.items()
            }
        case list():
            return [_struct(each, secret=secret) for each in value]
        case str() | float() if secret:
            return REDACTED
        case str():
            return redact_text(value)
        case float():
            return _number(value)
        case _:
            return value


def _bytes(value: bytes) -> str:
    """Bytes as the text that they are; where they are none, nobody can say what they hold."""
    try:
        return redact_text(value.decode())
    except UnicodeDecodeError:
        return REDACTED


_WHOLE: Final = 1 << 53
"""Up to which a double tells whole numbers apart."""


def _number(value: float) -> float | int | str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return int(value) if value.is_integer() and abs(value) <= _WHOLE else value


def _shortest(value: float) -> float:
    """What a single-precision number was most likely written as: 0.1, not 0.10000000149011612."""
    if not math.isfinite(value):
        return value
    written = (float(f"{value:.{digits}g}") for digits in range(6, 10))
    return next((each for each in written if struct.unpack("f", struct.pack("f", each))[0] == value), value)
