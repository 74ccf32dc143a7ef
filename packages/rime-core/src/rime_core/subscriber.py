"""Subscriber: one client's interest in one type, and three facts about it.

What it was *sent* is a cursor: everything of its interest up to that ordinal. What it *acknowledged* and what it
*rejected* are kept beside it and never mixed up with it: acknowledging causes no sending, a version that was rejected
is not sent again, and `poll()` never repeats what was sent. Whoever holds "*" costs the same few hundred bytes whatever
the number of resources.

It is built of three: `Delivery` keeps account of what became of what was sent, `Selection` chooses what to send, and
this is what a client's stream, or a program, holds in its hands.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from rime_core.errors import ClosedError, UsageError
from rime_core.interest import Names
from rime_core.parties import BEFORE_INITIAL
from rime_core.resource import STAR, Resource, check_name
from rime_core.selection import Selection
from rime_core.store import Store
from rime_core.update import Update
from rime_core.view import View

if TYPE_CHECKING:
    from rime_core.parties import Feed, Gate


class Subscriber(Selection):
    """What one client wants of one type, what it was sent, and what became of it. Made by `Server.subscribe`.

    `initial()` must be called first, once; then `poll()` whenever the `wake` callback was called (or at any time). All
    calls belong to the thread that owns the Plane.
    """

    __slots__ = ("_armed", "_closed", "_feeds", "_max_bytes", "_rest", "_waiter", "_wake")

    def __init__(
        self,
        store: Store,
        view: View,
        names: Iterable[str] | None,
        wake: Callable[[], None] | None,
        max_bytes: int | None,
        gate: "Gate | None" = None,
        absent: Callable[[str], Resource] | None = None,
        *,
        is_client: bool,
    ) -> None:
        super().__init__(store, view, gate, absent)
        self._wake = wake
        self._waiter: Callable[[], None] | None = None
        self._max_bytes: Final = max_bytes
        self._closed = False
        self._armed = False
        self._feeds: tuple[Feed, ...] = ()
        """Where it waits for a change."""
        self._rest: Iterator[Update] | None = None
        for feed in view.feeds:
            feed.subscribers[self] = is_client
        try:
            self.add((STAR,) if names is None else names)
        except BaseException:
            self.close()
            raise
        self._owed = {}  # initial() answers them

    # --- interest ----------------------------------------------------------------------------------------------------

    @property
    def type_url(self) -> str:
        """The type of what it wants."""
        return self._view.type_url

    @property
    def wildcard(self) -> bool:
        """Whether it holds "*"."""
        return self._star

    @property
    def names(self) -> frozenset[str]:
        """The names that it asked for, "*" aside."""
        return frozenset(self._names.names) if self._names is not None else frozenset()

    @property
    def named(self) -> int:
        """How many names these are."""
        return len(self._names.names) if self._names is not None else 0

    @property
    def tells_missing(self) -> bool:
        """Whether something is said of a name that does not exist (`rime_core.policy`)."""
        return self._view.tells_missing

    @property
    def cursor(self) -> int:
        """The number of the last change of its type that it was sent."""
        return self._cursor

    def add(self, names: Iterable[str]) -> None:
        """Want `names` too; "*" stands for everything. Each is answered by the next `poll()`: with its resource, even
        where it was sent before (R27), or as removed (R28).

        Raises:
            TypeError: `names` is a `str`, or holds something else than `str`.
            ValueError: a name is empty or cannot be encoded.
            ClosedError: after `close()`.
        """
        wanted = self._checked(names)
        begun = self._cursor != BEFORE_INITIAL
        if STAR in wanted:
            del wanted[STAR]
            if begun and not self._star:
                self._ask_anew([each for each in self._view.present() if self._view.in_star(each)])
            self._move(True, self._names)
            self._all_owed = True
        if wanted:
            if begun:
                self._ask_anew([resource for name in wanted for resource in self._view.matches(name)])
            self._step(frozenset(wanted), frozenset())
            self._owed.update(dict.fromkeys(wanted, True))
        try:
            self._store.tell_watchers()
        finally:
            self.nudge()

    def discard(self, names: Iterable[str], *, answered: bool = True) -> None:
        """Want `names` no longer; one that was not wanted is ignored (R47).

        While "*" is held, a name that it gave up is answered by the next `poll()` (R43): with its resource where "*"
        gives it, else as removed. Not so where `answered` is False: in state-of-the-world it is not.

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
            self._all_owed = self._had_star = False
            self._owed = {name: asked for name, asked in self._owed.items() if name in held}
            for name in [name for name in self._held if name not in held]:
                self._forget_held(name, given_up=True)
            for name in [name for name in self._behind if not self.asks_for(name)]:
                self._give_up(name)
        if not gone:
            return
        self._step(frozenset(), gone)
        for name in gone:
            if self._star and answered:
                self._owed[name] = True
                self.nudge()
                continue
            self._owed.pop(name, None)
            if not self._star:
                self._forget_held(name, given_up=True)
                self._give_up(name)
        self._store.tell_watchers()

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

    def under(self, parents: Collection[str]) -> list[str]:
        """The names that it asked for as `<parent>/<...>`, of what is there."""
        under = [name for name in self.names if name.rpartition("/")[0] in parents]
        return [name for name in under if self._view.matches(name)]

    # --- what to send ------------------------------------------------------------------------------------------------

    def initial(self, known: Mapping[str, str] | None = None, *, at_once: bool = False) -> Update:
        """The first answer, which may be empty: all that it wants, less what it has.

        Args:
            known: name → version of what a client brings from an earlier stream (R61). What is equal is left out, what
                no longer exists is in `removed`, unless the Plane's view is incomplete: then it is kept until it is.
            at_once: all that it wants, whatever has to wait; nothing is known then.

        Raises:
            UsageError: the second time.
            ClosedError: after `close()`.
        """
        self._begin()
        if known:
            self._known = known
        update = self.everything() if at_once else self._first(known or {})
        if update is None:
            update = Update((), (), ordinal=self._view.ordinal)
        # what was asked for since it was made is answered although it is known
        self._owed = {name: asked for name, asked in self._owed.items() if not self._answers(update, name)}
        self._all_owed = False
        sent = self._taken(update)
        self._forget_known()
        return sent or update

    def resume(self) -> None:
        """In place of `initial()`: the client has all that it wants as it is now, and accepted it.

        Raises:
            UsageError: after `initial()`.
            ClosedError: after `close()`.
        """
        self._begin()
        self._owed = {}
        self._all_owed = False
        self._taken(None)

    def is_view_complete(self) -> bool:
        """Whether what is not in the Plane is gone. Where it may only be unreadable, `wake` is called when it is not
        any more, and when something changes.
        """
        if not self._store.complete:
            self._store.keepers[self] = None
            self._arm()
        return self._store.complete

    def repeat(self, versions: Mapping[str, str]) -> Update | None:
        """Send these versions once more, in an update of their own: what a rejected one carried besides the reason.

        None where nothing of it is to be sent any more. Call it when `poll()` gave None; where the update is split, the
        rest of it comes from `poll()`.

        Raises:
            ClosedError: after `close()`.
        """
        self._check_open()
        return self._taken(self._repeated(versions))

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
        return self._taken(self._due())

    async def changed(self) -> Update:
        """Wait until there is something to send, and take it. Safe to cancel: nothing is lost.

        Raises:
            UsageError: before `initial()`, or where somebody else waits already.
            ClosedError: after `close()`, also while waiting.
        """
        # here, because "import rime_core" must not load asyncio (0.05 s) for those who use callbacks
        from rime_core import aio  # noqa: PLC0415

        return await aio.changed(self)

    def __aiter__(self) -> AsyncIterator[Update]:
        """Each update as it comes; ends when the subscriber is closed."""
        from rime_core import aio  # noqa: PLC0415

        return aio.updates(self)

    @property
    def is_put_off(self) -> bool:
        """Whether something changed of which it is only told later, and which `poll()` may give it now."""
        view = self._view
        return self._cursor < view.ordinal and any(index.is_put_off for index in view.feeds)

    # --- its state ----------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> frozenset[str]:
        """The names that the client knows and the Plane lacks, kept until the Plane's view is complete."""
        return frozenset(self._kept)

    @property
    def held(self) -> Mapping[str, str | None]:
        """Name → the version that the client has, of what it is not sent yet; None where it has nothing."""
        return MappingProxyType(self._held)

    def is_given(self, resource: Resource) -> bool:
        """Whether this is what it is to have of that name: it asks for it, and no group's own covers it."""
        return self._visible(self._view.entry(resource.name)) is resource

    def let_go(self, names: Iterable[str]) -> None:
        """Look again at `names` that are held: what must not wait any more comes with the next `poll()`."""
        released = [name for name in names if name in self._held]
        if released:
            self._released.update(dict.fromkeys(released))
            self.nudge()

    # --- life --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give everything up; a pending wait ends. Closing twice is fine."""
        if self._closed:
            return
        self._disarm()
        self._closed = True
        if self._names is not None:
            self._view.leave(self._names)
            self._names = None
        self._store.unsubscribed(self, self._view)
        self._flights = []
        self._rest = None
        self._wake = self._absent = None  # what is the stream's would keep it
        if self._waiter is not None:
            self._waiter()
        self._store.tell_watchers()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def nudge(self) -> None:
        """There may be something to send: tell whoever waits, unless it was told since the last poll."""
        if self._armed:
            self._armed = False
            for feed in self._feeds:
                feed.waiting.pop(self, None)
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

    def _begin(self) -> None:
        self._check_open()
        if self._cursor != BEFORE_INITIAL:
            raise UsageError("initial() was called before; poll() gives what came since")

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"this subscriber of {self._view.described.plural} is closed")

    def _checked(self, names: Iterable[str]) -> dict[str, None]:
        self._check_open()
        if isinstance(names, (str, bytes)):
            raise TypeError(f"names is a collection of names, not one: pass [{names!r}]")
        checked = dict.fromkeys(names)
        for name in checked:
            if name != STAR:
                check_name(name)
        return checked

    def _answers(self, update: Update, name: str) -> bool:
        versions = update.manifest.versions
        return name in versions or any(resource.name in versions for resource in self._view.matches(name))

    def _step(self, added: frozenset[str], removed: frozenset[str]) -> None:
        view = self._view
        if self._names is None:
            self._move(self._star, view.follow(added - removed))
        else:
            self._catch_up(self._names)
            self._move(self._star, view.step(self._names, added, removed))

    def _catch_up(self, names: Names) -> None:
        """Take the cursor to the present where nothing among `names` changed since: were it older than the set of names
        that it goes to, all of its names would have to be compared.
        """
        if not self._star and self._cursor >= names.since and next(names.tail(self._cursor), None) is None:
            self._cursor = self._view.observe()

    def _move(self, star: bool, names: Names | None) -> None:
        """Listen to another feed; who was armed stays so."""
        armed = self._disarm()
        self._star = star
        self._names = names
        self._feeds = self._view.feeds if star else names.feeds if names is not None else ()
        if armed:
            self._arm()

    def _arm(self) -> None:
        self._armed = True
        for feed in self._feeds:
            feed.waiting[self] = None

    def _disarm(self) -> bool:
        """Wait no longer; whether it did."""
        armed, self._armed = self._armed, False
        if armed:
            for feed in self._feeds:
                feed.waiting.pop(self, None)
        return armed

    def _taken(self, update: Update | None) -> Update | None:
        """Account for `update` as sent, and listen for what comes next."""
        view = self._view
        self._prior = self._cursor
        self._cursor = view.observe()
        self._had_star = self._star
        self._anew = None
        if not self._armed and (self._wake is not None or self._waiter is not None):
            self._armed = True
            for feed in self._feeds:
                feed.waiting[self] = None
        if self._kept:
            self._store.keepers[self] = None
        if update is None or not (update.resources or update.removed or update.full):
            return None
        if self._max_bytes is not None and not update.full and len(update.parts(self._max_bytes)) > 1:
            self._rest = _parts(update, self._max_bytes)
            update = next(self._rest)
        return self._sent(update)


def _parts(update: Update, max_bytes: int) -> Iterator[Update]:
    """The parts of `update`, which lives until all are taken: who else is sent it takes the same ones."""
    yield from update.parts(max_bytes)
