"""The machine: whether it is as fast as it was.

Who shares a processor with others has it slower by half for seconds at a time, and nothing tells when. What is measured
then says how busy they were. So whatever is measured, of whomever, begins when a fixed piece of work takes on each core
about as long as it took at best; or anyway, when that has not been the case for a while. What is short enough to be
done many times counts only where it was so at the end as well.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

T = TypeVar("T")

ABOUT: Final = 1.15
"""What is about as fast, as a factor."""

PATIENCE: Final = 20.0
"""Seconds after which it is measured anyway, and as it is now counts as fast: who waited once need not wait again."""

PAUSE: Final = 0.1

_WORK: Final = dict.fromkeys(map(str, range(10_000)), 0)
"""Nothing is made while it is looked through: where new objects come to lie differs with what a process did before."""

_best: dict[int, float] = {}
"""Core → seconds that the work took there at best."""


def wait_until_fast(pause: Callable[[float], object] = time.sleep, patience: float = PATIENCE) -> bool:
    """Wait until all cores are as fast as they have been, in pauses of so many seconds; whether they were at once.

    After `patience` seconds it is measured anyway.
    """
    if _is_fast(_look()):
        return True
    deadline = time.monotonic() + patience
    while not _is_fast(took := _look()):
        if time.monotonic() > deadline:
            _best.update(took)
            break
        pause(PAUSE)
    return False


def trials(
    trial: Callable[[], T],
    enough: int,
    *,
    at_least: int,
    seconds: float,
    pause: Callable[[float], object] = time.sleep,
) -> list[T]:
    """What so many trials found that begin and end when the machine is fast; the first begins at once.

    After so many seconds `at_least` of them are enough, and all count.
    """
    found: list[T] = []
    deadline = time.monotonic() + seconds
    while True:
        is_late = time.monotonic() > deadline
        if len(found) >= (at_least if is_late else enough):
            return found
        result = trial()
        if is_late or wait_until_fast(pause, min(PATIENCE, seconds)):
            found.append(result)


def _is_fast(took: Mapping[int, float]) -> bool:
    """Whether each core took about as long as at best."""
    for core, seconds in took.items():
        _best[core] = min(seconds, _best.get(core, seconds))
    return all(seconds <= ABOUT * _best[core] for core, seconds in took.items())


def _look() -> dict[int, float]:
    """Core → seconds that the work takes there now."""
    cores = os.sched_getaffinity(0)
    took = {}
    try:
        for core in sorted(cores):
            os.sched_setaffinity(0, {core})
            took[core] = min(_work() for _ in range(3))
    finally:
        os.sched_setaffinity(0, cores)
    return took


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
