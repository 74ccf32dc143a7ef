"""A tree of values as a message of Envoy's API, with every fault of it, each at its line and path.

What Envoy accepts is accepted: field names as in the .proto file or in lowerCamelCase, null for "not given", one value
where a list of them belongs, `{seconds: 5}` for a duration and `{value: 5}` for a wrapped number.

A message is made from the innermost `Any` outwards: what goes into one is complete, and serialized deterministically,
before what holds it. So what comes out has one serialized form, whatever the order of keys and in every process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Final, TypeAlias

from rime_envoy_api import scalars
from rime_envoy_api.pool import Dynamic, class_of_type_url, message_class
from rime_envoy_api.redaction import sounds_secret
from rime_envoy_api.rules import Path
from rime_envoy_api.shown import facts_of, is_secret, label_of
from rime_envoy_api.tree import Node


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field, and where: `path` leads to it from the message."""

    path: Path
    line: int
    message: str


def convert(node: Node, full_name: str) -> tuple[Dynamic, list[FieldFault]]:
    """The message called `full_name` that `node` describes, and what is wrong with it.

    With faults, the message holds what could be read.

    Raises:
        KeyError: Envoy's API has no such message.
    """
    converter = _Converter()
    message = message_class(full_name)()
    converter.message(message, node)
    return message, converter.faults


def locate(node: Node, path: Path) -> int:
    """The line of what `path` leads to in the message that `node` describes, or of the nearest that is there."""
    for step in path:
        if isinstance(node.value, list) and isinstance(step, int):
            node = node.value[step] if step < len(node.value) else node
        elif isinstance(node.value, dict) and isinstance(step, str):
            node = node.value.get(step) or node.value.get(_camel_case(step)) or node
    return node.line


@dataclass(frozen=True, slots=True)
class _Field:
    """What the converter has to know of a field, looked up once per type."""

    name: str
    repeated: bool
    read: scalars.Reader | None  # None for a message
    accepts_null: bool
    oneof: str | None
    key: scalars.Reader | None  # of a map
    secret: bool


@cache
def _fields(full_name: str) -> dict[str, _Field]:
    """The fields of a message, by every name that a file may give them."""
    found: dict[str, _Field] = {}
    for descriptor in message_class(full_name).DESCRIPTOR.fields:
        field = _describe(descriptor)
        found[descriptor.json_name] = found[descriptor.name] = field
    return found


def _describe(descriptor: Dynamic) -> _Field:
    entry = descriptor.message_type
    is_map = entry is not None and entry.GetOptions().map_entry
    content = entry.fields_by_name["value"] if is_map else descriptor
    of_message = content.message_type
    oneof = descriptor.containing_oneof
    return _Field(
        name=descriptor.name,
        repeated=descriptor.is_repeated,
        read=None if of_message else scalars.reader_of(content),
        accepts_null=(of_message or content.enum_type or content.containing_type).full_name in _NULLABLE,
        oneof=oneof.name if oneof else None,
        key=scalars.reader_of(entry.fields_by_name["key"]) if is_map else None,
        secret=facts_of(descriptor).is_secret,
    )


class _Converter:
    def __init__(self) -> None:
        self.faults: list[FieldFault] = []
        self._path: list[str | int] = []
        self._secret = False

    def _fault(self, node: Node, message: str, *further: str) -> None:
        self.faults.append(FieldFault((*self._path, *further), node.line, message))

    def _unfit(self, node: Node, error: scalars.UnfitError) -> None:
        secret = self._secret or any(isinstance(step, str) and sounds_secret(step) for step in self._path)
        self._fault(node, error.unquoted if secret else str(error))

    def message(self, message: Dynamic, node: Node) -> None:
        """Fill `message` with what `node` says."""
        full_name = message.DESCRIPTOR.full_name
        outside, self._secret = self._secret, self._secret or is_secret(full_name)
        self._fill(message, node, full_name)
        self._secret = outside

    def _fill(self, message: Dynamic, node: Node, full_name: str) -> None:
        special = _SPECIAL.get(full_name)
        try:
            if special is not None and (not isinstance(node.value, dict) or full_name in _MAPPING_FORMS):
                special(self, message, node)
            else:
                self._entries(message, _mapping(node))
        except scalars.UnfitError as error:
            self._unfit(node, error)

    def _entries(self, message: Dynamic, entries: dict[str, Node]) -> None:
        full_name = message.DESCRIPTOR.full_name
        fields = _fields(full_name)
        secret = self._secret or is_secret(full_name) or _is_labelled_secret(full_name, entries)
        given: dict[str, str] = {}
        for key, value in entries.items():
            field = fields.get(key)
            if field is None:
                self._fault(value, unknown_field(full_name, key), key)
                continue
            if value.value is None and not field.accepts_null:
                continue
            before = given.setdefault(field.oneof or field.name, key)
            if before is not key:
                self._fault(value, f"is given together with `{before}`: only one of the two can be", key)
                continue
            self._path.append(field.name)
            outside, self._secret = self._secret, secret or field.secret
            try:
                self._field(message, field, value)
            except scalars.UnfitError as error:
                self._unfit(value, error)
            self._secret = outside
            self._path.pop()

    def _field(self, message: Dynamic, field: _Field, node: Node) -> None:
        if field.key is not None:
            self._map(getattr(message, field.name), field, node)
        elif field.repeated:
            self._list(getattr(message, field.name), field, node)
        elif field.read is not None:
            setattr(message, field.name, field.read(node.value))
        else:
            part = getattr(message, field.name)
            part.SetInParent()
            self.message(part, node)

    def _list(self, items: Dynamic, field: _Field, node: Node) -> None:
        nodes = node.value if isinstance(node.value, list) else [node]
        for place, item in enumerate(nodes):
            if item.value is None and not field.accepts_null:
                continue
            self._path.append(place)
            try:
                if field.read is None:
                    self.message(items.add(), item)
                else:
                    items.append(field.read(item.value))
            except scalars.UnfitError as error:
                self._unfit(item, error)
            self._path.pop()

    def _map(self, entries: Dynamic, field: _Field, node: Node) -> None:
        assert field.key is not None  # noqa: S101 - for the type checker: only a map comes here
        for key, value in _mapping(node).items():
            self._path.append(key)
            try:
                read_key = field.key(key)
                if field.read is not None:
                    entries[read_key] = field.read(value.value)
                elif value.value is None and not field.accepts_null:
                    entries.get_or_create(read_key)
                else:
                    self.message(entries.get_or_create(read_key), value)
            except scalars.UnfitError as error:
                self._unfit(value, error)
            self._path.pop()

    def any(self, message: Dynamic, node: Node) -> None:
        """Pack what `node` says, as the type that its "@type" names."""
        entries = dict(_mapping(node))
        if not entries:
            return
        given = entries.pop("@type", None)
        if given is None:
            raise scalars.UnfitError('wants an "@type" that says which message this is')
        type_url = scalars.read_text(given.value)
        made = class_of_type_url(type_url)
        if made is None or "/" not in type_url:
            raise scalars.UnfitError(unknown_type(type_url))
        content = made()
        if content.DESCRIPTOR.full_name not in _SPECIAL:
            self._entries(content, entries)
        elif entries.keys() <= {"value"}:
            self.message(content, entries.get("value", Node({}, node.line)))
        else:
            raise scalars.UnfitError(f'wants only "@type" and "value" for a {content.DESCRIPTOR.full_name}')
        message.type_url = type_url
        message.value = content.SerializePartialToString(deterministic=True)

    def duration(self, message: Dynamic, node: Node) -> None:
        message.seconds, message.nanos = scalars.read_duration(node.value)

    def timestamp(self, message: Dynamic, node: Node) -> None:
        message.seconds, message.nanos = scalars.read_timestamp(node.value)

    def wrapper(self, message: Dynamic, node: Node) -> None:
        read = _fields(message.DESCRIPTOR.full_name)["value"].read
        assert read is not None  # noqa: S101 - for the type checker: a wrapper holds a single value
        message.value = read(node.value)

    def field_mask(self, message: Dynamic, node: Node) -> None:
        paths = scalars.read_text(node.value)
        message.paths.extend(_snake_case(path) for path in paths.split(",") if path)

    def struct(self, message: Dynamic, node: Node) -> None:
        for key, value in _mapping(node).items():
            self.value(message.fields[key], value)

    def list_value(self, message: Dynamic, node: Node) -> None:
        if not isinstance(node.value, list):
            raise scalars.unfit("wants a list, not", node.value)
        for item in node.value:
            self.value(message.values.add(), item)

    def value(self, message: Dynamic, node: Node) -> None:
        match node.value:
            case None:
                message.null_value = 0
            case bool():
                message.bool_value = node.value
            case int() | float():
                message.number_value = node.value
            case str():
                message.string_value = node.value
            case list():
                message.list_value.SetInParent()
                self.list_value(message.list_value, node)
            case _:
                message.struct_value.SetInParent()
                self.struct(message.struct_value, node)


_WRAPPERS: Final = tuple(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_Special: TypeAlias = Callable[[_Converter, Dynamic, Node], None]
# The messages that have a form of their own in JSON.
_SPECIAL: Final[dict[str, _Special]] = {
    "google.protobuf.Any": _Converter.any,
    "google.protobuf.Duration": _Converter.duration,
    "google.protobuf.Timestamp": _Converter.timestamp,
    "google.protobuf.FieldMask": _Converter.field_mask,
    "google.protobuf.Struct": _Converter.struct,
    "google.protobuf.ListValue": _Converter.list_value,
    "google.protobuf.Value": _Converter.value,
    **dict.fromkeys(_WRAPPERS, _Converter.wrapper),
}
# Those whose own form is a mapping; for the others a mapping is read field by field, as Envoy does.
_MAPPING_FORMS: Final = frozenset(("google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value"))
_NULLABLE: Final = frozenset(("google.protobuf.Value", "google.protobuf.NullValue"))


def unknown_type(type_url: str) -> str:
    """Why a type URL stands for nothing."""
    if "/" not in type_url:
        return f"{type_url!r} is no type URL: write type.googleapis.com/{type_url}"
    return f"Envoy's v3 API has no message {type_url.rpartition('/')[2]!r}"


def _is_labelled_secret(full_name: str, entries: dict[str, Node]) -> bool:
    label = entries.get(label_of(full_name))
    return label is not None and isinstance(label.value, str) and sounds_secret(label.value)


def _mapping(node: Node) -> dict[str, Node]:
    if isinstance(node.value, dict):
        return node.value
    raise scalars.unfit("wants a mapping, not", node.value)


def field_names(full_name: str) -> frozenset[str]:
    """Every name that a file may give the fields of a message."""
    return frozenset(_fields(full_name))


def unknown_field(full_name: str, key: str) -> str:
    """Why `key` is no field of a message, with the one that was probably meant."""
    message = full_name.rpartition(".")[2]
    if key == "<<":
        return "Envoy does not read merge keys: repeat the fields, or use a plain alias"
    names = sorted({field.name for field in _fields(full_name).values()})
    near = get_close_matches(_snake_case(key), names, n=1)
    return f"{message} has no such field" + (f": did you mean `{near[0]}`?" if near else "")


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
