"""What slow clients cost the others: a thousand that read no further beside some that do.

A client stalls by the window that it grants: the first state and a little more. What rime has for it then waits in rime
as a cursor, and one response in flight.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from benchmarks import resources
from benchmarks.contenders import RIME
from benchmarks.figures import Figure, figure
from benchmarks.load.client import Client, Load, LoadError
from benchmarks.load.response import Received
from benchmarks.servers.process import ServerProcess
from benchmarks.streams import AT_A_TIME, LONG_ENOUGH, OneChange, come_to_rest, settle, trials
from rime_core import CLUSTER

N: Final = 200
FAST: Final = 100
STALLED: Final = 1000
A_LITTLE: Final = 4096
"""Bytes that a client that stalls takes beyond its first state: three changes."""

MORE: Final = 10
"""Changes, which is more than that."""

_STAMPS: Final = itertools.count(1)

MISSED: Final = 100_000
"""Changes that are made while clients are stalled."""


def measure(progress: Callable[[str], object], long_enough: float = LONG_ENOUGH) -> Iterator[Figure]:
    """What fast clients wait, with and without slow ones; what slow ones keep; and what they are sent in the end.

    After `long_enough` seconds a few changes do (`streams.trials`).
    """
    with ServerProcess(RIME.command("clusters", N)) as server, Load(server.port, CLUSTER) as load:
        progress(f"{FAST} streams, and then {STALLED:,} stalled ones beside them")
        first = load.first_request()
        load.connect([first] * FAST, resources=N, at_a_time=AT_A_TIME, timeout=60)
        load.quiet(0.3)
        change = partial(_change, server, load, tuple(load.clients))
        waited = partial(trials, load, change, seconds=long_enough)
        settle(server, load)
        yield figure("one change, fast streams alone", "rime", N, "ms", waited(), streams=FAST)
        slow = _slow(load)
        for _ in range(MORE):
            change()
        settle(server, load)
        yield figure("one change, beside stalled streams", "rime", N, "ms", waited(), streams=FAST)
        progress(f"{MISSED:,} changes that stalled streams miss")
        load.watch = lambda _client, _received: None
        server.ask("collect")
        memory = server.memory_bytes()
        rate = 20_000
        seconds = MISSED / rate
        made = 0
        while made < MISSED:
            server.tell("changes", rate=rate, seconds=seconds, among=N)
            load.quiet(seconds)
            made += server.finished()["made"]
        server.ask("collect")
        grown = (server.memory_bytes() - memory) / STALLED
        yield figure("memory that a stalled stream's missed changes take", "rime", N, "bytes", [grown], streams=STALLED)
        yield figure("responses for what a stalled stream missed", "rime", N, "", _resumed(load, slow), streams=STALLED)


def _slow(load: Load) -> list[Client]:
    """Clients that have the first state, and take little more."""
    sizes: list[int] = []
    load.watch = lambda _client, received: sizes.append(received.length)
    load.connect([load.first_request()], resources=N, at_a_time=1, timeout=10)
    window = sum(sizes) + A_LITTLE
    load.watch = lambda _client, _received: None
    slow: list[Client] = []
    while len(slow) < STALLED:
        slow += [load.open(load.first_request(), window=window) for _ in range(50)]
        load.until(partial(_have_all, slow), timeout=30, what="first states")
    return slow


def _have_all(clients: list[Client]) -> bool:
    return all(client.count >= N for client in clients)


def _change(server: ServerProcess, load: Load, fast: tuple[Client, ...]) -> float:
    """Milliseconds until the last of `fast` has a change."""
    stamp = next(_STAMPS)
    name = resources.name(stamp % N)
    change = OneChange(name, stamp, len(fast))
    load.watch = _only(fast, change)
    begun = time.monotonic()
    server.tell("change", name=name, stamp=stamp)
    ended = load.until(change.is_everywhere, timeout=10, what="a change")
    server.finished()
    come_to_rest(server, load)
    return (ended - begun) * 1e3


def _only(
    clients: tuple[Client, ...], watch: Callable[[Client, Received], object]
) -> Callable[[Client, Received], None]:
    among = frozenset(clients)

    def watched(client: Client, received: Received) -> None:
        if client in among:
            watch(client, received)

    return watched


def _resumed(load: Load, slow: list[Client]) -> list[float]:
    """How many responses each slow client is sent once it takes more, until it has everything."""
    sent = dict.fromkeys(slow, 0)
    held: dict[Client, dict[str, int]] = {client: {} for client in slow}

    def watched(client: Client, received: Received) -> None:
        if client in sent:
            sent[client] += 1
            held[client].update(received.stamps)

    load.watch = watched
    for client in slow:
        client.call.widen()
    load.quiet(3.0)
    first, *others = held.values()
    if len(first) != N or any(other != first for other in others):
        raise LoadError("streams that were stalled and go on differ")
    return [float(count) for count in sent.values()]
