"""Allowance: what a client may ask for, of one type on one stream: how many names, and which.

Names are the client's to choose, and each costs memory for as long as it is subscribed to, or refused and not answered
yet. Which it may have is its Permissions' to say (`rime_core.permissions`).

So are the names of what it brings from an earlier stream, which are kept until it is answered, and those that are not
here until everything can be read. Who asks for everything has all there is without naming any, so it may bring as many
as there are, and beyond that as many as it may name; while nobody knows how many there are, at least `MAX_NAMES`.
"""

from collections.abc import Callable, Iterable, Sequence, Sized
from typing import TYPE_CHECKING, Final

from rime_core.errors import PeerError
from rime_core.protocol.events import Refused
from rime_core.resource import STAR

if TYPE_CHECKING:
    from rime_core.permissions import Permissions
    from rime_core.subscriber import Subscriber
    from rime_core.type_urls import XdsType

MAX_NAMES: Final = 100_000
"""Names of one type on one stream, some 20 MB of them: ten times what the largest Envoys ask for."""


class Allowance:
    """How many names of one type a client may ask for, and which of them it may have."""

    __slots__ = ("_described", "_most", "_refused", "_tell", "_why_not", "star_refused", "whole")

    def __init__(
        self,
        described: "XdsType",
        *,
        most: int | None,
        permissions: "Permissions | None",
        tell: Callable[[Refused], None],
    ) -> None:
        why = permissions.type(described.url) if permissions is not None else None
        if why is not None:
            tell(Refused(described.url, why))
        self.whole: Final = why is None
        """Whether it may have the type at all."""
        self.star_refused = False
        """Whether its client has asked for everything, and may not."""
        self._described: Final = described
        self._most: Final = most
        self._tell: Final = tell
        self._why_not: Final = permissions.names(described.url) if permissions is not None and why is None else None
        self._refused: dict[str, None] = {}
        """Names that were refused and are not answered yet."""

    def limit(self, names: Sequence[str], subscriber: "Subscriber | None" = None) -> None:
        """Refuse to go on where `names`, with those that `subscriber` has, are too many.

        Raises:
            PeerError: they are.
        """
        most = self._most
        if most is None or len(names) + len(self._refused) + (subscriber.named if subscriber else 0) <= most:
            return
        distinct = {*names, *self._refused, *(subscriber.names if subscriber else ())}
        if len(distinct - {STAR}) > most:
            raise PeerError(
                f"more than {most} names of {self._described.plural} on one stream, which is max_names",
                code="RESOURCE_EXHAUSTED",
            )

    def limit_known(self, known: Sized, there: int | None) -> None:
        """Refuse to go on where what the client brings is too much; `there`: how many there are, None: nobody knows.

        Raises:
            PeerError: it is.
        """
        if self._most is None:
            return
        most = max(self._most, MAX_NAMES) if there is None else self._most + there
        if len(known) > most:
            raise PeerError(
                f"{len(known)} known versions of {self._described.plural} on one stream, where {most} are the most, by"
                " max_names and what there is",
                code="RESOURCE_EXHAUSTED",
            )

    def granted(self, names: list[str]) -> list[str]:
        """Those of `names` that the client may have; the others are missing: see `refused`, `star_refused`."""
        if self._why_not is None:
            return names
        granted: list[str] = []
        refused: dict[str, str] = {}
        for name in names:
            why = self._why_not(name)
            if why is None:
                granted.append(name)
            else:
                refused[name] = why
        if refused:
            self._tell(Refused(self._described.url, next(iter(refused.values())), tuple(refused)))
            self.star_refused = refused.pop(STAR, None) is not None or self.star_refused
            self.miss(refused)
        return granted

    def miss(self, names: Iterable[str]) -> None:
        """Have `names` answered as missing."""
        self._refused.update(dict.fromkeys(names))

    def forget(self, names: Iterable[str]) -> None:
        """The client gives up `names`: those that were refused need no answer."""
        if self._refused:
            for name in names:
                self._refused.pop(name, None)

    def refused(self) -> tuple[str, ...]:
        """The names that were refused since the last call, to be answered as missing."""
        if not self._refused:
            return ()
        names = tuple(self._refused)
        self._refused = {}
        return names
