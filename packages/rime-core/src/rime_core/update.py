"""Update: what one Subscriber must be sent now. Many subscribers are given the same one.

An Update is shared by all who need the same content at the same moment, so what is derived from it (its parts, its
encoded form, what it refers to) is made once and kept on it. A Manifest is what remains when it is on its way: names
and versions, never bodies, so that a client that does not acknowledge keeps no old content in memory.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rime_core.resource import Resource

if TYPE_CHECKING:
    from rime_core.flight import Flight


class Manifest:
    """The names and versions that one Update carries; `None` for a name that it removes."""

    __slots__ = ("ordinal", "versions")

    def __init__(self, ordinal: int, versions: Mapping[str, str | None]) -> None:
        self.ordinal: Final = ordinal
        self.versions: Final = versions


class Update:
    """What to send: `resources` that are new or changed, and the names of those `removed`; read-only.

    `full`: this is everything there is, and what is not in it is gone (an in-process subscriber that fell behind by
    more removals than are remembered; a stream is ended instead). `ordinal` is the place in the type's order of changes
    at which it was made; where one was split, `part` is its number and `last` says whether none comes after it. `label`
    is what the last transaction that changed something of the type calls the state after it; None where it does not
    say.

    `encoded` is for a transport: the response in the form that travels, made once for all who are sent it. `flight` is
    for `rime_core.flight`: its account while it is on its way. `nonce` is for `rime_core.protocol.channel`: by which
    all who are sent it answer.
    """

    __slots__ = (
        "__weakref__",
        "_parts",
        "_references",
        "encoded",
        "flight",
        "full",
        "label",
        "last",
        "manifest",
        "nonce",
        "ordinal",
        "part",
        "removed",
        "resources",
    )

    def __init__(
        self,
        resources: tuple[Resource, ...],
        removed: tuple[str, ...],
        *,
        ordinal: int,
        part: int = 0,
        last: bool = True,
        full: bool = False,
        label: str | None = None,
    ) -> None:
        self.resources: Final = resources
        self.removed: Final = removed
        self.ordinal: Final = ordinal
        self.part: Final = part
        self.last: Final = last
        self.full: Final = full
        self.label: Final = label
        versions: dict[str, str | None] = {resource.name: resource.version for resource in resources}
        if removed:
            versions.update(dict.fromkeys(removed))
        self.manifest: Final = Manifest(ordinal, versions)
        self.encoded: object = None
        self.flight: Flight | None = None
        self.nonce: str | None = None
        self._parts: tuple[int, tuple[Update, ...]] | None = None
        """The bound that it was split for, and its parts; none where it fits, so that it does not hold itself."""
        self._references: dict[str, tuple[str, ...]] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.resources or self.removed or self.full)

    def __repr__(self) -> str:
        names = [resource.name for resource in self.resources]
        return f"Update(resources={names}, removed={list(self.removed)}{', full=True' if self.full else ''})"

    @property
    def references(self) -> Mapping[str, tuple[str, ...]]:
        """The names that its resources refer to, by type URL."""
        if self._references is None:
            found: dict[str, dict[str, None]] = {}
            for resource in self.resources:
                for type_url, name in resource.references:
                    found.setdefault(type_url, {})[name] = None
            self._references = {type_url: tuple(names) for type_url, names in found.items()}
        return self._references

    def parts(self, max_bytes: int) -> tuple["Update", ...]:
        """The same, split so that none is much larger than `max_bytes` on the wire (one resource is never split).

        A part is never `full`: what is not in it is in another.
        """
        if self._parts is None or self._parts[0] != max_bytes:
            self._parts = (max_bytes, self._split(max_bytes))
        return self._parts[1] or (self,)

    def _split(self, max_bytes: int) -> tuple["Update", ...]:
        cuts: list[tuple[list[Resource], list[str]]] = [([], [])]
        size = 0
        items: list[Resource | str] = [*self.resources, *self.removed]
        for item in items:
            item_size = _wire_size(item)
            if size and size + item_size > max_bytes:
                cuts.append(([], []))
                size = 0
            size += item_size
            if isinstance(item, Resource):
                cuts[-1][0].append(item)
            else:
                cuts[-1][1].append(item)
        if len(cuts) == 1:
            return ()
        return tuple(
            Update(
                tuple(resources),
                tuple(removed),
                ordinal=self.ordinal,
                part=part,
                last=part == len(cuts) - 1,
                label=self.label,
            )
            for part, (resources, removed) in enumerate(cuts)
        )


_FIELDS = 48
"""Bytes that one resource takes beside its text and body, at most: six tags with lengths of up to six bytes each, and
twelve of a lifetime.
"""


def _wire_size(item: Resource | str) -> int:
    if isinstance(item, str):
        return _utf8_size(item) + _FIELDS
    names = _utf8_size(item.name) + sum(_utf8_size(alias) + _FIELDS for alias in item.aliases)
    return len(item.body) + names + len(item.version) + len(item.type_url) + _FIELDS


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
