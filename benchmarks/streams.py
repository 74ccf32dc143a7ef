"""What a server does for a thousand streams, the same for every server: one session with each.

A session is: storms of clients, each of which is sent everything; the memory that they keep; one change at a time;
changes as fast as all clients follow; and storms of clients that come back and know nearly everything. What is
received is checked all the way: a change once on each stream and with the right content, and nothing else.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import machine, resources
from benchmarks.contenders import Contender
from benchmarks.figures import Figure, figure
from benchmarks.load.client import Client, Load, LoadError, TooLateError
from benchmarks.load.response import Received
from benchmarks.machine import T
from benchmarks.servers.process import ServerProcess

AT_A_TIME: Final = 16
"""Clients of a storm that wait for their first answer."""

WARM_UP: Final = 100
"""Clients that come before what is measured: what a server makes once is made."""

LOOK: Final = 0.05
"""Seconds for which a server is looked at, to see whether it still does something."""

IDLE: Final = 0.002
"""Seconds of CPU time in that which are nothing."""

SETTLED: Final = 60.0
"""Seconds by which it must have nothing to do any more."""

SAMPLE: Final = 50
"""Of clients that are each sent other bytes, one in so many has all of its first answer read."""

BEHIND: Final = 0.25
"""Seconds that no stream may lack a change that was made."""

FIRST_RATE: Final = 32.0
GROWTH: Final = 4.0
"""From one rate to the next, until one is too high."""

NARROW: Final = 1.2
"""To within what factor a rate is found."""

BURST: Final = 0.01
"""Seconds between two looks whether a server has made all changes."""

TRIES: Final = 3
"""How often a rate is tried: a machine that did something else meanwhile does not count."""

TRIALS: Final = 60
"""Single changes that are measured, of those that the machine was fast for all the time."""

STORMS: Final = 3
"""Storms, likewise."""

LONG_ENOUGH: Final = 60.0
"""Seconds after which `AT_LEAST` are enough, and all count."""

AT_LEAST: Final = 3

CHANGED: Final = 10
"""Resources that change while clients are away."""


@dataclass
class Session:
    """One server with `n` resources, and the clients that it is measured with."""

    contender: Contender
    n: int
    streams: int
    progress: Callable[[str], object]
    kind: str = "clusters"
    names: Sequence[str] = ()
    """What each client asks for; everything, where this is empty."""
    long_enough: float = LONG_ENOUGH
    """Seconds after which `AT_LEAST` storms, or single changes, do."""

    @property
    def type_url(self) -> str:
        """The type of its resources."""
        return resources.TYPE_URLS[self.kind]

    def run(self, *, sustained: bool, storms: bool, together: bool = True) -> Iterator[Figure]:
        """All figures of it; sustained changes put together as well, or not."""
        self._say("starting")
        with (
            ServerProcess(self.contender.command(self.kind, self.n)) as server,
            Load(server.port, self.type_url) as load,
        ):
            yield from self._storm(server, load)
            yield from self._one_change(server, load)
            if sustained:
                yield from self._sustained(server, load, "sustained changes of one resource", among=1)
                one_by_one = "sustained changes, one resource after the other"
                yield from self._sustained(server, load, one_by_one, among=self.n)
                if together:
                    yield from self._sustained(server, load, f"{one_by_one}, put together", among=self.n, together=True)
            if storms:
                yield from self._reconnect(server, load)

    def _figure(self, name: str, unit: str, values: Sequence[float]) -> Figure:
        return figure(
            f"{name}, named" if self.names else name, self.contender.name, self.n, unit, values, streams=self.streams
        )

    def _say(self, what: str) -> None:
        named = " by name" if self.names else ""
        self.progress(f"{self.contender.name}, {self.n:,} {self.kind}{named}, {self.streams:,} streams: {what}")

    # --- storms ------------------------------------------------------------------------------------------------------

    def _storm(self, server: ServerProcess, load: Load) -> Iterator[Figure]:
        self._say("connect storms")
        first = load.first_request(self.names)
        load.watch = FirstState(self.n)
        load.connect([first] * WARM_UP, resources=self.n, at_a_time=AT_A_TIME, timeout=60)
        memory: list[int] = []

        def storm() -> tuple[float, float, float]:
            for client in load.clients[WARM_UP:]:
                load.drop(client)
            memory.append(_memory(server, load))
            check = load.watch = FirstState(self.n)
            found = self._arrive(server, load, [first] * self.streams, self.n)
            check.finish(load.clients[WARM_UP:])
            memory.append(_memory(server, load))
            return found

        yield from self._storms("connect storm", trials(load, storm, STORMS, seconds=self.long_enough))
        yield self._figure("memory of an idle stream", "bytes", [(memory[1] - memory[0]) / self.streams])
        for client in load.clients[:WARM_UP]:
            load.drop(client)
        settle(server, load)

    def _reconnect(self, server: ServerProcess, load: Load) -> Iterator[Figure]:
        self._say("reconnect storms")
        newest: dict[str, str] = {}
        load.watch = lambda _client, received: newest.update(received.versions)
        load.connect([load.first_request(self.names)], resources=self.n, at_a_time=1, timeout=60)
        numbers = itertools.count()

        def storm() -> tuple[float, float, float]:
            for client in tuple(load.clients):
                load.drop(client)
            changed = [resources.name(number % self.n) for number in itertools.islice(numbers, CHANGED)]
            stamps = {name: self._stamp() for name in changed}
            for name, stamp in stamps.items():
                server.ask("change", name=name, stamp=stamp)
            requests = [load.returning_request(newest, self.names, seed) for seed in range(self.streams)]
            received: dict[Client, dict[str, int]] = {}

            def note(client: Client, response: Received) -> None:
                newest.update(response.versions)
                held = received.setdefault(client, {})
                for name, stamp in response.stamps.items():
                    if stamps.get(name) != stamp or name in held:
                        raise LoadError(f"a client that came back was sent {name} (stamp {stamp}), which it has")
                    held[name] = stamp

            load.watch = note
            return self._arrive(server, load, requests, CHANGED)

        yield from self._storms("reconnect storm", trials(load, storm, STORMS, seconds=self.long_enough))

    def _arrive(
        self, server: ServerProcess, load: Load, requests: Sequence[bytes], count: int
    ) -> tuple[float, float, float]:
        """Seconds until clients that come with these requests have `count` resources each, of CPU time as well; how
        busy the load client was.
        """
        settle(server, load)
        cpu, busy, begun = server.cpu_seconds(), time.process_time(), time.monotonic()
        seconds = load.connect(requests, resources=count, at_a_time=AT_A_TIME, timeout=300) - begun
        share = (time.process_time() - busy) / seconds
        come_to_rest(server, load)
        return seconds, server.cpu_seconds() - cpu, share

    def _storms(self, what: str, found: Sequence[tuple[float, float, float]]) -> Iterator[Figure]:
        seconds, cpu, shares = map(list, zip(*found, strict=True))
        yield self._figure(what, "s", seconds)
        yield self._figure(f"{what}, server CPU", "s", cpu)
        yield self._figure(f"{what}, load client's share of a core", "", shares)

    # --- changes -----------------------------------------------------------------------------------------------------

    def _one_change(self, server: ServerProcess, load: Load) -> Iterator[Figure]:
        self._say("one change at a time")
        numbers = itertools.count(1)
        found = trials(load, lambda: self._change(server, load, next(numbers)), seconds=self.long_enough)
        took, cpu, loop, shares = map(list, zip(*found, strict=True))
        yield self._figure("one change, last stream has it", "ms", took)
        yield self._figure("one change, server CPU", "ms", cpu)
        if self.contender.loops:
            yield self._figure("one change, CPU of the event loop's thread", "ms", loop)
        yield self._figure("one change, load client's share of a core", "", shares)

    def _change(self, server: ServerProcess, load: Load, number: int) -> tuple[float, float, float, float]:
        """Milliseconds until all streams have it, of CPU time and of the loop's; how busy the load client was."""
        name, stamp = resources.name(number * 7919 % self.n), self._stamp()
        used, used_by_loop, busy = server.cpu_seconds(), server.loop_seconds(), time.process_time()
        change = OneChange(name, stamp, len(load.clients))
        load.watch = change
        begun = time.monotonic()
        server.tell("change", name=name, stamp=stamp)
        seconds = load.until(change.is_everywhere, timeout=30, what=f"a change of {name} on every stream") - begun
        share = (time.process_time() - busy) / seconds
        server.finished()
        come_to_rest(server, load)
        used, used_by_loop = server.cpu_seconds() - used, server.loop_seconds() - used_by_loop
        return seconds * 1e3, used * 1e3, used_by_loop * 1e3, share

    def _sustained(
        self, server: ServerProcess, load: Load, what: str, *, among: int, together: bool = False
    ) -> Iterator[Figure]:
        """The highest rate at which no stream is too far behind, and how busy the load client was with it."""
        shares = {0.0: 0.0}

        def follows(rate: float) -> bool:
            self._say(f"{what}, {rate:,.0f} a second")
            tries = (self._follows(server, load, rate, among, together=together) for _ in range(TRIES))
            share = next((each for each in tries if each is not None), None)
            if share is not None:
                shares[rate] = share
            return share is not None

        highest = highest_rate(follows)
        yield self._figure(what, "1/s", [highest])
        yield self._figure(f"{what}, load client's share of a core", "", [shares[highest]])

    def _follows(self, server: ServerProcess, load: Load, rate: float, among: int, *, together: bool) -> float | None:
        """How busy the load client was with changes at this rate, as a share of one core; None: some were too late."""
        seconds = 2.0
        settle(server, load)
        following = Following(load.clients, 1 / rate)
        load.watch = following
        busy, begun = time.process_time(), time.monotonic()
        server.tell("changes", rate=rate, seconds=seconds, among=among, together=together)
        while not server.has_finished():
            load.quiet(BURST)
        share = (time.process_time() - busy) / (time.monotonic() - begun)
        made = server.finished()
        try:
            load.until(lambda: following.has(made["last"]), timeout=30, what="all streams have the last change")
        except TooLateError:
            following.verify()
            return None
        following.check()
        return share if following.worst <= BEHIND and made["made"] == round(rate * seconds) else None

    _stamps = itertools.count(1)

    def _stamp(self) -> int:
        return next(self._stamps)


def highest_rate(follows: Callable[[float], bool]) -> float:
    """The highest rate a second at which all follow, to within `NARROW`; 0 where they do not at one a second."""
    good, bad, rate = 0.0, math.inf, FIRST_RATE
    while bad > max(NARROW * good, 1):
        if follows(rate):
            good = rate
        else:
            bad = rate
        if not good:
            rate = max(bad / GROWTH, 1)
        elif bad == math.inf:
            rate = good * GROWTH
        else:
            rate = (good * bad) ** 0.5
    return good


def trials(load: Load, trial: Callable[[], T], enough: int = TRIALS, *, seconds: float = LONG_ENOUGH) -> list[T]:
    """What so many trials found that begin and end when the machine is fast; the load client answers meanwhile."""
    return machine.trials(trial, enough, at_least=AT_LEAST, seconds=seconds, pause=load.quiet)


def settle(server: ServerProcess, load: Load) -> None:
    """Let a server come to rest, and wait for the machine.

    Raises:
        TooLateError: the server does not.
    """
    come_to_rest(server, load)
    machine.wait_until_fast(load.quiet)


def come_to_rest(server: ServerProcess, load: Load) -> None:
    """Let a server do what is left of what was done before: what it had to read, it has.

    Raises:
        TooLateError: it does not come to rest.
    """
    deadline = time.monotonic() + SETTLED
    used = -1.0
    while (now := server.cpu_seconds()) - used > IDLE or used < 0:
        if time.monotonic() > deadline:
            raise TooLateError(f"a server did not come to rest within {SETTLED:g} s")
        used = now
        load.quiet(LOOK)


def _memory(server: ServerProcess, load: Load) -> int:
    """Bytes that a server needs, once it is at rest."""
    come_to_rest(server, load)
    server.ask("collect")
    return server.memory_bytes()


class FirstState:
    """Checks first answers: each client everything, once, as it was loaded."""

    def __init__(self, n: int) -> None:
        self._n: Final = n
        self._read: Final[set[int]] = set()
        self._sampled: Final[dict[Client, set[str]]] = {}
        self._clients = 0

    def __call__(self, client: Client, received: Received) -> None:
        """`client` has received this."""
        if client.count == received.size:
            self._clients += 1
            if self._clients % SAMPLE == 1:
                self._sampled[client] = set()
        names = self._sampled.get(client)
        if names is None:
            return
        if any(received.stamps.values()) or names & received.stamps.keys():
            raise LoadError("a first answer holds what was not loaded, or holds it twice")
        names.update(received.stamps)

    def finish(self, clients: Sequence[Client]) -> None:
        """All of them are to have everything."""
        if any(client.count != self._n for client in clients):
            raise LoadError("a first answer holds too much")
        if any(len(names) != self._n for names in self._sampled.values()):
            raise LoadError("a first answer lacks something")


class OneChange:
    """Checks one change: on each stream once, and nothing else."""

    def __init__(self, name: str, stamp: int, clients: int) -> None:
        self._expected: Final = {name: stamp}
        self._clients: Final = clients
        self._have: Final[set[Client]] = set()

    def __call__(self, client: Client, received: Received) -> None:
        """`client` has received this."""
        if received.stamps != self._expected or received.removed or client in self._have:
            raise LoadError(f"a stream received {received.stamps}, where {self._expected} was to come once")
        self._have.add(client)

    def is_everywhere(self) -> bool:
        """Whether all have it."""
        return len(self._have) == self._clients


class Following:
    """Watches how far behind streams are while changes are made, whose stamps are the nanoseconds of the clock.

    A stream is behind since the first change that it lacks; with changes at even intervals that came one interval after
    the last one that it has. A stamp never goes back, and in the end all have the same.
    """

    def __init__(self, clients: Sequence[Client], interval: float) -> None:
        begun = time.monotonic_ns()
        self._interval: Final = interval
        self._newest: Final = dict.fromkeys(clients, begun - int(interval * 1e9))
        self._sent: Final[list[tuple[Client, dict[str, int]]]] = []
        self.worst = 0.0
        """Seconds that a stream was behind at most."""

    def __call__(self, client: Client, received: Received) -> None:
        """`client` has received this."""
        self._sent.append((client, received.stamps))
        newest = self._newest[client]
        behind = (time.monotonic_ns() - newest) / 1e9 - self._interval
        self.worst = max(self.worst, behind)
        self._newest[client] = max(newest, received.newest)

    def has(self, last: int) -> bool:
        """Whether all have this change."""
        return all(newest >= last for newest in self._newest.values())

    def check(self) -> None:
        """All are to have the same."""
        first, *others = self.verify()
        if any(held != first for held in others):
            raise LoadError("streams that were sent all changes differ")

    def verify(self) -> list[dict[str, int]]:
        """What each has. Nothing was sent again, or as it was before: looked at when nothing is measured any more."""
        clients: dict[Client, dict[str, int]] = {client: {} for client in self._newest}
        for client, stamps in self._sent:
            held = clients[client]
            for name, stamp in stamps.items():
                if held.get(name, 0) >= stamp:
                    raise LoadError(f"a stream was sent {name} again, or as it was before")
            held.update(stamps)
        return list(clients.values())
