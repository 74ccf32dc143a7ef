"""A service as a process: it begins, says that it is ready, and ends when it is told to.

SIGINT and SIGTERM end it with status 0, within a second whatever a plugin does: their handler is Python's own and not
the event loop's, so that it also runs while a plugin blocks the loop. SIGHUP releases held removals.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import anyio

from rime_app.config import Config
from rime_app.log import configure_log
from rime_app.plugins import Plugins
from rime_app.serve import Service

STOP_WITHIN: Final = 0.9
"""Seconds from the signal to the end; then the process ends although something still runs."""

log: Final = logging.getLogger(__name__)


def run_process(config: Config, plugins: Plugins, announce: Callable[[str], None]) -> None:
    """Run what `config` says until a signal ends it; `announce` is given the `ready` line.

    Raises:
        UsageError: a kind is not installed, a place or an option cannot be used, a transport cannot listen.
        ConflictError: two sources or two plugins claim the same.
    """
    configure_log(sys.stderr, form=config.settings.log, level=config.settings.log_level)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_before_the_beginning)
    anyio.run(_run, Service(config, plugins), announce)


async def _run(service: Service, announce: Callable[[str], None]) -> None:
    wake = asyncio.get_running_loop().call_soon_threadsafe
    told_to_stop = anyio.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        deadline = threading.Timer(STOP_WITHIN, _end_regardless)
        deadline.daemon = True
        deadline.start()
        log.info("%s: ending", signal.Signals(number).name)
        wake(told_to_stop.set)

    def release(_number: int, _frame: FrameType | None) -> None:
        wake(service.release)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, release)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.run, announce)
        await told_to_stop.wait()
        tasks.cancel_scope.cancel()


def _end_before_the_beginning(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _end_regardless() -> None:
    log.warning("a source or transport did not end within %g s; ending without it", STOP_WITHIN)
    os._exit(0)
