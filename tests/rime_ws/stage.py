"""rime with its debug stream, on a loop in another thread: commands block."""

import asyncio
import threading
from contextlib import contextmanager

import rime_ws
from rime_core import Plane


class Stage:
    """A Plane and what shows it; `do` runs something where they belong."""

    def __init__(self, plane, address, loop):
        self.plane, self.address, self._loop = plane, address, loop
        self.server = plane.server()

    @property
    def url(self):
        return f"ws://{self.address}"

    def time(self):
        return self._loop.time()

    def do(self, action, *arguments, **named):
        """What `action` gives, run on the loop."""

        async def act():
            return action(*arguments, **named)

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(20)

    def later(self, action):
        """Run this once everything that there is to be done is done."""
        self._loop.call_soon_threadsafe(action)


@contextmanager
def stage(config=None, plane=None):
    """One, until the block ends."""
    plane = plane or Plane()
    ready, over = threading.Event(), []
    found = []

    async def run():
        end = asyncio.Event()
        async with rime_ws.serve(plane.server(), "127.0.0.1:0", config) as bound:
            loop = asyncio.get_running_loop()
            found.append(Stage(plane, bound.address, loop))
            over.append(lambda: loop.call_soon_threadsafe(end.set))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(20)
    try:
        yield found[0]
    finally:
        over[0]()
        thread.join(20)
