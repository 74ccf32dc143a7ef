"""Selection: what one client must be sent, given what it wants, what it was sent, and the exceptions.

What it lacks is the tail of a feed: of all changes where it holds "*" (`Index.tail`), of the changes among its names
otherwise (`NameSet.tail`). Whoever has no exceptions shares the answer with all that stand at the same cursor; it is
worked out for one only where there are:

- `owed`: names that must be answered whatever the client has (it asked for them just now);
- `kept`: names that the client knows and the Plane lacks, while the Plane's view is not complete;
- versions that it rejected.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from rime_core.delivery import IN_FLIGHT, Delivery
from rime_core.index import Entry, Index
from rime_core.resource import Resource
from rime_core.store import Store
from rime_core.update import Manifest, Update

if TYPE_CHECKING:
    from rime_core.interest import NameSet

BEFORE_INITIAL: Final = -1
"""The cursor of who was sent nothing yet."""

_UNKNOWN: Final = ""
"""A version that no resource has."""


class Selection(Delivery):
    """The part of a Subscriber that chooses what to send."""

    __slots__ = ("_all_owed", "_had_star", "_index", "_kept", "_names", "_owed", "_star", "_store")

    def __init__(self, store: Store, index: Index) -> None:
        super().__init__(BEFORE_INITIAL)
        self._store: Final = store
        self._index: Final = index
        self._star = False
        self._had_star = False
        """Whether it held "*" when its cursor was set."""
        self._names: NameSet | None = None
        self._owed: dict[str, bool] = {}
        """Name → whether it is answered even where the client rejected what there is (it asked)."""
        self._all_owed = False
        self._kept: dict[str, str] = {}
        """Name → the version that the client knows."""

    def wants(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether it wants what has this name and these aliases; "*" wants everything."""
        return self._star or self._names_any(name, aliases)

    def reject(self, update: Update | Manifest, why: str) -> None:
        """The client refused `update`: none of its versions is sent again; the next version of each is.

        One that is not in flight is ignored, and so is a name for which something else was sent since.
        """
        manifest = update if isinstance(update, Manifest) else update.manifest
        if manifest not in self._in_flight:
            return
        over: set[str] = set()
        if self._cursor > manifest.ordinal:
            for name, entry in self._index.tail(manifest.ordinal):
                if name in manifest.versions:
                    sent = entry.state_at(self._cursor)
                    if sent is None or sent.ordinal > manifest.ordinal:
                        over.add(name)
        self._refuse(manifest, why, over)

    def _due(self) -> Update | None:
        """What must be sent now."""
        if (
            self._rejected
            or self._mass_rejections
            or self._kept
            or self._owed
            or self._all_owed
            or (self._star and self._names is not None)
        ):
            return self._particular()
        if self._cursor == self._index.ordinal:
            return None
        return self._index.since(self._cursor) if self._star else self._since_named()

    def _since_named(self) -> Update | None:
        """What those who hold exactly these names and stand here must be sent; made once for all of them."""
        names, index, cursor = self._names, self._index, self._cursor
        if names is None:
            return None
        if cursor in names.shared:
            return names.shared[cursor]
        update = self._particular()
        if names.followers == 1:
            names.changed.clear()
            names.since = index.ordinal
        else:
            if len(names.shared) >= IN_FLIGHT:  # of a set that nothing changes in: not for ever
                names.shared.clear()
            names.shared[cursor] = update
        return update

    def _changed_names(self) -> Iterator[str]:
        """The names of what changed in its interest after the cursor, in order of change."""
        names = self._names
        if self._star:
            return reversed([name for name, _ in self._index.tail(self._cursor)])
        if names is None:
            return iter(())
        if self._cursor < names.since:
            return iter(
                [resource.name for name in names.names for resource in self._index.matches(name)]
                + [name for name in names.names if not self._index.matches(name)]
            )
        return reversed(list(names.tail(self._cursor)))

    def _particular(self) -> Update | None:
        """What this one must be sent, exceptions and all."""
        index = self._index
        if self._star and self._cursor < index.floor:
            return self._all(full=True)
        resources: dict[str, Resource] = {}
        removed: dict[str, None] = {}
        for name in self._changed_names():
            entry = index.entries.get(name)
            had = self._kept.get(name) or self._had(name, entry)
            resource = self._visible(entry)
            if resource is not None:
                self._kept.pop(name, None)
                if resource.version != had and not self._refused(resource):
                    resources[name] = resource
            elif had is not None and name not in self._kept:
                removed[name] = None
        if self._all_owed:
            self._all_owed = False
            resources.update(self._in_star({}))
        owed, self._owed = self._owed, {}
        self._answer(owed, resources, removed)
        if self._kept and self._store.complete:
            removed.update(dict.fromkeys(self._kept))
            self._kept = {}
        return self._shared(resources, removed)

    def _first(self, known: Mapping[str, str]) -> Update | None:
        """All that it wants, less what is known: that is as if it had been sent."""
        index, names = self._index, self._names
        if known or (self._star and names is not None):
            return self._all(known)
        if names is not None:
            if BEFORE_INITIAL not in names.shared:
                names.shared[BEFORE_INITIAL] = self._all()
            return names.shared[BEFORE_INITIAL]
        if not self._star:
            return None
        if BEFORE_INITIAL not in index.shared:
            index.shared[BEFORE_INITIAL] = index.everything()
        return index.shared[BEFORE_INITIAL]

    def _all(self, known: Mapping[str, str] = MappingProxyType({}), *, full: bool = False) -> Update | None:
        index = self._index
        resources = self._in_star(known) if self._star else {}
        missing: dict[str, None] = {}
        for name in self._names.names if self._names is not None else ():
            matches = index.matches(name)
            for resource in matches:
                if known.get(resource.name) != resource.version:
                    resources[resource.name] = resource
            if not matches:
                missing[name] = None
        if full:
            return Update(tuple(resources.values()), (), ordinal=index.ordinal, full=True)
        if self._star:
            missing.update((name, None) for name in known if self._visible(index.entries.get(name)) is None)
        if not self._store.complete:
            self._kept = {name: known[name] for name in missing if name in known and not index.matches(name)}
        return self._shared(resources, {name: None for name in missing if name not in self._kept})

    def _in_star(self, known: Mapping[str, str]) -> dict[str, Resource]:
        """What "*" gives, less what is known."""
        return {
            name: entry.resource
            for name, entry in self._index.entries.items()
            if entry.resource is not None
            and known.get(name) != entry.resource.version
            and self._visible_resource(entry.resource)
        }

    def _answer(self, owed: dict[str, bool], resources: dict[str, Resource], removed: dict[str, None]) -> None:
        """Answer each owed name with its resource, or as missing."""
        for name, asked in owed.items():
            found = False
            for resource in self._index.matches(name):
                if self._visible_resource(resource):
                    found = True
                    if asked or not self._refused(resource):
                        resources[resource.name] = resource
            if not found and name not in self._kept:
                removed[name] = None

    def _shared(self, resources: dict[str, Resource], removed: dict[str, None]) -> Update | None:
        if self._rejected or self._mass_rejections:
            for name in (*resources, *removed):
                self._supersede(name)
        return self._index.update_of(tuple(resources.values()), tuple(removed))

    def _had(self, name: str, entry: Entry | None) -> str | None:
        """The version that the client had been sent when its cursor was set; None where it had none."""
        state = entry.state_at(self._cursor) if entry is not None else None
        if state is None:
            # where tombstones were forgotten since, the client may have what is long gone
            return _UNKNOWN if self._cursor < self._index.floor else None
        if self._star and not (self._had_star and self._index.described.star and not state.on_demand):
            return state.version if self._names_any(name, state.aliases) else None
        return state.version

    def _visible(self, entry: Entry | None) -> Resource | None:
        """The resource of `entry` where this subscriber is to have it."""
        resource = entry.resource if entry is not None else None
        return resource if resource is not None and self._visible_resource(resource) else None

    def _visible_resource(self, resource: Resource) -> bool:
        return (self._star and self._index.in_star(resource)) or self._names_any(resource.name, resource.aliases)

    def _names_any(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether it asked for what has this name and these aliases by one of them."""
        names = self._names.names if self._names is not None else ()
        return name in names or any(alias in names for alias in aliases)
