"""What goes wrong with a place on disk, and how paths and counts are written in a message.

    rime_core.RimeError
    ├── UsageError           a place that isn't there, a bad option: raised when a `FileSource` is made
    └── SourceError
        └── UnreadableError  one file or folder cannot be read now

None of them reaches who runs a source: what cannot be read becomes a fault of that path, and what it last held stays.
"""

from rime_core.errors import SourceError


class UnreadableError(SourceError):
    """A file or folder cannot be read now. `why` says what it is instead, or what stands against it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.why}"


def shown(path: str) -> str:
    """A path as one line of a message can hold it: what does not print is escaped."""
    return path if path.isprintable() else ascii(path)[1:-1]


def counted(number: int, what: str) -> str:
    """1 file, 2 files."""
    return f"{number} {what}{'' if number == 1 else 's'}"
