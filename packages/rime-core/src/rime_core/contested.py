"""Contested names: what several writers claim. Who comes first in the configuration has it, the others wait."""

from collections.abc import Iterator, Mapping
from typing import Final

from rime_core.parties import Owner
from rime_core.resource import Reference, Resource


class Contested:
    """The content of those that lost a name, by (type URL, name)."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: Final[dict[Reference, dict[Owner, Resource]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, key: Reference) -> bool:
        return key in self._waiting

    def __iter__(self) -> Iterator[Reference]:
        return iter(self._waiting)

    def claimants(self, key: Reference) -> Mapping[Owner, Resource]:
        """Who waits for a name, and what each would have it be."""
        return self._waiting.get(key, {})

    def wait(self, key: Reference, writer: Owner, resource: Resource) -> bool:
        """`writer` claims a name that another one has; True where it did not before."""
        waiting = self._waiting.setdefault(key, {})
        is_new = writer not in waiting
        waiting[writer] = resource
        return is_new

    def withdraw(self, key: Reference, writer: Owner) -> None:
        """`writer` claims a name no longer, or has it now."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.pop(writer, None)
            if not waiting:
                del self._waiting[key]

    def heir(self, key: Reference) -> tuple[Owner, Resource] | None:
        """Who gets a name next, and with what content."""
        waiting = self._waiting.get(key)
        if waiting is None:
            return None
        writer = min(waiting, key=lambda each: each.rank)
        return writer, waiting[writer]

    def names(self, writer: Owner, type_url: str) -> Iterator[str]:
        """The names of one type that `writer` waits for."""
        for (url, name), waiting in self._waiting.items():
            if url == type_url and writer in waiting:
                yield name
