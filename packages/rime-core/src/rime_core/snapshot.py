"""Snapshot: everything at one moment."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from rime_core.resource import Resource

_NOTHING: Final[Mapping[str, Resource]] = MappingProxyType({})


class Covering(Mapping[str, Resource]):
    """The resources of a group over those of its base: what it has itself is not seen in the base's."""

    __slots__ = ("_base", "_names", "_own")

    def __init__(self, own: Mapping[str, Resource], base: Mapping[str, Resource]) -> None:
        self._own: Final = own
        self._base: Final = base
        self._names: Final = len(base) + sum(name not in base for name in own)

    def __getitem__(self, name: str) -> Resource:
        return self._own[name] if name in self._own else self._base[name]

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._base if name not in self._own)
        yield from self._own

    def __len__(self) -> int:
        return self._names

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._base


class Snapshot(Mapping[str, Mapping[str, Resource]]):
    """An immutable view of everything at one sequence number: type URL → name → Resource.

    Reading it takes no lock and never blocks the writer; it may be read from any thread. A type that has no resources
    reads as an empty mapping.

    >>> from rime_core import CLUSTER, Plane
    >>> plane = Plane()
    >>> plane.apply(CLUSTER, "backend", b"...")
    True
    >>> plane.snapshot()[CLUSTER]["backend"].body
    b'...'
    """

    __slots__ = ("_types", "sequence")

    def __init__(self, sequence: int, types: Mapping[str, Mapping[str, Resource]]) -> None:
        self.sequence: Final = sequence
        self._types: Final = types

    def __getitem__(self, type_url: str) -> Mapping[str, Resource]:
        return self._types.get(type_url, _NOTHING)

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def __contains__(self, type_url: object) -> bool:
        return type_url in self._types

    def __repr__(self) -> str:
        return f"Snapshot(sequence={self.sequence}, {sum(map(len, self._types.values()))} resources)"
