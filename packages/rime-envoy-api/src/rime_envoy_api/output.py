"""Bytes back to what people read: Envoy's JSON, and YAML that reads back as the same."""

from collections import OrderedDict
from typing import Final, TypeAlias

import yaml
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from rime_core.errors import SourceError
from rime_envoy_api.pool import Dynamic, class_of_type_url, pool
from rime_envoy_api.tree import read_scalar

JsonObject: TypeAlias = dict[str, Dynamic]


def to_json(type_url: str, body: bytes) -> JsonObject:
    """A resource as what `json.dumps` takes: "@type" first, then its fields by the names they have in Envoy's API.

    Nothing is left out of it: private keys are in it too.

    Raises:
        SourceError: the body, or an `Any` in it, is not known to Envoy's v3 API or not of its type.
    """
    made = class_of_type_url(type_url)
    if made is None:
        raise SourceError(f"Envoy's v3 API has no message {type_url.rpartition('/')[2]}")
    try:
        return {"@type": type_url, **fields_of(made.FromString(body))}
    except DecodeError as error:
        raise SourceError(f"the body is not that of a {type_url.rpartition('/')[2]}") from error


def to_yaml(type_url: str, body: bytes) -> str:
    """The same as YAML, which `parse` and Envoy read as the same resource.

    Except for a number with a fraction, or beyond 32 bits, inside a `google.protobuf.Struct`: Envoy reads it from YAML
    as a text. From JSON it does not.

    Raises:
        SourceError: as `to_json`.
    """
    return dump_yaml(to_json(type_url, body))


def fields_of(message: Dynamic) -> JsonObject:
    """The fields of a message of this package's own pool, as JSON has them.

    Raises:
        SourceError: an `Any` in it is not known to Envoy's v3 API, or its bytes are not of its type.
    """
    try:
        found: JsonObject = json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool())
    except (TypeError, ValueError, DecodeError, json_format.Error) as error:
        raise SourceError(f"it cannot be shown: {error}") from error
    return found


def dump_yaml(value: JsonObject) -> str:
    """YAML in block style, keys in the order given, that Envoy reads as `value`."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


# Long texts (a URL, a regular expression) stay on one line.
_WIDTH: Final = 10_000


class _Dumper(yaml.SafeDumper):
    """Quotes what Envoy would not read as a text, and writes a text of several lines as such."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        style = "|"
    elif read_scalar(text) != text:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _number(dumper: _Dumper, number: float) -> yaml.ScalarNode:
    """A whole number without a fraction: protobuf's Struct has only fractional ones, and Envoy reads 5.0 as a text."""
    if number.is_integer() and isinstance(read_scalar(str(int(number))), int):
        return dumper.represent_int(int(number))
    return dumper.represent_float(number)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)
_Dumper.add_representer(OrderedDict, yaml.SafeDumper.represent_dict)  # what json_format makes of an Any
