"""View: what the clients of one Plane see of one type, read at their cursors.

A reader that has everything up to its cursor lacks exactly what the tail of the view holds. What those at one cursor
must be sent is worked out once and shared (`since`); equal content is one Update, and so one serialization, whoever
asks (`update_of`).

The view of a Plane of its own is its Index; that of a Plane that stands on another is made of two (see
`rime_core.overlay`).
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from rime_core.kept import ANSWERS
from rime_core.parties import BEFORE_INITIAL
from rime_core.resource import Resource, heartbeat_of
from rime_core.update import Update

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rime_core.entry import Known
    from rime_core.index import Index
    from rime_core.interest import Names
    from rime_core.type_urls import XdsType

UNKNOWN: Final = ""
"""A version that no resource has: what the client had is forgotten."""


class View(Protocol):
    """One type, as its readers see it."""

    __slots__ = ()

    # --- what there is -----------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def type_url(self) -> str:
        """The type."""

    @property
    @abstractmethod
    def described(self) -> "XdsType":
        """What is known of the type."""

    @property
    @abstractmethod
    def ordinal(self) -> int:
        """The number of the last change."""

    @property
    @abstractmethod
    def floor(self) -> int:
        """The highest ordinal of a forgotten tombstone."""

    @property
    @abstractmethod
    def label(self) -> str | None:
        """What the transaction that made the last change calls the state after it."""

    @abstractmethod
    def observe(self) -> int:
        """Somebody reads it now, and what it was is to be remembered. The number of the last change."""

    @property
    @abstractmethod
    def shared(self) -> "MutableMapping[int, Update | None]":
        """Cursor → what those who hold "*" and stand there must be sent; for the present ordinal only."""

    @property
    @abstractmethod
    def feeds(self) -> "tuple[Index, ...]":
        """What it is made of: where a subscriber is registered, and where one that holds "*" waits."""

    @abstractmethod
    def entry(self, name: str) -> "Known | None":
        """What is known of `name`."""

    @abstractmethod
    def tail(self, cursor: int) -> "Iterator[tuple[str, Known]]":
        """The entries that changed after `cursor`, the latest first."""

    @abstractmethod
    def present(self) -> Iterator[Resource]:
        """All resources."""

    @abstractmethod
    def matches(self, name: str) -> list[Resource]:
        """The resources that answer to `name`, by name or by alias (R35)."""

    @abstractmethod
    def update_of(self, resources: tuple[Resource, ...], removed: tuple[str, ...]) -> Update | None:
        """The one Update with this content, at this moment; None where there is nothing in it."""

    # --- lifetimes ---------------------------------------------------------------------------------------------------

    def with_ttl(self, ttl: float) -> Iterator[Resource]:
        """The resources with this lifetime, in seconds."""
        names = {name: None for feed in self.feeds for name in feed.lifetimes.get(ttl, ())}
        for name in names:
            entry = self.entry(name)
            resource = entry.resource if entry is not None else None
            if resource is not None and resource.ttl == ttl:
                yield resource

    def renewal(self, ttl: float) -> Update | None:
        """What renews the lifetime `ttl` for a subscriber of "*" alone that has everything."""
        resources = [resource for resource in self.with_ttl(ttl) if self.in_star(resource)]
        return self.update_of(tuple(heartbeat_of(resource) for resource in resources), ())

    # --- who asks for what -------------------------------------------------------------------------------------------

    @abstractmethod
    def follow(self, names: Iterable[str]) -> "Names":
        """The set of these names, for one who is interested in them."""

    @abstractmethod
    def step(self, current: "Names", added: frozenset[str], removed: frozenset[str]) -> "Names":
        """The set that one who followed `current` is interested in now; `added` and `removed` do not overlap."""

    @abstractmethod
    def leave(self, names: "Names") -> None:
        """One is no longer interested in them."""

    # --- what "*" gives ----------------------------------------------------------------------------------------------

    def in_star(self, resource: Resource) -> bool:
        """Whether "*" gives this resource."""
        return self.described.star and not resource.on_demand

    def first(self) -> Update:
        """What a subscriber of "*" alone must be sent that has nothing; made once for all of them."""
        update = self.shared.get(BEFORE_INITIAL)
        if update is None:
            update = self.shared[BEFORE_INITIAL] = self.everything()
        return update

    def since(self, cursor: int) -> Update | None:
        """What a subscriber of "*" alone must be sent that has everything up to `cursor`; made once for all of them."""
        try:
            return self.shared[cursor]
        except KeyError:
            if len(self.shared) >= ANSWERS:  # of a type that does not change: not for ever
                self.shared.clear()
            update = self.shared[cursor] = self._since(cursor)
            return update

    def _since(self, cursor: int) -> Update | None:
        if cursor < self.floor:
            return self.everything(full=True)
        resources = []
        removed = []
        for name, entry in self.tail(cursor):
            past = entry.state_at(cursor)
            had = past.version if past is not None and self.described.star and not past.on_demand else None
            resource = entry.resource
            if resource is not None and self.in_star(resource):
                if resource.version != had:
                    resources.append(resource)
            elif had is not None:
                removed.append(name)
        return self.update_of(tuple(reversed(resources)), tuple(reversed(removed)))

    def everything(self, *, full: bool = False) -> Update:
        """All that "*" gives."""
        resources = tuple(resource for resource in self.present() if self.in_star(resource))
        if full:
            return Update(resources, (), ordinal=self.ordinal, full=True, label=self.label)
        return self.update_of(resources, ()) or Update((), (), ordinal=self.ordinal)

    # --- what names give ---------------------------------------------------------------------------------------------

    @property
    def tells_missing(self) -> bool:
        """Whether something is said of a name that does not exist and that who asks for it does not have."""
        return self.described.missing == "removed"

    def changed_among(self, names: "Names", cursor: int) -> Iterator[str]:
        """The names of what changed after `cursor` and answers, or answered, to one of `names`, in order of change."""
        if cursor < names.since:
            matches = {name: self.matches(name) for name in names.names}
            yield from [resource.name for found in matches.values() for resource in found]
            yield from [name for name, found in matches.items() if not found]
        else:
            yield from reversed(list(names.tail(cursor)))

    def since_among(self, names: "Names", cursor: int) -> Update | None:
        """What a subscriber of exactly these names must be sent that has everything up to `cursor`."""
        resources: dict[str, Resource] = {}
        removed: dict[str, None] = {}
        for name in self.changed_among(names, cursor):
            entry = self.entry(name)
            had = self.had_among(names, name, entry, cursor)
            resource = entry.resource if entry is not None else None
            if resource is not None and names.holds(resource):
                if resource.version != had:
                    resources[name] = resource
            elif had is not None:
                removed[name] = None
        return self.update_of(tuple(resources.values()), tuple(removed))

    def had_among(self, names: "Names | None", name: str, entry: "Known | None", cursor: int) -> str | None:
        """The version of `name` that who asked for `names` had at `cursor`; None where it had none."""
        past = entry.state_at(cursor) if entry is not None else None
        if past is None:
            # where tombstones were forgotten since, the client may have what is long gone
            return UNKNOWN if cursor < self.floor else None
        return past.version if names is not None and names.hold(name, past.aliases) else None

    def all_among(self, names: "Names") -> Update | None:
        """What a subscriber of exactly these names must be sent that has nothing."""
        resources, missing = self.answers(names, {})
        return self.update_of(tuple(resources.values()), tuple(missing) if self.tells_missing else ())

    def answers(self, names: "Names", known: Mapping[str, str]) -> tuple[dict[str, Resource], dict[str, None]]:
        """What answers to `names`, less what is known (name → version), and those of them that nothing answers to."""
        resources: dict[str, Resource] = {}
        missing: dict[str, None] = {}
        for name in names.names:
            matches = self.matches(name)
            for resource in matches:
                if known.get(resource.name) != resource.version:
                    resources[resource.name] = resource
            if not matches:
                missing[name] = None
        return resources, missing
