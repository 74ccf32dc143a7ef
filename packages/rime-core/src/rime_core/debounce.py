"""Debounce: changes of a type that follow each other closely are told together, once they have come to rest.

A change is made at once, and whoever reads finds it. What is put off is only that those who wait for it are woken: from
the first change on, until none has followed for `quiet` seconds, at the latest after `max_wait`. They lack then what
they would have been sent one by one, which their cursors say, so nothing is queued, and a change costs a look at the
clock. For a type that is not put off nothing is different.

What somebody asks for is answered at once, with all that there is: a first state, a name that is subscribed to, what
was rejected and is sent once more. Only what changes without a client's doing waits.

A stream that sends something may bring more than it was woken for (see `rime_core.protocol.stream`): what refers to
other things never goes before them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from rime_core.status import DelayStatus
from rime_core.type_urls import ENDPOINT


class Timer(Protocol):
    """Who knows the time and calls back, in the Plane's thread; an asyncio event loop is one."""

    def time(self) -> float:
        """The time in seconds, of any origin."""
        ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> object:
        """Call `callback` at this time, or soon after."""
        ...


@dataclass(frozen=True, slots=True)
class Debounce:
    """For how many seconds nothing more must have changed until a change is told, and how many it waits at most.

    `Debounce(0, 0)`: each change is told at once.

    Raises:
        ValueError: `quiet` is negative, or `max_wait` is shorter.
    """

    quiet: float
    max_wait: float

    def __post_init__(self) -> None:
        if not 0 <= self.quiet <= self.max_wait:
            raise ValueError(
                f"quiet is seconds, and max_wait not shorter, not quiet={self.quiet:g} and max_wait={self.max_wait:g}"
            )


class Delays:
    """Which types of a Plane, and of the groups on it, are put off, and for how long.

    Args:
        timer: needed where anything is put off.
        default: that of all types but endpoints, which are to be there soon.
        by_type: type URL → what differs from that.

    Raises:
        ValueError: something is to be put off, and there is no timer.
    """

    def __init__(self, timer: Timer | None, default: Debounce | None, by_type: Mapping[str, Debounce]) -> None:
        self._timer: Final = timer
        self._default: Final = default
        self._by_type: Final = by_type
        self.any: Final = any(each.max_wait for each in (default, *by_type.values()) if each is not None)
        """Whether anything is put off."""
        if self.any and timer is None:
            raise ValueError("a Plane that debounces needs a timer, such as timer=asyncio.get_running_loop()")

    def of(self, type_url: str, tell: Callable[[], None]) -> "Delay | None":
        """What puts off the calls of `tell` for a type; None where nothing does."""
        debounce = self._by_type.get(type_url, self._default if type_url != ENDPOINT else None)
        if self._timer is None or debounce is None or not debounce.max_wait:
            return None
        return Delay(type_url, debounce, self._timer, tell)


class Delay:
    """The present wait of one type, and what came of those before."""

    __slots__ = (
        "_debounce",
        "_last",
        "_longest",
        "_seconds",
        "_since",
        "_tell",
        "_timer",
        "_waits",
        "is_waiting",
        "type_url",
    )

    def __init__(self, type_url: str, debounce: Debounce, timer: Timer, tell: Callable[[], None]) -> None:
        self.type_url: Final = type_url
        self.is_waiting = False
        """Whether something changed that is not told yet."""
        self._debounce: Final = debounce
        self._timer: Final = timer
        self._tell: Final = tell
        self._since: float
        """When the first change was made that is not told yet, and when the last; once there was one."""
        self._last: float
        self._waits = 0
        self._seconds = 0.0
        self._longest = 0.0

    def changed(self) -> None:
        """Something changed; it is told when it is time."""
        now = self._last = self._timer.time()
        if not self.is_waiting:
            self.is_waiting = True
            self._since = now
            self._timer.call_at(now + self._debounce.quiet, self._look)

    def status(self) -> DelayStatus:
        """What people are told of it."""
        return DelayStatus(
            type_url=self.type_url,
            quiet=self._debounce.quiet,
            max_wait=self._debounce.max_wait,
            waiting=self._timer.time() - self._since if self.is_waiting else None,
            waits=self._waits,
            seconds=self._seconds,
            longest=self._longest,
        )

    def _look(self) -> None:
        """Tell what changed, if it is time."""
        now = self._timer.time()
        due = min(self._last + self._debounce.quiet, self._since + self._debounce.max_wait)
        if now < due:
            self._timer.call_at(due, self._look)
            return
        self.is_waiting = False
        self._waits += 1
        self._seconds += now - self._since
        self._longest = max(self._longest, now - self._since)
        self._tell()
