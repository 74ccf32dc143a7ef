"""What a Plane tells people: notices as things happen, and its status when asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

NoticeKind = Literal["conflict", "removal-held", "removal-released", "incomplete", "complete", "watcher-failed"]

WaitsFor = Literal["complete view", "release", "referrers"]
"""What lets a held removal go: every source can be read again; `Plane.release`, where too much would go at once or the
policy is "never"; nothing refers to the name any more.
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know; `text` is one line. `error` is why, where a source raised it."""

    kind: NoticeKind
    text: str
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class HeldRemoval:
    """A removal that `writer` asked for and that has not happened, what it waits for, and why, in a line."""

    type_url: str
    name: str
    writer: str
    waits_for: WaitsFor
    why: str


@dataclass(frozen=True, slots=True)
class WriterStatus:
    """One writer: how many resources it has in service, and what its view lacks, a line each.

    `staleness` is how many seconds ago its view was last known to be true; None where nobody knows.
    """

    name: str
    ready: bool
    incomplete: tuple[str, ...]
    resources: int
    staleness: float | None = None


@dataclass(frozen=True, slots=True)
class DelayStatus:
    """How changes of one type are put off (`rime_core.debounce`); all times are in seconds.

    `waiting` is for how long something has waited by now, None where nothing does. So far there were `waits` waits, for
    one change or for many each, of `seconds` together, the longest of `longest`.
    """

    type_url: str
    quiet: float
    max_wait: float
    waiting: float | None
    waits: int
    seconds: float
    longest: float


@dataclass(frozen=True, slots=True)
class PlaneStatus:
    """What a Plane has, and what it is waiting for, if anything."""

    sequence: int
    ready: bool
    complete: bool
    writers: tuple[WriterStatus, ...]
    held: tuple[HeldRemoval, ...]
    contested: Mapping[tuple[str, str], tuple[str, ...]]
    """(type URL, name) → the writers that claim it, the winner first."""
    delays: tuple[DelayStatus, ...]
    """Of each type that there is and whose changes are put off."""
