"""A timer whose time goes on when it is told to."""

import heapq
import itertools


class VirtualTimer:
    """What `rime_core.Timer` asks for; time stands still but in `pass_by`."""

    def __init__(self):
        self.now = 100.0
        self._due = []
        self._number = itertools.count()

    def time(self):
        return self.now

    def call_at(self, when, callback, /):
        heapq.heappush(self._due, (when, next(self._number), callback))

    @property
    def pending(self):
        """How many calls are due at some time."""
        return len(self._due)

    def pass_by(self, seconds):
        """Let this time pass, and call what becomes due, each at its time."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            when, _, callback = heapq.heappop(self._due)
            self.now = max(self.now, when)
            callback()
        self.now = end
