"""Which objects make up which unit, and which units have to be made anew: incremental by construction.

An object is found under each of its units. A change touches the units of what the object was and of what it is, and
those alone are made at the next `make`; nothing else is looked at.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from rime_k8s_source.errors import one_line
from rime_k8s_source.kinds import Kind
from rime_k8s_source.mapping import Made, Mapper, Trouble
from rime_k8s_source.reflector import Change, Key


class Unit(NamedTuple):
    """One unit of one mapper, which is known by its rank: the place among the mappers. Units are in this order."""

    rank: int
    key: Key


class Units:
    """The units of all mappers."""

    def __init__(self, mappers: Sequence[Mapper]) -> None:
        self._mappers: Final = mappers
        self._objects: dict[Unit, dict[Kind, dict[Key, Any]]] = {}
        self._touched: dict[Unit, None] = {}

    def change(self, rank: int, kind: Kind, changes: Iterable[Change[Any]]) -> None:
        """Take in what differs of a kind that the mapper of this rank wants."""
        mapper = self._mappers[rank]
        for change in changes:
            before = () if change.old is None else tuple(mapper.units(kind, change.key, change.old))
            after = () if change.new is None else tuple(mapper.units(kind, change.key, change.new))
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
        objects = self._objects.get(unit)
        if objects is None:
            return Made()
        mapper = self._mappers[unit.rank]
        try:
            return mapper.make(unit.key, objects)
        except Exception as error:  # whatever a mapper raises is the trouble of that unit alone
            what = "/".join(filter(None, unit.key))
            return Made(troubles=[Trouble(f"{mapper.name} {what}: {one_line(str(error)) or type(error).__name__}")])

    def _take_out(self, unit: Unit, kind: Kind, key: Key) -> None:
        self._touched[unit] = None
        of_unit = self._objects[unit]
        del of_unit[kind][key]
        if not of_unit[kind]:
            del of_unit[kind]
        if not of_unit:
            del self._objects[unit]
