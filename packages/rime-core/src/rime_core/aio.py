"""Awaiting a Subscriber. The one module of the core that knows asyncio; all others only call a callback."""

import asyncio
from typing import TYPE_CHECKING

from rime_core.errors import ClosedError, UsageError

if TYPE_CHECKING:
    from rime_core.subscriber import Subscriber
    from rime_core.update import Update


async def changed(subscriber: "Subscriber") -> "Update":
    """What `Subscriber.changed` promises. What there is to send stays with the cursor, so that a cancelled wait loses
    nothing.
    """
    if subscriber.waited_for:
        raise UsageError("somebody else awaits this subscriber already; each client has one of its own")
    while True:
        update = subscriber.poll()
        if update is not None:
            return update
        woken = asyncio.get_running_loop().create_future()

        def wake(future: "asyncio.Future[None]" = woken) -> None:
            if not future.done():
                future.set_result(None)

        subscriber.wait(wake)
        try:
            await woken
        finally:
            subscriber.wait(None)
        if subscriber.closed:
            raise ClosedError("the subscriber was closed while it was awaited")
