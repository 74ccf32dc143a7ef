"""The four experiments that the crate rime-xds publishes results of, with rime: the same questions, put to Python.

What is compared with what is said in peers/README.md, for both.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import xxhash

from benchmarks.figures import Figure, figure, nanoseconds
from benchmarks.kernel import filled
from benchmarks.machine import wait_until_fast
from rime_core import CLUSTER, Plane

RUNS: Final = 15
HANDED: Final = 100
"""Subscribers that are handed a body, and changes of one run."""

READS: Final = 20_000
PUBLISHED: Final = {
    ("snapshot read, idle writer", 200): 3.8,
    ("snapshot read, busy writer", 200): 3.8,
    ("10 KB to subscribers, shared", 100): 880.0,
    ("10 KB to subscribers, copied", 100): 17_006.0,
    ("hash, xxh3", 1024): 36.7,
    ("hash, blake3", 1024): 889.0,
    ("one change, full rebuild", 200): 11_819.0,
    ("one change, naive delta", 200): 24_141.0,
    ("one change, persistent index", 200): 757.0,
}
"""(figure, n) → nanoseconds, as the crate's README has them, measured on its author's machine."""


def measure(progress: Callable[[str], object]) -> Iterator[Figure]:
    """All of them, and what is published."""
    progress("the experiments that the crate rime-xds publishes")
    yield from snapshots()
    yield from handing_out()
    yield from hashes()
    for n in (10, 200, 1_000, 10_000, 100_000):
        yield from one_change(n)
    for (name, n), value in PUBLISHED.items():
        yield figure(name, "rime-xds, as published", n, "ns", [value])


def snapshots() -> Iterator[Figure]:
    """A resource looked up in a Snapshot, while nobody writes, and while another thread does each millisecond."""
    plane, names = filled(200)
    snapshot = plane.snapshot()
    name = names[100]

    def read() -> None:
        for _ in range(READS):
            snapshot[CLUSTER][name]

    wait_until_fast()
    idle = [nanoseconds(read, each=READS) for _ in range(RUNS)]
    yield figure("snapshot read, idle writer", "rime", 200, "ns", idle)
    over = threading.Event()
    writer = threading.Thread(target=_write, args=(plane, names, over))
    writer.start()
    busy = [nanoseconds(read, each=READS) for _ in range(RUNS)]
    over.set()
    writer.join()
    yield figure("snapshot read, busy writer", "rime", 200, "ns", busy)


def _write(plane: Plane, names: list[str], over: threading.Event) -> None:
    number = 0
    while not over.wait(0.001):
        number += 1
        plane.apply(CLUSTER, names[number % len(names)], number.to_bytes(8) * 128)


def handing_out() -> Iterator[Figure]:
    """One body of 10 KiB for each of 100: the same object, and a copy each."""
    body = bytes(range(256)) * 40

    def shared() -> list[bytes]:
        return [body for _ in range(HANDED)]

    def copied() -> list[bytes]:
        return [bytes(bytearray(body)) for _ in range(HANDED)]

    for name, way in (("shared", shared), ("copied", copied)):
        wait_until_fast()
        values = [nanoseconds(lambda way=way: [way() for _ in range(50)], each=50) for _ in range(RUNS)]  # type: ignore[misc]
        yield figure(f"10 KB to subscribers, {name}", "rime", HANDED, "ns", values)


def hashes() -> Iterator[Figure]:
    """One hash of 1 KiB as text, as a version has it."""
    body = bytes(range(256)) * 4
    ways: dict[str, Callable[[bytes], object]] = {
        "xxh3": xxhash.xxh3_64_hexdigest,
        "blake2b": lambda data: hashlib.blake2b(data, digest_size=8).hexdigest(),
        "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    }
    for name, way in ways.items():
        wait_until_fast()
        values = [nanoseconds(partial(_repeat, way, body), each=1000) for _ in range(RUNS)]
        yield figure(f"hash, {name}", "rime", len(body), "ns", values)


def _repeat(way: Callable[[bytes], object], body: bytes) -> None:
    for _ in range(1000):
        way(body)


def one_change(n: int) -> Iterator[Figure]:
    """One of `n` resources changed: a new map of all, all hashed to find what differs, and rime's index."""
    plane, names = filled(n)
    times = max(3, min(200, 200_000 // n))
    bodies: list[dict[str, bytes]] = [{name: bytes(1024) for name in names}]
    versions = {name: xxhash.xxh3_64_hexdigest(body) for name, body in bodies[0].items()}

    def rebuild() -> None:
        for number in range(times):
            bodies[0] = {**bodies[0], names[number % n]: number.to_bytes(8) * 128}

    def delta() -> None:
        for number in range(times):
            bodies[0][names[number % n]] = (number + 7).to_bytes(8) * 128
            for name, body in bodies[0].items():
                version = xxhash.xxh3_64_hexdigest(body)
                if versions[name] != version:
                    versions[name] = version

    def index(run: int) -> None:
        for number in range(HANDED):
            plane.apply(CLUSTER, names[number % n], (run * HANDED + number + 1).to_bytes(8) * 128)

    wait_until_fast()
    yield figure("one change, full rebuild", "rime", n, "ns", [nanoseconds(rebuild, each=times) for _ in range(5)])
    yield figure("one change, naive delta", "rime", n, "ns", [nanoseconds(delta, each=times) for _ in range(5)])
    wait_until_fast()
    values = [nanoseconds(partial(index, run), each=HANDED) for run in range(RUNS)]
    yield figure("one change, persistent index", "rime", n, "ns", values)
