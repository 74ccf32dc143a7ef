"""Which unit's resource is in service, and what is written when: a state machine without I/O and clock.

What changed and what is new is written at once. What looks like a removal may be a move: of two ConfigMaps that
`kubectl apply` sends one after the other, a resource may be in neither for a moment, or in both. So these wait for
`settle` seconds:

- a name that no unit has any more is removed only then;
- a name that several units have stays with the one that is in service, and goes to the first in order only then: to the
  mapper that is configured first, then by namespace and name. A restart, or another replica, decides the same.

A resource that its unit cannot read (`Trouble`) keeps its last good content.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias, TypeVar

from rime_core.claims import Claim, Claims, last_good
from rime_core.type_urls import describe
from rime_k8s_source.mapping import Made
from rime_k8s_source.units import Unit

T = TypeVar("T")

Name: TypeAlias = tuple[str, str]
"""Type URL and name."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One transaction, and what there is to say after it, a line each.

    `troubles`: what cannot be read; while there is any, the view is incomplete. `warnings`: names that several units
    have, and what units warn of.
    """

    apply: tuple[Claim, ...]
    remove: tuple[Name, ...]
    troubles: tuple[str, ...]
    warnings: tuple[str, ...]


class Ledger:
    """What the units have, and what of it is served. Times are seconds on a clock that does not go back.

    `served` names what an earlier run left in service: it is removed unless a unit has it. `shown` gives a unit's name
    for people.
    """

    def __init__(self, settle: float, *, served: Iterable[Name] = ()) -> None:
        self._settle: Final = settle
        self._claims: Final = Claims[Unit, Claim]()
        self._serving: dict[Name, Unit | None] = dict.fromkeys(served)
        self._troubles: dict[Unit, tuple[str, ...]] = {}
        self._warnings: dict[Unit, tuple[str, ...]] = {}
        self._contested: dict[Name, str] = {}
        self._apply: dict[Name, Claim] = {}
        self._unsettled: dict[Name, float] = dict.fromkeys(self._serving, -inf)

    @property
    def serving(self) -> Mapping[Name, Unit | None]:
        """Which unit each resource is served from."""
        return self._serving

    def names(self, unit: Unit) -> Iterable[Name]:
        """What a unit has, also where another's is served."""
        return self._claims.of(unit).keys()

    def observe(self, made: Mapping[Unit, Made], now: float) -> None:
        """Take in what units are now."""
        for unit, what in made.items():
            hidden = {(trouble.type_url, trouble.name) for trouble in what.troubles}
            moves = self._claims.change(unit, last_good(what.claims, hidden, self._claims.of(unit)))
            _note(self._troubles, unit, tuple(trouble.text for trouble in what.troubles))
            _note(self._warnings, unit, tuple(what.warnings))
            for name in (*moves.gone, *moves.came):
                self._came_or_went(name, now)
            # what was away for a moment may have come back different
            for name in (*moves.came, *moves.changed):
                if self._serving.get(name) == unit:
                    self._apply[name] = self._claims.of(unit)[name]

    def due(self) -> float | None:
        """When `take` next has something to say that it would not say now; None when nothing waits."""
        return min(self._unsettled.values(), default=None)

    def take(self, now: float) -> Delivery:
        """What is to be written now."""
        remove = []
        for name in [name for name, due in self._unsettled.items() if due <= now]:
            del self._unsettled[name]
            claimants = self._claims.holders(name)
            if not claimants:
                self._contested.pop(name, None)
                if name in self._serving:
                    del self._serving[name]
                    remove.append(name)
                continue
            self._serve(name, min(claimants))
            self._contest(name, claimants)
        apply, self._apply = self._apply, {}
        lines = [line for unit in sorted(self._warnings) for line in self._warnings[unit]]
        return Delivery(
            apply=tuple(apply.values()),
            remove=tuple(remove),
            troubles=tuple(line for unit in sorted(self._troubles) for line in self._troubles[unit]),
            warnings=(*lines, *(self._contested[name] for name in sorted(self._contested))),
        )

    def _came_or_went(self, name: Name, now: float) -> None:
        claimants = self._claims.holders(name)
        if self._serving.get(name) not in claimants:
            self._apply.pop(name, None)
            if claimants:
                self._serve(name, min(claimants))
        if len(claimants) == 1 and name not in self._contested:
            self._unsettled.pop(name, None)
        else:
            self._unsettled[name] = now + self._settle

    def _serve(self, name: Name, unit: Unit) -> None:
        if self._serving.get(name) != unit:
            self._serving[name] = unit
            self._apply[name] = self._claims.of(unit)[name]

    def _contest(self, name: Name, claimants: Collection[Unit]) -> None:
        if len(claimants) < 2:
            self._contested.pop(name, None)
            return
        holders = " and ".join("/".join(filter(None, unit.key)) for unit in sorted(claimants))
        first = "/".join(filter(None, min(claimants).key))
        self._contested[name] = (
            f"{holders} hold the same {describe(name[0]).plural} {name[1]!r};"
            f" that of {first} is served, the first in order"
        )


def _note(noted: dict[Unit, T], unit: Unit, what: T) -> None:
    if what:
        noted[unit] = what
    else:
        noted.pop(unit, None)
