"""Chain: the entries of an Index in the order of their last changes; any of them can be put at the end in a few steps.

An entry knows its neighbours itself, so that whoever changes it has them at hand: with a million entries what takes
time is to look where nobody looked before.
"""

from collections.abc import Iterator

from rime_core.entry import Entry


class Chain:
    """The order; iterating gives the entry that changed first, `reversed` the one that changed last.

    It must not change meanwhile: who walks over it goes on from where the entry is then.
    """

    __slots__ = ("_first", "_last")

    def __init__(self) -> None:
        self._first: Entry | None = None
        self._last: Entry | None = None

    def __iter__(self) -> Iterator[Entry]:
        entry = self._first
        while entry is not None:
            yield entry
            entry = entry.after

    def __reversed__(self) -> Iterator[Entry]:
        entry = self._last
        while entry is not None:
            yield entry
            entry = entry.before

    def append(self, entry: Entry) -> None:
        """Put it at the end; it is in no chain."""
        last = entry.before = self._last
        if last is None:
            self._first = entry
        else:
            last.after = entry
        self._last = entry

    def remove(self, entry: Entry) -> None:
        """Take it out."""
        before, after = entry.before, entry.after
        if before is None:
            self._first = after
        else:
            before.after = after
        if after is None:
            self._last = before
        else:
            after.before = before
        entry.before = entry.after = None

    def move_to_end(self, entry: Entry) -> None:
        """Take it from where it is and put it at the end."""
        if entry.after is not None:
            self.remove(entry)
            self.append(entry)
