"""Writer and Transaction: the only ways to change a Plane.

Each source has a Writer of its own, which owns what it wrote. Where two claim one name, the one that comes first in the
configuration wins, whoever came first in time, so that a restart or another replica decides the same; the other's
content waits and takes over when the winner gives the name up.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Literal, Self

from rime_core.change import Body, check_label
from rime_core.errors import ClosedError, UsageError
from rime_core.index import call_all
from rime_core.reception import Reception, reception_of
from rime_core.resource import Reference, Resource
from rime_core.store import Store
from rime_core.type_urls import check_type_url
from rime_core.watches import Watcher


class Writer:
    """One source's way to write; made by `Plane.writer`, and a Plane is one itself.

    `name` is what people are shown; `rank` decides contested names, the lower one wins. All calls belong to the thread
    that owns the Plane.
    """

    def __init__(self, store: Store, name: str, rank: int, *, allow_empty: bool) -> None:
        self.name: Final = name
        self.rank: Final = rank
        self.owned = 0
        """How many resources it has in service; what another writer's hide does not count."""
        self.open_transaction: Transaction | None = None
        """The transaction of it that is open."""
        self.staleness: Callable[[], float | None] = _unknown
        """How many seconds ago its view was last known to be true (`rime_core.adapter.Dated`); for its status."""
        self.store: Final = store
        """What it writes to."""
        self._indexes: Final = store.indexes
        self._allow_empty: Final = allow_empty
        self._wrote = False
        self._ready = False
        self._incomplete: tuple[str, ...] = ()

    # --- writing -----------------------------------------------------------------------------------------------------

    def apply(
        self,
        type_url: str,
        name: str,
        body: Body,
        *,
        aliases: Sequence[str] = (),
        on_demand: bool = False,
        ttl: float | None = None,
    ) -> bool:
        """Make `body` the content of `name`; True when what clients are to have differs from before.

        Args:
            type_url: such as `rime_core.CLUSTER`.
            name: what clients call it.
            body: the serialized message; copied unless it is `bytes`.
            aliases: other names that it answers to.
            on_demand: keep it outside "*": only who names it is given it.
            ttl: its lifetime in seconds, from 1 to 86,400 (a day), to the millisecond: clients that understand
                lifetimes drop it when they have heard nothing of it for so long, and are told in time that it stays.
                None: it stays until it is removed.

        Raises:
            TypeError: `body` is not bytes-like, `name` is not a `str`, `aliases` is one `str`, `ttl` is no number.
            ValueError: `type_url` is none, `name` is empty or cannot be encoded, `ttl` is out of range.
            UsageError: a transaction of this writer is open.
            ClosedError: the Plane is closed.
        """
        store = self.store
        if store.closed or self.open_transaction is not None:
            self._check_idle()
        index = self._indexes.get(type_url)
        references: tuple[Reference, ...] | None = None
        if index is not None and type(body) is bytes:
            # the straight ways: of what is the same, and of another body that refers to the same, for a name that is
            # this writer's
            entry = index.entries.get(name)
            if entry is not None and entry.owner is self and not store.held:
                old = entry.resource
                if old is not None and old.aliases == aliases and old.on_demand is on_demand and old.ttl == ttl:
                    if old.body == body:
                        return False
                    if not aliases and ttl is None:
                        references = store.preparation.references(type_url, body)
                        if references == old.references:
                            version = store.digest(body)
                            index.put(name, Resource(type_url, name, version, body, (), on_demand, references), self)
                            index.label = None
                            store.commits += 1
                            if store.clients.observers:
                                store.clients.committed(self.name, {type_url: (name,)}, None)
                            if index.waiting or index.touched:
                                call_all(index.woken())
                            return True
        resource = store.preparation.resource(type_url, name, body, aliases, on_demand, ttl, references)
        return store.commit(self, {type_url: {name: resource}})

    def remove(self, type_url: str, name: str) -> bool:
        """Take back what this writer wrote as `name`; True where that changes what clients are to have.

        While the Plane's view is not complete, the removal is held: the resource stays until it is.

        Raises:
            TypeError: `name` is not a `str`.
            ValueError: `type_url` is none, `name` is empty or cannot be encoded.
            UsageError: a transaction of this writer is open.
            ClosedError: the Plane is closed.
        """
        self._check_idle()
        self.store.preparation.check_removal(type_url, name)
        return self.store.commit(self, {type_url: {name: None}})

    def replace(self, type_url: str, bodies: Mapping[str, Body]) -> bool:
        """Make `bodies` (name → content) all that this writer has of the type; True when anything differs.

        What other writers wrote stays. Readers see all of it or nothing.

        Raises:
            As `apply`.
        """
        check_type_url(type_url)
        with self.transaction() as change:
            for name, body in bodies.items():
                change.apply(type_url, name, body)
            for name in self.store.names_of(self, type_url):
                if name not in bodies:
                    change.remove(type_url, name)
        return change.changed

    def transaction(self, version: str | None = None) -> "Transaction":
        """Changes that happen together at the end of the `with` block: all or nothing, one wake-up.

        Args:
            version: what people call the state after it, such as a Git commit; up to 200 characters. Clients are told
                it (`system_version_info`) with whatever they are sent of a type in which this transaction changed
                something, until another one changes that type. What is sent goes by content alone.

        Raises:
            TypeError: `version` is not a `str`.
            ValueError: `version` is empty, too long, or cannot be encoded.
            UsageError: another transaction of this writer is open.
            ClosedError: the Plane is closed.
        """
        if version is not None:
            check_label(version)
        self._check_idle()
        return Transaction(self, version)

    def abandon(self) -> None:
        """Forget what whoever wrote through it left behind: an open transaction, what was changed through that, and
        what was watched.
        """
        if self.open_transaction is not None:
            self.open_transaction.end()
        self.store.unwatch(self)

    # --- being told what is asked for --------------------------------------------------------------------------------

    def watch(self, type_url: str, watcher: Watcher | None) -> None:
        """Be told which names of a type clients ask for, so that what they ask for can be made then.

        `watcher(wanted, unwanted)` is called at once with what is asked for already, and then with the names that get
        their first subscriber, and those that lose their last, whoever that is. It may write through this writer: the
        client is answered with what it wrote, and is told that a name is missing where it wrote nothing. What it raises
        is reported (`Notice`), and raised where nobody has it reported. While a transaction of this writer is open, it
        is not called.

        A client that comes back has its names unwanted for a moment. "*" is not a name, and tells nothing. Names are
        the clients' to choose, up to 100,000 of a type on one stream: make nothing of those that cannot be meant. On a
        Plane that is a base, the clients of its groups count; on a group, its own.

        Args:
            type_url: such as `rime_core.VIRTUAL_HOST`.
            watcher: takes the place of the one before it, if any, and is told as well what that one was told is wanted
                and is not any more; None: nobody is told any longer.

        Raises:
            TypeError, ValueError: `type_url` is none.
            UsageError: a transaction of this writer is open.
            ClosedError: the Plane is closed.
        """
        self._check_idle()
        self.store.watch(self, type_url, watcher)

    @property
    def is_busy(self) -> bool:
        """Whether a transaction of it is open."""
        return self.open_transaction is not None

    # --- being told what became of it --------------------------------------------------------------------------------

    def reception(self, type_url: str, name: str) -> Reception | None:
        """What clients made of a resource of this writer, as it is now; None where it has none of that name in service.

        For status that is shown, from time to time: it takes some microseconds for each client that asks for the
        type. The clients of groups count as well, where they see this and not the group's own.
        """
        index = self._indexes.get(type_url)
        entry = index.entries.get(name) if index is not None else None
        if index is None or entry is None or entry.resource is None or entry.owner is not self:
            return None
        clients = [subscriber for subscriber, is_client in index.subscribers.items() if is_client]
        return reception_of(entry.resource, clients)

    # --- saying how complete it is -----------------------------------------------------------------------------------

    def ready(self) -> None:
        """The first full state is written. Until every writer has said so, clients are not answered.

        A first state with nothing in it counts as incomplete until something is written, unless the writer was made
        with `allow_empty`: a folder that is not mounted yet must not empty a fleet.
        """
        self.store.check_open()
        self._ready = True
        self.store.review()

    def incomplete(self, reasons: Iterable[str]) -> None:
        """What cannot be read now, a line each; replaces what was said before, and nothing means all can be read.

        While there is anything, removals (anybody's) are held back: what seems gone may only be unreadable.
        """
        self.store.check_open()
        if isinstance(reasons, str):
            raise TypeError(f"reasons is a collection of lines, not one: pass [{reasons!r}]")
        self._incomplete = tuple(reasons)
        self.store.review()

    @property
    def is_ready(self) -> bool:
        """Whether `ready()` was called."""
        return self._ready

    @property
    def lacks(self) -> tuple[str, ...]:
        """Why its view is not complete, a line each; empty where it is."""
        if not self._ready:
            return (f"{self.name} has not delivered its first state yet", *self._incomplete)
        if not self._wrote and not self._allow_empty:
            return (f"{self.name} is empty", *self._incomplete)
        return self._incomplete

    def note_written(self) -> bool:
        """This writer has written something; True the first time."""
        first, self._wrote = not self._wrote, True
        return first

    # --- inside ------------------------------------------------------------------------------------------------------

    def _check_idle(self) -> None:
        self.store.check_open()
        if self.open_transaction is not None:
            raise UsageError(f"a transaction of {self.name} is open: change through it, or after it")


def _unknown() -> None:
    """Nobody said how to know it."""


class Transaction:
    """Changes of one Writer that happen together when the `with` block ends, or not at all when it raises.

    The last change of a name counts. It is used once; every method raises `UsageError` outside its block.
    """

    def __init__(self, writer: Writer, version: str | None) -> None:
        self.version: Final = version
        """What people call the state after it; None where nobody said."""
        self.changed = False
        """After the block: whether anything differs from before."""
        self._writer: Final = writer
        self._store: Final = writer.store
        self._changes: defaultdict[str, dict[str, Resource | None]] = defaultdict(dict)
        self._state: Literal["new", "open", "over"] = "new"

    def apply(
        self,
        type_url: str,
        name: str,
        body: Body,
        *,
        aliases: Sequence[str] = (),
        on_demand: bool = False,
        ttl: float | None = None,
    ) -> None:
        """As `Writer.apply`, at the end of the block; what is wrong with it is raised here."""
        self._check_open()
        resource = self._store.preparation.resource(type_url, name, body, aliases, on_demand, ttl)
        self._changes[type_url][name] = resource

    def remove(self, type_url: str, name: str) -> None:
        """As `Writer.remove`, at the end of the block."""
        self._check_open()
        self._store.preparation.check_removal(type_url, name)
        self._changes[type_url][name] = None

    def end(self) -> None:
        """Nothing can be changed through it any more."""
        self._state = "over"
        self._writer.open_transaction = None

    def __enter__(self) -> Self:
        if self._state != "new" or self._writer.open_transaction is not None:
            raise UsageError(f"{self._writer.name} has a transaction open, or this one is over: each is used once")
        self._state = "open"
        self._writer.open_transaction = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._state == "over":
            return False  # abandoned
        self.end()
        if kind is None:
            if self._store.closed:
                raise ClosedError("the Plane was closed while a transaction was open; it did not happen")
            self.changed = self._store.commit(self._writer, self._changes, self.version)
        self._store.tell_watchers()  # what they were not told while it was open
        return False

    def _check_open(self) -> None:
        if self._state != "open":
            raise UsageError("this transaction is not open: use it inside its with block")
