"""Interest within a group: what its clients ask for, of its own resources and of its base's.

A set of names is kept once for a base and all groups on it, for the clients of a thousand groups name the same ten
thousand assignments. What a group adds is what only concerns itself: which of these sets its clients follow, what
changed among their names in its own Index, and who of them waits for that. So a change of the base touches each set
once, whatever the number of groups, and a change of a group only the sets that its clients follow.

While a group has never had a resource of the type, its clients are sent what the base's are, and share their answers.
"""

from collections.abc import Collection, Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Final

from rime_core.interest import Interest, Names, NameSet
from rime_core.kept import Kept

if TYPE_CHECKING:
    from rime_core.overlay import GroupIndex
    from rime_core.update import Update
    from rime_core.view import View


class GroupNames(Names):
    """A set of names, as the clients of one group follow it; `below` is the set itself, which is the base's."""

    __slots__ = ("_answers", "_below_at", "_own", "_since", "below", "clients")

    def __init__(self, below: NameSet, own: "GroupIndex", since: int) -> None:
        super().__init__(below.names)
        self.below: Final = below
        self.clients = 0
        """How many clients of the group hold them."""
        self._own: Final = own
        self._since = since
        self._answers: Final[Kept[int]] = Kept()
        self._below_at = 0
        """The last change in the base among the names that the answers are made of."""

    @property
    def followers(self) -> int:
        """How many hold them, of whatever group."""
        return self.below.followers

    @property
    def since(self) -> int:
        """The ordinal from which on it is known what changed."""
        return max(self._since, self.below.since)

    @property
    def shared(self) -> "MutableMapping[int, Update | None]":
        """Cursor → what those who stand there must be sent; until something changes among the names."""
        if not self._own.ordinal:
            return self.below.shared
        latest = next(reversed(self.below.changed.values()), 0)
        if latest != self._below_at:
            self._below_at = latest
            self._answers.clear()
        return self._answers

    @property
    def feeds(self) -> tuple[Names, ...]:
        """Itself, for what changes in the group, and the set of the base."""
        return (self, self.below)

    def _first(self, view: "View") -> "Update | None":
        """The base's answer, where nothing of the group's own answers to the names or covers what does."""
        own = self._own
        if own.has_none_of(self.names):
            update = self.below.first(own.base)
            if update is None or own.has_none_of(update.manifest.versions.keys()):
                return update
        return super()._first(view)

    def _lacking(self, view: "View", cursor: int) -> "Update | None":
        """The base's answer, where nothing changed in the group and it covers nothing of what did in the base."""
        own = self._own
        if cursor >= self._since and next(super().tail(cursor), None) is None:
            update = self.below.lacking(own.base, cursor)
            if update is None or own.has_none_of(update.manifest.versions.keys()):
                return update
        return super()._lacking(view, cursor)

    def clear(self, ordinal: int) -> None:
        """Forget what changed up to `ordinal`: its one follower has it."""
        self.changed.clear()
        self._since = min(ordinal, self._own.ordinal)
        self._answers.clear()
        self.below.clear(min(ordinal, self._own.base.ordinal))

    def tail(self, cursor: int) -> Iterator[str]:
        """The names that changed after `cursor`, in the group, then in the base; one that did in both comes twice."""
        yield from super().tail(cursor)
        yield from self.below.tail(cursor)

    def changed_in_place(self, removed: Iterable[str]) -> None:
        """Its one follower asked for other names; it gave up those `removed`."""
        for name in removed:
            self.changed.pop(name, None)
        self._answers.clear()
        self.version = None


class GroupInterest(Interest[GroupNames]):
    """Which of the base's sets of names the clients of one group follow, of one type."""

    __slots__ = ("_base", "_own", "_sets")

    def __init__(self, own: "GroupIndex") -> None:
        self._own: Final = own
        self._base: Final = own.base
        self._sets: Final[dict[NameSet, GroupNames]] = {}
        super().__init__(self._sets)

    def holders(self, name: str) -> Collection[GroupNames]:
        """The sets that hold `name`, found among those of the group or those that hold it, whichever are fewer."""
        sets = self._sets
        holders: Collection[NameSet] = self._base.interest.holders(name)
        if len(sets) < len(holders):
            return [names for names in sets.values() if name in names.names]
        return [sets[below] for below in holders if below in sets]

    def names(self) -> Iterator[str]:
        """Every name that a client of the group asks for."""
        return iter({name for names in self._sets.values() for name in names.names})

    def follow(self, names: Iterable[str], since: int) -> GroupNames:
        """The set of exactly these names, with one follower more; `since`: the present ordinal of the group's Index."""
        return self._joined(self._base.interest.follow(names, self._base.ordinal), since)

    def leave(self, names: GroupNames) -> None:
        """One follower less; a set that nobody of the group follows is forgotten."""
        self._base.interest.leave(names.below)
        self._left(names)

    def step(self, current: GroupNames, added: frozenset[str], removed: frozenset[str], since: int) -> GroupNames:
        """Move one follower of `current` to the set with `added` and without `removed`; the two must not overlap."""
        below: NameSet = self._base.interest.step(current.below, added, removed, self._base.ordinal)
        if below is current.below:
            current.changed_in_place(removed)
            if self.watches:
                self._note(added | removed)
            return current
        after = self._joined(below, since)
        self._left(current)
        return after

    def _joined(self, below: NameSet, since: int) -> GroupNames:
        names = self._sets.get(below)
        if names is None:
            names = self._sets[below] = GroupNames(below, self._own, since)
            if self.watches:
                self._note(names.names)
        names.clients += 1
        return names

    def _left(self, names: GroupNames) -> None:
        names.clients -= 1
        if not names.clients:
            del self._sets[names.below]
            if self.watches:
                self._note(names.names)
