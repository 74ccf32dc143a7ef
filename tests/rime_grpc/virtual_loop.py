"""An event loop on which time passes only when nothing else is to be done, and then at once."""

import asyncio
import selectors


class VirtualLoop(asyncio.SelectorEventLoop):
    """For `asyncio.Runner(loop_factory=VirtualLoop)`."""

    def __init__(self):
        self.now = 1000.0
        self.rounds = 0
        """How often it has looked for what is ready: what became ready in a round runs in the next."""
        super().__init__(_Selector(self))

    def time(self):
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        assert timeout is not None, "nothing is left to be done, and somebody waits"
        self._loop.now += timeout
        self._loop.rounds += 1
        return super().select(0)
