"""Referrers: which resources refer to a name, and which did until when.

A client may still have an older version of what refers to a name, or may not have acknowledged the newer one. So when a
reference ends, the ordinal at which it ended stays known: a client that has not settled its type's changes up to there
may still stand on the reference (see `protocol.order`). References that ended are remembered within bounds, the latest
for longest: what is asked about them is asked when the name is removed, soon after.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from rime_core.resource import Reference

NAMES: Final = 10_000
"""Names of which ended references are remembered; as many as removed names are, about 5 MB."""

ENDED: Final = 256
"""Ended references that are remembered of one name: routes that are removed together are given up together."""


class Referrers:
    """Who refers to what, of one set of resources."""

    __slots__ = ("_ended", "_present")

    def __init__(self) -> None:
        self._present: Final[dict[Reference, dict[Reference, None]]] = {}
        self._ended: Final[OrderedDict[Reference, dict[Reference, int]]] = OrderedDict()

    def __contains__(self, name: Reference) -> bool:
        """Whether something refers to it now."""
        return name in self._present

    def of(self, name: Reference) -> Iterator[tuple[Reference, int | None]]:
        """Who refers to `name`: (referrer, None), and who did: (referrer, the ordinal of its type at which it ended).

        Those that refer to it now come first, then the latest that did.
        """
        for referrer in self._present.get(name, ()):
            yield referrer, None
        yield from reversed(self._ended.get(name, {}).items())

    def change(
        self, referrer: Reference, before: Sequence[Reference], after: Sequence[Reference], ordinal: int
    ) -> list[Reference]:
        """`referrer` refers to other names since `ordinal`; the names that nothing refers to any more."""
        for name in after:
            self._present.setdefault(name, {})[referrer] = None
            ended = self._ended.get(name)
            if ended is not None:
                ended.pop(referrer, None)
        left = []
        kept = frozenset(after)
        for name in before:
            if name not in kept:
                self._end(name, referrer, ordinal)
                if name not in self._present:
                    left.append(name)
        return left

    def _end(self, name: Reference, referrer: Reference, ordinal: int) -> None:
        present = self._present[name]
        del present[referrer]
        if not present:
            del self._present[name]
        ended = self._ended.setdefault(name, {})
        ended[referrer] = ordinal
        if len(ended) > ENDED:
            del ended[next(iter(ended))]
        self._ended.move_to_end(name)
        if len(self._ended) > NAMES:
            self._ended.popitem(last=False)
