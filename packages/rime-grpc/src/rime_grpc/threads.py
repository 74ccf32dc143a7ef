"""gRPC's own threads give way to the event loop's.

gRPC reads its sockets, and tells what it has done, in threads of its own. While a change is written to a thousand
clients the first of them already acknowledge it, and where processors are few, to read that keeps the loop's thread
from writing on: the last client has the change later by a sixth, or more. So these threads are given a lower priority.
They run whenever the loop waits, or a processor is free, and what they have not read yet HTTP/2 holds back.
"""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

LOWER: Final = 5
"""By how much, as of `nice`: the loop's thread has three times their share where both want the same processor."""

_THREADS: Final = Path("/proc/self/task")

_READERS: Final = {"event_engine\n", "lifeguard\n"}
"""What those are called that read, by the system; the second starts more of the first, which have its priority."""

_TELLER: Final = "_poll_wrapper"
"""In what the one is called that tells, by Python."""


def give_way() -> None:
    """Lower the priority of gRPC's threads, once there are any. Called by the thread to which they give way.

    Threads have a priority of their own on Linux; elsewhere nothing is done.
    """
    if sys.platform != "linux":
        return
    lower = os.getpriority(os.PRIO_PROCESS, 0) + LOWER
    pythons = {thread.native_id: thread.name for thread in threading.enumerate()}
    # one that has just been started has the name of who started it
    readers = _READERS | {_called(_THREADS / str(threading.get_native_id()))}
    for task in _tasks():
        own = pythons.get(int(task.name))
        if _TELLER in own if own is not None else _called(task) in readers:
            with suppress(OSError):  # it has ended, or may not be changed
                os.setpriority(os.PRIO_PROCESS, int(task.name), lower)


def _called(task: Path) -> str:
    """What the system calls a thread; "" where it has ended."""
    try:
        return (task / "comm").read_text(encoding="utf-8")
    except OSError:
        return ""


def _tasks() -> list[Path]:
    """The process's threads; none where /proc is not there, without which only the priority stays as it is."""
    try:
        return list(_THREADS.iterdir())
    except OSError:
        return []
