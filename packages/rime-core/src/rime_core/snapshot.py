"""Snapshot: everything at one moment."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from rime_core.resource import Resource

_NOTHING: Final[Mapping[str, Resource]] = MappingProxyType({})


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
