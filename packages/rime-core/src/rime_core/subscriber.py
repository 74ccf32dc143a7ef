"""Subscriber: one client's interest in one type, and three facts about it.

What it was *sent* is a cursor: everything of its interest up to that ordinal. What it *acknowledged* and what it
*rejected* are kept beside it and never mixed up with it: acknowledging causes no sending, a version that was rejected
is not sent again, and `poll()` never repeats what was sent. Whoever holds "*" costs the same few hundred bytes whatever
the number of resources; what is kept besides are exceptions:

- `owed`: names that must be answered whatever the client has (it asked for them just now);
- `kept`: names that the client knows and the Plane lacks, while the Plane's view is not complete;
- rejections, each with the names and versions of one response;
- what is in flight (see `rime_core.delivery`).

A subscriber without exceptions shares its answers with all that stand at the same cursor (`Index.since`).
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from rime_core.delivery import IN_FLIGHT, Delivery
from rime_core.errors import ClosedError, UsageError
from rime_core.resource import Resource, check_name
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.index import Entry, Index
    from rime_core.interest import NameSet
    from rime_core.plane import Plane

STAR: Final = "*"

_BEFORE_INITIAL: Final = -1
_UNKNOWN: Final = ""
"""A version that no resource has."""


class Subscriber(Delivery):
    """What one client wants of one type, what it was sent, and what became of it. Made by `Server.subscribe`.

    `initial()` must be called first, once; then `poll()` whenever the `wake` callback was called (or at any time). All
    calls belong to the thread that owns the Plane.
    """

    __slots__ = (
        "_all_owed",
        "_armed",
        "_closed",
        "_had_star",
        "_index",
        "_kept",
        "_max_bytes",
        "_names",
        "_owed",
        "_plane",
        "_rest",
        "_star",
        "_waiter",
        "_wake",
    )

    def __init__(
        self,
        plane: "Plane",
        index: "Index",
        names: Iterable[str] | None,
        wake: Callable[[], None] | None,
        max_bytes: int | None,
    ) -> None:
        super().__init__(_BEFORE_INITIAL)
        self._plane: Final = plane
        self._index: Final = index
        self._wake = wake
        self._waiter: Callable[[], None] | None = None
        self._max_bytes: Final = max_bytes
        self._closed = False
        self._armed = False
        self._star = False
        self._had_star = False
        """Whether it held "*" when its cursor was set."""
        self._names: NameSet | None = None
        self._owed: dict[str, bool] = {}
        """Name → whether it is answered even where the client rejected what there is (it asked)."""
        self._all_owed = False
        self._kept: dict[str, str] = {}
        self._rest: Iterator[Update] | None = None
        index.subscribers[self] = None
        try:
            self.add((STAR,) if names is None else names)
        except BaseException:
            self.close()
            raise
        self._owed = {}  # initial() answers them
        self._all_owed = False

    # --- interest ----------------------------------------------------------------------------------------------------

    @property
    def type_url(self) -> str:
        """The type of what it wants."""
        return self._index.type_url

    @property
    def wildcard(self) -> bool:
        """Whether it holds "*"."""
        return self._star

    @property
    def names(self) -> frozenset[str]:
        """The names that it asked for, "*" aside."""
        return frozenset(self._names.names) if self._names is not None else frozenset()

    def add(self, names: Iterable[str]) -> None:
        """Want `names` too; "*" stands for everything. Each is answered by the next `poll()`: with its resource, even
        where it was sent before (R27), or as removed (R28).

        Raises:
            TypeError: `names` is a `str`, or holds something else than `str`.
            ValueError: a name is empty or cannot be encoded.
            ClosedError: after `close()`.
        """
        wanted = self._checked(names)
        if STAR in wanted:
            del wanted[STAR]
            self._move(True, self._names)
            self._all_owed = True
        if wanted:
            self._step(frozenset(wanted), frozenset())
            self._owed.update(dict.fromkeys(wanted, True))
        self.nudge()

    def discard(self, names: Iterable[str]) -> None:
        """Want `names` no longer; one that was not wanted is ignored (R47).

        While "*" is held, a name that it gave up is answered by the next `poll()` (R43): with its resource where "*"
        gives it, else as removed.

        Raises:
            TypeError: `names` is a `str`, or holds something else than `str`.
            ValueError: a name is empty or cannot be encoded.
            ClosedError: after `close()`.
        """
        unwanted = self._checked(names)
        held = self._names.names if self._names is not None else ()
        gone = frozenset(name for name in unwanted if name in held)
        if STAR in unwanted and self._star:
            self._move(False, self._names)
            self._all_owed = False
            self._kept = {name: version for name, version in self._kept.items() if name in held}
        if not gone:
            return
        self._step(frozenset(), gone)
        for name in gone:
            if self._star:
                self._owed[name] = True
                self.nudge()
            else:
                self._kept.pop(name, None)
                self._owed.pop(name, None)
                self._supersede(name)

    def resend(self, names: Iterable[str]) -> bool:
        """Send those of `names` that it wants once more although it has them (R72); True where there are any.

        What it rejected is not sent again, and a name that is `kept` stays so.
        """
        held = self._names.names if self._names is not None else ()
        wanted = [name for name in names if self._star or name in held]
        for name in wanted:
            self._owed.setdefault(name, False)
        if wanted:
            self.nudge()
        return bool(wanted)

    # --- what to send ------------------------------------------------------------------------------------------------

    def initial(self, known: Mapping[str, str] | None = None) -> Update:
        """The first answer, which may be empty: all that it wants, less what it has.

        Args:
            known: name → version of what a client brings from an earlier stream (R61). What is equal is left out, what
                no longer exists is in `removed`, unless the Plane's view is incomplete: then it is kept until it is.

        Raises:
            UsageError: the second time.
            ClosedError: after `close()`.
        """
        self._check_open()
        if self._cursor != _BEFORE_INITIAL:
            raise UsageError("initial() was called before; poll() gives what came since")
        known = known or {}
        update = self._first(known) or Update((), (), ordinal=self._index.ordinal)
        # what was asked for since it was made is answered although it is known
        self._owed = {name: asked for name, asked in self._owed.items() if name in known}
        self._all_owed = False
        return self._taken(update) or update

    def poll(self) -> Update | None:
        """What must be sent now, or None. Never what was sent already, unless it was asked for again.

        Raises:
            UsageError: before `initial()`.
            ClosedError: after `close()`.
        """
        if self._cursor < 0 or self._closed:
            self._check_open()
            raise UsageError("call initial() before poll()")
        if self._rest is not None:
            part = next(self._rest, None)
            if part is not None:
                return self._sent(part)
            self._rest = None
        index = self._index
        if self._rejections or self._kept or self._owed or self._all_owed or (self._star and self._names is not None):
            update = self._particular()
        elif self._cursor == index.ordinal:
            update = None
        elif self._star:
            update = index.since(self._cursor)
        else:
            update = self._since_named()
        return self._taken(update)

    async def changed(self) -> Update:
        """Wait until there is something to send, and take it. Safe to cancel: nothing is lost.

        Raises:
            UsageError: before `initial()`, or where somebody else waits already.
            ClosedError: after `close()`, also while waiting.
        """
        # here, because "import rime_core" must not load asyncio (0.05 s) for those who use callbacks
        from rime_core import aio  # noqa: PLC0415

        return await aio.changed(self)

    async def __aiter__(self) -> AsyncIterator[Update]:
        """Each update as it comes; ends when the subscriber is closed."""
        while True:
            try:
                update = await self.changed()
            except ClosedError:
                return
            yield update

    def wants(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether a resource with this name and these aliases is, or may have been, in its interest."""
        return self._star or self._names_any(name, aliases)

    # --- its state ----------------------------------------------------------------------------------------------------

    def acknowledged(self, name: str) -> str | None:
        """The version of `name` that the client is known to have applied; None where there is none."""
        if name in self._kept:
            return self._kept[name]
        entry = self._index.entries.get(name)
        state = entry.state_at(self._settled(name)) if entry is not None else None
        return state.version if state is not None else None

    @property
    def kept(self) -> frozenset[str]:
        """The names that the client knows and the Plane lacks, kept until the Plane's view is complete."""
        return frozenset(self._kept)

    # --- life --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give everything up; a pending wait ends. Closing twice is fine."""
        if self._closed:
            return
        self._disarm()
        self._closed = True
        if self._names is not None:
            self._index.interest.leave(self._names)
            self._names = None
        self._plane.unsubscribed(self, self._index)
        self._in_flight = []
        self._rest = None
        if self._waiter is not None:
            self._waiter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def nudge(self) -> None:
        """There may be something to send: tell whoever waits, unless it was told since the last poll."""
        if self._disarm():
            if self._waiter is not None:
                self._waiter()
            if self._wake is not None:
                self._wake()

    def wait(self, waiter: Callable[[], None] | None) -> None:
        """Call `waiter` as well at the next change, or nobody where it is None. For `rime_core.aio`."""
        self._waiter = waiter
        if waiter is not None:
            self._arm()

    @property
    def waited_for(self) -> bool:
        """Whether somebody awaits `changed()`."""
        return self._waiter is not None

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._closed

    # --- inside ------------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"this subscriber of {self._index.described.plural} is closed")

    def _checked(self, names: Iterable[str]) -> dict[str, None]:
        self._check_open()
        if isinstance(names, (str, bytes)):
            raise TypeError(f"names is a collection of names, not one: pass [{names!r}]")
        checked = dict.fromkeys(names)
        for name in checked:
            check_name(name)
        return checked

    def _step(self, added: frozenset[str], removed: frozenset[str]) -> None:
        index = self._index
        if self._names is None:
            self._move(self._star, index.interest.follow(added - removed, index.ordinal))
        else:
            self._catch_up(self._names)
            self._move(self._star, index.interest.step(self._names, added, removed, index.ordinal))

    def _catch_up(self, names: "NameSet") -> None:
        """Take the cursor to the present where nothing among `names` changed since: were it older than the set of names
        that it goes to, all of its names would have to be compared.
        """
        if not self._star and self._cursor >= names.since and next(names.tail(self._cursor), None) is None:
            self._cursor = self._index.observed = self._index.ordinal
            if not self._in_flight:
                self._acknowledged = self._cursor

    def _move(self, star: bool, names: "NameSet | None") -> None:
        """Listen to another feed; who was armed stays so."""
        armed = self._disarm()
        self._star = star
        self._names = names
        if armed:
            self._arm()

    def _arm(self) -> None:
        self._armed = True
        if self._star:
            self._index.waiting[self] = None
        elif self._names is not None:
            self._names.waiting[self] = None

    def _disarm(self) -> bool:
        """Wait no longer; whether it did."""
        armed, self._armed = self._armed, False
        if armed:
            self._index.waiting.pop(self, None)
            if self._names is not None:
                self._names.waiting.pop(self, None)
        return armed

    def _taken(self, update: Update | None) -> Update | None:
        """Account for `update` as sent, and listen for what comes next."""
        index = self._index
        self._cursor = index.observed = index.ordinal
        self._had_star = self._star
        if self._wake is not None or self._waiter is not None:
            self._arm()
        if self._kept:
            self._plane.keepers[self] = None
        if not update:
            if not self._in_flight:
                self._acknowledged = self._cursor
            return None
        if self._max_bytes is not None and not update.full:
            parts = update.parts(self._max_bytes)
            if len(parts) > 1:
                self._rest = iter(parts)
                update = next(self._rest)
        return self._sent(update)

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
        if self._kept and self._plane.complete:
            removed.update(dict.fromkeys(self._kept))
            self._kept = {}
        return self._shared(resources, removed)

    def _first(self, known: Mapping[str, str]) -> Update | None:
        """All that it wants, less what is known: that is as if it had been sent."""
        index, names = self._index, self._names
        if known or (self._star and names is not None):
            return self._all(known)
        if names is not None:
            if _BEFORE_INITIAL not in names.shared:
                names.shared[_BEFORE_INITIAL] = self._all()
            return names.shared[_BEFORE_INITIAL]
        if not self._star:
            return None
        if _BEFORE_INITIAL not in index.shared:
            index.shared[_BEFORE_INITIAL] = index.everything()
        return index.shared[_BEFORE_INITIAL]

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
        if not self._plane.complete:
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
        if self._rejections:
            for name in (*resources, *removed):
                self._supersede(name)
        return self._index.update_of(tuple(resources.values()), tuple(removed))

    def _had(self, name: str, entry: "Entry | None") -> str | None:
        """The version that the client had been sent when its cursor was set; None where it had none."""
        state = entry.state_at(self._cursor) if entry is not None else None
        if state is None:
            # where tombstones were forgotten since, the client may have what is long gone
            return _UNKNOWN if self._cursor < self._index.floor else None
        if self._star and not (self._had_star and self._index.described.star and not state.on_demand):
            return state.version if self._names_any(name, state.aliases) else None
        return state.version

    def _visible(self, entry: "Entry | None") -> Resource | None:
        """The resource of `entry` where this subscriber is to have it."""
        resource = entry.resource if entry is not None else None
        return resource if resource is not None and self._visible_resource(resource) else None

    def _visible_resource(self, resource: Resource) -> bool:
        return (self._star and self._index.in_star(resource)) or self._names_any(resource.name, resource.aliases)

    def _names_any(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether it asked for what has this name and these aliases by one of them."""
        names = self._names.names if self._names is not None else ()
        return name in names or any(alias in names for alias in aliases)
