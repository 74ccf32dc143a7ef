"""A service as a process: it begins, says that it is ready, and ends when it is told to.

SIGINT and SIGTERM end it with status 0, within a second whatever a plugin does: their handler is Python's own and not
the event loop's, so that it also runs while a plugin blocks the loop. SIGHUP releases held removals. What signals do
before it runs is in `rime_app.signals`.

Garbage collection is kept out of the way. rime leaves hardly any cycles behind, and what is not part of one is freed
without. But a load makes a few objects for each resource, and a change thousands, one or two for each client, that live
for a millisecond; Python's defaults look for cycles among them after every 700, and now and then among all that is
loaded. So they look less often, and never at what the first state consists of.

The event loop is uvloop's. A change to a thousand clients is three thousand callbacks, for each of which asyncio's own
loop runs a hundred steps of Python.
"""

import asyncio
import atexit
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final

import anyio

from rime_app.config import Config
from rime_app.errors import in_one_line
from rime_app.log import configure_log
from rime_app.plugins import Plugins
from rime_app.serve import Service
from rime_app.signals import ignore, overlook
from rime_core.errors import RimeError

if TYPE_CHECKING:
    from rime_app.siblings import Siblings

END_WITHIN: Final = 0.9
"""Seconds from the signal to the end; what still runs then is left behind."""

YOUNG: Final = 50_000
"""Objects that are made before the garbage collector looks: as many as a change makes on its way to 5,000 clients."""

AWAITED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log: Final = logging.getLogger(__name__)


def run_process(
    config: Config, plugins: Plugins, announce: Callable[[str], None], siblings: "Siblings | None" = None
) -> None:
    """Run what `config` says until a signal ends it; `announce` is given the `ready` line.

    `siblings`, where this is one of several processes that serve the same, are what it knows of the others.

    Raises:
        UsageError: a kind is not installed, a place or an option cannot be used, a transport cannot listen.
        ConflictError: two sources or two plugins claim the same.
        RimeError: a task that a plugin started raised SystemExit or KeyboardInterrupt.
    """
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    worker = siblings.number if siblings is not None else None
    configure_log(sys.stderr, form=config.settings.log, level=config.settings.log_level, worker=worker)
    service = Service(config, plugins, siblings)
    try:
        anyio.run(_run, service, announce, siblings, backend_options={"use_uvloop": True})
    except (SystemExit, KeyboardInterrupt) as error:  # the event loop itself ends at these, whichever task raises them
        raise RimeError(f"a task of a plugin ended the process: {in_one_line(error)}") from error


async def _run(service: Service, announce: Callable[[str], None], siblings: "Siblings | None") -> None:
    wake = asyncio.get_running_loop().call_soon_threadsafe
    with anyio.CancelScope() as scope:

        def end(name: str) -> None:
            ignore(AWAITED)  # the loop will be closed, and Python then forgets its handlers
            log.info("%s: ending", name)
            scope.cancel()

        def told_to_end(number: int, _frame: FrameType | None) -> None:
            overlook(AWAITED)  # one is enough
            signal.setitimer(signal.ITIMER_REAL, END_WITHIN)
            wake(end, signal.Signals(number).name)

        def told_to_release(_number: int, _frame: FrameType | None) -> None:
            wake(service.release)

        signal.signal(signal.SIGINT, told_to_end)
        signal.signal(signal.SIGTERM, told_to_end)
        signal.signal(signal.SIGHUP, told_to_release)
        signal.signal(signal.SIGALRM, _end_regardless)
        # once threads have ended nothing hangs any more, and Python, which then frees what is loaded, handles no signal
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)

        if siblings is not None:
            siblings.begin(wake)

        def ready(line: str) -> None:
            gc.collect()
            gc.freeze()
            announce(line)

        await service.run(ready)


def _end_regardless(_number: int, _frame: FrameType | None) -> None:
    try:
        log.warning("a source or transport did not end within %g s; ending without it", END_WITHIN)
    finally:
        os._exit(0)
