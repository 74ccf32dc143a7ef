"""How often a feed speaks that could always say something new."""

from typing import Final

LEAST: Final = 0.05
"""Seconds between two messages of a feed: less nobody sees."""

SHARE: Final = 9
"""How many times as long as its last message took to make a feed is silent: it takes a tenth of the process's time."""


class Pace:
    """When a feed may speak again, in seconds of the clock whose times it is given; at first at any time."""

    __slots__ = ("due",)

    def __init__(self) -> None:
        self.due = float("-inf")
        """When it may."""

    def spoke(self, begun: float, ended: float) -> None:
        """A message was made, from `begun` to `ended`."""
        self.due = ended + max(LEAST, SHARE * (ended - begun))
