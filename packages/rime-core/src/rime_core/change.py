"""What a writer wants, prepared so that carrying it out cannot fail."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from rime_core.index import Index
from rime_core.resource import Digest, Reference, Resource, check_name, checked_ttl, copied, version_of
from rime_core.type_urls import check_type_url

Body = bytes | bytearray | memoryview
"""What a body may be given as; it is copied unless it is `bytes`."""

References = Callable[[str, bytes], Iterable[Reference]]
"""(type URL, body) → the resources that the body refers to."""


MAX_LABEL: Final = 200
"""Characters of a version label; it is in every response."""


Changes = Mapping[str, Mapping[str, Resource | None]]
"""Type URL → name → what it becomes; None: it is removed."""


class Preparation:
    """Makes what Changes consist of: everything that can fail about one fails here, before anything is changed."""

    __slots__ = ("_checked", "_digest", "_indexes", "_references")

    def __init__(self, indexes: dict[str, Index], digest: Digest, references: References | None) -> None:
        self._checked: Final[set[str]] = set()
        """Type URLs that are some, of which there may be nothing yet."""
        self._indexes: Final = indexes
        self._digest: Final = digest
        self._references: Final = references

    @property
    def has_references(self) -> bool:
        """Whether it is told what a body refers to."""
        return self._references is not None

    def resource(
        self,
        type_url: str,
        name: str,
        body: Body,
        aliases: Sequence[str],
        on_demand: bool,
        ttl: float | None = None,
        references: tuple[Reference, ...] | None = None,
    ) -> Resource:
        """What `Writer.apply` asks for; the same object where that is there. `references`: where they are known."""
        index = self._indexes.get(type_url)
        if index is None and type_url not in self._checked:
            check_type_url(type_url)
            self._checked.add(type_url)
        if type(body) is not bytes:
            body = copied(body)
        entry = index.entries.get(name) if index is not None else None
        if entry is None:
            check_name(name)
        checked = _checked(aliases) if aliases else ()
        lifetime = checked_ttl(ttl) if ttl is not None else None
        old = entry.resource if entry is not None else None
        if (
            old is not None
            and old.body == body
            and old.aliases == checked
            and old.on_demand is on_demand
            and old.ttl == lifetime
        ):
            return old
        version = version_of(self._digest, body, checked, lifetime)
        if references is None:
            references = self.references(type_url, body)
        return Resource(type_url, name, version, body, checked, on_demand, references, lifetime)

    def references(self, type_url: str, body: bytes) -> tuple[Reference, ...]:
        """What a body refers to, each once, checked: it is used where nothing may fail any more."""
        if self._references is None:
            return ()
        checked = []
        for reference in self._references(type_url, body):
            match reference:
                case (str(to_type), str(to_name)):
                    checked.append((to_type, to_name))
                case _:
                    raise TypeError(f"references gives pairs (type URL, name), not {reference!r}")
        return tuple(dict.fromkeys(checked))

    def check_removal(self, type_url: str, name: str) -> None:
        """Raise what `Writer.remove` promises."""
        if type_url not in self._indexes:
            check_type_url(type_url)
        check_name(name)


def _checked(aliases: Sequence[str]) -> tuple[str, ...]:
    if isinstance(aliases, str):
        raise TypeError(f"aliases is a collection of names, not one: pass [{aliases!r}]")
    for alias in aliases:
        check_name(alias)
    return tuple(dict.fromkeys(aliases))


def check_label(label: str) -> None:
    """Raise unless `label` can be what people call a version.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it is empty, longer than `MAX_LABEL` characters, or cannot be encoded in UTF-8.
    """
    if not isinstance(label, str):
        raise TypeError(f"a version label is a str such as a Git commit, not {type(label).__name__}")
    if not label or len(label) > MAX_LABEL:
        raise ValueError(f"a version label has 1 to {MAX_LABEL} characters, not {len(label)}")
    try:
        label.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the version label {label!r} cannot be encoded in UTF-8") from None
