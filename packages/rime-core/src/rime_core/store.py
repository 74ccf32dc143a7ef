"""Store: one set of resources, which a Plane writes and Servers read.

All that changes goes through `commit`, in three steps: who may (contested names), whether now (held removals), and then
one change of the indexes and one wake-up. What can fail has failed before, in `Preparation`; so a transaction is all or
nothing, and readers never see half of one. Whom a change concerns (subscribers, who waits for readiness, `report`) is
called when all of it is done, so that what they do or raise cannot come between.

Removals need a complete view. What a source cannot read now looks the same as what is gone, so while any writer has not
delivered its first state or has something that it cannot read, and whenever too much would go at once, the removal is
held: the resource stays in service, the status says what holds it, and it goes when the reason is gone. So it is where
the policy of the type says that a resource stays (`rime_core.policy`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from rime_core.change import Changes, Preparation, References
from rime_core.clients import Clients
from rime_core.contested import Contested
from rime_core.debounce import Delays
from rime_core.errors import ClosedError
from rime_core.index import Index, call_all
from rime_core.outside import Outside
from rime_core.parties import Owner, Reader
from rime_core.readiness import Readiness
from rime_core.referrers import Referrers
from rime_core.resource import Digest, Reference, Resource
from rime_core.snapshot import Snapshot
from rime_core.status import HeldRemoval, Notice, PlaneStatus, WaitsFor, WriterStatus
from rime_core.type_urls import XdsType, check_type_url, depth, describe
from rime_core.view import View
from rime_core.watches import Watcher, Watches


class Store(Readiness):
    """What the handles on one set of resources share; see `Plane` for the arguments. It belongs to one thread."""

    def __init__(
        self,
        *,
        digest: Digest,
        references: References | None,
        types: Mapping[str, XdsType],
        delays: Delays,
        max_removal: float,
        tombstones: int,
        report: Callable[[Notice], None] | None,
    ) -> None:
        super().__init__(report)
        self.indexes: Final[dict[str, Index]] = {}
        self.digest: Final = digest
        self.references: Final = references
        self.types: Final = types
        """Type URL → the type, where it is not as `describe` says."""
        self.delays: Final = delays
        self.preparation: Final = Preparation(self.indexes, digest, references)
        self.closed = False
        self.clients: Final = Clients()
        self.held: Final[dict[Reference, HeldRemoval]] = {}
        self._contested: Final = Contested()
        self.referrers: Final = Referrers()
        self.outside: Final = Outside()
        self._unreferred: Final[dict[Reference, HeldRemoval]] = {}
        """Held removals that waited for their referrers, which are gone."""
        self._released: Final[dict[Store, None]] = {}
        """Groups whose held removals waited for what is the case now."""
        self._max_removal: Final = max_removal
        self._tombstones: Final = tombstones
        self._watches: Final = Watches(report)
        self.commits = 0
        self._snapshot: Snapshot | None = None

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """How many commits changed something."""
        return self.commits

    def referrers_of(self, name: Reference) -> Iterator[tuple[Reference, int | None]]:
        """Who refers to `name`, and who did until which ordinal of its type (`Referrers.of`)."""
        return self.referrers.of(name)

    def mappings(self) -> dict[str, Mapping[str, Resource]]:
        """Name → Resource, of each type that has any; immutable."""
        return {type_url: index.snapshot() for type_url, index in self.indexes.items() if index.resources}

    def snapshot(self) -> Snapshot:
        """Everything as it is now; copies only the types that changed since the last one."""
        if self._snapshot is None or self._snapshot.sequence != self.sequence:
            self._snapshot = Snapshot(self.sequence, self.mappings())
        return self._snapshot

    def status(self) -> PlaneStatus:
        """What there is, what is waited for, and what is held."""
        return PlaneStatus(
            sequence=self.sequence,
            ready=self.answering,
            complete=self.complete,
            writers=tuple(
                WriterStatus(writer.name, writer.is_ready, writer.lacks, writer.owned, writer.staleness())
                for writer in self.writers.values()
            ),
            held=tuple(self.held.values()),
            contested={
                (url, name): (
                    self.indexes[url].entries[name].owner.name,
                    *[writer.name for writer in self._contested.claimants((url, name))],
                )
                for url, name in self._contested
            },
            delays=tuple(index.delay.status() for index in self.indexes.values() if index.delay is not None),
        )

    # --- committing --------------------------------------------------------------------------------------------------

    def commit(self, writer: Owner, changes: Changes, label: str | None = None) -> bool:
        """Carry out prepared changes of `writer`; True where what clients are to have differs.

        `label`: what the types in which something differs are called from now on. (Letting go what was held is not a
        change of anybody's, and leaves the label.)

        Raises:
            Exception: what one of those raised whom it called, with the change done and all others called.
        """
        touched = self._commit(writer, changes, sure=False)
        for index in touched:
            index.label = label
        if touched and self.clients.observers:
            self.clients.committed(writer.name, {index.type_url: changes[index.type_url] for index in touched}, label)
        if self._calls:
            call_all(self._taken_calls())
        return bool(touched)

    def _commit(self, writer: Owner, changes: Changes, *, sure: bool) -> Collection[Index]:
        """As `commit`, and calls nobody; what differs. `sure`: removals happen however many they are."""
        waits = self._waits(writer, changes, sure=sure)
        touched: dict[Index, None] = {}
        referred: list[tuple[Index, str]] = []
        wrote = False
        for type_url, named in changes.items():
            index = self.index(type_url)
            for name, resource in named.items():
                if resource is not None:
                    wrote = True
                    differs = self._apply(writer, index, name, resource)
                elif index.described.removal == "when unreferenced":
                    referred.append((index, name))  # after what may refer to it
                    continue
                else:
                    differs = self._remove(writer, index, name, waits, sure=sure)
                if differs:
                    touched[index] = None
        for index, name in sorted(referred, key=lambda each: depth(each[0].type_url)):  # who refers goes first
            if self._remove(writer, index, name, waits, sure=sure):
                touched[index] = None
        if touched:
            self.commits += 1
            for index in touched:
                self._calls += index.woken()
        self._let_go_unreferred()
        if wrote and writer.note_written():
            self._review()
        return touched

    def _apply(self, writer: Owner, index: Index, name: str, resource: Resource) -> bool:
        entry = index.entries.get(name)
        old = entry.resource if entry is not None else None
        if entry is not None and old is not None:
            given_up = bool(self.held) and self.held.pop((index.type_url, name), None) is not None
            owner = entry.owner
            if owner is not writer:
                if not given_up and not self._wins(writer, owner, index, name, old, resource):
                    return False
                owner.owned -= 1
                writer.owned += 1
                entry.owner = writer
            if resource is old:
                return False
        else:
            writer.owned += 1
        self._put(index, name, old, resource, writer)
        return True

    def _remove(
        self, writer: Owner, index: Index, name: str, waits: tuple[WaitsFor, str] | None, *, sure: bool
    ) -> bool:
        key = (index.type_url, name)
        entry = index.entries.get(name)
        old = entry.resource if entry is not None else None
        if entry is None or old is None or entry.owner is not writer:
            self._contested.withdraw(key, writer)
            return False
        heir = self._contested.heir(key)
        if heir is not None:
            entry.owner, inherited = heir
            self._contested.withdraw(key, entry.owner)
            writer.owned -= 1
            entry.owner.owned += 1
            self.held.pop(key, None)
            if inherited is old:
                return False
            self._put(index, name, old, inherited, entry.owner)
            return True
        if waits is None and self.answering:
            waits = self._stays(index.described, key, sure=sure)
        if waits is not None:
            if key not in self.held:
                self.held[key] = HeldRemoval(index.type_url, name, writer.name, *waits)
                self._tell("removal-held", f"the removal of {index.described.singular} {name!r} is held: {waits[1]}")
            return False
        self.held.pop(key, None)
        writer.owned -= 1
        self._put(index, name, old, None, writer)
        return True

    def _put(self, index: Index, name: str, old: Resource | None, new: Resource | None, owner: Owner) -> None:
        index.put(name, new, owner)
        before = old.references if old is not None else ()
        after = new.references if new is not None else ()
        if before or after:
            self._refer((index.type_url, name), before, after, index.ordinal)
        if new is not None and self.outside.waiting:
            self._release((index.type_url, name))

    def _refer(
        self, referrer: Reference, before: tuple[Reference, ...], after: tuple[Reference, ...], ordinal: int
    ) -> None:
        if self._unreferred:
            for reference in after:
                self._unreferred.pop(reference, None)
        for reference in self.referrers.change(referrer, before, after, ordinal):
            self.unreferred(reference)
            self._release(reference)

    def _is_referred(self, name: Reference) -> bool:
        """Whether something refers to `name`, here or in a group."""
        return name in self.referrers or name in self.outside

    def unreferred(self, name: Reference) -> None:
        """Something that referred to `name` does not any more: a removal that waited for that may happen."""
        held = self.held.get(name)
        if held is not None and held.waits_for == "referrers" and not self._is_referred(name):
            self._unreferred[name] = held

    def _release(self, name: Reference) -> None:
        """What some group may wait for is the case: the removal of its own `name` may happen."""
        for group in self.outside.released(name):
            group.unreferred(name)
            self._released[group] = None

    def _let_go_unreferred(self) -> None:
        if self._unreferred:
            self._let_go(self._unreferred.values(), sure=True)
        while self._released:
            calls = self._released.popitem()[0].let_go_unreferred()
            self._calls += calls

    def let_go_unreferred(self) -> list[Callable[[], None]]:
        """Have the removals happen that waited for their referrers, and call nobody; whom to call."""
        self._let_go_unreferred()
        return self._taken_calls()

    def _wins(self, writer: Owner, owner: Owner, index: Index, name: str, old: Resource, new: Resource) -> bool:
        """Settle a contested name: who comes first in the configuration has it, the other's content waits."""
        key = (index.type_url, name)
        wins = writer.rank < owner.rank
        if wins:
            self._contested.withdraw(key, writer)
            is_new = self._contested.wait(key, owner, old)
        else:
            is_new = self._contested.wait(key, writer, new)
        if is_new:
            winner, loser = (writer, owner) if wins else (owner, writer)
            self._tell(
                "conflict",
                f"{index.described.singular} {name!r} is claimed by {winner.name} and by {loser.name}; "
                f"{winner.name} has it, as it comes first in the configuration",
            )
        return wins

    # --- holding removals --------------------------------------------------------------------------------------------

    def _waits(self, writer: Owner, changes: Changes, *, sure: bool) -> tuple[WaitsFor, str] | None:
        """What the removals among `changes` must wait for, and why; None: for nothing.

        Nothing waits before clients are answered: none can know what goes.
        """
        if not self.answering:
            return None
        if not self.complete:
            first, *more = self.lacks
            return ("complete view", first + (f" (and {len(more)} more)" if more else ""))
        if self._max_removal >= 1 or sure:
            return None
        going = sum(
            resource is None and self._is_gone(writer, (type_url, name))
            for type_url, named in changes.items()
            for name, resource in named.items()
        )
        if going <= self._max_removal * writer.owned:
            return None
        return ("release", f"{writer.name} would lose {going} of {writer.owned} resources at once, more than allowed")

    def _stays(self, described: XdsType, name: Reference, *, sure: bool) -> tuple[WaitsFor, str] | None:
        """What the removal of `name` waits for by the policy of its type, and why; None: for nothing."""
        if described.removal == "never" and not sure:
            return ("release", f"{described.plural} stay until they are released, which is the policy for them")
        if described.removal == "when unreferenced" and self._is_referred(name):
            return ("referrers", "something still refers to it")
        return None

    def _is_gone(self, writer: Owner, key: Reference) -> bool:
        index = self.indexes.get(key[0])
        if index is None or index.described.removal == "never":
            return False
        entry = index.entries.get(key[1])
        return (
            entry is not None
            and entry.resource is not None
            and entry.owner is writer
            and key not in self._contested
            # what was made because it was asked for goes when nobody asks for it: that is no accident
            and not (entry.resource.on_demand and self._watches.is_left(writer, key))
        )

    def _let_go(self, held: Iterable[HeldRemoval], *, sure: bool) -> None:
        by_writer: dict[Owner, defaultdict[str, dict[str, None]]] = {}
        for each in tuple(held):
            key = (each.type_url, each.name)
            self._unreferred.pop(key, None)
            if self.held.pop(key, None) is not None:
                owner = self.indexes[each.type_url].entries[each.name].owner
                by_writer.setdefault(owner, defaultdict(dict))[each.type_url][each.name] = None
        for writer, changes in by_writer.items():
            if self._commit(writer, changes, sure=sure):
                count = sum(map(len, changes.values()))
                self._tell("removal-released", f"{count} held removals of {writer.name} have happened")

    def release(self) -> None:
        """Let go the removals that are held because they were too many at once, or never happen otherwise."""
        self._let_go([held for held in self.held.values() if held.waits_for == "release"], sure=True)
        call_all(self._taken_calls())

    def _completed(self) -> None:
        self._let_go([held for held in self.held.values() if held.waits_for == "complete view"], sure=False)

    # --- for its handles ---------------------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Raise unless the store is open.

        Raises:
            ClosedError: it is closed.
        """
        if self.closed:
            raise ClosedError("the Plane is closed")

    def close(self) -> None:
        """Close every Subscriber; nothing can be written or subscribed to any more. Twice is fine."""
        self.closed = True
        super().close()
        for index in tuple(self.indexes.values()):
            for subscriber in tuple(index.subscribers):
                subscriber.nudge()  # a stream looks, and finds that it is over
                subscriber.close()

    def index(self, type_url: str) -> Index:
        """The Index of a type, made where there is none.

        Raises:
            TypeError, ValueError: as `check_type_url`.
            ClosedError: the Plane is closed.
        """
        self.check_open()
        index = self.indexes.get(type_url)
        if index is None:
            check_type_url(type_url)
            index = self.indexes[type_url] = self._new_index(type_url)
            index.delay = self.delays.of(type_url, index.tell)
        return index

    def _new_index(self, type_url: str) -> Index:
        return Index(self.described(type_url), tombstone_limit=self._tombstones)

    def described(self, type_url: str) -> XdsType:
        """What is known of a type, and the policy for it here."""
        return self.types.get(type_url) or describe(type_url)

    def knows(self, type_url: str) -> bool:
        """Whether there are, or were, resources of this type, or somebody asks for it."""
        return type_url in self.indexes

    def count(self, type_url: str) -> int:
        """How many resources of this type there are; in a group those that it covers as well."""
        index = self.indexes.get(type_url)
        return index.resources if index is not None else 0

    def view(self, type_url: str) -> View:
        """What is read of a type.

        Raises:
            As `index`.
        """
        return self.index(type_url)

    def unsubscribed(self, subscriber: Reader, view: View) -> None:
        """Forget a closed subscriber, and an Index that only existed because somebody asked for its type."""
        self.keepers.pop(subscriber, None)
        for index in view.feeds:
            del index.subscribers[subscriber]
        self.forget_unused(view.type_url)

    def watch(self, writer: Owner, type_url: str, watcher: Watcher | None) -> None:
        """Tell `watcher` which names of a type clients ask for, or nobody where it is None.

        Raises:
            As `index`.
        """
        index = self.index(type_url)
        if watcher is not None:
            self._watches.begin(writer, type_url, index.interest, watcher)
            self.tell_watchers()
        else:
            self._watches.end(writer, type_url)
            self.forget_unused(type_url)

    def unwatch(self, writer: Owner) -> None:
        """Tell `writer` no longer which names clients ask for."""
        for type_url in self._watches.types_of(writer):
            self._watches.end(writer, type_url)
            self.forget_unused(type_url)

    def tell_watchers(self) -> None:
        """What clients ask for may have changed: tell who watches it. Called when what changed it is done.

        Raises:
            Exception: what one of them raised, where there is no `report`.
        """
        if self._watches and not self.closed:
            self._watches.tell()

    def forget_unused(self, type_url: str) -> bool:
        """Forget the Index of a type where it is of no use to anybody; whether it was."""
        index = self.indexes.get(type_url)
        if index is None or index.subscribers or index.entries or index.groups or index.interest.watches:
            return False
        del self.indexes[type_url]
        return True

    def names_of(self, writer: Owner, type_url: str) -> list[str]:
        """The names of one type that `writer` claims, contested ones included."""
        index = self.indexes.get(type_url)
        owned = [
            name
            for name, entry in (index.entries.items() if index is not None else ())
            if entry.resource is not None and entry.owner is writer
        ]
        return [*owned, *self._contested.names(writer, type_url)]
