"""Which objects make up which unit, and which units have to be made anew: incremental by construction.

An object is found under each of its units. A change touches the units of what the object was and of what it is, and
those alone are made at the next `make`; nothing else is looked at.

An object for which a mapper's `keep` or `units` raises stays what it was, and is a trouble: a unit of its own, of a
rank that no mapper has.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from rime_k8s_source.errors import one_line
from rime_k8s_source.kinds import Kind
from rime_k8s_source.mapping import Made, Mapper, Trouble
from rime_k8s_source.reflector import Change, Key, Object


class Unit(NamedTuple):
    """One unit of one mapper, which is known by its rank: the place among the mappers. Units are in this order."""

    rank: int
    key: Key


@dataclass(frozen=True, slots=True)
class Fault:
    """What is kept of an object for which `keep` raises: why."""

    why: str


@dataclass(frozen=True, slots=True)
class _Faulty:
    """An object for which a mapper raises: what it was before, None where it was not there, and the line for people."""

    last: Any
    line: str


class Units:
    """The units of all mappers."""

    def __init__(self, mappers: Sequence[Mapper]) -> None:
        self._mappers: Final = mappers
        self._objects: dict[Unit, dict[Kind, dict[Key, Any]]] = {}
        self._touched: dict[Unit, None] = {}
        self._faulty: dict[Unit, _Faulty] = {}

    def keep(self, rank: int, kind: Kind) -> Callable[[Object], Any | None]:
        """What the mapper of this rank keeps of an object of a kind; a `Fault` where it raises."""
        mapper = self._mappers[rank]

        def keep(body: Object) -> Any | None:  # noqa: ANN401 - the mapper's own
            try:
                return mapper.keep(kind, body)
            except Exception as error:  # whatever a mapper raises is the trouble of that object alone
                return Fault(_why(error))

        return keep

    def change(self, rank: int, kind: Kind, changes: Iterable[Change[Any]]) -> None:
        """Take in what differs of a kind that the mapper of this rank wants, as `keep` gave it."""
        mapper = self._mappers[rank]
        for change in changes:
            own = Unit(~rank, (change.key[0], f"{kind.resource}/{change.key[1]}"))
            faulty = self._faulty.pop(own, None)
            old = change.old if faulty is None else faulty.last
            before = () if old is None else tuple(mapper.units(kind, change.key, old))
            after = _units(mapper, kind, change)
            if isinstance(after, Fault):
                line = f"{mapper.name}: {kind.resource} {_shown(change.key)}: {after.why}"
                self._faulty[own] = _Faulty(old, line)
                self._touched[own] = None
                continue
            if faulty is not None:
                self._touched[own] = None
            for key in before:
                if key not in after:
                    self._take_out(Unit(rank, key), kind, change.key)
            for key in after:
                unit = Unit(rank, key)
                self._objects.setdefault(unit, {}).setdefault(kind, {})[change.key] = change.new
                self._touched[unit] = None

    def make(self) -> dict[Unit, Made]:
        """What became of the units that were touched since the last call; one without objects is empty."""
        touched, self._touched = self._touched, {}
        return {unit: self._make(unit) for unit in touched}

    def _make(self, unit: Unit) -> Made:
        if unit.rank < 0:
            faulty = self._faulty.get(unit)
            return Made() if faulty is None else Made(troubles=[Trouble(faulty.line)])
        objects = self._objects.get(unit)
        if objects is None:
            return Made()
        mapper = self._mappers[unit.rank]
        try:
            return mapper.make(unit.key, objects)
        except Exception as error:  # whatever a mapper raises is the trouble of that unit alone
            return Made(
                troubles=[Trouble(f"{mapper.name} {_shown(unit.key)}: {one_line(str(error)) or type(error).__name__}")]
            )

    def _take_out(self, unit: Unit, kind: Kind, key: Key) -> None:
        self._touched[unit] = None
        of_unit = self._objects[unit]
        del of_unit[kind][key]
        if not of_unit[kind]:
            del of_unit[kind]
        if not of_unit:
            del self._objects[unit]


def _units(mapper: Mapper, kind: Kind, change: Change[Any]) -> tuple[Key, ...] | Fault:
    """Where an object belongs to now; a Fault where the mapper raises."""
    if change.new is None:
        return ()
    if isinstance(change.new, Fault):
        return change.new
    try:
        return tuple(mapper.units(kind, change.key, change.new))
    except Exception as error:  # as for `keep`
        return Fault(_why(error))


def _why(error: Exception) -> str:
    said = one_line(str(error))
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _shown(key: Key) -> str:
    return "/".join(filter(None, key))
