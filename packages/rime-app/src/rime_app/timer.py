"""The running event loop as a Plane's timer: Planes are made before it runs."""

import asyncio
from collections.abc import Callable


class LoopTimer:
    """What `rime_core.Timer` asks for, of the event loop that runs when it is asked."""

    def time(self) -> float:
        """The loop's time, in seconds."""
        return asyncio.get_running_loop().time()

    def call_at(self, when: float, callback: Callable[[], None], /) -> None:
        """Have the loop call `callback` at this time."""
        asyncio.get_running_loop().call_at(when, callback)
