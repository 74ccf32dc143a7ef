"""The machine: whether it is as fast as it was.

Who shares a processor with others has it slower by half for seconds at a time, and nothing tells when. What is measured
then says how busy they were. So whatever is measured, of whomever, begins when a fixed piece of work takes on each core
about as long as it took at best; or anyway, when that has not been the case for a while. What is short enough to be
done many times counts only where it was so at the end as well.
"""

import os
import time
from collections.abc import Callable
from typing import Final

ABOUT: Final = 1.15
"""What is about as fast, as a factor."""

PATIENCE: Final = 20.0
"""Seconds after which it is measured anyway."""

PAUSE: Final = 0.1

_WORK: Final = {str(number): number for number in range(10_000)}

_best: dict[int, float] = {}
"""Core → seconds that the work took there at best."""


def wait_until_fast(pause: Callable[[float], object] = time.sleep) -> bool:
    """Wait until all cores are as fast as they have been, in pauses of so many seconds; whether they were at once."""
    cores = os.sched_getaffinity(0)
    deadline = time.monotonic() + PATIENCE
    looks = 1
    try:
        while not all(list(map(_is_fast, sorted(cores)))) and time.monotonic() < deadline:
            looks += 1
            pause(PAUSE)
    finally:
        os.sched_setaffinity(0, cores)
    return looks == 1


def _is_fast(core: int) -> bool:
    os.sched_setaffinity(0, {core})
    took = min(_work() for _ in range(3))
    _best[core] = min(took, _best.get(core, took))
    return took <= ABOUT * _best[core]


def _work() -> float:
    begun = time.perf_counter()
    for key in _WORK:
        _WORK[key] ^= 1
    return time.perf_counter() - begun


def get_to_know(seconds: float = 5.0) -> None:
    """Find out how fast it is at best."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        wait_until_fast()
