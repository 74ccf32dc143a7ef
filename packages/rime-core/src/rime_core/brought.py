"""Brought: the versions that a client brings from an earlier stream (R61), and what it lacks beside them.

After a restart thousands of clients come back within seconds, bring ten thousand versions each, and bring nearly the
same. So a transport may say of what a client brings how it differs from what another one brought (`Brought.but`), and
what many bring is compared with what they want once (`compare`), not once for each of them.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from weakref import ref

from rime_core.resource import Resource
from rime_core.update import Update

COMPARED: Final = 4
"""With how many Updates it is remembered how what a client brings compares: several groups may have their own."""


class Brought(Mapping[str, str]):
    """Name → version, all that a client brings; read-only. It remembers how it compares, for as long as it is kept."""

    __slots__ = ("_compared", "versions")

    def __init__(self, versions: dict[str, str]) -> None:
        self.versions: Final = versions
        self._compared: tuple[tuple[ref[Update], list[int], list[str]], ...] = ()

    def but(self, other: Mapping[str, str], absent: frozenset[str]) -> "Differing":
        """This with `other` versions, or versions of others, and without those called `absent`.

        No name is in both, and `absent` are among these.
        """
        return Differing(self, other, absent)

    def compared_to(self, update: Update) -> tuple[list[int], list[str]]:
        """The places of those resources of `update` that it does not have, and the names of which that says nothing."""
        for other, lacks, besides in self._compared:
            if other() is update:
                return lacks, besides
        lacks, besides = _compared(update, self.versions)
        present = [each for each in self._compared if each[0]() is not None]
        self._compared = ((ref(update), lacks, besides), *present[: COMPARED - 1])
        return lacks, besides

    def __getitem__(self, name: str) -> str:
        return self.versions[name]

    def __contains__(self, name: object) -> bool:
        return name in self.versions

    def __iter__(self) -> Iterator[str]:
        return iter(self.versions)

    def __len__(self) -> int:
        return len(self.versions)


class Differing(Mapping[str, str]):
    """Name → version, as what it differs in from what another client brought; made by `Brought.but`."""

    __slots__ = ("absent", "like", "other")

    def __init__(self, like: Brought, other: Mapping[str, str], absent: frozenset[str]) -> None:
        self.like: Final = like
        self.other: Final = other
        self.absent: Final = absent

    def __getitem__(self, name: str) -> str:
        if name in self.other:
            return self.other[name]
        if name in self.absent:
            raise KeyError(name)
        return self.like[name]

    def __iter__(self) -> Iterator[str]:
        for name in self.like:
            if name not in self.absent:
                yield name
        for name in self.other:
            if name not in self.like:
                yield name

    def __len__(self) -> int:
        more = [name for name in self.other if name not in self.like]
        return len(self.like) - len(self.absent) + len(more)


def compare(update: Update, known: Mapping[str, str]) -> tuple[dict[str, Resource], list[str]]:
    """The resources of `update` that are not among the `known` versions, by name and in its order, and the names that
    are and of which it says nothing.
    """
    if isinstance(known, Differing):
        return _but(update, known)
    lacks, besides = known.compared_to(update) if isinstance(known, Brought) else _compared(update, known)
    return _at(update, lacks), list(besides)


def _at(update: Update, places: list[int]) -> dict[str, Resource]:
    resources = [update.resources[place] for place in places]
    return {resource.name: resource for resource in resources}


def _but(update: Update, known: Differing) -> tuple[dict[str, Resource], list[str]]:
    """As of what it is like, looking again at what differs alone."""
    places, besides = known.like.compared_to(update)
    lacks = _at(update, places)
    there = update.manifest.versions
    differing = {*known.other, *known.absent}
    besides = [name for name in besides if name not in differing]
    besides += [name for name in known.other if name not in there]
    changed = {name for name in differing if name in there and there[name] != known.other.get(name)}
    lacks = {name: resource for name, resource in lacks.items() if name not in differing or name in changed}
    if not changed <= lacks.keys():  # in the update's order, in which others that lack the same have it too
        changed |= lacks.keys()
        lacks = {resource.name: resource for resource in update.resources if resource.name in changed}
    return lacks, besides


def _compared(update: Update, known: Mapping[str, str]) -> tuple[list[int], list[str]]:
    there = update.manifest.versions
    resources = enumerate(update.resources)
    lacks = [place for place, resource in resources if known.get(resource.name) != resource.version]
    return lacks, [name for name in known if name not in there]
