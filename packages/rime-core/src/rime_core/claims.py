"""Claims: who holds which resource, where several may hold one name: the files of a folder, the objects of a cluster.

A source that reads such places keeps `Claims` beside what it has in service: they are told what a holder claims now,
and say what went, came and changed with that. Which of several is served when, and how long what may be a move is
waited for, is the source's affair; in the end it should be the first in order, to which every replica comes, and every
restart.

What a holder cannot read it does not give up: `last_good` keeps what it claimed before of what a fault hides.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from rime_core.resource import Reference
from rime_core.writer import Writer


@dataclass(frozen=True, slots=True)
class Claim:
    """A resource that somebody holds: what `Writer.apply` takes, `ttl` in seconds."""

    type_url: str
    name: str
    body: bytes
    aliases: tuple[str, ...] = ()
    ttl: float | None = None
    on_demand: bool = False


Hidden: TypeAlias = tuple[str | None, str | None]
"""What a fault hides: a type URL and a name; any name of the type where that is None, anything where both are."""

H = TypeVar("H")
C = TypeVar("C", bound=Claim)


@dataclass(frozen=True, slots=True)
class Moves:
    """What is different with a holder: what it claims no longer, what it claims anew, and what with other content."""

    gone: tuple[Reference, ...] = ()
    came: tuple[Reference, ...] = ()
    changed: tuple[Reference, ...] = ()


class Claims(Generic[H, C]):
    """What each holder claims, and who claims each name. Holders are hashable."""

    __slots__ = ("_holders", "_of")

    def __init__(self) -> None:
        self._of: Final[dict[H, Mapping[Reference, C]]] = {}
        self._holders: Final[dict[Reference, set[H]]] = {}

    def of(self, holder: H) -> Mapping[Reference, C]:
        """What a holder claims."""
        return self._of.get(holder, {})

    def holders(self, name: Reference) -> Collection[H]:
        """Who claims a name."""
        return self._holders.get(name, ())

    def change(self, holder: H, claims: Mapping[Reference, C]) -> Moves:
        """This is all that a holder claims now; what differs from before."""
        before = self.of(holder)
        gone = tuple(name for name in before if name not in claims)
        came = tuple(name for name in claims if name not in before)
        changed = tuple(name for name in claims if name in before and claims[name] != before[name])
        for name in gone:
            self._holders[name].discard(holder)
            if not self._holders[name]:
                del self._holders[name]
        for name in came:
            self._holders.setdefault(name, set()).add(holder)
        if claims:
            self._of[holder] = claims
        else:
            self._of.pop(holder, None)
        return Moves(gone, came, changed)


def last_good(claims: Iterable[C], hidden: Collection[Hidden], before: Mapping[Reference, C]) -> dict[Reference, C]:
    """What a holder claims in which `claims` can be read and faults hide `hidden`, given what it claimed before."""
    found = {(claim.type_url, claim.name): claim for claim in claims}
    for name, claim in before.items():
        if name not in found and not {name, (name[0], None), (None, None)}.isdisjoint(hidden):
            found[name] = claim
    return found


def write(writer: Writer, claims: Iterable[Claim], removed: Iterable[Reference]) -> None:
    """Write `claims`, and take back what is `removed`, in one transaction.

    Raises:
        As `Writer.transaction` and `Writer.apply`.
    """
    with writer.transaction() as change:
        for claim in claims:
            change.apply(
                claim.type_url,
                claim.name,
                claim.body,
                aliases=claim.aliases,
                on_demand=claim.on_demand,
                ttl=claim.ttl,
            )
        for type_url, name in removed:
            change.remove(type_url, name)
