"""What Envoy demands of each field: that it is given, and which values it may have.

The rules stand in Envoy's .proto files as options (`validate.rules`, of protoc-gen-validate), and Envoy refuses a
resource that breaks one, often with the whole response it came in. They are read from the descriptors, a type's once.
A rule that `_TESTS` does not have raises, so that a newer API cannot bring one that is silently left out.

As in protoc-gen-validate, a field without presence is tested even when it isn't given (that is how a name is required),
and any other only when it is. Unlike there, what an `Any` holds is tested too: Envoy does so when it uses it.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from google.protobuf.message import Message

from rime_envoy_api.canonical import unpack
from rime_envoy_api.pool import Dynamic, class_of_type_url, message_class, option

Path: TypeAlias = tuple[str | int, ...]
Violations: TypeAlias = Iterator[tuple[Path, str]]
Test: TypeAlias = Callable[[Dynamic], str | None]  # what is wrong with a value, or None
_Holds: TypeAlias = Callable[[Dynamic, Dynamic], bool]  # whether a value keeps within a bound


def violations(message: Dynamic, path: Path = ()) -> Violations:
    """What `message`, made from this package's own pool, breaks: the path to the field, and what is wrong with it."""
    plan = _plan(message.DESCRIPTOR.full_name)
    for oneof, names in plan.oneofs:
        if message.WhichOneof(oneof) is None:
            yield path, f"one of {names} is required"
    for name in plan.required:
        if not message.HasField(name):
            yield (*path, name), "is required"
    for field in plan.fields:
        if not field.has_presence or message.HasField(field.name):
            yield from field.violations(getattr(message, field.name), (*path, field.name))


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that has something to be tested, in itself or in what it holds."""

    name: str
    has_presence: bool
    repeated: bool
    is_map: bool
    whole: tuple[Test, ...]  # of the list or the map
    keys: tuple[Test, ...]
    values: tuple[Test, ...]  # of a single value, or of each that a list or a map holds
    into: Callable[[Dynamic, Path], Violations] | None  # what each value holds in turn

    def violations(self, given: Dynamic, path: Path) -> Violations:
        for test in self.whole:
            if (wrong := test(given)) is not None:
                yield path, wrong
        if self.is_map:
            for key, value in given.items():
                for test in self.keys:
                    if (wrong := test(key)) is not None:
                        yield (*path, str(key)), f"its key {wrong}"
                yield from self._one(value, (*path, str(key)))
        elif self.repeated:
            for place, value in enumerate(given):
                yield from self._one(value, (*path, place))
        else:
            yield from self._one(given, path)

    def _one(self, value: Dynamic, path: Path) -> Violations:
        for test in self.values:
            if (wrong := test(value)) is not None:
                yield path, wrong
        if self.into is not None:
            yield from self.into(value, path)


@dataclass(frozen=True, slots=True)
class _Plan:
    oneofs: tuple[tuple[str, str], ...]  # those of which one field must be given, with the fields' names for people
    required: tuple[str, ...]
    fields: tuple[_Field, ...]


@cache
def _plan(full_name: str) -> _Plan:
    described: Dynamic = message_class(full_name).DESCRIPTOR
    required: list[str] = []
    fields: list[_Field] = []
    for field in described.fields:
        rules = option(field, "validate.rules")
        kind = rules.WhichOneof("type")
        if rules.message.required or (kind in _REQUIRABLE and getattr(rules, kind).required):
            # In a oneof the rule speaks only when the field is the one given.
            required += [field.name] if field.containing_oneof is None else []
        planned = _plan_field(field, rules)
        if planned.whole or planned.keys or planned.values or planned.into is not None:
            fields.append(planned)
    oneofs = tuple(
        (oneof.name, ", ".join(f"`{field.name}`" for field in oneof.fields))
        for oneof in described.oneofs
        if option(oneof, "validate.required")
    )
    return _Plan(oneofs, tuple(required), tuple(fields))


def _plan_field(field: Dynamic, rules: Dynamic) -> _Field:
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    content = field.message_type.fields_by_name["value"] if is_map else field
    whole: tuple[Test, ...] = ()
    keys: tuple[Test, ...] = ()
    if is_map:
        key = field.message_type.fields_by_name["key"]
        whole, keys, rules = _tests(rules.map), _tests_of(rules.map.keys, key), rules.map.values
    elif field.is_repeated:
        whole, rules = _tests(rules.repeated), rules.repeated.items
    return _Field(
        name=field.name,
        has_presence=field.has_presence,
        repeated=field.is_repeated,
        is_map=is_map,
        whole=whole,
        keys=keys,
        values=_tests_of(rules, content),
        into=None if content.message_type is None or rules.message.skip else _into(content.message_type.full_name),
    )


def _into(full_name: str) -> Callable[[Dynamic, Path], Violations] | None:
    if full_name == _ANY:
        return _into_any
    return None if full_name.startswith("google.protobuf.") else violations


def _into_any(packed: Dynamic, path: Path) -> Violations:
    content = unpack(packed)
    if content is not None:
        yield from violations(content, path)
    elif class_of_type_url(packed.type_url) is not None:
        yield path, f"its bytes are not those of a {packed.type_url.rpartition('/')[2]}"


def _tests_of(rules: Dynamic, content: Dynamic) -> tuple[Test, ...]:
    """The tests of one value of the type that `content` has."""
    kind = rules.WhichOneof("type")
    if kind is None:
        return ()
    tests = _tests(getattr(rules, kind))
    if kind == "enum" and rules.enum.defined_only:
        defined = frozenset(content.enum_type.values_by_number)
        tests = (*tests, _test(_is_among, defined, f"must be a number that {content.enum_type.name} defines"))
    return tests


def _tests(rules: Dynamic) -> tuple[Test, ...]:
    """The tests that a group of rules (of texts, of durations, of lists ...) stands for."""
    tests: list[Test] = []
    ignore_empty = getattr(rules, "ignore_empty", False)
    for rule, bound in rules.ListFields():
        if rule.name == "well_known_regex":
            name = "name" if bound == _HEADER_NAME else "value"
            allowed = _HEADERS[bound, rules.strict or not rules.HasField("strict")]
            tests.append(_test(_matches, allowed, f"must be what HTTP allows as a header's {name}", ignore_empty))
        elif rule.name not in _ELSEWHERE:
            holds, complaint = _TESTS[rule.name]
            said = (
                "must be given, and not be empty"
                if (rule.name, bound) in _NOT_EMPTY
                else complaint.format(_shown(bound))
            )
            tests.append(_test(holds, _comparable(bound), said, ignore_empty))
    return tuple(tests)


def _test(
    holds: Callable[[Dynamic, Dynamic], bool], bound: Dynamic, complaint: str, ignore_empty: bool = False
) -> Test:
    def test(value: Dynamic) -> str | None:
        value = _comparable(value)
        return None if holds(value, bound) or (ignore_empty and not value) else complaint

    return test


def _comparable(value: Dynamic) -> Dynamic:
    """A duration in nanoseconds, what a wrapper holds, anything else as it is."""
    if not isinstance(value, Message):
        return value
    message: Dynamic = value
    if value.DESCRIPTOR.full_name == "google.protobuf.Duration":
        return message.seconds * 1_000_000_000 + message.nanos
    return message.value


def _shown(bound: Dynamic) -> str:
    if isinstance(bound, Message):
        return f"{_comparable(bound) / 1_000_000_000:g}s"
    if isinstance(bound, str | bytes | bool | int | float):
        return f"{bound:g}" if isinstance(bound, float) else str(bound)
    return ", ".join(str(one) for one in bound)


def _is_among(value: Dynamic, bound: Dynamic) -> bool:
    return value in bound


def _matches(value: str, pattern: str) -> bool:
    return re.search(pattern, value) is not None


_ANY: Final = "google.protobuf.Any"
_REQUIRABLE: Final = frozenset(("any", "duration", "timestamp"))
# Rules that say how others are meant, or that are read where the field is planned.
_ELSEWHERE: Final = frozenset(("required", "items", "keys", "values", "strict", "ignore_empty", "defined_only"))
# Bounds that only say that there must be something.
_NOT_EMPTY: Final = (("min_len", 1), ("min_bytes", 1), ("min_items", 1), ("min_pairs", 1))
_TESTS: Final[dict[str, tuple[_Holds, str]]] = {
    "const": (operator.eq, "must be {}"),
    "gt": (operator.gt, "must be more than {}"),
    "gte": (operator.ge, "must be at least {}"),
    "lt": (operator.lt, "must be less than {}"),
    "lte": (operator.le, "must be at most {}"),
    "in": (_is_among, "must be one of {}"),
    "not_in": (lambda value, bound: value not in bound, "must not be one of {}"),
    "min_len": (lambda value, bound: len(value) >= bound, "must have a length of at least {}"),
    "max_len": (lambda value, bound: len(value) <= bound, "must have a length of at most {}"),
    "min_bytes": (lambda value, bound: len(value.encode()) >= bound, "must have at least {} bytes"),
    "max_bytes": (lambda value, bound: len(value.encode()) <= bound, "must have at most {} bytes"),
    "prefix": (str.startswith, "must begin with {}"),
    "suffix": (str.endswith, "must end with {}"),
    "pattern": (_matches, "must match {}"),
    "min_items": (lambda value, bound: len(value) >= bound, "must have at least {} of them"),
    "max_items": (lambda value, bound: len(value) <= bound, "must have at most {} of them"),
    "min_pairs": (lambda value, bound: len(value) >= bound, "must have at least {} of them"),
    "unique": (lambda value, _: all(one not in value[:place] for place, one in enumerate(value)), "must not repeat"),
}
# Of protoc-gen-validate: what stands for HTTP_HEADER_NAME and HTTP_HEADER_VALUE, strictly and not.
_HEADER_NAME: Final = 1
_HEADER_VALUE: Final = 2
_HEADERS: Final = {
    (_HEADER_NAME, True): r"\A:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+\Z",
    (_HEADER_NAME, False): r"\A[^\x00\n\r]*\Z",
    (_HEADER_VALUE, True): r"\A[^\x00-\x08\n-\x1f\x7f]*\Z",
    (_HEADER_VALUE, False): r"\A[^\x00\n\r]*\Z",
}
