"""What is left of clients that have gone: thousands connect and disconnect while an hour's changes are made.

10,000 connections to `rime serve`, in waves of a hundred, each with its
share of 3,600 changes (one a second for an hour) and of resources that are removed while others come in their place.
Some clients want everything, some names of which a few do not exist, some come back with what they knew an hour or a
moment ago, and some read no further, and go in the middle of what they are sent. A few stay from the beginning to the
end, and have in the end what there is.

Memory is that of the server alone, after garbage was collected and what is free was given back, beside that after twice
as many had come and gone before: until then what is made once is made, and the allocators' arenas, of which more and
more are in use a little, have found their size. What Python's own allocator has is counted besides: it does not wobble.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from benchmarks import resources
from benchmarks.contenders import RIME
from benchmarks.figures import Figure, figure
from benchmarks.load.client import Client, Load, LoadError
from benchmarks.load.response import Received
from benchmarks.servers.process import ServerProcess
from rime_core import CLUSTER

N: Final = 200
CONNECTS: Final = 10_000
WAVE: Final = 100
CHANGES: Final = 3_600
RENAMED: Final = 2
"""Resources that are removed in each wave, and written anew under another name, of two that each has."""

STAYING: Final = 20
ALLOWED: Final = 5.0
"""Percent that memory may have grown."""


@dataclass(frozen=True)
class State:
    """What a server has: bytes, objects that the garbage collector looks at, and pieces that Python has allocated."""

    memory: int
    objects: int
    blocks: int


class Soak:
    """A server, and who connects to it."""

    def __init__(self, server: ServerProcess, load: Load, seed: int = 1) -> None:
        self._server: Final = server
        self._load: Final = load
        self._random: Final = random.Random(seed)  # noqa: S311 - the same in each run
        self._names: Final = {number: resources.name(number) for number in range(N)}
        self._waves = 0
        self._versions: dict[str, str] = {}
        self._earliest: dict[str, str] = {}
        self._held: dict[Client, dict[str, int]] = {}
        load.watch = self._received

    def settle_in(self) -> None:
        """Those come who stay."""
        first = self._load.first_request()
        for _ in range(STAYING):
            self._held[self._load.open(first)] = {}
        self._load.until(self._is_level, timeout=30, what="first states")
        self._earliest = dict(self._versions)

    def wave(self, size: int, changes: int) -> None:
        """So many come, so many changes are made, and they go."""
        self._waves += 1
        share = size // 10
        load = self._load
        everything = [load.open(load.first_request()) for _ in range(size - 4 * share)]
        for _ in range(share):
            chosen = self._random.sample(sorted(self._names.values()), 50)
            load.open(load.first_request([*chosen, "nowhere", f"never-{self._waves}"]))
            load.open(load.returning_request(self._versions, (), self._waves))
            load.open(load.returning_request(self._earliest, (), self._waves))
            load.open(load.first_request(), window=10_000)
        load.until(lambda: all(each.count >= N for each in everything), timeout=30, what="first states of a wave")
        self._server.tell("changes", rate=changes / 0.1, seconds=0.1, among=N)
        load.quiet(0.1)
        self._server.finished()
        for number in (each % N for each in range(self._waves * RENAMED, (self._waves + 1) * RENAMED)):
            one, other = resources.name(number), f"{resources.name(number)}-anew"
            name = other if self._names[number] == one else one
            self._server.ask("rename", name=self._names[number], to=name, stamp=time.monotonic_ns())
            self._names[number] = name
        load.until(self._is_level, timeout=30, what="all changes, on all streams that stay")
        for client in [client for client in load.clients if client not in self._held]:
            load.drop(client)

    def state(self) -> State:
        """What the server has once it has noticed who has gone.

        Raises:
            LoadError: streams of clients that have gone are still there.
        """
        deadline = time.monotonic() + 10
        counts = self._server.ask("collect")
        while counts["streams"] > STAYING:
            if time.monotonic() > deadline:
                raise LoadError(f"{counts['streams']} streams are in memory, and {STAYING} clients are there")
            self._load.quiet(0.3)
            counts = self._server.ask("collect")
        return State(self._server.memory_bytes(), counts["objects"], counts["blocks"])

    def _received(self, client: Client, received: Received) -> None:
        held = self._held.get(client)
        if held is not None:
            held.update(received.stamps)
            self._versions.update(received.versions)
            for name in received.removed:
                held.pop(name, None)
                self._versions.pop(name, None)

    def _is_level(self) -> bool:
        """Whether those who stay have what there is, and all the same."""
        first, *others = self._held.values()
        return first.keys() == set(self._names.values()) and all(other == first for other in others)


def soak(
    connects: int, changes: int, progress: Callable[[str], object], *, warm_up: int, wave: int = WAVE
) -> tuple[State, State]:
    """What a server has when `warm_up` clients have come and gone, and when so many more have.

    Raises:
        LoadError: a client that stays lacks something, or the server's log tells of more than who came and went.
    """
    before = None
    with NamedTemporaryFile("w") as log:
        with ServerProcess(RIME.command("clusters", N), log=log) as server, Load(server.port, CLUSTER) as load:
            clients = Soak(server, load)
            clients.settle_in()
            for gone in range(0, warm_up + connects, wave):
                if gone == warm_up:
                    before = clients.state()
                if gone % (10 * wave) == 0:
                    progress(f"{gone:,} of {warm_up + connects:,} clients have come and gone")
                clients.wave(wave, changes * wave // connects)
            after = clients.state()
        lines = Path(log.name).read_text(encoding="utf-8").splitlines()
    troubles = [line for line in lines if line.split()[1:2] != ["info"]]
    if troubles:
        raise LoadError(f"the server's log tells of {len(troubles):,} troubles; the first: {troubles[0]}")
    assert before is not None
    return before, after


def measure(progress: Callable[[str], object]) -> Iterator[Figure]:
    """How much more the server has at the end.

    Raises:
        LoadError: its memory has grown by more than is allowed, or what `soak` raises.
    """
    begun = time.monotonic()
    before, after = soak(CONNECTS, CHANGES, progress, warm_up=2 * CONNECTS)
    grown = 100 * (after.memory / before.memory - 1)
    for name, unit, value in (
        ("memory", "%", grown),
        ("memory for each connection", "bytes", (after.memory - before.memory) / CONNECTS),
        ("objects for each connection", "", (after.objects - before.objects) / CONNECTS),
        ("allocations for each connection", "", (after.blocks - before.blocks) / CONNECTS),
        ("time", "s", time.monotonic() - begun),
    ):
        yield figure(f"soak, {name}", "rime", N, unit, [value], streams=CONNECTS)
    if grown > ALLOWED:
        raise LoadError(
            f"after {CONNECTS:,} connections memory has grown by {grown:.1f} %, and may by {ALLOWED:g} %:"
            f" from {before} to {after}"
        )
