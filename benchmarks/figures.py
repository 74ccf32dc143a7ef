"""A figure: what was measured of what, as every benchmark here gives it and as the results are kept."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity. `of` is who was measured; `n` how many resources there were, `streams` how many streams.

    `least`, `median` and `most` are of `runs` runs, in `unit`; `most` is None where it was not told.
    """

    figure: str
    of: str
    n: int
    unit: str
    least: float
    median: float
    most: float | None
    runs: int
    streams: int = 0

    def as_json(self) -> dict[str, Any]:
        """As it stands in the results."""
        return asdict(self)


def figure(name: str, of: str, n: int, unit: str, values: Iterable[float], *, streams: int = 0) -> Figure:
    """What these runs say."""
    runs = sorted(values)
    return Figure(name, of, n, unit, runs[0], statistics.median(runs), runs[-1], len(runs), streams)


def nanoseconds(run: Callable[[], object], *, each: int) -> float:
    """What each of the `each` things that `run` does takes.

    Garbage is collected before, and as always meanwhile: what rime leaves behind is part of what it costs.
    """
    gc.collect()
    begun = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - begun) / each
