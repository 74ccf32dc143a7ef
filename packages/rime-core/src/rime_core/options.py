"""The options that a plugin is given, as text, read into values.

Options reach a plugin as a `Mapping[str, str]`, from `kind:place?key=value` or from `rime.toml`. Each plugin's
`config.py` reads them through an `OptionReader`, so that a duration is written the same way everywhere.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Never

from rime_core.errors import UsageError

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SIZE: Final = re.compile(r"(\d+)(B|KiB|MiB|GiB)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES: Final = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LONGEST: Final = 24 * 3600.0
_FLAGS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


MAX_MESSAGE: Final = (1 << 31) - 1
"""Bytes: protobuf and gRPC count them in 31 bits, and take no more in a message."""


class OptionReader:
    """Reads the options of one plugin; each read names the key, its default and, by the method, how it is written.

    `finish()` must be called after the last read: it refuses keys that nobody read.

    >>> read = OptionReader("file", {"quiet": "100ms"})
    >>> read.duration("quiet", default=0.02)
    0.1
    >>> read.finish()

    Every method raises `UsageError` naming the plugin's kind, the key and what was expected.
    """

    def __init__(self, kind: str, options: Mapping[str, str]) -> None:
        self._kind = kind
        self._options = options
        self._read: dict[str, None] = {}

    def text(self, key: str, *, default: str) -> str:
        """The value as it stands."""
        value = self._value(key)
        return default if value is None else value

    def path(self, key: str) -> Path | None:
        """A file or a folder; None where it is not given.

        An empty one is refused: it is more often a variable that was not set than a wish to do without.
        """
        value = self._value(key)
        if value == "":
            raise UsageError(f"{self._kind}: {key} is empty; write {key}=FILE, or leave it out")
        return None if value is None else Path(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false; a key without a value is true."""
        value = self._value(key)
        if value is None:
            return default
        if value == "":
            return True
        flag = _FLAGS.get(value.lower())
        if flag is None:
            self._refuse(key, value, "true or false")
        return flag

    def duration(self, key: str, *, default: float, least: float = 0.0) -> float:
        """Seconds, from `least` to a day, written with their unit: 100ms, 1.5s, 2m, 1h; a bare 0 needs none."""
        value = self._value(key)
        if value is None:
            return default
        found = _DURATION.fullmatch("0s" if value == "0" else value)
        if found is None:
            self._refuse(key, value, "a duration such as 100ms, 1.5s or 2m")
        seconds = float(found[1]) * _SECONDS[found[2]]
        if not least <= seconds <= _LONGEST:
            self._refuse(key, value, f"a duration from {least:g}s to 24h")
        return seconds

    def size(self, key: str, *, default: int, least: int = 0, most: int = MAX_MESSAGE) -> int:
        """Bytes, from `least` to `most`: 4194304, 512KiB, 4MiB."""
        value = self._value(key)
        if value is None:
            return default
        found = _SIZE.fullmatch(value)
        if found is None:
            self._refuse(key, value, "a size such as 512KiB or 4MiB")
        size = int(found[1]) * _BYTES[found[2]]
        if not least <= size <= most:
            self._refuse(key, value, f"a size from {_written(least)} to {_written(most)}")
        return size

    def number(self, key: str, *, default: int, least: int = 0) -> int:
        """A whole number that is not less than `least`."""
        value = self._value(key)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and int(value) >= least):
            self._refuse(key, value, "a whole number" + (f" from {least}" if least else ""))
        return int(value)

    def share(self, key: str, *, default: float) -> float:
        """A share of a whole, 0 to 1: 50%, or 0.5."""
        value = self._value(key)
        if value is None:
            return default
        try:
            share = float(value[:-1]) / 100 if value.endswith("%") else float(value)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self._refuse(key, value, "a share such as 50%")
        return share

    def finish(self) -> None:
        """Refuse the keys that were given and never read."""
        for key in self._options:
            if key not in self._read:
                near = difflib.get_close_matches(key, self._read)
                known = ", ".join(sorted(self._read)) or "none"
                hint = f"did you mean {near[0]!r}?" if near else f"its options: {known}"
                raise UsageError(f"{self._kind}: there is no option {key!r}; {hint}")

    def _value(self, key: str) -> str | None:
        self._read[key] = None
        return self._options.get(key)

    def _refuse(self, key: str, value: str, expected: str) -> Never:
        raise UsageError(f"{self._kind}: {key}={value!r} should be {expected}")


def _written(size: int) -> str:
    """A size as it would be written: 4MiB."""
    unit, scale = next(
        (unit, scale) for unit, scale in reversed(_BYTES.items()) if unit is not None and size % scale == 0
    )
    return f"{size // scale}{unit}" if size else "0B"
