"""Single values: from what a file says to what a field holds.

Each reader takes the value that a file gives and returns what the field is set to, or raises `UnfitError` with a text
that says what the field wants. They are as lenient as Envoy's own JSON reader: numbers and booleans may stand in
quotes, whole numbers may be written 1e3 or 12.0, and the name of an enum's value may be in any case.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from rime_envoy_api.pool import Dynamic
from rime_envoy_api.tree import Twice, Value

Reader: TypeAlias = Callable[[Value], Any]


class UnfitError(Exception):
    """A value does not fit the field it is given for; the text says what the field wants.

    `unquoted` is the text for a field that may hold a secret: it tells the value by kind and size only.
    """

    def __init__(self, text: str, unquoted: str | None = None) -> None:
        super().__init__(text)
        self.unquoted = text if unquoted is None else unquoted


def unfit(wants: str, value: Value, hint: str = "") -> UnfitError:
    """That `value` does not fit; `wants` ends before what was found instead, and `hint` says what to write."""
    return UnfitError(f"{wants} {describe_value(value)}{hint}", f"{wants} {describe_kind(value)}")


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_SPECIAL_NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST_FLOAT: Final = 3.4028234663852886e38
_TRUE: Final = frozenset(("true", "t", "yes", "y", "1"))
_FALSE: Final = frozenset(("false", "f", "no", "n", "0"))
_DURATION = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s", re.ASCII)
_LONGEST_DURATION: Final = 315_576_000_000  # seconds; the limit that duration.proto states
_FIRST_SECOND: Final = -62_135_596_800  # of the year 1, where timestamp.proto begins
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-]\d\d:\d\d))",
    re.ASCII,
)


def reader_of(field: Dynamic) -> Reader:
    """How a single value of `field` is read; the field is not a message."""
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum_reader(field.enum_type)
    return _READERS[field.type]


def describe_value(value: Value) -> str:
    """What a value is, for a sentence such as "wants a text, not the number 5"."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {_shown(value)}"
        case str() if "-----BEGIN" not in value:
            return f"the text {_shown(value)!r}"
        case _:
            return describe_kind(value)


def describe_kind(value: Value) -> str:
    """What a value is without quoting it, for where it may be a secret."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f"text of {len(value)} characters"
        case list():
            return "a list"
        case Twice():
            return f"two values: it is given twice, first in line {value.first_line}"
        case _:
            return "a mapping"


def read_duration(value: Value) -> tuple[int, int]:
    """Seconds and nanoseconds of a text such as "0.25s"."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        hint = (
            f"write {value}s" if isinstance(value, int) and not isinstance(value, bool) else "write it as 5s or 0.25s"
        )
        raise unfit("wants a duration, not", value, f": {hint}")
    sign = -1 if match[1] else 1
    seconds = int(match[2])
    if seconds > _LONGEST_DURATION:
        raise unfit(f"wants a duration of at most {_LONGEST_DURATION}s, not", value)
    return sign * seconds, sign * int((match[3] or "").ljust(9, "0"))


def read_timestamp(value: Value) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds of a text such as "2026-01-31T12:00:00Z"."""
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    misfit = unfit("wants a point in time, not", value, ": write it as 2026-01-31T12:00:00Z")
    if match is None:
        raise misfit
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4] or '+00:00'}")
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        raise misfit from None
    if seconds < _FIRST_SECOND:
        raise misfit
    return seconds, int((match[3] or "").ljust(9, "0"))


def read_text(value: Value) -> str:
    """A text; numbers and booleans have to be quoted to be one."""
    if isinstance(value, str):
        return value
    hint = ": put it in quotes" if isinstance(value, bool | int | float) else ""
    raise unfit("wants a text, not", value, f"{hint}")


def _shown(value: float | str) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _whole(lowest: int, highest: int) -> Reader:
    def read(value: Value) -> int:
        number: int | float
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            number = int(value)
        elif isinstance(value, str) and _NUMBER.fullmatch(value):
            number = float(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            number = value
        else:
            raise unfit("wants a whole number, not", value)
        if isinstance(number, float) and not number.is_integer() and math.isfinite(number):
            raise unfit("wants a whole number, not", value)
        if not lowest <= number <= highest:
            raise unfit(f"wants a whole number from {lowest} to {highest}, not", value)
        return int(number)

    return read


def _real(largest: float) -> Reader:
    def read(value: Value) -> float:
        if isinstance(value, str):
            special = _SPECIAL_NUMBERS.get(value)
            if special is not None:
                return special
            if _NUMBER.fullmatch(value):
                number = float(value)
            else:
                raise unfit("wants a number, not", value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value) if abs(value) < 1e308 else math.inf
        else:
            raise unfit("wants a number, not", value)
        if abs(number) > largest:
            raise unfit(f"wants a number up to {largest:.2g}, not", value)
        return number

    return read


def _read_boolean(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE:
        return True
    if isinstance(value, str) and value.lower() in _FALSE:
        return False
    raise unfit("wants true or false, not", value)


def _read_bytes(value: Value) -> bytes:
    text = read_text(value)
    standard = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UnfitError("wants bytes in base64: another kind of text may belong into `inline_string`") from None


def _enum_reader(enum: Dynamic) -> Reader:
    numbers: dict[str, int] = {name: value.number for name, value in enum.values_by_name.items()}
    folded = {name.upper(): number for name, number in numbers.items()}
    known = frozenset(numbers.values())

    def read(value: Value) -> int:
        if isinstance(value, str):
            number = folded.get(value.upper())
            if number is not None:
                return number
            if _WHOLE.fullmatch(value):
                value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value in known:
            return value
        near = get_close_matches(value.upper(), folded, n=1) if isinstance(value, str) else []
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(list(numbers)[:12])}"
        raise unfit(f"{enum.name} has no such value as", value, f": {hint}")

    return read


_INT32, _INT64 = _whole(-(2**31), 2**31 - 1), _whole(-(2**63), 2**63 - 1)
_UINT32, _UINT64 = _whole(0, 2**32 - 1), _whole(0, 2**64 - 1)
_READERS: Final[dict[int, Reader]] = {
    FieldDescriptor.TYPE_BOOL: _read_boolean,
    FieldDescriptor.TYPE_STRING: read_text,
    FieldDescriptor.TYPE_BYTES: _read_bytes,
    FieldDescriptor.TYPE_DOUBLE: _real(math.inf),
    FieldDescriptor.TYPE_FLOAT: _real(_LARGEST_FLOAT),
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}
