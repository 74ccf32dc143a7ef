"""From a folder on disk to what its files hold, reading again only what changed.

This is all of the reading: `rime serve` and `rime check` see a folder through it alike.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import xxhash

from rime_envoy_api import parse
from rime_file_source.errors import UnreadableError, shown
from rime_file_source.files import GONE, Signature, is_configuration, read_bytes, sign, walk
from rime_file_source.folder import Reading

# A file that was touched this shortly before it was read may be written once more within the same tick of the file
# system's clock, and look the same afterwards. 2 s is the coarsest clock in use (FAT); ext4's ticks are 4 ms.
RECENT_NS: Final = 2_000_000_000


@dataclass(slots=True)
class _Seen:
    """A file as it was last read. `signature` is None when another look has to read it again."""

    signature: Signature | None
    digest: int | None


class Reader:
    """Reads one folder, or one file, again and again. It blocks: call it in a thread, one call at a time.

    `max_file_size` is in bytes.
    """

    def __init__(self, root: str, *, max_file_size: int, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._root = root
        self._max_file_size = max_file_size
        self._now_ns = now_ns
        self._seen: dict[str, _Seen] = {}
        self._unreadable: set[str] = set()
        self._linked = True

    @property
    def paths(self) -> list[str]:
        """The files that were there when last looked, in path order."""
        return sorted(self._seen)

    def read(self, touched: Iterable[str] | None = None) -> dict[str, Reading]:
        """What changed since the last call, by path.

        `touched` are the paths that something happened to; None, or one that is no file of configuration, looks at
        everything.
        """
        if touched is not None and not self._linked:
            paths = list(touched)
            if all(self._is_plain(path) for path in paths):
                readings: dict[str, Reading] = {}
                for path in paths:
                    self._read_file(path, readings)
                return readings
        return self._read_all()

    def _read_all(self) -> dict[str, Reading]:
        listing = walk(self._root)
        self._linked = listing.linked
        readings: dict[str, Reading] = {}
        for path in self._unreadable:
            readings[path] = None
        self._unreadable = {error.path for error in listing.unreadable}
        hidden = tuple(f"{folder}{os.sep}" for folder in self._unreadable)
        for path in self._seen.keys() - listing.files:
            if not path.startswith(hidden):
                del self._seen[path]
                readings[path] = None
        for error in listing.unreadable:
            readings[error.path] = error
        for path in listing.files:
            self._read_file(path, readings)
        return readings

    def _read_file(self, path: str, readings: dict[str, Reading]) -> None:
        seen = self._seen.get(path)
        read_at = self._now_ns()
        try:
            signature = sign(path)
            if seen is not None and signature is not None and seen.signature == signature:
                return
            content = None if signature is None else read_bytes(path, limit=self._max_file_size)
        except UnreadableError as error:
            self._seen[path] = _Seen(None, None)
            readings[path] = error
            return
        if signature is None or content is None:
            self._seen.pop(path, None)
            readings[path] = UnreadableError(path, GONE) if path == self._root else None
            return
        is_recent = read_at - max(signature[-2:]) < RECENT_NS
        digest = xxhash.xxh3_128_intdigest(content)
        self._seen[path] = _Seen(None if is_recent else signature, digest)
        if seen is None or seen.digest != digest:
            readings[path] = parse(content, origin=shown(path))

    def _is_plain(self, path: str) -> bool:
        """Whether an event under this path is about one file in the folder and nothing else.

        One about the root itself never is, not even of a single file: whether the root is gone only the walk tells.
        """
        parts = Path(path).relative_to(self._root).parts
        if not parts:
            return False
        *folders, name = parts
        return is_configuration(name) and not any(part.startswith(".") or is_configuration(part) for part in folders)
