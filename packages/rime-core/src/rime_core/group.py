"""GroupStore: the resources of a group, and over them those of the base that it stands on.

What it has, what it holds and who writes to it is its own. What its readers see is made of both (see
`rime_core.overlay`), so they are answered when both are ready, and what they lack is gone when both are complete. The
base knows its groups only to tell them when that changes, and to close them with itself: a change of its resources does
not concern its groups, only those who read them.
"""

from typing import TYPE_CHECKING, Final

from rime_core.index import call_all
from rime_core.overlay import GroupIndex, Overlay
from rime_core.snapshot import Covering
from rime_core.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rime_core.resource import Reference, Resource
    from rime_core.status import Notice


class GroupStore(Store):
    """What the handles on one group share; see `Plane` for the arguments. It belongs to its base's thread."""

    def __init__(
        self,
        base: Store,
        *,
        max_removal: float,
        tombstones: int,
        report: "Callable[[Notice], None] | None",
    ) -> None:
        base.check_open()
        super().__init__(
            digest=base.digest,
            references=base.references,
            types=base.types,
            delays=base.delays,
            max_removal=max_removal,
            tombstones=tombstones,
            report=report,
        )
        self._base: Final = base
        self._views: Final[dict[str, Overlay]] = {}
        self._told: Final[set[Reference]] = set()
        """What stays while referred to, and the base knows that something here refers to."""
        base.groups[self] = None

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """How many commits changed something, here or in the base."""
        return super().sequence + self._base.sequence

    @property
    def lacks(self) -> tuple[str, ...]:
        """Why the view is not complete, a line each; empty where it is."""
        return (*super().lacks, *self._base.lacks)

    def referrers_of(self, name: "Reference") -> "Iterator[tuple[Reference, int | None]]":
        """Who refers to `name`, here or in the base, and who did until which ordinal of its type; what is covered here
        did until it was.
        """
        yield from super().referrers_of(name)
        for referrer, ended in self._base.referrers_of(name):
            index = self.indexes.get(referrer[0])
            covering = index.entries.get(referrer[1]) if index is not None else None
            if covering is not None and covering.resource is not None:
                yield referrer, covering.ordinal if ended is None else ended
            else:
                yield referrer, ended

    def mappings(self) -> "dict[str, Mapping[str, Resource]]":
        """Name → Resource, of each type that has any; immutable."""
        mappings = self._base.mappings()
        for type_url, own in super().mappings().items():
            hidden = mappings.get(type_url)
            mappings[type_url] = own if hidden is None else Covering(own, hidden)
        return mappings

    def knows(self, type_url: str) -> bool:
        """Whether there are, or were, resources of this type, or somebody asks for it."""
        return super().knows(type_url) or self._base.knows(type_url)

    def count(self, type_url: str) -> int:
        """How many resources of this type there are; in a group those that it covers as well."""
        return super().count(type_url) + self._base.count(type_url)

    def view(self, type_url: str) -> Overlay:
        """What is read of a type.

        Raises:
            As `index`.
        """
        self.index(type_url)
        return self._views[type_url]

    def tell_watchers(self) -> None:
        """What clients ask for may have changed: tell who watches it, here or in the base."""
        try:
            super().tell_watchers()
        finally:
            self._base.tell_watchers()

    # --- life --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every Subscriber and leave the base; nothing can be written or subscribed to any more."""
        super().close()
        if self._base.groups.pop(self, self) is None:
            for type_url in self.indexes:
                self._leave(type_url)
            self._base.outside.leave(self)
            for name in self._told:
                self._base.outside.refer_no_more(name)
                self._base.unreferred(name)
            call_all(self._base.let_go_unreferred())

    def forget_unused(self, type_url: str) -> bool:
        """Forget the Index of a type where it is of no use to anybody; whether it was."""
        unused = super().forget_unused(type_url)
        if unused:
            del self._views[type_url]
            if self in self._base.groups:
                self._leave(type_url)
        return unused

    # --- what stays while something refers to it ---------------------------------------------------------------------

    def _is_referred(self, name: "Reference") -> bool:
        """Whether something refers to `name`, here or in the base; not where the base has it too, for that shows then.

        The base is to say when it does not refer to it any more.
        """
        index = self._base.indexes.get(name[0])
        entry = index.entries.get(name[1]) if index is not None else None
        if entry is not None and entry.resource is not None:
            return False
        if name in self._base.referrers:
            self._base.outside.wait(self, name)
            return True
        return name in self.referrers

    def _refer(
        self,
        referrer: "Reference",
        before: "tuple[Reference, ...]",
        after: "tuple[Reference, ...]",
        ordinal: int,
    ) -> None:
        super()._refer(referrer, before, after, ordinal)
        for name in (*before, *after):
            stays = self.described(name[0]).removal == "when unreferenced"
            if stays and (name in self.referrers) != (name in self._told):
                if name in self._told:
                    self._told.discard(name)
                    self._base.outside.refer_no_more(name)
                    self._base.unreferred(name)
                else:
                    self._told.add(name)
                    self._base.outside.refer(name)

    def _let_go_unreferred(self) -> None:
        super()._let_go_unreferred()
        calls = self._base.let_go_unreferred()
        self._calls += calls

    # --- inside ------------------------------------------------------------------------------------------------------

    def _new_index(self, type_url: str) -> GroupIndex:
        base = self._base.index(type_url)
        base.groups += 1
        own = GroupIndex(base, tombstone_limit=self._tombstones)
        self._views[type_url] = Overlay(own)
        return own

    def _leave(self, type_url: str) -> None:
        """Stand no longer on the base's Index of a type."""
        self._base.indexes[type_url].groups -= 1
        self._base.forget_unused(type_url)

    def _is_complete(self) -> bool:
        return super()._is_complete() and self._base.complete

    def _is_answering(self) -> bool:
        return super()._is_answering() and self._base.answering
