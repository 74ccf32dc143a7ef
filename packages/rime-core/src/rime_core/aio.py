"""Awaiting a Subscriber. The one module of the core that knows asyncio; all others only call a callback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from rime_core.errors import ClosedError, UsageError
from rime_core.update import Update


class Awaitable(Protocol):
    """What is awaited (a Subscriber)."""

    @property
    def waited_for(self) -> bool:
        """Whether somebody awaits it already."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing will come any more."""
        ...

    def poll(self) -> Update | None:
        """What there is to send now."""
        ...

    def wait(self, waiter: Callable[[], None] | None) -> None:
        """Call `waiter` at the next change; None takes that back."""
        ...


async def changed(subscriber: Awaitable) -> Update:
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


async def updates(subscriber: Awaitable) -> AsyncIterator[Update]:
    """Each update of `subscriber` as it comes; ends when it is closed."""
    while True:
        try:
            update = await changed(subscriber)
        except ClosedError:
            return
        yield update
