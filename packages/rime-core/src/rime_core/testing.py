"""The contract tests that every adapter should pass, yours and ours.

    async def test_my_source():
        await check_source(MySource, "a place that works", {})

    async def test_my_transport():
        await check_transport(MyTransport, "127.0.0.1:0", {}, connect=my_client)

They raise `AssertionError` with a line that says what is broken. They need asyncio, and nothing beyond the standard
library.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Final, Protocol, Self, cast

from rime_core.adapter import Source, Transport
from rime_core.errors import UsageError
from rime_core.node import Client
from rime_core.plane import Plane
from rime_core.server import Server
from rime_core.snapshot import Snapshot
from rime_core.traces import TRACES, Change, Come, Go, Sent, Step, steps_of
from rime_core.type_urls import CLUSTER
from rime_core.writer import Writer

TIMEOUT: Final = 10.0
"""Seconds that an adapter may take for anything, unless told otherwise."""

_AFTERWARDS: Final = 0.02
"""Seconds to see that something does not happen, in which it would."""

_NO_OPTION: Final = "an-option-that-nobody-has"


async def check_source(
    source: type[Source], place: str, options: Mapping[str, str], *, timeout: float = TIMEOUT
) -> Snapshot:
    """Check what a Source promises, and return what it delivered.

    That it refuses options that it does not know; delivers its first state, and says so; ends when it is cancelled,
    with no transaction open, and writes nothing afterwards; and that it delivers the same when it is run again with the
    writer that it had.

    Args:
        source: the class.
        place: one where it finds something.
        options: as `rime.toml` gives them.
        timeout: seconds that it may take to deliver, and to end.

    Raises:
        AssertionError: it breaks a promise; the text says which.
    """
    _check_refuses_unknown_options(source, place, options)
    made = source(place, options)
    plane = Plane()
    writer = plane.writer("the source")
    first = await _run_until_ready(made, plane, writer, timeout)
    again = await _run_until_ready(made, plane, writer, timeout)
    assert _versions(first) == _versions(again), "run again with the same writer, it delivered something else"
    return again


async def _run_until_ready(source: Source, plane: Plane, writer: Writer, timeout: float) -> Snapshot:
    said_so = asyncio.Event()
    running = asyncio.ensure_future(source.run(cast("Writer", _Watched(writer, said_so))))
    waiting = asyncio.ensure_future(said_so.wait())
    try:
        await asyncio.wait({running, waiting}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            error = None if running.cancelled() else running.exception()
            assert said_so.is_set(), f"run() ended before its first state was delivered: {error!r}"
        assert said_so.is_set(), f"it has not called writer.ready() within {timeout} s"
    finally:
        waiting.cancel()
        await _end(running, timeout)
    assert writer.open_transaction is None, "it was cancelled and left a transaction open"
    sequence = plane.sequence
    await asyncio.sleep(_AFTERWARDS)
    assert plane.sequence == sequence, "it wrote after it had been cancelled"
    return plane.snapshot()


class _Watched:
    """A writer that tells when `ready()` is called."""

    def __init__(self, writer: Writer, said_so: asyncio.Event) -> None:
        self._writer = writer
        self._said_so = said_so

    def ready(self) -> None:
        self._writer.ready()
        self._said_so.set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._writer, name)


@dataclass(frozen=True, slots=True)
class Received:
    """What a client got in one message: name → version, and the names removed."""

    resources: Mapping[str, str]
    removed: Collection[str] = ()


class ContractClient(Protocol):
    """A client of the transport under test: it subscribes to clusters and acknowledges what it gets."""

    async def subscribe(self, *, known: Mapping[str, str], node_id: str) -> None:
        """Subscribe to all clusters, as the node `node_id` that knows these versions (name → version)."""
        ...

    async def receive(self) -> Received:
        """The next message that has anything in it; acknowledges it. An error where the connection has ended."""
        ...


Connect = Callable[[str], AbstractAsyncContextManager[ContractClient]]
"""Connects to an address that the transport reported."""


async def check_transport(
    transport: type[Transport],
    place: str,
    options: Mapping[str, str],
    *,
    connect: Connect,
    timeout: float = TIMEOUT,
) -> None:
    """Check what a Transport promises.

    That it refuses options that it does not know, and an address that is taken; reports the address that clients can
    connect to, once; answers nobody before the Plane is ready; asks `Server.serving` for each client; sends the first
    state, then changes and removals, and to one who comes back the difference, as recorded (`rime_core.traces`);
    outlives its clients; ends within a second when it is cancelled, and can be run again.

    Args:
        transport: the class.
        place: where to listen; a free port of the loopback address.
        options: as `rime.toml` gives them.
        connect: makes a client; see `ContractClient`.
        timeout: seconds that anything may take.

    Raises:
        AssertionError: it breaks a promise; the text says which.
    """
    _check_refuses_unknown_options(transport, place, options)
    made = transport(place, options)
    async with asyncio.timeout(timeout * (5 + len(TRACES))):
        address = await _check_serves(made, connect, timeout)
        async with _Running(made, Plane().server(), timeout) as running:
            await _check_taken(transport, running.address, options, timeout)
        for name, trace in TRACES.items():
            await _replay(made, name, steps_of(trace), connect, timeout)
    assert address, "it reported an empty address"


async def _check_serves(made: Transport, connect: Connect, timeout: float) -> str:
    asked: list[str] = []
    plane = Plane()
    writer = plane.writer("a source")

    def serving(client: Client) -> Server:
        asked.append(client.node.id)
        return plane.server()

    async with _Running(made, plane.server(serving), timeout) as running:
        async with connect(running.address) as client:
            writer.apply(CLUSTER, "a", b"1")
            await client.subscribe(known={}, node_id="first")
            receiving = asyncio.ensure_future(client.receive())
            await asyncio.wait({receiving}, timeout=_AFTERWARDS)
            assert not receiving.done(), "it answered a client before the Plane was ready"
            writer.apply(CLUSTER, "b", b"1")
            writer.ready()
            received = await asyncio.wait_for(receiving, timeout)
            versions = {name: resource.version for name, resource in plane.snapshot()[CLUSTER].items()}
            assert received.resources == versions, f"the first message should bring a and b, not {received}"
            assert asked == ["first"], "it did not ask server.serving(client), once"
            writer.apply(CLUSTER, "a", b"2")
            received = await asyncio.wait_for(client.receive(), timeout)
            assert set(received.resources) == {"a"}, f"a change of a should bring a, not {received}"
            writer.remove(CLUSTER, "b")
            received = await asyncio.wait_for(client.receive(), timeout)
            assert list(received.removed) == ["b"], f"the removal of b should bring that, not {received}"
            known = {"a": plane.snapshot()[CLUSTER]["a"].version, "b": versions["b"]}
        writer.apply(CLUSTER, "c", b"1")
        async with connect(running.address) as client, connect(running.address) as other:
            await client.subscribe(known=known, node_id="second")
            received = await asyncio.wait_for(client.receive(), timeout)
            assert set(received.resources) == {"c"}, f"who comes back should be sent c alone, not {received}"
            if not received.removed:  # what is gone may wait until it is known what the client refers to
                received = await asyncio.wait_for(client.receive(), timeout)
                assert not received.resources, f"who comes back should be sent c once, not {received}"
            assert list(received.removed) == ["b"], f"who comes back should be told that b is gone, not {received}"
            await other.subscribe(known={}, node_id="third")
            await asyncio.wait_for(other.receive(), timeout)
        return running.address


async def _replay(made: Transport, name: str, steps: Iterable[Step], connect: Connect, timeout: float) -> None:
    """Have the steps of a trace happen, and see that its client is sent what is recorded."""
    plane = Plane()
    async with _Running(made, plane.server(), timeout) as running, AsyncExitStack() as connected:
        client: ContractClient | None = None
        for step in steps:
            match step:
                case Change(bodies):
                    _change(plane, bodies)
                case Come(node, known):
                    client = await connected.enter_async_context(connect(running.address))
                    versions = {each: version for each, version in _versions_of(known).items() if version is not None}
                    await client.subscribe(known=versions, node_id=node)
                case Go():
                    await connected.aclose()
                case Sent(bodies):
                    assert client is not None, f"{name}: nobody has come"
                    await _check_sent(client, name, _versions_of(bodies), timeout)


async def _check_sent(client: ContractClient, name: str, expected: Mapping[str, str | None], timeout: float) -> None:
    """That just this comes, in one message or in several."""
    sent: dict[str, str | None] = {}
    while sent != expected:
        try:
            received = await asyncio.wait_for(client.receive(), timeout)
        except TimeoutError:
            missing = sorted(expected.keys() - sent.keys())
            raise AssertionError(f"in the trace {name!r} it never sent {', '.join(missing)}") from None
        for each, version in {**received.resources, **dict.fromkeys(received.removed)}.items():
            assert each not in sent, f"in the trace {name!r} it sent {each} twice"
            assert each in expected, f"in the trace {name!r} it sent {each}, which did not differ"
            assert version == expected[each], f"in the trace {name!r} it sent {each} as it is not"
            sent[each] = version


def _change(plane: Plane, bodies: Mapping[str, bytes | None]) -> None:
    with plane.transaction() as change:
        for each, body in bodies.items():
            if body is None:
                change.remove(CLUSTER, each)
            else:
                change.apply(CLUSTER, each, body)


def _versions_of(bodies: Mapping[str, bytes | None]) -> dict[str, str | None]:
    """Name → the version of what has this body; None where it is removed."""
    plane = Plane()
    _change(plane, bodies)
    there = plane.snapshot()[CLUSTER]
    return {each: there[each].version if each in there else None for each in bodies}


async def _check_taken(transport: type[Transport], address: str, options: Mapping[str, str], timeout: float) -> None:
    started = _Started()
    try:
        await asyncio.wait_for(transport(address, options).run(Plane().server(), task_status=started), timeout)
    except UsageError as error:
        _check_one_line(error)
    except TimeoutError:
        raise AssertionError(f"{address} is taken, and it serves there all the same") from None
    else:
        raise AssertionError(f"{address} is taken, and run() returned without an error")
    assert not started.addresses, "it reported an address although that was taken"


class _Started:
    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.event: Final = asyncio.Event()

    def started(self, address: str) -> None:
        self.addresses.append(address)
        self.event.set()


class _Running:
    """Runs a transport for the length of a block."""

    def __init__(self, transport: Transport, server: Server, timeout: float) -> None:
        self._started: Final = _Started()
        self._task: Final = asyncio.ensure_future(transport.run(server, task_status=self._started))
        self._timeout: Final = timeout

    @property
    def address(self) -> str:
        return self._started.addresses[0]

    async def __aenter__(self) -> Self:
        waiting = asyncio.ensure_future(self._started.event.wait())
        await asyncio.wait({self._task, waiting}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()
        assert self._started.addresses, f"it has not called task_status.started() within {self._timeout} s"
        return self

    async def __aexit__(self, *_: object) -> None:
        ended = self._task.done()
        await _end(self._task, self._timeout)
        assert not ended, "run() ended by itself: one client's end must not end the others"
        assert len(self._started.addresses) == 1, f"it called started() {len(self._started.addresses)} times"


async def _end(task: "asyncio.Future[None]", timeout: float) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=timeout)
    assert task.done(), f"it has not ended within {timeout} s of being cancelled"


def _check_refuses_unknown_options(
    adapter: Callable[[str, Mapping[str, str]], object], place: str, options: Mapping[str, str]
) -> None:
    try:
        adapter(place, {**options, _NO_OPTION: "1"})
    except UsageError as error:
        said = str(error)
        _check_one_line(error)
    else:
        raise AssertionError("it takes an option that it cannot know; see rime_core.OptionReader.finish")
    assert _NO_OPTION in said, f"its error should name the option that is wrong: {said}"


def _check_one_line(error: UsageError) -> None:
    assert len(str(error).splitlines()) == 1, f"an error for people is one line: {str(error)!r}"


def _versions(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    return {
        type_url: {name: resource.version for name, resource in resources.items()}
        for type_url, resources in snapshot.items()
    }
