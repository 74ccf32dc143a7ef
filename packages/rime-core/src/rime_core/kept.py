"""Kept: answers that are kept for those who need the same one.

A group has answers of its own where it has resources of its own. There may be thousands of groups, and an answer may
hold all that there is, encoded; so a large one is kept only for as long as somebody is being sent it. A small one is
kept until it is out of date.
"""

from collections.abc import Hashable, Iterator, MutableMapping
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from rime_core.update import Update

ANSWERS: Final = 64
"""For how many cursors answers are kept, of one type or one set of names, while nothing changes there."""

SMALL: Final = 64
"""Up to how many resources an answer is small."""

K = TypeVar("K", bound=Hashable)


class Kept(MutableMapping[K, Update | None]):
    """Answers by cursor, or by content; None: nothing is to be sent."""

    __slots__ = ("_large", "_small")

    def __init__(self) -> None:
        self._small: Final[dict[K, Update | None]] = {}
        self._large: WeakValueDictionary[K, Update] | None = None

    def __getitem__(self, key: K) -> Update | None:
        if self._large is None or key in self._small:
            return self._small[key]
        return self._large[key]

    def __setitem__(self, key: K, update: Update | None) -> None:
        if update is None or len(update.resources) <= SMALL:
            self._small[key] = update
            return
        if self._large is None:
            self._large = WeakValueDictionary()
        self._large[key] = update

    def __delitem__(self, key: K) -> None:
        if key in self._small:
            del self._small[key]
        elif self._large is not None:
            del self._large[key]
        else:
            raise KeyError(key)

    def __iter__(self) -> Iterator[K]:
        yield from self._small
        yield from self._large or ()

    def __len__(self) -> int:
        return len(self._small) + len(self._large or ())

    def clear(self) -> None:
        """Forget all."""
        self._small.clear()
        self._large = None
