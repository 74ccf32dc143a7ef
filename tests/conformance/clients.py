"""One client, in both variants, and two ways to reach rime: straight into a state machine, and over real gRPC.

A client sees nothing but responses, in the order in which they were sent. That nothing comes is seen without waiting,
with a fence: it asks for a name that is surely missing of a type that comes last in a batch; this is answered, as
removed (R28) or with a set that lacks it; what did not come before that answer does not come.

A state-of-the-world response does not say how its resources are called; only their bodies do. So here bodies say it:
`naming` puts the name before what a test writes, and a client takes it off.
"""

import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

import rime_grpc
from rime_core import Bodiless, PeerError, Plane, Server
from rime_core.change import Change, Preparation
from rime_core.node import Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import UnknownType
from rime_core.protocol.messages import DeltaRequest, DeltaResponse, DiscoveryRequest, DiscoveryResponse
from rime_core.protocol.order import Patience
from rime_core.protocol.progress import progress
from rime_core.protocol.sotw import SotwStream
from rime_envoy_api import message_class

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"

CSDS = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"

STATES = ["missing", "synced", "not sent", "sent", "rejected"]
"""By their numbers in Envoy's ConfigStatus."""

FENCE = "type.googleapis.com/example.config.v1.Fence"

CONFIG = rime_grpc.Config(patience=Patience(returning=0))
"""A client that comes back and has not asked for listeners or routes is taken to have none, without waiting."""


class _Naming(Preparation):
    """Prepares bodies that begin with their name."""

    __slots__ = ()

    def applying(self, type_url: str, name: str, body: Any, *options: Any) -> Change:
        return super().applying(type_url, name, name.encode() + b"\0" + body, *options)


def naming(plane: Plane) -> Plane:
    """The Plane, which from now on puts the name before each body."""
    before = plane.store.preparation
    references = before._references
    plane.store.preparation = _Naming(  # type: ignore[misc]  # nobody but a test may
        before._indexes,
        before._digest,
        None if references is None else lambda url, body: references(url, _parted(body)[1]),
    )
    return plane


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
    """One of the two ways to reach rime, in one of the variants."""

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


class Client(ABC):
    """A client that does just what a test says, and checks what must hold of every response."""

    variant: str

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._fences = itertools.count()
        self._nonces: set[str] = set()

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
        response = await self.wire.next()
        assert response.nonce, "R4"
        assert response.nonce not in self._nonces, "R4"
        self._nonces.add(response.nonce)
        assert response.body_types <= {response.type_url}, "R6"
        assert len(set(response.listed)) == len(response.listed), "R7"
        assert not set(response.resources) & set(response.removed), "R57"
        return response

    async def rest(self) -> list[Response]:
        """All that comes without anything more happening."""
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

    async def receive(self) -> Response:
        response = await super().receive()
        self._last[response.type_url] = response
        return response


class BareWire(Wire):
    """Calls the state machine itself."""

    def __init__(self, stream: DeltaStream | SotwStream, clock: "Clock") -> None:
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
            if self._code is not None:
                raise EndedError(self._code)
            raise AssertionError("nothing comes")
        return self._taken.popleft()

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

    def __init__(self, channel: grpc.aio.Channel, method: str) -> None:
        self._channel = channel
        self._call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(ADS + method)()

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
        """It passes by itself."""

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


class Connections:
    """Opens streams to one Plane, in one of the variants and one of the two ways."""

    def __init__(self, variant: str, way: str, plane: Plane) -> None:
        self.variant = variant
        self.way = way
        self.plane = plane

    @asynccontextmanager
    async def __call__(self, server: Server | None = None) -> AsyncIterator[Any]:
        """A new stream on a new connection: a DeltaClient or a SotwClient."""
        server = server or self.plane.server()
        delta = self.variant == "delta"
        client: type[Client] = DeltaClient if delta else SotwClient
        if self.way == "bare":
            clock = Clock()
            variant = DeltaStream if delta else SotwStream
            stream = variant(server, clock=clock, patience=CONFIG.patience)
            try:
                yield client(BareWire(stream, clock))
            finally:
                stream.close()
            return
        method = "DeltaAggregatedResources" if delta else "StreamAggregatedResources"
        async with (
            rime_grpc.serve(server, "127.0.0.1:0", CONFIG) as bound,
            grpc.aio.insecure_channel(bound.address) as channel,
        ):
            wire = DeltaGrpcWire(channel, method) if delta else SotwGrpcWire(channel, method)
            try:
                yield client(wire)
            finally:
                wire.close()
