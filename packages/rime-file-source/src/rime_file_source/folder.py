"""What the files of a folder claim, and when that is written: a state machine without I/O and without a clock.

It is told what was read of each file, and when (`observe`), and says what is to be written, and when (`due`, `take`).

A save is not one event. Editors truncate and write, tools save files one after the other, and a resource that is moved
from one file to another is for a moment in none or in both. So there are two waits, each for a folder that has not
changed meanwhile:

    after `quiet`    what leaves no doubt: content that changed, a name that exactly one file claims
    after `settle`   what a move looks like halfway: a name that no file claims any more (a removal), a name that
                     several claim, a fault that appeared or went

A folder that is never quiet is waited for no longer than `PATIENCE` times that; a removal, too, only when the name was
missing for at least `settle`.

A *claim* is a resource that a file holds. A file that cannot be read keeps its claims. In one that can, a resource with
a fault keeps its claim, and one that is gone loses it; a fault that does not say which resource it hides keeps all that
are not there. When several files claim a name, the one in service stays so until `settle`, then path order decides: a
restart, or another replica, decides the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from rime_core.claims import Claims, last_good
from rime_core.type_urls import describe
from rime_file_source.errors import UnreadableError, shown

if TYPE_CHECKING:
    from rime_envoy_api import Document, ParsedResource

Key: TypeAlias = tuple[str, str]
"""Type URL and name."""

Reading: TypeAlias = "Document | UnreadableError | None"
"""What was found at a path: its content, why it cannot be read, or None: nothing is there."""

PATIENCE: Final = 10
"""How many times a wait may begin anew: enough for a slow copy, and a file rewritten without end is still served."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything there is to say of the folder now, one line each, in path order.

    faults: what cannot be read. While there is one, the view is incomplete.
    contested: names that several files claim, and which file is served.
    """

    faults: tuple[str, ...]
    contested: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One transaction. `report` is what is to say after it, or None when that has not changed."""

    apply: tuple["ParsedResource", ...]
    remove: tuple[Key, ...]
    report: Report | None


class Folder:
    """The claims of all files of one folder. Times are seconds on any clock that does not go back.

    `observe` must be called with what was read; whatever changed meanwhile must be observed before `take`. `take(inf)`
    waits for nothing: that is the first full read. `served` names what an earlier run left in service: it is removed
    unless a file claims it.
    """

    def __init__(self, *, quiet: float, settle: float, served: Iterable[Key] = ()) -> None:
        self._quiet = quiet
        self._settle = settle
        self._claims: Final[Claims[str, ParsedResource]] = Claims()
        self._serving: dict[Key, str] = dict.fromkeys(served, "")
        self._faults: dict[str, tuple[str, ...]] = {}
        self._contested: dict[Key, str] = {}
        self._stirred = -inf
        # What waits, each with the moment it began; in order of that moment, so the first is the oldest.
        self._changed: dict[Key, float] = {}
        self._unsettled: dict[Key, float] = dict.fromkeys(self._serving, -inf)
        self._unreported: float | None = -inf

    @property
    def serving(self) -> Mapping[Key, str]:
        """The file that each resource is served from, as of the last delivery."""
        return self._serving

    def observe(self, readings: Mapping[str, Reading], now: float) -> None:
        """Take in what was read of each path that may have changed since the last time."""
        for path, reading in readings.items():
            moves = self._claims.change(path, _claims_of(reading, self._claims.of(path)))
            for key in (*moves.gone, *moves.came):
                self._came_or_went(key, now)
            for key in moves.came:
                if self._serving.get(key) == path:  # it was away for a moment, and may have come back different
                    self._changed.setdefault(key, now)
            for key in moves.changed:
                self._stirred = now
                self._changed.setdefault(key, now)
            self._note(path, reading, now)

    def due(self) -> float | None:
        """When `take` next has something to say; None when nothing waits."""
        waits = [
            self._deadline(self._quiet, next(iter(self._changed.values()), None)),
            self._deadline(self._settle, next(iter(self._unsettled.values()), None)),
            self._deadline(self._settle, self._unreported),
        ]
        return min((wait for wait in waits if wait is not None), default=None)

    def take(self, now: float) -> Delivery | None:
        """What is to be written now, in one transaction; None when it is not yet time for anything."""
        apply: dict[Key, ParsedResource] = {}
        if self._is_over(self._quiet, next(iter(self._changed.values()), None), now):
            for key in self._changed:
                path = self._undoubted(key)
                if path is not None:
                    self._serving[key] = path
                    apply[key] = self._claims.of(path)[key]
            self._changed.clear()
        remove: list[Key] = []
        for key in [key for key, began in self._unsettled.items() if self._is_over(self._settle, began, now)]:
            del self._unsettled[key]
            self._settle_contest(key, now)
            claimants = self._claims.holders(key)
            if not claimants:
                if self._serving.pop(key, None) is not None:
                    remove.append(key)
            elif self._serving.get(key) != min(claimants):
                self._serving[key] = min(claimants)
                apply[key] = self._claims.of(min(claimants))[key]
        report = None
        # A removal never goes ahead of the news that something cannot be read: there it may have moved to.
        if self._unreported is not None and (remove or self._is_over(self._settle, self._unreported, now)):
            self._unreported = None
            report = self._report()
        if apply or remove or report:
            return Delivery(tuple(apply.values()), tuple(remove), report)
        return None

    def _came_or_went(self, key: Key, now: float) -> None:
        self._stirred = now
        self._unsettled.pop(key, None)
        sole = len(self._claims.holders(key)) == 1
        if sole:
            self._changed.setdefault(key, now)
        if not sole or key in self._contested:
            self._unsettled[key] = now

    def _note(self, path: str, reading: Reading, now: float) -> None:
        found = () if reading is None else (reading,) if isinstance(reading, UnreadableError) else reading.faults
        faults = tuple(str(fault) for fault in found)
        if faults == self._faults.get(path, ()):
            return
        self._stirred = now
        self._unreported = now if self._unreported is None else self._unreported
        if faults:
            self._faults[path] = faults
        else:
            del self._faults[path]

    def _settle_contest(self, key: Key, now: float) -> None:
        claimants = sorted(self._claims.holders(key))
        if len(claimants) < 2 and key not in self._contested:
            return
        self._unreported = now if self._unreported is None else self._unreported
        if len(claimants) < 2:
            del self._contested[key]
        else:
            places = " and ".join(f"{shown(path)}:{self._claims.of(path)[key].line}" for path in claimants)
            what = f"{describe(key[0]).plural} {key[1]!r}"
            self._contested[key] = f"{places} hold the same {what}; {shown(claimants[0])} is served, the first in order"

    def _undoubted(self, key: Key) -> str | None:
        """The file to serve a name from before everything has settled."""
        claimants = self._claims.holders(key)
        if len(claimants) == 1:
            return next(iter(claimants))
        serving = self._serving.get(key)
        return serving if serving in claimants else None

    def _deadline(self, wait: float, began: float | None) -> float | None:
        return None if began is None else min(self._stirred + wait, began + PATIENCE * wait)

    def _is_over(self, wait: float, began: float | None, now: float) -> bool:
        deadline = self._deadline(wait, began)
        return deadline is not None and deadline <= now

    def _report(self) -> Report:
        return Report(
            faults=tuple(fault for path in sorted(self._faults) for fault in self._faults[path]),
            contested=tuple(sorted(self._contested.values())),
        )


def _claims_of(reading: Reading, before: "Mapping[Key, ParsedResource]") -> "Mapping[Key, ParsedResource]":
    """What a file claims now, given what it claimed before."""
    if reading is None:
        return {}
    if isinstance(reading, UnreadableError):
        return before
    return last_good(reading.resources, {(fault.type_url, fault.name) for fault in reading.faults}, before)
