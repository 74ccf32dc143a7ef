"""Keeping something running: a source or transport that ends is reported and started again, after a pause.

The pauses double from one to the next, so that what cannot work is not tried without end at full speed, and each is cut
at random by up to a half, so that a hundred replicas do not come back to a failing database at one moment.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import anyio

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0

log: Final = logging.getLogger(__name__)


class Backoff:
    """The pauses, in seconds, between one attempt and the next; `chance` gives numbers from 0 to 1."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._next = FIRST_PAUSE

    def after(self, lasted: float) -> float:
        """The pause after an attempt of so many seconds; one longer than the longest pause has worked: start over."""
        if lasted > LONGEST_PAUSE:
            self._next = FIRST_PAUSE
        pause, self._next = self._next, min(2 * self._next, LONGEST_PAUSE)
        return pause * (1 - self._chance() / 2)


async def keep_running(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    fatal: type[Exception] | tuple[type[Exception], ...] = (),
    backoff: Backoff | None = None,
    clock: Callable[[], float] = anyio.current_time,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> NoReturn:
    """Call `run` again and again, until cancelled. An error of the type `fatal` is raised; any other is logged.

    So is a cancellation that `run` lets out and that is not of this task, such as that of another task it waited for.
    """
    backoff = backoff or Backoff()
    while True:
        began = clock()
        error: BaseException | None = None
        try:
            await run()
        except fatal:
            raise
        except asyncio.CancelledError as cancelled:
            if _is_cancelled():
                raise
            error = cancelled
        except (Exception, SystemExit, KeyboardInterrupt) as raised:  # a plugin's failure must not end the others
            error = raised
        pause = backoff.after(clock() - began)
        happened = "failed" if error else "ended by itself"
        log.error("%s %s and starts again in %.1f s", name, happened, pause, exc_info=error)
        await sleep(pause)


def _is_cancelled() -> bool:
    """Whether it is this task that was told to end."""
    task = asyncio.current_task()
    return anyio.current_effective_deadline() == -math.inf or (task is not None and task.cancelling() > 0)
