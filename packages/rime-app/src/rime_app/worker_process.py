"""A worker as a process, and the line to it.

A worker is a fresh interpreter, not a fork: gRPC's threads and locks do not survive one. What it is to do comes over
the line, not from the files that the first process read: one that takes another's place serves what the others do.

The line is a pair of sockets, of which each side has one, so either notices when the other has gone, however it went.
"""

import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Final

import anyio

from rime_app.config import Config
from rime_app.worker import AWAITED


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is to do: the first thing that it is sent."""

    number: int
    """Its own, from 1."""
    count: int
    config: Config
    folder: Path
    """Where workers have the sockets by which they reach each other."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Its clients are answered; `line` is what one process alone would announce."""

    line: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It ends: with this exit status, after this line."""

    status: int
    line: str


@dataclass(frozen=True, slots=True)
class AllReady:
    """Every worker has become ready: what it is told then."""


Said = Ready | Failed
"""What a worker says."""

_LOOK_EVERY: Final = 0.005
"""Seconds. Its end is waited for only after its line ended, or when it was told to end."""


class WorkerProcess:
    """A worker that runs; made by starting it."""

    def __init__(self, task: Task) -> None:
        self._line, theirs = Pipe()
        with theirs:
            # blocked until its handlers are there: Python's own would answer Ctrl-C with a traceback
            before = signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
            try:
                self._process: Final = subprocess.Popen(  # noqa: S603  # this Python, and a number
                    # -P: what lies in the working directory is not to be imported
                    [sys.executable, "-P", "-m", "rime_app.worker", str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._tell(task)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def said(self) -> Said | None:
        """What it says next; None: it has gone."""
        await anyio.wait_readable(self._line)
        try:
            said: Said = self._line.recv()
        except (EOFError, OSError):
            return None
        return said

    def all_ready(self) -> None:
        """Tell it that every worker has become ready."""
        self._tell(AllReady())

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has gone."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; its exit status, or minus the number of the signal that ended it."""
        while (status := self._process.poll()) is None:  # noqa: ASYNC110  # nothing tells: SIGCHLD may be the host's
            await anyio.sleep(_LOOK_EVERY)
        self._line.close()
        return status

    def _tell(self, what: Task | AllReady) -> None:
        with suppress(OSError):  # it has gone, which `said` notices
            self._line.send(what)
