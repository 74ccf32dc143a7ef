"""Turns: which stream may take its next batch now. Pure: time is an argument.

After a restart thousands of clients come back at once, and each is owed a first answer, which may be all that there is.
Computing a batch is one step on the event loop, and its writes are further steps, each when gRPC has taken the one
before. asyncio runs everything that was ready when a round of the loop began, and only then what became ready since:
5,000 first answers that are ready together are one round of minutes, in which no request is read, no change is taken
in, no signal is seen, and all that was encoded is in memory.

So first answers wait in a queue, in the order in which they were owed, and at most `first_answers` of them are being
computed or written. None is refused: a client that is told to come back later waits up to 30 s for what takes
milliseconds. While any waits, *pushes*, what is owed to streams that were answered, queue as well, and `PUSHES` of them
are let through in each round of the loop. What waits costs nothing more: a stream's changes merge until it is asked.

Why nobody starves:
- A round of the loop holds at most `first_answers` first answers and `PUSHES` pushes that had waited, so it is short.
- Rounds follow each other as long as pushes wait, whatever first answers do; so the queue of pushes gets shorter by
  `PUSHES` with each, and a push waits for those before it, not for first answers to be done.
- A first answer that is being written makes room when it is written, when its stream ends, or when its client has taken
  nothing for `STALLED` seconds, so the queue of first answers moves on, too. Pushes let through hold no place in it.
- Both queues are in order of arrival, and a stream stands in them once: behind its first answer, it is behind all who
  stood there before.
A stream that lost its place goes on writing, beside the others; it only no longer counts.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

PUSHES: Final = 8
"""Pushes that a round of the loop lets through while first answers wait. A push of shared bytes costs about 40 µs, so
eight take less than one first answer of 1,000 resources; and 5,000 streams have theirs within 625 rounds."""

STALLED: Final = 1.0
"""Seconds without progress in a write after which a first answer no longer counts: several round trips of the slowest
links. Being too short for some client costs nothing but that one more is written at a time."""


class Turn:
    """One stream's place. `begin` is called when its turn has come after it had to wait; it must only schedule."""

    __slots__ = ("begin", "first")

    def __init__(self, begin: Callable[[], None]) -> None:
        self.begin: Final = begin
        self.first = True
        """Whether its first answer is still owed."""


class Turns:
    """Whose turn it is. `first_answers` (at least 1) is how many of them may be under way at a time."""

    def __init__(self, first_answers: int) -> None:
        if first_answers < 1:
            raise ValueError(f"first_answers is {first_answers}, and then nobody would be answered")
        self._at_a_time: Final = first_answers
        self._first: Final[OrderedDict[Turn, None]] = OrderedDict()
        self._pushes: Final[OrderedDict[Turn, None]] = OrderedDict()
        self._under_way: Final[OrderedDict[Turn, float]] = OrderedDict()
        """First answers → when they last moved on, the longest ago first."""

    @property
    def under_way(self) -> int:
        """How many first answers are being computed or written, without those whose client takes nothing."""
        return len(self._under_way)

    @property
    def waiting(self) -> int:
        """How many first answers wait for their turn."""
        return len(self._first)

    def ask(self, turn: Turn, now: float) -> bool:
        """Whether this stream may take its batch at once. If not, it waits, and its `begin` is called.

        Either way it must `leave` when that batch is written, or it does not want one any more.
        """
        if not turn.first:
            if not self._first:
                return True
            self._pushes[turn] = None
            return False
        if len(self._under_way) >= self._at_a_time:
            self._first[turn] = None
            return False
        self._under_way[turn] = now
        return True

    def moved(self, turn: Turn, now: float) -> None:
        """The stream's client has taken one of the batch's responses."""
        if turn in self._under_way:
            self._under_way[turn] = now
            self._under_way.move_to_end(turn)

    def leave(self, turn: Turn, now: float) -> None:
        """The stream has written its batch, or wants none any more. Leaving twice is fine."""
        self._pushes.pop(turn, None)
        self._first.pop(turn, None)
        if self._under_way.pop(turn, None) is not None:
            self._go_on(now)

    def let_pushes_through(self) -> bool:
        """Let some of the waiting pushes begin; whether others still wait. To be called in each round of the loop."""
        count = min(PUSHES, len(self._pushes)) if self._first else len(self._pushes)
        for _ in range(count):
            turn, _ = self._pushes.popitem(last=False)
            turn.begin()
        return bool(self._pushes)

    def due(self) -> float | None:
        """When `pass_over` has something to do; None: not while nobody waits."""
        return next(iter(self._under_way.values())) + STALLED if self._first else None

    def pass_over(self, now: float) -> None:
        """Give the places of those whose client has taken nothing for `STALLED` to those who wait."""
        while self._under_way and next(iter(self._under_way.values())) + STALLED <= now:
            self._under_way.popitem(last=False)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        while self._first and len(self._under_way) < self._at_a_time:
            turn, _ = self._first.popitem(last=False)
            self._under_way[turn] = now
            turn.begin()
