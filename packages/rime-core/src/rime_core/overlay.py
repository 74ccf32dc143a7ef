"""Overlay: what the clients of a group see of one type: the group's own resources over those of its base.

Nothing of the base is copied. A name is looked up when it is needed: a resource of the group's own wins, and where
there is none the base's shows. That holds for what a name was at a cursor too: what the group had there, else what the
base had.

- The base and all groups on it number the changes of a type together, so that one cursor reads two Indexes: what a
  client lacks is the tail of both above it.
- A change of the base does nothing to a group: an Overlay finds out when it is read, by the two ordinals.
- What consists of resources of the base alone is the base's Update, so that the clients of all groups are sent the same
  bytes. Its ordinal is then the base's; that says the same of these names, for the group changed none of them since.
- A name may be an alias that only the base's resource has: when the group's own resource of that resource's name comes
  or goes, it concerns those who asked for the alias as well.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

from rime_core.entry import Entry, Known, Past
from rime_core.group_interest import GroupInterest
from rime_core.index import TOMBSTONES, Index
from rime_core.kept import ANSWERS, Kept
from rime_core.resource import Resource
from rime_core.update import Update
from rime_core.view import View

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rime_core.interest import Names
    from rime_core.type_urls import XdsType

_Content = tuple[tuple[Resource, ...], tuple[str, ...]]


class GroupIndex(Index):
    """The resources of one type that are a group's own; it stands on the Index of its base."""

    __slots__ = ("base",)

    def __init__(self, base: Index, *, tombstone_limit: int = TOMBSTONES) -> None:
        self.base: Final = base
        super().__init__(
            base.described, tombstone_limit=tombstone_limit, numbers=base.numbers, interest=GroupInterest(self)
        )

    def has_none_of(self, names: AbstractSet[str]) -> bool:
        """Whether nothing here has, or had, one of these names, nor has one as an alias; O(the fewer)."""
        return self.entries.keys().isdisjoint(names) and self._aliases.keys().isdisjoint(names)

    def _touch(self, name: str, names: tuple[str, ...], ordinal: int) -> None:
        hidden = self.base.entries.get(name)
        if hidden is not None and hidden.resource is not None:
            names += hidden.resource.aliases
        super()._touch(name, names, ordinal)


class Covered:
    """One name of which both the group and its base may know something."""

    __slots__ = ("_base", "_own", "_view")

    def __init__(self, view: "Overlay", own: Entry | None, base: Entry | None) -> None:
        self._view: Final = view
        self._own: Final = own
        self._base: Final = base

    @property
    def resource(self) -> Resource | None:
        """What it is; None: removed."""
        own, base = self._own, self._base
        if own is not None and own.resource is not None:
            return own.resource
        return base.resource if base is not None else None

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other names that it answers to, or did last."""
        return tuple(alias for entry in (self._own, self._base) if entry is not None for alias in entry.aliases)

    def state_at(self, cursor: int) -> Past | None:
        """The state as of `cursor`; None where the name did not exist then, or it is forgotten whether it did."""
        own = self._own.state_at(cursor) if self._own is not None else None
        if own is None and cursor < self._view.own.floor:
            return None
        if own is not None and own.version is not None:
            return self._told_apart(own)
        base = self._base.state_at(cursor) if self._base is not None else None
        if base is None:
            return own if cursor >= self._view.base.floor else None
        return self._told_apart(base)

    def _told_apart(self, state: Past) -> Past:
        """`state`, with a version of its own where the other side has other content of equal version now."""
        resource = self.resource
        if resource is None or resource.version != state.version or hash(resource.body) == state.fingerprint:
            return state
        return state._replace(version=f"{state.version}~{state.ordinal}")


class Overlay(View):
    """One type, as the clients of a group see it."""

    __slots__ = ("_answers", "_at", "_updates", "base", "own")

    def __init__(self, own: GroupIndex) -> None:
        self.own: Final = own
        self.base: Final = own.base
        self._answers: Final[Kept[int]] = Kept()
        self._updates: Final[Kept[_Content]] = Kept()
        self._at = 0
        """The ordinal that they are for."""

    # --- what there is -----------------------------------------------------------------------------------------------

    @property
    def type_url(self) -> str:
        """The type."""
        return self.own.type_url

    @property
    def described(self) -> "XdsType":
        """What is known of the type."""
        return self.own.described

    @property
    def ordinal(self) -> int:
        """The number of the last change."""
        return max(self.own.ordinal, self.base.ordinal)

    @property
    def floor(self) -> int:
        """The highest ordinal of a forgotten tombstone."""
        return max(self.own.floor, self.base.floor)

    @property
    def label(self) -> str | None:
        """What the transaction that made the last change calls the state after it."""
        return self.own.label if self.own.ordinal > self.base.ordinal else self.base.label

    def observe(self) -> int:
        """Somebody reads both now. The number of the last change of either."""
        ordinal = self.own.observed = self.base.observed = self.ordinal
        return ordinal

    @property
    def shared(self) -> "MutableMapping[int, Update | None]":
        """Cursor → what those who hold "*" and stand there must be sent; for the present ordinal only."""
        self._refresh()
        return self._answers

    @property
    def feeds(self) -> tuple[Index, ...]:
        """The group's own Index and its base's."""
        return (self.own, self.base)

    def entry(self, name: str) -> Known | None:
        """What is known of `name`."""
        own = self.own.entries.get(name)
        base = self.base.entries.get(name)
        if own is None and not self.own.floor:
            return base
        if base is None and not self.base.floor:
            return own
        return Covered(self, own, base)

    def tail(self, cursor: int) -> Iterator[tuple[str, Known]]:
        """What changed after `cursor`: of the group, then of the base, the latest first."""
        entries = self.own.entries
        for name, own in self.own.tail(cursor):
            yield name, Covered(self, own, self.base.entries.get(name))
        for name, base in self.base.tail(cursor):
            covering = entries.get(name)
            if covering is None or covering.ordinal <= cursor:
                yield name, Covered(self, covering, base)

    def present(self) -> Iterator[Resource]:
        """All resources: those of the base that show, then those of the group."""
        entries = self.own.entries
        for resource in self.base.present():
            covering = entries.get(resource.name)
            if covering is None or covering.resource is None:
                yield resource
        yield from self.own.present()

    def matches(self, name: str) -> list[Resource]:
        """The resources that answer to `name`, by name or by alias (R35)."""
        found = self.own.matches(name)
        for resource in self.base.matches(name):
            covering = self.own.entries.get(resource.name)
            if covering is None or covering.resource is None:
                found.append(resource)
        return found

    # --- what to send ------------------------------------------------------------------------------------------------

    def first(self) -> Update:
        """What a subscriber of "*" alone must be sent that has nothing; made once for all of them."""
        return super().first() if self.own.ordinal else self.base.first()

    def since(self, cursor: int) -> Update | None:
        """What a subscriber of "*" alone must be sent that has everything up to `cursor`; made once for all of them."""
        if cursor >= self.own.ordinal:
            update = self.base.since(cursor)
            if update is None:
                return None
            if not update.full and self.own.has_none_of(update.manifest.versions.keys()):
                return update
        return super().since(cursor)

    def renewal(self, ttl: float) -> Update | None:
        """What renews the lifetime `ttl` for a subscriber of "*" alone that has everything."""
        return super().renewal(ttl) if self.own.ordinal else self.base.renewal(ttl)

    def update_of(self, resources: tuple[Resource, ...], removed: tuple[str, ...]) -> Update | None:
        """The one Update with this content, at this moment; None where there is nothing in it."""
        if not resources and not removed:
            return None
        if self._is_of_base([resource.name for resource in resources]) and self._is_of_base(removed):
            return self.base.update_of(resources, removed)
        self._refresh()
        content = (resources, removed)
        update = self._updates.get(content)
        if update is None:
            if len(self._updates) >= ANSWERS:
                self._updates.clear()
            update = self._updates[content] = Update(resources, removed, ordinal=self.ordinal, label=self.label)
        return update

    def _is_of_base(self, names: Iterable[str]) -> bool:
        """Whether the group has nothing of these names, and has not had since the base's last change."""
        own, since = self.own, self.base.ordinal
        if not own.ordinal:
            return True
        if own.floor > since:
            return False
        for name in names:
            entry = own.entries.get(name)
            if entry is not None and (entry.resource is not None or entry.ordinal > since):
                return False
        return True

    def _refresh(self) -> None:
        ordinal = self.ordinal
        if self._at != ordinal:
            self._at = ordinal
            self._answers.clear()
            self._updates.clear()

    # --- who asks for what -------------------------------------------------------------------------------------------

    def follow(self, names: Iterable[str]) -> "Names":
        """The set of these names, for one who is interested in them."""
        return self.own.follow(names)

    def step(self, current: "Names", added: frozenset[str], removed: frozenset[str]) -> "Names":
        """The set that one who followed `current` is interested in now; `added` and `removed` do not overlap."""
        return self.own.step(current, added, removed)

    def leave(self, names: "Names") -> None:
        """One is no longer interested in them."""
        self.own.leave(names)
