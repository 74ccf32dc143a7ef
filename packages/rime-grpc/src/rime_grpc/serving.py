"""Serving a Plane over gRPC, without app or configuration.

async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
    print(bound.address)
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import grpc

from rime_core import Peer, Server, UsageError
from rime_core.address import Address
from rime_grpc import address as addresses
from rime_grpc import csds
from rime_grpc.admission import CONNECTION_SHARE
from rime_grpc.clients import ConnectedClient, connected
from rime_grpc.config import Config
from rime_grpc.errors import not_loopback
from rime_grpc.fetch import Fetch
from rime_grpc.gate import Gate
from rime_grpc.health import CHECK, WATCH, Health
from rime_grpc.peer import peer_of
from rime_grpc.services import METHODS, Method
from rime_grpc.siblings import Shared, is_sibling
from rime_grpc.stream import Stream
from rime_grpc.tls import Certificates
from rime_grpc.wakeups import taken_together

if TYPE_CHECKING:
    from rime_grpc.stream import Context

log = logging.getLogger("rime_grpc")

WINDOW: Final = 1 << 20
"""Bytes that a client may send before they are read. Of 100,000 names a client that comes back says 4 MB, which takes
four round trips; with the 64 KiB that HTTP/2 begins with it would be sixty.
"""

GRACE: Final = 0.5
"""Seconds that streams have to end when the server stops; the whole process is to end within one."""

CANCELLED_WITHIN: Final = 1.0
"""Seconds in which gRPC cancels a call whose client has gone; it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A server that listens; `address` is what clients connect to, with the real port."""

    address: str
    _streams: "_Streams"

    def clients(self) -> list[ConnectedClient]:
        """Who is connected now, and what each of them has."""
        return self._streams.clients()


@asynccontextmanager
async def serve(
    server: Server, address: str, config: Config | None = None, *, shared: Shared | None = None
) -> AsyncIterator[Bound]:
    """Serve clients of `server` on `address` (`127.0.0.1:18000`; port 0: any that is free) until the block ends.

    Then each stream ends with UNAVAILABLE, so that its client comes back: to the next process, or another replica.
    `shared` is given where other processes listen on the same address, and each has its part of the clients.

    Raises:
        UsageError: the address is none, is in use, or can be reached from other machines and nothing would be encrypted
            though `config.insecure` does not say that this is meant; or a file of TLS cannot be used.
    """
    if not isinstance(server, Server):
        raise TypeError(f"serve takes a Server, such as plane.server(), not {type(server).__name__}")
    config = config or Config()
    where = addresses.parse(address)
    if not (where.is_loopback or config.insecure or config.cert):
        raise not_loopback(address)
    credentials = _credentials(config)
    if shared is None:
        addresses.check_free(where)
    streams = _Streams(server, config, shared)
    with taken_together(asyncio.get_running_loop()):
        grpc_server = grpc.aio.server(options=_options(config, is_shared=shared is not None))
    grpc_server.add_generic_rpc_handlers((streams,))
    try:
        if credentials is None:
            port = grpc_server.add_insecure_port(str(where))
        else:
            port = grpc_server.add_secure_port(str(where), credentials)
        if shared is not None:
            grpc_server.add_insecure_port(shared.own)
    except (
        RuntimeError
    ) as error:  # taken by another between the check and now; or gRPC's own TLS refuses what OpenSSL takes
        with_cert = f" with cert={config.cert}" if config.cert else ""
        raise UsageError(f"grpc: cannot listen on {where}{with_cert}") from error
    # what is cancelled while it starts is not stopped by grpcio, but ends in errors of its
    starting = asyncio.ensure_future(grpc_server.start())
    try:
        await asyncio.shield(starting)
        yield Bound(str(Address(where.host, port)), streams)
    finally:
        # also when the surrounding scope was cancelled: clients are told to come back
        with anyio.CancelScope(shield=True):
            await starting
            streams.end()
            await grpc_server.stop(GRACE)


class _Streams(grpc.GenericRpcHandler):
    """Knows the methods, and the streams that are open; a Fetch, which is a stream of one each way, among them."""

    def __init__(self, server: Server, config: Config, shared: Shared | None) -> None:
        self._server: Final = server
        self._config: Final = config
        self._gate: Final = Gate(config)
        self._open: Final[dict[Stream | Fetch, None]] = {}
        self._ended = False
        # raw bytes in and out: rime_grpc.wire makes requests and responses of them
        self._handlers: Final[dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {
            path: grpc.stream_stream_rpc_method_handler(partial(self._serve, method))
            for path, method in METHODS.items()
        }
        status = csds.ClientStatus(self.clients, config, shared.ask if shared is not None else None)
        for path in csds.METHODS:
            self._handlers[path] = grpc.stream_stream_rpc_method_handler(partial(self._tell, status))
        services = {path.split("/")[1] for path in self._handlers}
        self._health: Final = Health(server, services, shared.siblings if shared is not None else None)
        self._handlers[CHECK] = grpc.stream_stream_rpc_method_handler(self._check)
        self._handlers[WATCH] = grpc.stream_stream_rpc_method_handler(self._watch)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The handler of a method; None makes it UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def clients(self) -> list[ConnectedClient]:
        """Who is connected now."""
        streams = [stream for stream in self._open if isinstance(stream, Stream)]
        return connected(streams, asyncio.get_running_loop().time())

    def end(self) -> None:
        """End every stream with a status that its client comes back on."""
        self._ended = True
        self._health.end()
        for stream in self._open:
            stream.end(grpc.StatusCode.UNAVAILABLE, "rime is stopping")

    async def _serve(self, method: Method, _requests: object, context: "Context") -> None:
        async with self._admitted(context) as peer:
            serving = Fetch if method.once else Stream
            stream = serving(method, self._server, context, peer, self._config, self._gate)
            self._open[stream] = None
            try:
                await stream.run()
            finally:
                del self._open[stream]

    async def _check(self, _requests: object, context: "Context") -> None:
        async with _client_may_go(context):
            await self._health.check(context)

    async def _watch(self, _requests: object, context: "Context") -> None:
        async with self._admitted(context):
            await self._health.watch(context)

    async def _tell(self, status: csds.ClientStatus, _requests: object, context: "Context") -> None:
        if is_sibling(context):
            async with _client_may_go(context):
                await status.serve_sibling(context)
            return
        async with self._admitted(context) as peer:
            await status.serve(context, peer)

    @asynccontextmanager
    async def _admitted(self, context: "Context") -> "AsyncIterator[Peer]":
        """Whose call it is, which counts as a stream while it lasts."""
        if self._ended:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "rime is stopping")
        peer = peer_of(context)
        refusal = self._gate.admit(peer.address)
        if refusal is not None:
            await context.abort(grpc.StatusCode[refusal.code], refusal.message)
        try:
            async with _client_may_go(context):
                yield peer
        finally:
            self._gate.gone(peer.address)


@asynccontextmanager
async def _client_may_go(context: "Context") -> AsyncIterator[None]:
    """A call whose client may go in the middle of what it is sent.

    gRPC then ends the call by cancelling its task; but what is being written may fail a moment earlier, and gRPC would
    log this as an error of the server's. A call to which the server has given a status is over, and not cancelled.
    """
    try:
        yield
    except grpc.aio.InternalError:
        if not context.done():
            await asyncio.sleep(CANCELLED_WITHIN)
        raise


def _credentials(config: Config) -> grpc.ServerCredentials | None:
    if config.cert is None or config.key is None:
        return None
    return Certificates(config.cert, config.key, config.client_ca).credentials()


def _options(config: Config, *, is_shared: bool) -> list[tuple[str, int]]:
    keepalive = int(config.keepalive * 1000)
    aging = [("grpc.max_connection_age_ms", int(config.max_age * CONNECTION_SHARE * 1000))] if config.max_age else []
    return [
        *aging,
        ("grpc.max_receive_message_length", config.max_request_bytes),
        ("grpc.max_send_message_length", -1),
        # where this is not meant a second server on the same port binds successfully, and gets half of the clients
        ("grpc.so_reuseport", int(is_shared)),
        ("grpc.keepalive_time_ms", keepalive),
        ("grpc.keepalive_timeout_ms", keepalive),
        ("grpc.keepalive_permit_without_calls", 1),
        # counts of each socket and call, which no service of rime tells
        ("grpc.enable_channelz", 0),
        # to size its window gRPC would measure each connection, with a ping for what it reads: a fifth of the CPU time
        # of a change, which each client acknowledges
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", WINDOW),
        # Envoy's own probes, whatever their interval, must not be answered with "too many pings"
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
    ]
