"""gRPC's own threads give way to the event loop's.

gRPC reads its sockets in threads of its own. While a change is written to a thousand clients the first of them already
acknowledge it, and where processors are few, to read that keeps the loop's thread from writing on: the last client has
the change later by a quarter. So these threads are given a lower priority. They run whenever the loop waits, or a
processor is free, and what they have not read yet HTTP/2 holds back.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

LOWER: Final = 5
"""By how much, as of `nice`: the loop's thread has three times their share where both want the same processor."""

_OF_GRPC: Final = ("event_engine", "lifeguard")
"""What they are called; the second starts more of the first, which have its priority."""


def give_way() -> None:
    """Lower the priority of gRPC's threads, once there are any. Called by the thread to which they give way.

    Threads have a priority of their own on Linux; elsewhere nothing is done.
    """
    if sys.platform != "linux":
        return
    lower = os.getpriority(os.PRIO_PROCESS, 0) + LOWER
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended, or may not be changed
            if (task / "comm").read_text(encoding="utf-8").strip() in _OF_GRPC:
                os.setpriority(os.PRIO_PROCESS, int(task.name), lower)
