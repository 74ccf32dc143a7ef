"""The workers as one of them knows them: which it is, whether all are ready, and that the first process is still there.

A worker that is left alone must end, however the process that started it went, and also while a plugin blocks the event
loop. So a thread waits for what the line brings; its end is as a SIGTERM, which does not depend on the loop
(`rime_app.process`). A plugin may also be somewhere where Python handles no signal, and nobody is there to notice: then
the thread ends it.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from rime_app.worker_process import Task

END_WITHIN: Final = 2.0
"""Seconds from the end of the line to that of the process, which ends by itself in less than one."""


class Siblings:
    """What transports are given (`rime_core.adapter.Siblings`). `task` says which worker this is, `line` the rest."""

    def __init__(self, task: "Task", line: "Connection[object, object]") -> None:
        self.number: Final = task.number
        self.count: Final = task.count
        self._folder: Final = task.folder
        self._line: Final = line
        self._callbacks: Final[dict[Callable[[], None], None]] = {}
        self.ready = False
        """Whether all workers have become ready."""

    def folder(self, transport: int) -> Path:
        """Where the transport of that number and the same one of every other worker may have sockets; made."""
        folder = self._folder / str(transport)
        folder.mkdir(exist_ok=True)
        return folder

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once all workers have become ready, at once where they have."""
        if self.ready:
            callback()
        else:
            self._callbacks[callback] = None

    def not_when_ready(self, callback: Callable[[], None]) -> None:
        """Take that back."""
        self._callbacks.pop(callback, None)

    def begin(self, call: Callable[[Callable[[], None]], object]) -> None:
        """Hear what the line brings from now on; `call` has something called in the event loop, from any thread."""
        threading.Thread(target=self._hear, args=(call,), name="line", daemon=True).start()

    def _hear(self, call: Callable[[Callable[[], None]], object]) -> None:
        try:
            self._line.recv()
            call(self._all_ready)
            self._line.recv()
        except (EOFError, OSError):
            shutil.rmtree(self._folder, ignore_errors=True)  # of which nobody else takes care any more
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(END_WITHIN)
            os._exit(1)

    def _all_ready(self) -> None:
        self.ready = True
        callbacks = list(self._callbacks)
        self._callbacks.clear()
        for callback in callbacks:
            callback()
