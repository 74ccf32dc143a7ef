"""SetVersion: the version of a set of resources, derived from what is in it, kept at the cost of what changes.

In state-of-the-world a client is told one version for all that it has of a type, and brings it when it comes back;
where it equals the present one, nothing need be sent (R64). So it must be the same on every replica, after every
restart and whatever the order in which changes came, must differ where the sets differ, and must not cost a walk over
the set.

Each (name, version) has a *mark*, a hash of 128 bits; the version of a set is the sum of its marks, modulo 2¹²⁸. A sum
does not depend on the order of what is added, and what leaves is subtracted; so a change costs one mark. Marks of
different pairs are as good as random, so two sets that differ (but were not made for the purpose) have equal sums with
a probability of 2⁻¹²⁸. A length comes before the name, since ("ab", "c") and ("a", "bc") are different pairs. The hash
is blake2b, which every Python has: the replicas must agree, with xxhash or without.

What has changed since it was asked last is found in the tail of the Index for "*", and is noted for a set of names. It
is kept from when somebody asks for it, so where nobody does it costs nothing. A group keeps what its own resources make
different from the version of its base.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from rime_core.resource import Resource

if TYPE_CHECKING:
    from rime_core.index import Index
    from rime_core.interest import Names
    from rime_core.view import View

_BYTES: Final = 16


def mark_of(name: str, version: str) -> int:
    """What one resource adds to the version of a set that holds it."""
    return int.from_bytes(blake2b(f"{len(name)}:{name}{version}".encode(), digest_size=_BYTES).digest())


def version_text(total: int) -> str:
    """The version of the set whose marks have this sum."""
    return f"{total % (1 << 8 * _BYTES):0{2 * _BYTES}x}"


class SetVersion:
    """What each name adds to the version of a set, and the sum; `on_demand` is the sum of what "*" does not give."""

    __slots__ = ("_marks", "_on_demand", "at", "changed", "on_demand", "total")

    def __init__(self) -> None:
        self.at = 0
        """The ordinal up to which it holds what changed."""
        self.changed: dict[str, None] = {}
        """What changed among a set of names and is not in it yet."""
        self.total = 0
        self.on_demand = 0
        self._marks: Final[dict[str, int]] = {}
        self._on_demand: Final[dict[str, int]] = {}

    def put(self, name: str, mark: int, on_demand: int = 0) -> None:
        """What `name` adds now, and what of that "*" does not give."""
        self.total += mark - _replaced(self._marks, name, mark)
        if on_demand or self._on_demand:
            self.on_demand += on_demand - _replaced(self._on_demand, name, on_demand)


def _replaced(marks: dict[str, int], name: str, mark: int) -> int:
    """Keep `mark`; the one before."""
    before = marks.pop(name, 0)
    if mark:
        marks[name] = mark
    return before


def of_star(view: "View") -> int:
    """The sum of what "*" gives."""
    *above, base = view.feeds
    total = _of_index(base).total
    for own in above:
        total += _of_group(own, base).total
    return total


def of_names(view: "View", names: "Names", *, besides_star: bool) -> int:
    """The sum of what answers to `names`; `besides_star`: of that, what "*" does not give."""
    *above, base = view.feeds
    *own_names, base_names = names.feeds
    kept = [_of_names(base, base_names)]
    kept += [_of_group_names(own, base, each) for own, each in zip(above, own_names, strict=True)]
    return sum(each.on_demand if besides_star else each.total for each in kept)


def _of_index(index: "Index") -> SetVersion:
    kept = index.version
    changed: Iterable[str]
    if kept is None or kept.at < index.floor:  # what went below the floor is no longer in the tail
        kept = index.version = SetVersion()
        changed = index.entries
    else:
        changed = [name for name, _ in index.tail(kept.at)]
    for name in changed:
        kept.put(name, _mark(_resource(index, name), index.in_star))
    kept.at = index.ordinal
    return kept


def _of_names(index: "Index", names: "Names") -> SetVersion:
    kept = names.version
    if kept is None:
        kept = names.version = SetVersion()
        kept.changed.update(dict.fromkeys(names.names))
    for changed in kept.changed:
        # a name may also be an alias that was asked for, or given up, just now
        for name in dict.fromkeys((changed, *[resource.name for resource in index.matches(changed)])):
            resource = _resource(index, name)
            mark = _mark(resource, names.holds)
            kept.put(name, mark, mark if resource is not None and not index.in_star(resource) else 0)
    kept.changed.clear()
    return kept


def _of_group(own: "Index", base: "Index") -> SetVersion:
    kept = own.version
    changed: Iterable[str]
    if kept is None or kept.at < max(own.floor, base.floor):
        kept = own.version = SetVersion()
        changed = own.entries
    else:
        changed = _changed(own, base, kept.at)
    for name in changed:
        kept.put(name, _difference(own, base, name, own.in_star))
    kept.at = max(own.ordinal, base.ordinal)
    return kept


def _of_group_names(own: "Index", base: "Index", names: "Names") -> SetVersion:
    kept = names.version
    changed: Iterable[str]
    if kept is None or kept.at < max(own.floor, base.floor):
        kept = names.version = SetVersion()
        changed = own.entries
    else:
        changed = _changed(own, base, kept.at)
    for name in changed:
        kept.put(
            name,
            _difference(own, base, name, names.holds),
            _difference(own, base, name, lambda resource: names.holds(resource) and not own.in_star(resource)),
        )
    kept.changed.clear()
    kept.at = max(own.ordinal, base.ordinal)
    return kept


def _changed(own: "Index", base: "Index", since: int) -> list[str]:
    """The names of the group's own that changed after `since`, in the group or in its base."""
    changed = [name for name, _ in own.tail(since)]
    return changed + [name for name, _ in base.tail(since) if name in own.entries]


def _difference(own: "Index", base: "Index", name: str, counts: Callable[[Resource], bool]) -> int:
    """What a group's own resource adds, less what it hides."""
    resource = _resource(own, name)
    return _mark(resource, counts) - _mark(_resource(base, name), counts) if resource is not None else 0


def _resource(index: "Index", name: str) -> Resource | None:
    entry = index.entries.get(name)
    return entry.resource if entry is not None else None


def _mark(resource: Resource | None, counts: Callable[[Resource], bool]) -> int:
    return mark_of(resource.name, resource.version) if resource is not None and counts(resource) else 0
