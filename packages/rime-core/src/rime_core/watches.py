"""Watches: sources are told which names clients ask for, so that what is asked for can be made then.

A source is told of the first subscriber of a name and of the last, whoever they are; "*" is not a name. The sets of
names (`rime_core.interest`) note where one gets its first holder or loses its last, and only while somebody watches.
What was noted is told when the operation that brought it about is done: between, a name may come and go, and what is
told is the difference to what was told before. So the source may write at once, and the client whose asking it was is
answered with what the source wrote.

What a source was told outlasts its run: the next one is told of what was asked for once and is no more, since what was
made for it is still there.
"""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rime_core.index import call_all
from rime_core.resource import Reference
from rime_core.status import Notice
from rime_core.type_urls import describe

if TYPE_CHECKING:
    from rime_core.interest import Interest
    from rime_core.parties import Owner

Watcher = Callable[[Collection[str], Collection[str]], None]
"""Is told which names are asked for that were not before, and which are not any more."""


class Watch:
    """One writer's, of one type."""

    __slots__ = ("interest", "told", "touched", "watcher")

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        self.interest: Interest[Any] | None = None
        """What is watched; None while nothing is."""
        self.told: Final[dict[str, None]] = {}
        """The names that the writer knows to be asked for."""
        self.touched: dict[str, None] = {}
        """Names that were given or lost since it was told."""

    def note(self, names: Iterable[str]) -> None:
        """Somebody asks for `names`, or does not any more."""
        self.touched.update(dict.fromkeys(names))

    def news(self) -> tuple[list[str], list[str]]:
        """What the writer does not know yet: the names that are asked for, and those that are not any more."""
        touched, self.touched = self.touched, {}
        interest = self.interest
        asked = {name: None for name in touched if interest is not None and interest.holders(name)}
        wanted = [name for name in asked if name not in self.told]
        unwanted = [name for name in touched if name in self.told and name not in asked]
        self.told.update(dict.fromkeys(wanted))
        for name in unwanted:
            del self.told[name]
        return wanted, unwanted


class Watches:
    """All of one Store."""

    def __init__(self, report: Callable[[Notice], None] | None) -> None:
        self._report: Final = report
        self._watches: Final[dict[tuple[Owner, str], Watch]] = {}

    def __bool__(self) -> bool:
        return bool(self._watches)

    def begin(self, writer: "Owner", type_url: str, interest: "Interest[Any]", watcher: Watcher) -> None:
        """Tell `watcher` from now on, in place of the one before it; first of all that is asked for."""
        watch = self._watches.setdefault((writer, type_url), Watch())
        self.end(writer, type_url)
        watch.watcher = watcher
        watch.interest = interest
        interest.watches.append(watch)
        wanted = list(interest.names())
        watch.touched = dict.fromkeys((*watch.told, *wanted))
        for name in wanted:
            watch.told.pop(name, None)

    def end(self, writer: "Owner", type_url: str) -> None:
        """Tell no longer; what was told is remembered."""
        watch = self._watches.get((writer, type_url))
        if watch is not None and watch.interest is not None:
            watch.interest.watches.remove(watch)
            watch.interest = watch.watcher = None
            watch.touched.clear()

    def types_of(self, writer: "Owner") -> list[str]:
        """The types that `writer` has ever watched."""
        return [type_url for owner, type_url in self._watches if owner is writer]

    def is_left(self, writer: "Owner", reference: Reference) -> bool:
        """Whether `writer` watches a type, and nobody asks for this name of it."""
        watch = self._watches.get((writer, reference[0]))
        return watch is not None and watch.interest is not None and not watch.interest.holders(reference[1])

    def tell(self) -> None:
        """Tell what is new. A writer that has a transaction open is told when that is over.

        Raises:
            Exception: the first that a watcher raised, after all were told, where there is no `report`.
        """
        calls = []
        for (writer, type_url), watch in self._watches.items():
            if watch.touched and not writer.is_busy:
                wanted, unwanted = watch.news()
                if (wanted or unwanted) and watch.watcher is not None:
                    calls.append(partial(self._call, watch.watcher, writer.name, type_url, wanted, unwanted))
        call_all(calls)

    def _call(self, watcher: Watcher, name: str, type_url: str, wanted: list[str], unwanted: list[str]) -> None:
        try:
            watcher(wanted, unwanted)
        except Exception as error:
            if self._report is None:
                raise
            text = f"{name} failed when it was told which {describe(type_url).plural} clients ask for"
            self._report(Notice("watcher-failed", text, error))
