"""Index: the resources of one type, in order of last change.

The order is what keeps a change flat. Each entry has an *ordinal*, the number of its last change; a reader that has
everything up to ordinal *c* (its *cursor*) lacks exactly the entries at the end of the order with an ordinal above *c*.
Finding them costs what changed, never what there is.

- The order is a `Chain` of the entries: moving one to its end and walking from its end are a step each. (An
  `OrderedDict` does the same with links elsewhere in memory: with a million resources that takes a fifth more time. A
  plain dict from which a changed name is popped and re-inserted leaves a hole for each change: with one hot name among
  100,000 the walk over holes was measured at 9 µs instead of 0.2.)
- What a name was at a cursor is known without a map per client (see `rime_core.entry`).
- A removed name stays as a tombstone until there are more than `TOMBSTONES`; a wildcard cursor below `floor`, the
  highest ordinal of a forgotten one, has nothing to compare with and is answered with everything.
- What is worked out for one cursor is kept for all that stand there, until the next change (see `rime_core.view`).
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from rime_core.chain import Chain
from rime_core.entry import PAST, Entry, Past
from rime_core.interest import Interest, Names, NameSets
from rime_core.parties import Owner, Reader
from rime_core.resource import Resource
from rime_core.update import Update
from rime_core.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from rime_core.debounce import Delay
    from rime_core.set_version import SetVersion
    from rime_core.type_urls import XdsType

TOMBSTONES: Final = 10_000
"""How many removed names are remembered for each type: about 3 MB."""


KEPT: Final = 10_000
"""How many resources what is kept for others may hold; as many as there are, where these are more. An Update by itself
counts for `UPDATE` of them."""

UPDATE: Final = 16


class Index(View):
    """The resources of one type. Only a Writer changes it; subscribers read it at their cursors."""

    __slots__ = (
        "_aliases",
        "_order",
        "_pins",
        "_snapshot",
        "_tombstones",
        "delay",
        "described",
        "entries",
        "floor",
        "groups",
        "interest",
        "kept",
        "label",
        "lifetimes",
        "number",
        "numbers",
        "observed",
        "ordinal",
        "renewals",
        "resources",
        "shared",
        "subscribers",
        "tombstone_limit",
        "touched",
        "type_url",
        "updates",
        "version",
        "waiting",
    )

    ordinal: int
    floor: int
    observed: int
    label: str | None

    def __init__(
        self,
        described: "XdsType",
        *,
        tombstone_limit: int = TOMBSTONES,
        numbers: Iterator[int] | None = None,
        interest: Interest[Any] | None = None,
    ) -> None:
        self.type_url: Final = described.url
        self.described: Final = described
        self.tombstone_limit: Final = tombstone_limit
        self.entries: Final[dict[str, Entry]] = {}
        self._order: Final = Chain()
        """The entries, the one that changed last at the end."""
        self.numbers: Final = count(1) if numbers is None else numbers
        """Where it takes its ordinals from."""
        self.number = self.numbers.__next__
        self.ordinal = 0
        self.label = None
        self.observed = 0
        """The highest ordinal at which somebody read: what changed above it, nobody has seen."""
        self.floor = 0
        self.resources = 0
        """How many resources there are; tombstones do not count."""
        self.groups = 0
        """How many Indexes of groups stand on it."""
        self.subscribers: dict[Reader, bool] = {}
        """Whether each stands for a client."""
        self.waiting: dict[Reader, None] = {}
        """The wildcard subscribers to wake at the next change."""
        self.interest: Final[Interest[Any]] = NameSets() if interest is None else interest
        self.delay: Delay | None = None
        """What puts off that those who wait are woken; None: nothing."""
        self.touched: dict[Names, None] = {}
        """The sets of names among which something changed since the last wake-up."""
        self.shared: MutableMapping[int, Update | None] = {}
        """Cursor → what those who hold "*" and stand there must be sent; for the present ordinal only."""
        self.updates: dict[tuple[tuple[Resource, ...], tuple[str, ...]], Update] = {}
        """Content → the Update that carries it; for the present ordinal only, and no more than `KEPT`."""
        self.kept = 0
        """What they count for."""
        self.version: SetVersion | None = None
        """That of what "*" gives; kept from when somebody asks for it (`rime_core.set_version.of_star`)."""
        self.lifetimes: Final[dict[float, dict[str, None]]] = {}
        """Seconds → the names of the resources with this lifetime."""
        self.renewals: dict[float, Update | None] = {}
        """Lifetime → what renews it for those who hold "*"; for the present ordinal only."""
        self._pins: tuple[list[int], int] = ([], 0)
        """The ordinals on which somebody stood, in order, and at which that was."""
        self._aliases: Final[dict[str, dict[str, None]]] = {}
        self._tombstones: Final[deque[tuple[str, int]]] = deque()
        self._snapshot: Mapping[str, Resource] | None = None

    # --- writing -----------------------------------------------------------------------------------------------------

    def put(self, name: str, resource: Resource | None, owner: Owner) -> None:
        """Make `resource` the present state of `name`; None removes it. The caller has checked that it differs."""
        ordinal = self.ordinal = self.number()
        entry = self.entries.get(name)
        old = None
        if entry is None:
            self.entries[name] = entry = Entry(name, resource, ordinal, owner)
            self._order.append(entry)
        else:
            old = entry.resource
            if resource is not None and (entry.past or (old is not None and resource.version in old.version)):
                resource = entry.told_apart(resource, ordinal)
            if entry.ordinal <= self.observed:
                self._remember(name, entry)
            entry.resource = resource
            entry.ordinal = ordinal
            entry.owner = owner
            self._order.move_to_end(entry)
        if self.shared:
            self.shared.clear()
        if self.updates:
            self.updates.clear()
            self.kept = 0
        if self.renewals:
            self.renewals.clear()
        self._snapshot = None
        if old is None:
            self.resources += 1
        if resource is None:
            self._bury(name, ordinal)
        if (old is not None and old.ttl is not None) or (resource is not None and resource.ttl is not None):
            self._relive(name, old, resource)
        aliases: tuple[str, ...] = ()
        if (old is not None and old.aliases) or (resource is not None and resource.aliases):
            aliases = self._realias(name, old, resource)
        if self.interest.asked:
            self._touch(name, aliases, ordinal)

    def _remember(self, name: str, entry: Entry) -> None:
        entry.past += (entry.state(),)
        if len(entry.past) >= entry.trim_at:
            entry.past = self._needed(name, entry.past)
            entry.trim_at = max(PAST, 2 * len(entry.past))

    def _needed(self, name: str, past: tuple[Past, ...]) -> tuple[Past, ...]:
        """Of a name's past, what the cursor of somebody who wants it stands on: at most one state for each.

        Where everybody stands is looked at for many names at once, and again where most of a past is later than that.
        """
        if past[-PAST // 2].ordinal >= self._pins[1]:
            self._pins = (sorted({pin for subscriber in self.subscribers for pin in subscriber.pins()}), self.ordinal)
        needed = _stood_on(past, self.ordinal, *self._pins)
        if self.interest.asked and len(needed) > PAST // 2:
            aliases = {alias for state in past for alias in state.aliases}
            wanting = [subscriber for subscriber in self.subscribers if subscriber.wants(name, aliases)]
            pins = sorted({pin for subscriber in wanting for pin in subscriber.pins()})
            needed = _stood_on(past, self.ordinal, pins, self.ordinal)
        return needed

    def _bury(self, name: str, ordinal: int) -> None:
        self.resources -= 1
        self._tombstones.append((name, ordinal))
        while len(self._tombstones) > self.tombstone_limit:
            oldest, died = self._tombstones.popleft()
            entry = self.entries.get(oldest)
            # one that lives again, or died again later, has nothing to forget yet
            if entry is not None and entry.resource is None and entry.ordinal == died:
                del self.entries[oldest]
                self._order.remove(entry)
                self.floor = died

    def _realias(self, name: str, old: Resource | None, new: Resource | None) -> tuple[str, ...]:
        before = old.aliases if old is not None else ()
        after = new.aliases if new is not None else ()
        for alias in before:
            if alias not in after:
                named = self._aliases[alias]
                del named[name]
                if not named:
                    del self._aliases[alias]
        for alias in after:
            self._aliases.setdefault(alias, {})[name] = None
        return tuple(dict.fromkeys((*before, *after)))

    def _relive(self, name: str, old: Resource | None, new: Resource | None) -> None:
        before = old.ttl if old is not None else None
        after = new.ttl if new is not None else None
        if before == after:
            return
        if before is not None:
            named = self.lifetimes[before]
            del named[name]
            if not named:
                del self.lifetimes[before]
        if after is not None:
            self.lifetimes.setdefault(after, {})[name] = None

    def _touch(self, name: str, aliases: tuple[str, ...], ordinal: int) -> None:
        for each in (name, *aliases):
            for holder in self.interest.holders(each):
                holder.touched(name, ordinal)
                self.touched[holder] = None

    def observe(self) -> int:
        """Somebody reads it now: `put` remembers what it was. The number of the last change."""
        self.observed = ordinal = self.ordinal
        return ordinal

    def woken(self) -> list[Callable[[], None]]:
        """What to call, once each, to wake those who wait for what changed since this was asked last; nothing where
        that is put off.
        """
        if self.delay is not None:
            if self.waiting or self.touched:
                self.delay.changed()
            return []
        return self._woken()

    def tell(self) -> None:
        """Wake those who wait for what changed and was put off.

        Raises:
            Exception: what one of them raised, with all others called.
        """
        call_all(self._woken())

    @property
    def is_put_off(self) -> bool:
        """Whether something changed of which those who wait are not told yet."""
        return self.delay is not None and self.delay.is_waiting

    def _woken(self) -> list[Callable[[], None]]:
        woken: list[Reader] = []
        if self.waiting:
            woken += self.waiting
            self.waiting = {}
        if self.touched:
            for names in self.touched:
                if names.waiting:
                    woken += names.waiting
                    names.waiting = {}
            self.touched = {}
        return [subscriber.nudge for subscriber in woken]

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def feeds(self) -> tuple["Index"]:
        """Itself."""
        return (self,)

    def entry(self, name: str) -> Entry | None:
        """What is known of `name`."""
        return self.entries.get(name)

    def tail(self, cursor: int) -> Iterator[tuple[str, Entry]]:
        """The entries that changed after `cursor`, the latest first."""
        for entry in reversed(self._order):
            if entry.ordinal <= cursor:
                return
            yield entry.name, entry

    def present(self) -> Iterator[Resource]:
        """All resources, in order of change."""
        for entry in self._order:
            if entry.resource is not None:
                yield entry.resource

    def matches(self, name: str) -> list[Resource]:
        """The resources that answer to `name`, by name or by alias (R35)."""
        found = []
        entry = self.entries.get(name)
        if entry is not None and entry.resource is not None:
            found.append(entry.resource)
        for named in self._aliases.get(name, ()):
            resource = self.entries[named].resource
            if resource is not None and resource not in found:
                found.append(resource)
        return found

    def update_of(self, resources: tuple[Resource, ...], removed: tuple[str, ...]) -> Update | None:
        """The one Update with this content, at this moment; None where there is nothing in it."""
        if not resources and not removed:
            return None
        content = (resources, removed)
        update = self.updates.get(content)
        if update is None:
            counts = UPDATE + len(resources) + len(removed)
            self.kept += counts
            if self.kept > max(KEPT, self.resources):  # of a type that does not change: not for ever
                self.updates.clear()
                self.kept = counts
            update = self.updates[content] = Update(resources, removed, ordinal=self.ordinal, label=self.label)
        return update

    def renewal(self, ttl: float) -> Update | None:
        """What renews the lifetime `ttl` for a subscriber of "*" alone that has everything; made once for all."""
        try:
            return self.renewals[ttl]
        except KeyError:
            update = self.renewals[ttl] = super().renewal(ttl)
            return update

    def follow(self, names: Iterable[str]) -> Names:
        """The set of these names, for one who is interested in them."""
        followed: Names = self.interest.follow(names, self.ordinal)
        return followed

    def step(self, current: Names, added: frozenset[str], removed: frozenset[str]) -> Names:
        """The set that one who followed `current` is interested in now."""
        followed: Names = self.interest.step(current, added, removed, self.ordinal)
        return followed

    def leave(self, names: Names) -> None:
        """One is no longer interested in them."""
        self.interest.leave(names)

    def snapshot(self) -> "Mapping[str, Resource]":
        """Name → Resource of all there are, immutable; made anew only after a change."""
        if self._snapshot is None:
            self._snapshot = MappingProxyType({resource.name: resource for resource in self.present()})
        return self._snapshot


def _stood_on(past: tuple[Past, ...], end: int, pins: list[int], at: int) -> tuple[Past, ...]:
    """Of the states before `end`, those that one of `pins` stands on, or that lasted beyond `at`: who has moved since
    then stands on one of these.
    """
    ends = [*[state.ordinal for state in past[1:]], end]
    return tuple(
        state
        for state, end in zip(past, ends, strict=True)
        if end > at or bisect_left(pins, state.ordinal) < bisect_left(pins, end)
    )


def call_all(callbacks: Iterable[Callable[[], None]]) -> None:
    """Call each; one that raises does not keep the others from being called.

    Raises:
        Exception: the first that a callback raised, after all have been called.
    """
    failure: Exception | None = None
    for callback in callbacks:
        try:
            callback()
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
