"""The gate: admission.py and turns.py on an event loop, for all streams of one server.

The clock is the loop's. The two that wait, pushes for the next round of the loop and first answers for one that takes
nothing, are called for only while they wait: a server in peace has no timer here.
"""

import asyncio
import logging
from typing import Final

from rime_grpc.admission import LOG_INTERVAL, LogPace, OpenStreams, Refusal, client_address
from rime_grpc.config import Config
from rime_grpc.turns import Turn, Turns

log = logging.getLogger("rime_grpc")


class Gate:
    """Which streams are served, and which of them may write. Made on the loop that they run on."""

    def __init__(self, config: Config) -> None:
        self.loop: Final = asyncio.get_running_loop()
        self.turns: Final = Turns(config.first_answers)
        self._streams: Final = OpenStreams(
            max_streams=config.max_streams, max_streams_per_address=config.max_streams_per_address
        )
        self._pace: Final = LogPace()
        self._letting_through = False
        self._passing_over: asyncio.TimerHandle | None = None

    def admit(self, peer: str) -> Refusal | None:
        """Count a stream of this peer, which must be `gone` when it is over; or say, and log, why it is refused."""
        refusal = self._streams.enter(client_address(peer))
        if refusal is not None:
            self.warn("refused", refusal.option, f"a client at {peer} is refused: {refusal.message}")
        return refusal

    def gone(self, peer: str) -> None:
        """A stream that was admitted is over."""
        self._streams.leave(client_address(peer))

    def warn(self, event: str, option: str, message: str) -> None:
        """Log that a client met the limit that `option` sets: one line in a while, however many meet it."""
        lines = self._pace.lines(option, self.loop.time())
        if lines > 1:
            message += f" (and {lines - 1} more like it since the last such line, at least {LOG_INTERVAL:g} s ago)"
        if lines:
            log.warning("%s", message, extra={"event": event, "option": option})

    def wait(self) -> None:
        """Somebody waits for a turn: see to it that the queues get on."""
        if not self._letting_through:
            self._letting_through = True
            self.loop.call_soon(self._let_through)
        due = self.turns.due()
        if due is not None and self._passing_over is None:
            self._passing_over = self.loop.call_at(due, self._pass_over)

    def _let_through(self) -> None:
        self._letting_through = self.turns.let_pushes_through()
        if self._letting_through:
            self.loop.call_soon(self._let_through)  # not in this round

    def _pass_over(self) -> None:
        self._passing_over = None
        self.turns.pass_over(self.loop.time())
        due = self.turns.due()
        if due is not None:
            self._passing_over = self.loop.call_at(due, self._pass_over)


class Pass:
    """One stream's way through the gate, batch by batch: `enter`, then `moved` with each response, then `leave`.

    A push while no first answer waits, as nearly all are, asks nobody.
    """

    __slots__ = ("_beginning", "_counted", "_gate", "_turn")

    def __init__(self, gate: Gate) -> None:
        self._gate: Final = gate
        self._beginning: Final = _Beginning()
        self._turn: Final = Turn(self._beginning.begin)
        self._counted = False
        """Whether the turns know of this batch."""

    @property
    def answered(self) -> bool:
        """Whether the stream has been sent anything."""
        return not self._turn.first

    async def enter(self) -> None:
        """Wait for this stream's turn, or for `give_up`."""
        turns = self._gate.turns
        if not self._turn.first and not turns.waiting:
            return
        self._counted = True
        if not turns.ask(self._turn, self._gate.loop.time()):
            begun = self._beginning.begun = self._gate.loop.create_future()
            self._gate.wait()
            await begun

    def moved(self) -> None:
        """The client has taken a response."""
        if self._counted:
            self._gate.turns.moved(self._turn, self._gate.loop.time())

    def leave(self, *, answered: bool) -> None:
        """The batch is written; `answered`: there was something in it."""
        if answered:
            self._turn.first = False
        if self._counted:
            self._counted = False
            self._gate.turns.leave(self._turn, self._gate.loop.time())

    def give_up(self) -> None:
        """The stream ends: `enter` waits no longer."""
        self._beginning.begin()


class _Beginning:
    """What a Pass waits for. Its Turn knows this, and not the Pass: a stream that is over leaves no cycle behind."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """End the wait, if there is one."""
        if self.begun is not None and not self.begun.done():
            self.begun.set_result(None)
