"""Interest, indexed backwards: from a name to those who asked for it.

Thousands of Envoys name the same thousands of assignments. So a set of names is kept once, however many subscribers
hold it (they *follow* it), and what a change costs is the number of different sets that hold the name, plus those it
wakes: never the number of names, nor of subscribers that named others.

- Sets are found by their content through an order-independent key that is kept up to date in O(names added). A set that
  has one follower is changed in place; one that has more is left, and the set it leads to is remembered, so that the
  second of a thousand followers that add the same name finds it at once.
- Each set has its own order of change, as the Index has: what changed among these names since a cursor is its tail.
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from rime_core.kept import ANSWERS
from rime_core.parties import BEFORE_INITIAL

if TYPE_CHECKING:
    from rime_core.parties import Reader
    from rime_core.resource import Resource
    from rime_core.set_version import SetVersion
    from rime_core.update import Update
    from rime_core.view import View
    from rime_core.watches import Watch

_STEPS: Final = 64
"""How many steps are remembered, from one set of names."""

_SERIALS: Final = count(1)

_Key = tuple[int, int]
_Step = tuple[frozenset[str], frozenset[str]]


class Names(Protocol):
    """Names that somebody subscribed to, and what changed among them."""

    __slots__ = ("changed", "names", "version", "waiting")

    names: set[str]
    changed: OrderedDict[str, int]
    waiting: dict["Reader", None]
    version: "SetVersion | None"

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.changed = OrderedDict()
        """Resource name → ordinal, in order of last change."""
        self.waiting = {}
        self.version = None
        """What they add to the version of a set; kept from when somebody asks (`rime_core.set_version`)."""

    @property
    @abstractmethod
    def followers(self) -> int:
        """How many hold them."""

    @property
    @abstractmethod
    def since(self) -> int:
        """The ordinal from which on it is known what changed."""

    @property
    @abstractmethod
    def shared(self) -> MutableMapping[int, "Update | None"]:
        """Cursor → what those who stand there must be sent; until something changes among the names."""

    @property
    @abstractmethod
    def feeds(self) -> "tuple[Names, ...]":
        """Where its followers wait."""

    @abstractmethod
    def clear(self, ordinal: int) -> None:
        """Forget what changed up to `ordinal`: its one follower has it."""

    def first(self, view: "View") -> "Update | None":
        """What those who hold exactly these names, and have nothing, must be sent; made once for all of them."""
        shared = self.shared
        if BEFORE_INITIAL in shared:
            return shared[BEFORE_INITIAL]
        update = shared[BEFORE_INITIAL] = self._first(view)
        return update

    def lacking(self, view: "View", cursor: int) -> "Update | None":
        """What those who hold exactly these names, and stand at `cursor`, must be sent; made once for all of them."""
        shared = self.shared
        if cursor in shared:
            return shared[cursor]
        update = self._lacking(view, cursor)
        if len(shared) >= ANSWERS:  # of names among which nothing changes: not for ever
            shared.clear()
        shared[cursor] = update
        return update

    def _first(self, view: "View") -> "Update | None":
        return view.all_among(self)

    def _lacking(self, view: "View", cursor: int) -> "Update | None":
        return view.since_among(self, cursor)

    def touched(self, name: str, ordinal: int) -> None:
        """Record that the resource `name` changed, for followers."""
        self.changed[name] = ordinal
        self.changed.move_to_end(name)
        self.shared.clear()
        if self.version is not None:
            self.version.changed[name] = None

    def holds(self, resource: "Resource") -> bool:
        """Whether `resource` answers to one of the names, by its own or by an alias."""
        return self.hold(resource.name, resource.aliases)

    def hold(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether one of them is this name, or one of these aliases."""
        return name in self.names or any(alias in self.names for alias in aliases)

    def tail(self, cursor: int) -> Iterator[str]:
        """The names that changed after `cursor`, the latest first."""
        for name, ordinal in reversed(self.changed.items()):
            if ordinal <= cursor:
                return
            yield name


class NameSet(Names):
    """A set of names of one type."""

    __slots__ = ("followers", "key", "serial", "shared", "since", "steps")

    followers: int
    since: int

    def __init__(self, names: set[str], key: _Key, since: int) -> None:
        super().__init__(names)
        self.key = key
        self.serial = next(_SERIALS)
        """What no other set has, and not this one with other names."""
        self.followers = 0
        self.since = since
        self.shared: MutableMapping[int, Update | None] = {}
        self.steps: dict[_Step, int] = {}
        """Names added and removed → the serial of the set that this led to. It may be gone."""

    @property
    def feeds(self) -> tuple[Names, ...]:
        """Itself."""
        return (self,)

    def clear(self, ordinal: int) -> None:
        """Forget what changed up to `ordinal`: its one follower has it."""
        self.changed.clear()
        self.since = ordinal


N = TypeVar("N", bound=Names)


class Interest(ABC, Generic[N]):
    """Who asks for which names of one type."""

    __slots__ = ("asked", "watches")

    def __init__(self, asked: Mapping[Any, object]) -> None:
        self.asked: Final = asked
        """Empty where nobody asks for any name: for a writer, who looks at each change."""
        self.watches: Final[list[Watch]] = []
        """Who is told which names are asked for."""

    def __bool__(self) -> bool:
        """Whether anybody asks for any."""
        return bool(self.asked)

    @abstractmethod
    def holders(self, name: str) -> Collection[N]:
        """The sets that hold `name`."""

    @abstractmethod
    def names(self) -> Iterator[str]:
        """Every name that somebody asks for."""

    @abstractmethod
    def follow(self, names: Iterable[str], since: int) -> N:
        """The set of exactly these names, with one follower more; `since`: the present ordinal."""

    @abstractmethod
    def leave(self, names: N) -> None:
        """One follower less; a set that nobody follows is forgotten."""

    @abstractmethod
    def step(self, current: N, added: frozenset[str], removed: frozenset[str], since: int) -> N:
        """Move one follower of `current` to the set with `added` and without `removed`; the two must not overlap."""

    def _note(self, names: Iterable[str]) -> None:
        """Somebody asks for `names`, or does not any more."""
        noted = list(names)
        for watch in self.watches:
            watch.note(noted)


class NameSets(Interest[NameSet]):
    """Every set of names of one type, and which sets hold a name."""

    __slots__ = ("_by_key", "_holders")

    def __init__(self) -> None:
        self._by_key: dict[_Key, NameSet] = {}
        self._holders: dict[str, dict[NameSet, None]] = {}
        super().__init__(self._holders)

    def holders(self, name: str) -> Collection[NameSet]:
        """The sets that hold `name`."""
        return self._holders.get(name, ())

    def names(self) -> Iterator[str]:
        """Every name that somebody asks for."""
        return iter(self._holders)

    def follow(self, names: Iterable[str], since: int) -> NameSet:
        """The set of exactly these names, with one follower more; `since`: the present ordinal."""
        wanted = set(names)
        key = (len(wanted), _fold(wanted))
        found = self._by_key.get(key)
        if found is None or found.names != wanted:
            found = self._added(NameSet(wanted, key, since))
        found.followers += 1
        return found

    def leave(self, names: NameSet) -> None:
        """One follower less; a set that nobody follows is forgotten."""
        names.followers -= 1
        if not names.followers:
            for name in names.names:
                self._let_go(name, names)
            if self.watches:
                self._note([name for name in names.names if name not in self._holders])
            if self._by_key.get(names.key) is names:
                del self._by_key[names.key]

    def step(self, current: NameSet, added: frozenset[str], removed: frozenset[str], since: int) -> NameSet:
        """Move one follower of `current` to the set with `added` and without `removed`; the two must not overlap."""
        added = added - current.names
        removed = removed & current.names
        if not added and not removed:
            return current
        key = (len(current.names) + len(added) - len(removed), current.key[1] ^ _fold(added) ^ _fold(removed))
        target = self._by_key.get(key)
        if target is not None and current.steps.get((added, removed)) == target.serial:
            target.followers += 1
        elif current.followers == 1 and target is None:
            self._change_in_place(current, key, added, removed)
            return current
        else:
            target = self.follow((current.names | added) - removed, since)
            if len(current.steps) >= _STEPS:
                current.steps.clear()
            current.steps[added, removed] = target.serial
        self.leave(current)
        return target

    def _added(self, names: NameSet) -> NameSet:
        self._by_key.setdefault(names.key, names)
        if self.watches:
            self._note([name for name in names.names if name not in self._holders])
        for name in names.names:
            self._holders.setdefault(name, {})[names] = None
        return names

    def _change_in_place(self, names: NameSet, key: _Key, added: frozenset[str], removed: frozenset[str]) -> None:
        if self._by_key.get(names.key) is names:
            del self._by_key[names.key]
        for name in removed:
            self._let_go(name, names)
            names.changed.pop(name, None)
        for name in added:
            self._holders.setdefault(name, {})[names] = None
        names.names.difference_update(removed)
        names.names.update(added)
        names.key = key
        names.serial = next(_SERIALS)
        if names.version is not None:
            names.version.changed.update(dict.fromkeys((*added, *removed)))
        names.shared.clear()
        names.steps.clear()
        self._by_key[key] = names
        if self.watches:
            self._note(added | removed)

    def _let_go(self, name: str, names: NameSet) -> None:
        holders = self._holders[name]
        del holders[names]
        if not holders:
            del self._holders[name]


def _fold(names: Iterable[str]) -> int:
    """A key of a set of names that does not depend on their order."""
    key = 0
    for name in names:
        key ^= hash(name)
    return key
