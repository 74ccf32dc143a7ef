"""How long to wait before an API server is asked again that could not answer.

The pauses double, so that a server that is coming up is not held down by those who wait for it, and each is cut at
random by up to a half, so that many replicas do not ask at one moment. As client-go: from 0.8 s to 30 s, and from the
beginning again once something was answered.
"""

import random
from collections.abc import Callable
from typing import Final

FIRST: Final = 0.8
LONGEST: Final = 30.0


class Backoff:
    """The pauses, in seconds, up to `longest`; `chance` gives numbers from 0 to 1."""

    def __init__(self, longest: float = LONGEST, chance: Callable[[], float] = random.random) -> None:
        self._longest: Final = longest
        self._chance: Final = chance
        self._next = FIRST

    def pause(self) -> float:
        """The next pause."""
        pause, self._next = self._next, min(2 * self._next, self._longest)
        return pause * (1 - self._chance() / 2)

    def reset(self) -> None:
        """It answered."""
        self._next = FIRST
