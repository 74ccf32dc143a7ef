"""The kernel alone: what a change costs, and what a subscriber does, without any transport.

Bodies are made before the clock runs: a kernel is handed bytes. An unchanged `apply` is handed equal bytes that are not
the same object, as every source hands them. `python -m benchmarks.kernel` gives the figures alone, a line of JSON each.
"""

import itertools
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from benchmarks.figures import Figure, figure, nanoseconds
from benchmarks.machine import T, trials
from rime_core import CLUSTER, COMPILED, Plane, Subscriber

SIZE: Final = 1024
RUNS: Final = 15
"""Runs that are measured, of those that the machine was fast for all the time."""

AT_LEAST: Final = 5
"""Runs that are enough once `LONG_ENOUGH` seconds are over; then all count."""

LONG_ENOUGH: Final = 3.0

BATCH: Final = 2000
"""Changes that one run consists of."""

FEW: Final = 100
"""Names that are changed again and again."""

SUBSCRIBERS: Final = 100
BULK: Final = 100_000
BULK_RUNS: Final = 7


def of() -> str:
    """Whose kernel this process measures."""
    return "rime" if COMPILED else "rime, not compiled"


def measure(progress: Callable[[str], object]) -> Iterator[Figure]:
    """All figures of the kernel."""
    for n in (10, 200, 1_000, 10_000, 100_000, 1_000_000):
        progress(f"apply, {n:,} resources")
        yield from applying(n)
    for n in (10, 200, 1_000, 10_000):
        progress(f"apply and {SUBSCRIBERS} subscribers, {n:,} resources")
        yield subscribers(n)
    for n in (10, 10_000, 100_000):
        progress(f"memory of a subscriber, {n:,} resources")
        yield memory(n)
    progress(f"bulk load of {BULK:,} resources")
    yield bulk()


def filled(n: int) -> tuple[Plane, list[str]]:
    """A Plane with `n` clusters, and what they are called."""
    plane, names = Plane(), [f"resource-{number}" for number in range(n)]
    # a million bodies would be a gigabyte of what is never looked at
    body = bytes(SIZE)
    with plane.transaction() as transaction:
        for name in names:
            transaction.apply(CLUSTER, name, body)
    return plane, names


def applying(n: int) -> Iterator[Figure]:
    """`apply` of a body that differs, and of one that does not: to names from everywhere, and to the same few of them.

    From everywhere, most of what is looked at is in no cache of the processor, and that is what grows with `n`.
    """
    plane, names = filled(n)
    everywhere = [names[number * 7919 % n] for number in range(BATCH)]
    few = [everywhere[number % FEW] for number in range(BATCH)]
    stamps = itertools.count(1, BATCH)
    for targets, which in (everywhere, ""), (few, ", of the same few"):

        def run(targets: list[str] = targets) -> tuple[float, float]:
            stamp = next(stamps)
            bodies = [(stamp + number).to_bytes(8) * (SIZE // 8) for number in range(BATCH)]
            changed = nanoseconds(partial(apply_all, plane, targets, bodies), each=BATCH)
            there = plane.snapshot()[CLUSTER]
            equal = {name: bytes(bytearray(there[name].body)) for name in targets}
            copies = [equal[name] for name in targets]
            return changed, nanoseconds(partial(apply_all, plane, targets, copies), each=BATCH)

        changed, unchanged = zip(*_runs(run), strict=True)
        yield figure(f"apply changed{which}", of(), n, "ns", changed)
        yield figure(f"apply unchanged{which}", of(), n, "ns", unchanged)


def _runs(run: Callable[[], T], enough: int = RUNS) -> list[T]:
    return trials(run, enough, at_least=AT_LEAST, seconds=LONG_ENOUGH)


def apply_all(plane: Plane, names: list[str], bodies: list[bytes]) -> None:
    """Each body to its name."""
    apply = plane.apply
    for name, body in zip(names, bodies, strict=True):
        apply(CLUSTER, name, body)


def subscribers(n: int) -> Figure:
    """One change, and each of 100 wildcard subscribers is handed its update and acknowledges it."""
    plane, names = filled(n)
    server = plane.server()
    woken: list[Subscriber] = []
    everybody: list[Subscriber] = []
    for place in range(SUBSCRIBERS):
        subscriber = server.subscribe(CLUSTER, wake=partial(_note, woken, everybody, place))
        everybody.append(subscriber)
        subscriber.acknowledge_update(subscriber.initial())
    rounds, stamps = 200, itertools.count(1, 200)

    def run() -> float:
        stamp = next(stamps)
        bodies = [(stamp + number).to_bytes(8) * (SIZE // 8) for number in range(rounds)]

        def change() -> None:
            for number, body in enumerate(bodies):
                plane.apply(CLUSTER, names[number % n], body)
                assert len(woken) == SUBSCRIBERS
                for subscriber in woken:
                    update = subscriber.poll()
                    assert update is not None
                    subscriber.acknowledge_update(update)
                woken.clear()

        return nanoseconds(change, each=rounds)

    return figure(f"apply + {SUBSCRIBERS} subscribers", of(), n, "ns", _runs(run), streams=SUBSCRIBERS)


def _note(woken: list[Subscriber], everybody: list[Subscriber], place: int) -> None:
    woken.append(everybody[place])


def memory(n: int) -> Figure:
    """What one more idle wildcard subscriber keeps in memory: 100 of them against 50."""
    plane, _ = filled(n)
    server = plane.server()
    held: list[Subscriber] = []
    kept = []
    tracemalloc.start()
    try:
        for _ in range(2):
            for _ in range(50):
                subscriber = server.subscribe(CLUSTER, wake=held.clear)
                subscriber.acknowledge_update(subscriber.initial())
                held.append(subscriber)
            kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return figure("memory of an idle subscriber", of(), n, "bytes", [(kept[1] - kept[0]) / 50])


def bulk() -> Figure:
    """A first state in one transaction."""
    names = [f"resource-{number}" for number in range(BULK)]
    stamps = itertools.count(0, BULK)

    def run() -> float:
        stamp = next(stamps)
        bodies = [(stamp + number).to_bytes(8) * (SIZE // 8) for number in range(BULK)]

        def load() -> None:
            with Plane().transaction() as transaction:
                for name, body in zip(names, bodies, strict=True):
                    transaction.apply(CLUSTER, name, body)

        return nanoseconds(load, each=1)

    return figure("load at once", of(), BULK, "ns", _runs(run, BULK_RUNS))


if __name__ == "__main__":
    for each in measure(lambda what: print(what, file=sys.stderr, flush=True)):
        print(json.dumps(each.as_json()), flush=True)
