"""Brought: the versions that a client brings from an earlier stream (R61), and what it lacks beside them.

After a restart thousands of clients come back within seconds, bring ten thousand versions each, and bring nearly the
same. So a transport may say of what a client brings how it differs from what another one brought (`Brought.but`), and
what many bring is compared with what they want once (`compare`), not once for each of them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from rime_core.resource import Resource
from rime_core.update import Update


class Brought(Mapping[str, str]):
    """Name → version, all that a client brings; read-only."""

    __slots__ = ("versions",)

    def __init__(self, versions: dict[str, str]) -> None:
        self.versions: Final = versions

    def but(self, other: Mapping[str, str], absent: frozenset[str]) -> "Differing":
        """This with `other` versions, or versions of others, and without those called `absent`.

        No name is in both, and `absent` are among these.
        """
        return Differing(self, other, absent)

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
    if isinstance(known, Brought):
        lacks, besides = _once(update, known)
        return dict(lacks), list(besides)
    if isinstance(known, Differing):
        return _but(update, known)
    return _compared(update, known)


def _once(update: Update, known: Brought) -> tuple[dict[str, Resource], list[str]]:
    compared = update.compared
    if compared is None or compared[0] is not known:
        compared = update.compared = (known, *_compared(update, known.versions))
    return compared[1], compared[2]


def _but(update: Update, known: Differing) -> tuple[dict[str, Resource], list[str]]:
    """As of what it is like, looking again at what differs alone."""
    lacks, besides = _once(update, known.like)
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


def _compared(update: Update, known: Mapping[str, str]) -> tuple[dict[str, Resource], list[str]]:
    there = update.manifest.versions
    lacks = {resource.name: resource for resource in update.resources if known.get(resource.name) != resource.version}
    return lacks, [name for name in known if name not in there]
