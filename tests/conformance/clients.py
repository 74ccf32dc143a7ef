"""One client, two ways to reach rime: straight into a DeltaStream, and over real gRPC. The rules run over both.

A client sees nothing but responses, in the order in which they were sent. That nothing comes is seen without waiting,
with a fence: it asks for a name of another type that is surely missing, which must be answered (R28); what did not come
before that answer does not come.
"""

import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

import rime_grpc
from rime_core import RUNTIME, PeerError, Plane, Server
from rime_core.node import Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import UnknownType
from rime_core.protocol.messages import DeltaRequest
from rime_core.protocol.order import Patience
from rime_envoy_api import message_class

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"

CONFIG = rime_grpc.Config(patience=Patience(returning=0))
"""A client that comes back and has not asked for listeners or routes is taken to have none, without waiting."""


@dataclass(frozen=True)
class Response:
    """One response as a client sees it; `listed` are the names of its resources as they stand, repeats included."""

    type_url: str
    nonce: str
    resources: Mapping[str, tuple[str, bytes]]
    removed: Sequence[str]
    listed: Sequence[str]
    body_types: frozenset[str]

    def versions(self) -> dict[str, str]:
        return {name: version for name, (version, _) in self.resources.items()}


class EndedError(Exception):
    """The stream has ended with the status `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Client(ABC):
    """A client that does just what a test says, and checks what must hold of every response."""

    def __init__(self) -> None:
        self._fences = itertools.count()
        self._nonces: set[str] = set()

    @abstractmethod
    async def send(self, request: DeltaRequest) -> None: ...

    @abstractmethod
    async def next(self) -> Response:
        """The next response; an error where the stream has ended."""

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
        """Send one request."""
        await self.send(DeltaRequest(type_url, node, list(add), list(remove), dict(known or {}), nonce, error))

    async def ack(self, response: Response, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        await self.ask(response.type_url, add, remove, nonce=response.nonce)

    async def nack(self, response: Response, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        await self.ask(response.type_url, add, remove, nonce=response.nonce, error="no")

    async def receive(self) -> Response:
        """The next response, with what must hold of each checked."""
        response = await self.next()
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
        await self.ask(RUNTIME, [name])
        responses = []
        while (response := await self.receive()).type_url != RUNTIME:
            responses.append(response)
        assert response.removed == [name]
        return responses

    async def only(self) -> Response:
        """The one response that comes."""
        responses = await self.rest()
        assert len(responses) == 1, responses
        return responses[0]

    async def nothing(self) -> None:
        """Nothing comes."""
        assert await self.rest() == []


class BareClient(Client):
    """Calls the state machine itself."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.stream = DeltaStream(server)
        self.unknown: list[str] = []
        self._code: str | None = None
        self._taken: deque[Response] = deque()

    async def send(self, request: DeltaRequest) -> None:
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

    def _take(self) -> None:
        if self._code is not None:
            return
        for response in self.stream.responses():
            update = response.update
            self._taken.append(
                Response(
                    response.type_url,
                    response.nonce,
                    {each.name: (each.version, each.body) for each in update.resources},
                    list(update.removed),
                    [each.name for each in update.resources],
                    frozenset(each.type_url for each in update.resources),
                )
            )


class GrpcClient(Client):
    """A real grpcio client."""

    def __init__(self, call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
        super().__init__()
        self._call = call
        self._response = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")
        self._request = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")

    async def send(self, request: DeltaRequest) -> None:
        message = self._request(
            type_url=request.type_url,
            resource_names_subscribe=request.subscribe,
            resource_names_unsubscribe=request.unsubscribe,
            initial_resource_versions=request.initial_versions,
            response_nonce=request.nonce,
        )
        if request.node is not None:
            message.node.id = request.node.id
        if request.error is not None:
            message.error_detail.message = request.error
        await self._call.write(message.SerializeToString())

    async def next(self) -> Response:
        try:
            data = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise EndedError(error.code().name) from error
        if not isinstance(data, bytes):
            raise EndedError((await self._call.code()).name)
        message = self._response.FromString(data)
        return Response(
            message.type_url,
            message.nonce,
            {each.name: (each.version, each.resource.value) for each in message.resources},
            list(message.removed_resources),
            [each.name for each in message.resources],
            frozenset(each.resource.type_url for each in message.resources),
        )


class Connections:
    """Opens streams to one Plane, in one of the two ways."""

    def __init__(self, way: str, plane: Plane) -> None:
        self.way = way
        self.plane = plane

    @asynccontextmanager
    async def __call__(self, server: Server | None = None) -> AsyncIterator[Client]:
        """A new stream on a new connection."""
        server = server or self.plane.server()
        if self.way == "bare":
            bare = BareClient(server)
            try:
                yield bare
            finally:
                bare.stream.close()
            return
        async with (
            rime_grpc.serve(server, "127.0.0.1:0", CONFIG) as bound,
            grpc.aio.insecure_channel(bound.address) as channel,
        ):
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(METHOD)()
            try:
                yield GrpcClient(call)
            finally:
                call.cancel()
