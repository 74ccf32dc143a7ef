"""Readiness: whether clients may be answered, and whether what is not here is gone.

A Plane is *ready* when every writer has delivered its first full state, or the wait is over: an empty source after a
restart must not empty a fleet. It is *complete* while, besides, no writer has anything that it cannot read: what seems
gone may then only be unreadable. A Plane that stands on another is neither before its base is.

Whom a change of this concerns is called when all of it is done, as for any change; so what is to be called is gathered
here for all that a Store does.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from rime_core.index import call_all
from rime_core.status import Notice, NoticeKind

if TYPE_CHECKING:
    from rime_core.parties import Owner, Reader


class Readiness:
    """The part of a Store that knows its writers, and whom to tell what."""

    def __init__(self, report: Callable[[Notice], None] | None) -> None:
        self.answering = True
        """Whether clients are answered."""
        self.complete = True
        """Whether every writer has delivered its first state and none lacks anything; removals wait for it."""
        self.writers: Final[dict[str, Owner]] = {}
        """By name, in the order of the configuration."""
        self.groups: Final[dict[Readiness, None]] = {}
        """Those that stand on this one."""
        self.keepers: Final[dict[Reader, None]] = {}
        """The subscribers that keep something until the view is complete."""
        self._report: Final = report
        self._opened = False
        self._lacks: tuple[str, ...] = ()
        self._gate: dict[Callable[[], None], None] = {}
        """Whom to call once it is ready."""
        self._calls: list[Callable[[], None]] = []
        """Whom to call once the present change is done."""

    @property
    def lacks(self) -> tuple[str, ...]:
        """Why the view is not complete, a line each; empty where it is."""
        return self._lacks

    def add_writer(self, writer: "Owner") -> None:
        """Take in one more writer; it is ready, and complete, only when that says so."""
        self.writers[writer.name] = writer
        self.review()

    def open(self) -> None:
        """Answer clients although not every writer has delivered its first state: the wait is over."""
        self._opened = True
        self.review()

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once it is ready, at once where it is; asking twice is asking once."""
        if self.answering:
            callback()
        else:
            self._gate[callback] = None

    def not_when_ready(self, callback: Callable[[], None]) -> None:
        """Take that back."""
        self._gate.pop(callback, None)

    def review(self) -> None:
        """See anew whether clients may be answered and whether removals may happen."""
        call_all(self.reviewed())

    def reviewed(self) -> list[Callable[[], None]]:
        """As `review`, and calls nobody; whom to call."""
        self._review()
        return self._taken_calls()

    def close(self) -> None:
        """Close what stands on it."""
        for group in tuple(self.groups):
            group.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _review(self) -> None:
        was_ready, was_complete, lacked = self.answering, self.complete, self._lacks
        self._lacks = tuple(line for writer in self.writers.values() for line in writer.lacks)
        self.complete = self._is_complete()
        self.answering = self._is_answering()
        if self.answering and self._lacks and (self._lacks != lacked or not was_ready):
            for line in self._lacks:
                if line not in lacked or not was_ready:
                    self._tell("incomplete", f"removals are held while this lasts: {line}")
        if self.complete and not was_complete:
            if lacked:
                self._tell("complete", "everything can be read")
            self._completed()
            self._calls += [keeper.nudge for keeper in self.keepers]
            self.keepers.clear()
        if self.answering and not was_ready:
            self._calls += self._gate
            self._gate = {}
        if (was_ready, was_complete) != (self.answering, self.complete):
            for group in self.groups:
                calls = group.reviewed()
                self._calls += calls

    def _is_complete(self) -> bool:
        return not self._lacks

    def _is_answering(self) -> bool:
        return self._opened or all(writer.is_ready for writer in self.writers.values())

    def _completed(self) -> None:
        """The view is complete again."""

    def _tell(self, kind: NoticeKind, text: str) -> None:
        if self._report is not None:
            self._calls.append(partial(self._report, Notice(kind, text)))

    def _taken_calls(self) -> list[Callable[[], None]]:
        calls, self._calls = self._calls, []
        return calls
