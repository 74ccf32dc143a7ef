"""Several processes that serve the same on the same addresses: `rime serve --workers`.

Each worker is a whole rime, with sources and Planes of its own, and none knows what another does. They agree all the
same, as replicas do: a version is a hash of what it names, so a client that comes to another worker is sent nothing
that it has.

This is the process that starts them, holds their ports (`rime_app.ports`), and serves nobody. A worker that ends is
started again, after a pause as of `rime_app.supervise`, while the others go on. Before all workers have been ready
once it is different: what one of them says of a configuration that cannot be served is true of all, and is told once,
as the end of it all; and where each has ended without having said a word there is nothing to wait for either.
"""

import asyncio
import logging
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

import anyio

from rime_app.config import Config
from rime_app.errors import root_error
from rime_app.log import configure_log
from rime_app.main import USAGE, told
from rime_app.ports import held
from rime_app.signals import ignore, overlook
from rime_app.supervise import keep_running
from rime_app.worker import AWAITED
from rime_app.worker_process import Failed, Ready, Said, Task, WorkerProcess
from rime_core.errors import RimeError, UsageError

END_WITHIN: Final = 1.2
"""Seconds from the signal to the end of the workers, which end by themselves in less than one."""

log: Final = logging.getLogger(__name__)


class WorkerEndedError(RimeError):
    """A worker ended, and is started again."""


class StartError(RimeError):
    """The workers cannot be started."""


class Process(Protocol):
    """What is needed of a `WorkerProcess`."""

    async def said(self) -> Said | None:
        """As there."""
        ...

    async def ended(self) -> int:
        """As there."""
        ...

    def all_ready(self) -> None:
        """As there."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """As there."""
        ...


class Workers:
    """Keeps `count` workers running.

    `start` starts one, by its number from 1; `announce` is given the `ready` line, once. The others are for tests.
    """

    def __init__(
        self,
        count: int,
        start: Callable[[int], Process],
        announce: Callable[[str], None],
        *,
        keep: Callable[..., Coroutine[None, None, None]] = keep_running,
    ) -> None:
        self._count: Final = count
        self._start: Final = start
        self._announce: Final = announce
        self._keep: Final = keep
        self._alive: Final[dict[int, Process]] = {}
        self._ready: Final[set[int]] = set()
        self._all_ready = False
        self._ended: Final[set[int]] = set()
        """The workers that have ended before all were ready."""

    async def run(self) -> None:
        """Run until cancelled; then the workers are told to end, and have ended when this returns.

        Raises:
            UsageError: what they are to serve cannot be.
            StartError: they cannot be started.
        """
        try:
            async with anyio.create_task_group() as tasks:
                for number in range(1, self._count + 1):
                    fatal = (UsageError, StartError)
                    tasks.start_soon(partial(self._keep, f"worker {number}", partial(self._life, number), fatal=fatal))
        except ExceptionGroup as several:
            raise root_error(several) from several

    def signal(self, number: signal.Signals) -> None:
        """Pass a signal on to every worker."""
        for process in self._alive.values():
            process.signal(number)

    async def _life(self, number: int) -> None:
        """One process of a worker, from its start to its end."""
        try:
            process = self._start(number)
        except OSError as error:
            if self._all_ready:
                raise WorkerEndedError(f"cannot be started: {error.strerror}") from error
            raise StartError(
                f"worker {number} of {self._count} cannot be started: {error.strerror}; "
                "fewer --workers, or a higher limit (ulimit), may help"
            ) from error
        self._alive[number] = process
        if self._all_ready:
            process.all_ready()
        try:
            while (said := await process.said()) is not None:
                self._hear(number, said)
            status = await process.ended()
        finally:
            await self._end(number, process)
        self._has_ended(number, status)

    def _hear(self, number: int, said: Said) -> None:
        match said:
            case Ready(line):
                self._ready.add(number)
                if len(self._ready) == self._count and not self._all_ready:
                    self._all_ready = True
                    for process in self._alive.values():
                        process.all_ready()
                    try:
                        self._announce(f"{line}, {self._count} workers")
                    except OSError as error:  # the worker is well: it is not to be started again
                        raise StartError(told(error)[1]) from error
            case Failed(status, line) if self._all_ready:
                raise WorkerEndedError(line)
            case Failed(status, line):
                raise UsageError(line) if status == USAGE else StartError(line)

    async def _end(self, number: int, process: Process) -> None:
        """Have a process ended, if it has not; also when this task is cancelled."""
        with anyio.CancelScope(shield=True):
            del self._alive[number]
            self._ready.discard(number)
            process.signal(signal.SIGTERM)
            with anyio.move_on_after(END_WITHIN):
                await process.ended()
                return
            process.signal(signal.SIGKILL)
            await process.ended()

    def _has_ended(self, number: int, status: int) -> None:
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if not self._all_ready:
            self._ended.add(number)
            if len(self._ended) == self._count:
                raise StartError(f"no worker comes up: the last {how}")
        raise WorkerEndedError(how)


def run_workers(config: Config, count: int, announce: Callable[[str], None]) -> None:
    """Run what `config` says in `count` processes until a signal ends it; `announce` is given the `ready` line.

    Raises:
        UsageError: what is to be served cannot be, an address is in use, or this system cannot share one.
        StartError: the workers cannot be started.
    """
    configure_log(sys.stderr, form=config.settings.log, level=config.settings.log_level)
    with held(config.transports) as transports, _folder() as folder:
        task = Task(0, count, replace(config, transports=transports), folder)
        anyio.run(_run, Workers(count, lambda number: WorkerProcess(replace(task, number=number)), announce))


async def _run(workers: Workers) -> None:
    wake = asyncio.get_running_loop().call_soon_threadsafe
    with anyio.CancelScope() as scope:

        def end(name: str) -> None:
            ignore(AWAITED)  # as `rime_app.process` does
            log.info("%s: ending", name)
            scope.cancel()

        def told_to_end(number: int, _frame: FrameType | None) -> None:
            overlook(AWAITED)  # one is enough
            wake(end, signal.Signals(number).name)

        signal.signal(signal.SIGINT, told_to_end)
        signal.signal(signal.SIGTERM, told_to_end)
        signal.signal(signal.SIGHUP, lambda *_: wake(workers.signal, signal.SIGHUP))
        await workers.run()


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that only this user can enter, for as long as the workers run.

    Raises:
        UsageError: there is no place for it, or no socket can be there: a socket's path has 107 bytes at most on Linux.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="rime-"))
    except OSError as error:
        raise UsageError(
            f"workers: cannot make a folder for their sockets: {error.strerror}; TMPDIR names another place"
        ) from error
    try:
        _try_socket(folder / "longest")  # as long as 99/9999: transport, worker
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try_socket(path: Path) -> None:
    try:
        with socket.socket(socket.AF_UNIX) as tried:
            tried.bind(str(path))
        path.unlink()
    except OSError as error:
        raise UsageError(
            f"workers: cannot have sockets in {path.parent}: {error.strerror or error}; "
            "set TMPDIR to another place, with a short path"
        ) from error
