"""Initial versions: what a client that comes back says that it has.

That may be 10,000 versions, said by thousands of clients within seconds, each in an order of its own. To make a dict of
protobuf's map takes as long as all else that a client's coming back takes; and what they say is nearly the same. So the
map is read as what it is on the wire, a set of entries in bytes, and only what another client did not say is decoded.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from rime_core import Brought
from rime_envoy_api import class_with_entries, message_class

REQUEST: Final = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
FIELD: Final = "initial_resource_versions"
ENTRY: Final = f"{REQUEST}.InitialResourceVersionsEntry"

FEW: Final = 100
"""Versions up to which it is not looked whether others brought the same."""

CLIENTS: Final = 4
"""Of how many clients that brought something else than others it is kept."""

KEPT: Final = 80_000
"""Versions of all of these together that are kept: some 25 MiB, with names of thirty characters."""

SAMPLES: Final = 8
"""Entries by which it is found whether a client brought about the same as another."""

ALIKE: Final = 8
"""It did where no more than one in so many differs."""


def request_class() -> type[Any]:
    """The class of an incremental request, whose initial versions are entries in bytes."""
    return class_with_entries(REQUEST, FIELD)


class InitialVersions:
    """Reads what clients bring."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: tuple[_Before, ...] = ()
        """What clients brought that brought something else, the latest first."""

    def read(self, message: Any) -> Mapping[str, str]:  # noqa: ANN401 - of `request_class`
        """Name → version; of a name that is there twice, one of what is said.

        Raises:
            DecodeError: an entry is none.
        """
        entries: list[bytes] = message.initial_resource_versions[:]
        if len(entries) <= FEW:
            return dict(map(_decoded, entries))
        brought = frozenset(entries)
        before = self._most_alike(entries)
        known = before.but(brought) if before is not None else None
        return self._whole(message, brought) if known is None else known

    def _most_alike(self, entries: list[bytes]) -> "_Before | None":
        samples = frozenset(entries[:: len(entries) // SAMPLES])
        most = max(self._before, key=lambda each: len(each.entries & samples), default=None)
        return most if most is not None and most.entries & samples else None

    def _whole(self, message: Any, brought: frozenset[bytes]) -> Mapping[str, str]:  # noqa: ANN401 - as above
        versions = dict(message_class(REQUEST).FromString(message.SerializeToString()).initial_resource_versions)
        if len(versions) < len(brought) or len(versions) > KEPT:
            return versions
        before = _Before(brought, Brought(versions))
        self._keep(before)
        return before.known

    def _keep(self, before: "_Before") -> None:
        kept, size = [before], len(before.known)
        for each in self._before[: CLIENTS - 1]:
            size += len(each.known)
            if size <= KEPT:
                kept.append(each)
        self._before = tuple(kept)


class _Before(NamedTuple):
    """What a client brought."""

    entries: frozenset[bytes]
    known: Brought

    def but(self, brought: frozenset[bytes]) -> Mapping[str, str] | None:
        """What one knows who brings this, as what differs; None: too much does, or a name is there twice."""
        new = brought - self.entries
        if not new and len(brought) == len(self.entries):
            return self.known
        gone = self.entries - brought
        if len(new) + len(gone) > len(brought) // ALIKE:
            return None
        other = dict(map(_decoded, sorted(new)))
        left = frozenset(_decoded(entry)[0] for entry in gone)
        if len(other) < len(new) or any(name in self.known and name not in left for name in other):
            return None
        return self.known.but(other, left.difference(other))


def _decoded(entry: bytes) -> tuple[str, str]:
    message = message_class(ENTRY).FromString(entry)
    return message.key, message.value
