"""Flight: a response that one client has not accepted; it is on its way, or was rejected."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from rime_core.update import Manifest, Update


class Reason(NamedTuple):
    """Why something was refused: in the client's words, by which nonce, and when by the stream's clock."""

    why: str
    nonce: str
    at: float | None


_NOTHING: Final[frozenset[str]] = frozenset()


class Carried:
    """What a response carried, less what does not count any more (`over`)."""

    __slots__ = ("manifest", "over")

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.over: set[str] | frozenset[str] = _NOTHING

    def says(self, name: str) -> bool:
        """Whether it says something of `name`."""
        return name in self.manifest.versions and name not in self.over

    def names(self) -> Iterator[str]:
        """The names of which it says something."""
        for name in self.manifest.versions:
            if name not in self.over:
                yield name

    def drop(self, names: Collection[str]) -> None:
        """Of `names` it says nothing any more."""
        said = common(names, self.manifest.versions)
        if isinstance(self.over, set):
            self.over.update(said)
        elif said:
            self.over = set(said)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing of any name."""
        return len(self.over) == len(self.manifest.versions)


class Flight(Carried):
    """A response that the client has not accepted: it is on its way, or was rejected.

    `prior` is the cursor before it was sent. `reason` is why all of it is refused; a rejected one that has none was
    rejected for what does not count any more.

    As long as nothing of it changes, all clients that were sent an Update at one cursor have the same one
    (`Update.flight`); who changes it takes one of its own first (`owned`).
    """

    __slots__ = ("is_shared", "left", "on_its_way", "passed", "prior", "reason")

    def __init__(self, manifest: Manifest, prior: int) -> None:
        super().__init__(manifest)
        self.is_shared = False
        self.prior: Final = prior
        self.on_its_way = True
        self.passed = False
        """Whether something that was sent later is accepted."""
        self.reason: Reason | None = None
        self.left: set[str] | None = None
        """What is not acknowledged yet, where that is done one resource at a time."""

    @classmethod
    def shared(cls, update: Update, prior: int) -> "Flight":
        """That of `update` from now on, for all to whom it is sent at the cursor `prior`."""
        flight = update.flight = cls(update.manifest, prior)
        flight.is_shared = True
        return flight

    def owned(self) -> "Flight":
        """One of which a single client's says something: this one, or where others have it too another like it."""
        return Flight(self.manifest, self.prior) if self.is_shared else self


def common(one: Collection[str], other: Collection[str]) -> list[str]:
    """The names in both, at the cost of the shorter."""
    if len(one) > len(other):
        one, other = other, one
    return [name for name in one if name in other]
