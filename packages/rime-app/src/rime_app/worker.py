"""One of several processes that serve the same (`rime_app.workers`): `python -m rime_app.worker`, for nobody to type.

It is what `rime serve` alone is, and besides says when it is ready and why it cannot be, is told when all are, and ends
when the process that started it has gone (`rime_app.siblings`).
"""

import os
import signal
import sys
from typing import TYPE_CHECKING

from rime_app.signals import handle_early

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

AWAITED = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
"""Signals that a worker begins without hearing, until it has handlers for them."""


def main() -> None:
    """Do what the process at the other end of the line says, and exit with the status of that."""
    handle_early(["serve"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
    from multiprocessing.connection import Connection  # noqa: PLC0415  # takes long enough for a signal to come

    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    sys.exit(serve(Connection(descriptor)))


def serve(line: "Connection[object, object]") -> int:
    """Serve what comes over the line until a signal, or the end of the line; the exit status."""
    from rime_app.main import load_plugins, told  # noqa: PLC0415  # as above
    from rime_app.process import run_process  # noqa: PLC0415  # as above
    from rime_app.siblings import Siblings  # noqa: PLC0415  # as above
    from rime_app.worker_process import Failed, Ready, Task  # noqa: PLC0415  # as above

    try:
        task = line.recv()
    except EOFError:
        return 0
    assert isinstance(task, Task)  # noqa: S101  # nothing else comes first
    try:
        # whoever started it has told of the plugins that cannot be used
        plugins = load_plugins(warn=lambda _fault: None)
        run_process(task.config, plugins, lambda ready: line.send(Ready(ready)), Siblings(task, line))
    except Exception as error:  # whatever it is, the other end of the line tells it
        status, text = told(error)
        line.send(Failed(status, text))
        return status
    return 0


if __name__ == "__main__":
    main()
