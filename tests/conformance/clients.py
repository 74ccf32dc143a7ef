"""One client, in both variants, and four ways to reach rime: straight into a state machine, and over real gRPC, each on
one aggregated stream and on a stream for each type.

A client sees nothing but responses, in the order in which they were sent. That nothing comes is seen without waiting.
On an aggregated stream there is a fence: the client asks for a name that is surely missing of a type that comes last in
a batch; this is answered, as removed (R28) or with a set that lacks it; what did not come before that answer does not
come. On a stream of one type a fence would be part of what is tested, so there the state machines are watched: once
they have taken in all that was sent, and have nothing to say, what they said until then is all that comes. It is read
from the streams like everything else.

Between streams there is no order. Where a test asks for all that comes, it is told type by type, as in a batch.

A state-of-the-world response does not say how its resources are called; only their bodies do. So here bodies say it:
`naming` puts the name before what a test writes, and a client takes it off.
"""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self, cast
from unittest import mock

import grpc

import rime_grpc
from rime_core import Bodiless, PeerError, Plane, Server
from rime_core.change import References
from rime_core.node import Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import UnknownType
from rime_core.protocol.messages import DeltaRequest, DeltaResponse, DiscoveryRequest, DiscoveryResponse
from rime_core.protocol.order import Patience
from rime_core.protocol.progress import progress
from rime_core.protocol.sotw import SotwStream
from rime_core.type_urls import describe
from rime_envoy_api import message_class
from rime_grpc import serving
from rime_grpc.services import DELTA, METHODS, SOTW, Variant

WAYS = ("bare", "grpc", "bare-per-type", "grpc-per-type")
"""How to reach rime."""

PATHS = {
    (method.type_url, "delta" if method.variant is DELTA else "sotw"): path
    for path, method in METHODS.items()
    if not method.once
}
"""Type ("": aggregated) and variant → the gRPC method of its streams."""

CSDS = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"

STATES = ["missing", "synced", "not sent", "sent", "rejected"]
"""By their numbers in Envoy's ConfigStatus."""

FENCE = "type.googleapis.com/example.config.v1.Fence"

CONFIG = rime_grpc.Config(patience=Patience(returning=0))
"""A client that comes back and has not asked for listeners or routes is taken to have none, without waiting."""


class Naming:
    """A Plane, a writer of it or a transaction, that puts the name before each body."""

    def __init__(self, written: Any) -> None:
        self._written = written

    def apply(self, type_url: str, name: str, body: bytes, **options: Any) -> Any:
        return self._written.apply(type_url, name, name.encode() + b"\0" + body, **options)

    def transaction(self, *arguments: Any) -> "Naming":
        return Naming(self._written.transaction(*arguments))

    def writer(self, *arguments: Any, **options: Any) -> "Naming":
        return Naming(self._written.writer(*arguments, **options))

    def __enter__(self) -> Self:
        self._written.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._written.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._written, name)


def naming(references: References | None = None) -> Any:
    """A Plane that puts the name before each body; `references` are found in the body alone."""
    return Naming(Plane(references=references and (lambda url, body: references(url, _parted(body)[1]))))


def _parted(body: bytes) -> tuple[str, bytes]:
    name, _, content = body.partition(b"\0")
    return name.decode(), content


@dataclass(frozen=True)
class Response:
    """One response as a client sees it; `listed` are the names of its resources as they stand, repeats included."""

    type_url: str
    nonce: str
    resources: Mapping[str, tuple[str, bytes]]
    removed: Sequence[str]
    listed: Sequence[str]
    body_types: frozenset[str]
    version: str = ""
    """State-of-the-world: the version of all."""
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ttls: Mapping[str, float] = field(default_factory=dict)
    """The lifetimes of those that have one, in seconds."""
    bodiless: frozenset[str] = frozenset()
    """The names of those without a body."""

    def versions(self) -> dict[str, str]:
        return {name: version for name, (version, _) in self.resources.items()}


class EndedError(Exception):
    """The stream has ended with the status `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Wire(ABC):
    """One of the ways to reach rime, in one of the variants."""

    takes_any_size = False
    """Whether a response may be of any size: a gRPC client would have to be told to take more than 4 MiB."""

    @abstractmethod
    async def send(self, request: DeltaRequest | DiscoveryRequest) -> None: ...

    @abstractmethod
    async def next(self) -> Response:
        """The next response; an error where the stream has ended."""

    @abstractmethod
    def later(self, seconds: float) -> None:
        """So much time passes before the next response."""

    @abstractmethod
    async def states(self) -> dict[str, str]:
        """What is told of this client to who runs rime: the name of each resource, and its state (R90)."""


class Clock:
    """A time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class LoopClock(Clock):
    """The running loop's time, which from now on passes faster when a test says so: none has to wait."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop_time = loop.time
        loop.time = self  # type: ignore[method-assign]  # nobody but a test may

    def __call__(self) -> float:
        return self._loop_time() + self.now


class Client(ABC):
    """A client that does just what a test says, and checks what must hold of every response."""

    variant: str

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._fences = itertools.count()
        self._nonces: set[tuple[str, str]] = set()
        """Type of the stream ("": all), and nonce."""

    @abstractmethod
    async def ask(
        self,
        type_url: str,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        *,
        nonce: str = "",
        error: str | None = None,
        node: Node | None = None,
    ) -> None:
        """Send one request, by which it wants `add` too and `remove` no longer."""

    @abstractmethod
    async def repeat(self, type_url: str) -> None:
        """Do what Envoy does to get what a changed cluster waits for."""

    async def ack(self, response: Response, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        await self.ask(response.type_url, add, remove, nonce=response.nonce)

    async def nack(self, response: Response, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        await self.ask(response.type_url, add, remove, nonce=response.nonce, error="no")

    async def receive(self) -> Response:
        """The next response, with what must hold of each checked."""
        return self.take(await self.wire.next())

    def take(self, response: Response) -> Response:
        """Take in what came, with what must hold of each response checked."""
        stream = response.type_url if self.has_stream_per_type else ""
        assert response.nonce, "R4"
        assert (stream, response.nonce) not in self._nonces, "R4"
        self._nonces.add((stream, response.nonce))
        assert response.body_types <= {response.type_url}, "R6"
        assert len(set(response.listed)) == len(response.listed), "R7"
        assert not set(response.resources) & set(response.removed), "R57"
        return response

    @property
    def has_stream_per_type(self) -> bool:
        """Whether it has a stream for each type; otherwise one for all."""
        return isinstance(self.wire, Separate)

    async def rest(self) -> list[Response]:
        """All that comes without anything more happening."""
        if isinstance(self.wire, Separate):
            return [self.take(response) for response in await self.wire.rest()]
        name = f"fence-{next(self._fences)}"
        await self.ask(FENCE, [name])
        responses = []
        while (response := await self.receive()).type_url != FENCE:
            responses.append(response)
        assert response.resources == {}
        return responses

    async def only(self) -> Response:
        """The one response that comes."""
        responses = await self.rest()
        assert len(responses) == 1, responses
        return responses[0]

    async def nothing(self) -> None:
        """Nothing comes."""
        assert await self.rest() == []


class DeltaClient(Client):
    """Speaks the incremental variant."""

    variant = "delta"

    async def ask(
        self,
        type_url: str,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        *,
        known: Mapping[str, str] | None = None,
        nonce: str = "",
        error: str | None = None,
        node: Node | None = None,
    ) -> None:
        """Also says what it has from an earlier stream."""
        request = DeltaRequest(type_url, node, list(add), list(remove), dict(known or {}), nonce, error)
        await self.wire.send(request)

    async def repeat(self, type_url: str) -> None:
        """It does nothing."""


class SotwClient(Client):
    """Speaks state-of-the-world. As real clients do, it answers with each request the last response of the type."""

    variant = "sotw"

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._lists: dict[str, dict[str, None]] = {}
        self._last: dict[str, Response] = {}
        self._accepted: dict[str, str] = {}

    async def ask(
        self,
        type_url: str,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        *,
        nonce: str | None = None,
        error: str | None = None,
        node: Node | None = None,
        version: str | None = None,
    ) -> None:
        """Also says which version it accepted last, by its own account or as the test says."""
        listed = self._lists.setdefault(type_url, {})
        for name in remove:
            listed.pop(name, None)
        listed.update(dict.fromkeys(add))
        last = self._last.get(type_url)
        if nonce is None:
            nonce = last.nonce if last is not None else ""
        if last is not None and error is None and nonce == last.nonce:
            self._accepted[type_url] = last.version
        if version is None:
            version = self._accepted.get(type_url, "")
        await self.wire.send(DiscoveryRequest(type_url, node, list(listed), version, nonce, error))

    async def want(self, type_url: str, *names: str, **options: Any) -> None:
        """Want these names and no others."""
        self._lists[type_url] = {}
        await self.ask(type_url, names, **options)

    async def repeat(self, type_url: str) -> None:
        """It accepts what it was sent, and says so twice."""
        for _ in range(2):
            await self.ask(type_url)

    def take(self, response: Response) -> Response:
        self._last[response.type_url] = super().take(response)
        return response


class BareWire(Wire):
    """Calls the state machine itself."""

    takes_any_size = True

    def __init__(self, stream: DeltaStream | SotwStream, clock: Clock) -> None:
        self.stream: Any = stream
        self._clock = clock
        self.unknown: list[str] = []
        self._code: str | None = None
        self._taken: deque[Response] = deque()

    def later(self, seconds: float) -> None:
        self._take()
        self._clock.now += seconds

    async def send(self, request: DeltaRequest | DiscoveryRequest) -> None:
        if self._code is not None:
            return
        # as a transport does: what was ready to be written has been written when the next request comes
        self._take()
        try:
            self.stream.receive(request)
        except PeerError as error:
            self._code = error.code
        self.unknown += [event.type_url for event in self.stream.events() if isinstance(event, UnknownType)]

    async def next(self) -> Response:
        self._take()
        if not self._taken:
            self.check()
            raise AssertionError("nothing comes")
        return self._taken.popleft()

    def has_more(self) -> bool:
        """Whether something comes."""
        self._take()
        return bool(self._taken)

    def rest(self) -> list[Response]:
        """All that there is."""
        self._take()
        rest = list(self._taken)
        self._taken.clear()
        return rest

    def check(self) -> None:
        """An error where the stream has ended."""
        if self._code is not None:
            raise EndedError(self._code)

    async def states(self) -> dict[str, str]:
        return {each.name: each.state for each in progress(self.stream) if each.type_url != FENCE}

    def _take(self) -> None:
        if self._code is None:
            self._taken += [_seen(response) for response in self.stream.responses()]


def _seen(response: DeltaResponse | DiscoveryResponse) -> Response:
    update = response.update
    delta = isinstance(response, DeltaResponse)
    return Response(
        response.type_url,
        response.nonce,
        {each.name: (each.version if delta else "", _parted(each.body)[1]) for each in update.resources},
        list(update.removed) if delta else [],
        [each.name for each in update.resources],
        frozenset(each.type_url for each in update.resources),
        "" if isinstance(response, DeltaResponse) else response.version,
        {each.name: each.told_aliases for each in update.resources} if delta else {},
        {each.name: each.ttl for each in update.resources if response.ttl and each.ttl is not None},
        frozenset(each.name for each in update.resources if isinstance(each, Bodiless)),
    )


class GrpcWire(Wire):
    """A real grpcio client."""

    def __init__(self, channel: grpc.aio.Channel, path: str, clock: Clock) -> None:
        self._clock = clock
        self._channel = channel
        self._call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path)()

    def close(self) -> None:
        self._call.cancel()

    async def states(self) -> dict[str, str]:
        """By CSDS."""
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(CSDS)
        answer = await call(b"")
        (client,) = message_class("envoy.service.status.v3.ClientStatusResponse").FromString(answer).config
        return {each.name: STATES[each.config_status] for each in client.generic_xds_configs if each.type_url != FENCE}

    async def send(self, request: DeltaRequest | DiscoveryRequest) -> None:
        if isinstance(request, DeltaRequest):
            message = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")(
                resource_names_subscribe=request.subscribe,
                resource_names_unsubscribe=request.unsubscribe,
                initial_resource_versions=request.initial_versions,
            )
        else:
            message = message_class("envoy.service.discovery.v3.DiscoveryRequest")(
                resource_names=request.names, version_info=request.version
            )
        message.type_url = request.type_url
        message.response_nonce = request.nonce
        if request.node is not None:
            message.node.id = request.node.id
            message.node.client_features.extend(request.node.client_features)
        if request.error is not None:
            message.error_detail.message = request.error
        await self._call.write(message.SerializeToString())

    def later(self, seconds: float) -> None:
        self._clock.now += seconds

    async def next(self) -> Response:
        try:
            data = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise EndedError(error.code().name) from error
        if not isinstance(data, bytes):
            raise EndedError((await self._call.code()).name)
        return self._seen(data)

    @abstractmethod
    def _seen(self, data: bytes) -> Response: ...


class DeltaGrpcWire(GrpcWire):
    """Reads incremental responses."""

    def _seen(self, data: bytes) -> Response:
        message = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse").FromString(data)
        return Response(
            message.type_url,
            message.nonce,
            {each.name: (each.version, _parted(each.resource.value)[1]) for each in message.resources},
            list(message.removed_resources),
            [each.name for each in message.resources],
            frozenset(each.resource.type_url for each in message.resources if each.HasField("resource")),
            "",
            {each.name: tuple(each.aliases) for each in message.resources},
            {each.name: each.ttl.ToTimedelta().total_seconds() for each in message.resources if each.HasField("ttl")},
            frozenset(each.name for each in message.resources if not each.HasField("resource")),
        )


class SotwGrpcWire(GrpcWire):
    """Reads state-of-the-world responses."""

    def _seen(self, data: bytes) -> Response:
        message = message_class("envoy.service.discovery.v3.DiscoveryResponse").FromString(data)
        bodies, types, ttls = [], set(), {}
        for each in message.resources:
            wrapper = message_class("envoy.service.discovery.v3.Resource")()
            if each.Unpack(wrapper):
                ttls[wrapper.name] = wrapper.ttl.ToTimedelta().total_seconds()
                each = wrapper.resource  # noqa: PLW2901 - what it wraps
            bodies.append(_parted(each.value))
            types.add(each.type_url)
        return Response(
            message.type_url,
            message.nonce,
            {name: ("", content) for name, content in bodies},
            [],
            [name for name, _ in bodies],
            frozenset(types),
            message.version_info,
            ttls=ttls,
        )


class Separate(Wire):
    """A stream for each type that its client asks for, each of which begins with the client's node.

    A stream's first request names its type, as Envoy's do; the others leave it out, since it is implied (R2).
    """

    def __init__(self) -> None:
        self._node: Node | None = None
        self._opened: dict[str, Wire] = {}

    @abstractmethod
    def open(self, type_url: str) -> Wire:
        """A new stream for this type."""

    @abstractmethod
    async def rest(self) -> list[Response]:
        """All that comes without anything more happening, type by type; an error where a stream has ended."""

    def implies(self, type_url: str) -> bool:
        """Whether requests on the stream of this type need not name it."""
        return True

    async def send(self, request: DeltaRequest | DiscoveryRequest) -> None:
        self._node = request.node or self._node
        stream = self._opened.get(request.type_url)
        if stream is None:
            stream = self._opened[request.type_url] = self.open(request.type_url)
            request = replace(request, node=self._node)
        elif self.implies(request.type_url):
            request = replace(request, type_url="")
        await stream.send(request)


def by_type(responses: Iterable[Response]) -> list[Response]:
    """In the order in which a batch has the types."""
    return sorted(responses, key=lambda response: describe(response.type_url).order)


class BareSeparate(Separate):
    """Calls state machines, one for each type."""

    takes_any_size = True

    def __init__(self, machine: Callable[[str], DeltaStream | SotwStream], clock: Clock) -> None:
        super().__init__()
        self._machine = machine
        self._clock = clock
        self._wires: dict[str, BareWire] = {}

    def open(self, type_url: str) -> BareWire:
        wire = self._wires[type_url] = BareWire(self._machine(type_url), self._clock)
        return wire

    def close(self) -> None:
        for wire in self._wires.values():
            wire.stream.close()

    @property
    def unknown(self) -> list[str]:
        return [type_url for wire in self._wires.values() for type_url in wire.unknown]

    def later(self, seconds: float) -> None:
        for wire in self._wires.values():
            wire.later(0)
        self._clock.now += seconds

    async def next(self) -> Response:
        wires = list(self._wires.values())
        with_more = [wire for wire in wires if wire.has_more()] or wires
        for wire in with_more:
            wire.check()
        return await with_more[0].next()

    async def rest(self) -> list[Response]:
        responses = [response for wire in self._wires.values() for response in wire.rest()]
        for wire in self._wires.values():
            wire.check()
        return by_type(responses)

    async def states(self) -> dict[str, str]:
        return {name: state for wire in self._wires.values() for name, state in (await wire.states()).items()}


class Watched:
    """What the state machines of one server have been told, and have said."""

    def __init__(self) -> None:
        self.taken = 0
        """Requests."""
        self.made = 0
        """Responses."""
        self.woken: set[object] = set()
        """Those that have something to say, perhaps."""
        self.failed: set[object] = set()
        """Those whose stream ends because of what they were told."""
        self._happened = asyncio.Event()

    def variant(self, variant: Variant) -> Variant:
        """The variant, with a state machine that is watched."""
        return replace(variant, stream=cast("Any", partial(_WatchedStream, variant.stream, self)))

    @contextmanager
    def methods(self) -> Iterator[None]:
        """A server that is made meanwhile has watched state machines."""
        watched = {id(variant): self.variant(variant) for variant in (DELTA, SOTW)}
        methods = {path: replace(method, variant=watched[id(method.variant)]) for path, method in METHODS.items()}
        with mock.patch.object(serving, "METHODS", methods):
            yield

    def happened(self) -> None:
        self._happened.set()

    async def at_rest(self, requests: int) -> None:
        """Until so many requests have been taken in, and there is nothing to say."""
        while self.taken < requests or self.woken:
            self._happened.clear()
            await self._happened.wait()


class _WatchedStream:
    """A state machine that tells of what it does."""

    def __init__(
        self,
        stream: Callable[..., Any],
        watched: Watched,
        server: Server,
        *,
        wake: Callable[[], None],
        **options: Any,
    ) -> None:
        self._watched = watched

        def woken() -> None:
            watched.woken.add(self)
            wake()

        self._stream: Any = stream(server, wake=woken, **options)

    def receive(self, request: Any) -> None:
        try:
            self._stream.receive(request)
        except BaseException:
            self._watched.failed.add(self)
            raise
        finally:
            self._watched.taken += 1
            self._watched.happened()

    def responses(self) -> list[Any]:
        self._watched.woken.discard(self)
        batch: list[Any] = self._stream.responses()
        self._watched.made += len(batch)
        self._watched.happened()
        return batch

    def close(self) -> None:
        self._stream.close()
        self._watched.woken.discard(self)
        self._watched.happened()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class GrpcSeparate(Separate):
    """A real grpcio client with one connection, that uses the service of each type.

    A type of the user's own has no service, and virtual hosts have none in state-of-the-world: who wants those without
    the others opens an aggregated stream for them alone.
    """

    def __init__(self, channel: grpc.aio.Channel, variant: str, watched: Watched, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._channel = channel
        self._variant = variant
        self._watched = watched
        self._sent = 0
        self._received = 0
        self._wires: list[GrpcWire] = []
        self._readers: list[asyncio.Task[None]] = []
        self._come: asyncio.Queue[Response | EndedError] = asyncio.Queue()

    def implies(self, type_url: str) -> bool:
        return (type_url, self._variant) in PATHS

    def open(self, type_url: str) -> "GrpcWire":
        path = PATHS.get((type_url, self._variant), PATHS["", self._variant])
        wire = _grpc_wire(self._channel, path, self._variant, self._clock)
        self._wires.append(wire)
        self._readers.append(asyncio.create_task(self._read(wire)))
        return wire

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for wire in self._wires:
            wire.close()

    async def _read(self, wire: "GrpcWire") -> None:
        try:
            while True:
                self._come.put_nowait(await wire.next())
        except EndedError as error:
            self._come.put_nowait(error)

    async def send(self, request: DeltaRequest | DiscoveryRequest) -> None:
        self._sent += 1
        await super().send(request)

    async def next(self) -> Response:
        come = await self._come.get()
        if isinstance(come, EndedError):
            raise come
        self._received += 1
        return come

    async def rest(self) -> list[Response]:
        await self._watched.at_rest(self._sent)
        responses = []
        while self._received < self._watched.made or self._watched.failed:
            responses.append(await self.next())
        return by_type(responses)

    def later(self, seconds: float) -> None:
        self._clock.now += seconds

    async def states(self) -> dict[str, str]:
        return await self._wires[0].states()


def _grpc_wire(channel: grpc.aio.Channel, path: str, variant: str, clock: Clock) -> GrpcWire:
    return (DeltaGrpcWire if variant == "delta" else SotwGrpcWire)(channel, path, clock)


class Connections:
    """Opens streams to one Plane, in one of the variants and one of the ways."""

    def __init__(self, variant: str, way: str, plane: Plane) -> None:
        self.variant = variant
        self.way = way
        self.plane = plane

    @asynccontextmanager
    async def __call__(self, server: Server | None = None) -> AsyncIterator[Any]:
        """A new client, a DeltaClient or a SotwClient, on a new connection: with a stream, or several."""
        server = server or self.plane.server()
        client: type[Client] = DeltaClient if self.variant == "delta" else SotwClient
        opened = self._bare if self.way.startswith("bare") else self._grpc
        async with opened(server) as wire:
            yield client(wire)

    @asynccontextmanager
    async def _bare(self, server: Server) -> AsyncIterator[Wire]:
        clock = Clock()

        def machine(type_url: str) -> DeltaStream | SotwStream:
            variant = DeltaStream if self.variant == "delta" else SotwStream
            return variant(server, clock=clock, patience=CONFIG.patience, type_url=type_url)

        if self.way == "bare":
            stream = machine("")
            try:
                yield BareWire(stream, clock)
            finally:
                stream.close()
        else:
            streams = BareSeparate(machine, clock)
            try:
                yield streams
            finally:
                streams.close()

    @asynccontextmanager
    async def _grpc(self, server: Server) -> AsyncIterator[Wire]:
        watched, clock = Watched(), LoopClock()
        async with AsyncExitStack() as stack:
            with watched.methods():
                bound = await stack.enter_async_context(rime_grpc.serve(server, "127.0.0.1:0", CONFIG))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(bound.address))
            if self.way == "grpc":
                wire = _grpc_wire(channel, PATHS["", self.variant], self.variant, clock)
                stack.callback(wire.close)
                yield wire
            else:
                streams = GrpcSeparate(channel, self.variant, watched, clock)
                stack.push_async_callback(streams.close)
                yield streams
