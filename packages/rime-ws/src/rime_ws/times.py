"""Times as text, from two clocks: what the time is, and the clock of the event loop, by which streams note things."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Times:
    """`wall` gives seconds since 1970, `clock` those of the clients' streams."""

    wall: Callable[[], float]
    clock: Callable[[], float]

    def now(self) -> str:
        """The time: `2026-01-31T12:03:01.123Z`."""
        return _text(self.wall())

    def of(self, then: float) -> str:
        """What the time was when `clock` gave `then`."""
        return _text(self.wall() - (self.clock() - then))


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
