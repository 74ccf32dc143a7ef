"""Serving the debug stream, without app or configuration.

async with rime_ws.serve(plane.server(), "127.0.0.1:0") as bound:
    print(bound.address)
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import anyio
from websockets.asyncio.server import serve as serve_websockets
from websockets.asyncio.server import unix_serve

from rime_core import Peer, Server
from rime_core.address import Address, read_address
from rime_ws.access import SUBPROTOCOL, Access, Refusal
from rime_ws.config import Config
from rime_ws.connection import Connection
from rime_ws.errors import cannot_listen, no_opentelemetry, not_encrypted, open_to_all
from rime_ws.merged_metrics import merge
from rime_ws.metrics import CONTENT_TYPE
from rime_ws.pages import Pages, response, text_response
from rime_ws.session import Feed, Session
from rime_ws.siblings import Shared, SiblingFeed, fetch
from rime_ws.times import Times
from rime_ws.tls import context_of

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response
    from websockets.typing import Subprotocol

log = logging.getLogger("rime_ws")

CLOSE_WITHIN: Final = 0.4
"""Seconds that a connection has to close when the server stops; the whole process is to end within one."""

OPEN_WITHIN: Final = 10.0
"""Seconds that a client has to say what it wants, TLS included."""

KEEPALIVE: Final = 20.0
"""Seconds after which a silent client is probed, and within which it has to answer: one that never reads is ended."""

WRITE_LIMIT: Final = 64 << 10
"""Bytes that wait to be sent to one client; more are not made until it has taken them."""

_FOR_SIBLINGS: Final = Config(max_connections=1 << 16, max_connections_per_address=1 << 16)
"""How other workers are served: each connection of theirs is for somebody whom they have let in."""

parse: Final = partial(read_address, "ws")
"""The address that a text names; raises `UsageError`."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A server that listens; `address` is what clients connect to, with the real port."""

    address: str


@asynccontextmanager
async def serve(
    server: Server, address: str, config: Config | None = None, *, shared: Shared | None = None
) -> AsyncIterator[Bound]:
    """Show `server` to who may look, on `address` (`127.0.0.1:18080`; port 0: any that is free), until the block ends.

    `shared` is given where other processes listen on the same address: each of them shows what they all have.

    Raises:
        UsageError: the address is none, is in use, or can be reached from other machines, and what goes there would not
            be encrypted, or given to anybody; or a file cannot be used, or OpenTelemetry is not installed.
    """
    config = config or Config()
    where = parse(address)
    if not where.is_loopback:
        if config.cert is None and not config.insecure:
            raise not_encrypted(str(where))
        if not config.asks_who:
            raise open_to_all(str(where))
    access = Access(config)
    desk = _Desk(server, config, access, shared)
    traced = _traced(server) if config.traces else nullcontext()
    try:
        listening = await serve_websockets(
            desk.serve,
            where.host,
            where.port,
            reuse_port=shared is not None,
            ssl=context_of(config),
            select_subprotocol=_select,
            process_request=desk.answer,
            compression=None,  # 0.3 MB for each connection, and a tenth of a second for 10,000 resources
            max_size=config.max_message_bytes,
            write_limit=WRITE_LIMIT,
            open_timeout=OPEN_WITHIN,
            close_timeout=CLOSE_WITHIN,
            ping_interval=KEEPALIVE,
            ping_timeout=KEEPALIVE,
            logger=_quiet(),
            server_header=None,
        )
    except OSError as error:
        raise cannot_listen(str(where), error) from error
    try:
        port = listening.sockets[0].getsockname()[1]
        async with traced, _shown_to_siblings(server, shared) if shared is not None else nullcontext():
            yield Bound(str(Address(where.host, port)))
    finally:
        # also when the surrounding scope was cancelled: clients are told to come back
        with anyio.CancelScope(shield=True):
            listening.close()
            await listening.wait_closed()


def _shown_to_siblings(server: Server, shared: Shared) -> AbstractAsyncContextManager[object]:
    """Shows `server`, and nothing of other workers, to these: on a socket that only this user can reach."""
    desk = _Desk(server, _FOR_SIBLINGS, Access(_FOR_SIBLINGS))
    return unix_serve(
        desk.serve,
        str(shared.own),
        process_request=desk.answer,
        compression=None,
        write_limit=WRITE_LIMIT,
        close_timeout=0,
        logger=_quiet(),
        server_header=None,
    )


class _Desk:
    """Lets requests in, within limits, and serves them."""

    def __init__(self, server: Server, config: Config, access: Access, shared: Shared | None = None) -> None:
        self._server: Final = server
        self._config: Final = config
        self._access: Final = access
        self._shared: Final = shared
        self._pages: Final = Pages(server, shared.siblings if shared is not None else None)
        self._times: Final = Times(time.time, asyncio.get_running_loop().time)
        self._open: Final[Counter[str]] = Counter()
        """By the client's address, without its port."""

    def answer(
        self, connection: "ServerConnection", request: "Request"
    ) -> "Response | Awaitable[Response | None] | None":
        """The answer to a request that is not to become a WebSocket connection; None: it is."""
        headers = dict(request.headers.raw_items())
        path = request.path.partition("?")[0]
        if headers.get("Upgrade", "").lower() != "websocket":
            found = self._pages.answer(path, partial(self._access.refusal, headers))
            if self._shared is None or path != "/metrics" or found.status_code != HTTPStatus.OK:
                return found
            return _of_all(self._shared, found)
        if path != "/":
            return text_response(404, "the stream is at /")
        offered = [each.strip() for each in headers.get("Sec-WebSocket-Protocol", "").split(",")]
        refusal = self._access.refusal(headers, offered) or self._full(_host(connection))
        return text_response(*refusal) if refusal is not None else None

    def _full(self, host: str) -> Refusal | None:
        """Whether there are as many connections as there may be."""
        most, most_of_one = self._config.max_connections, self._config.max_connections_per_address
        if self._open.total() >= most:
            return Refusal(503, f"there are {most} connections, and there may be no more")
        if self._open[host] >= most_of_one:
            return Refusal(429, f"there are {most_of_one} connections from this address, and there may be no more")
        return None

    async def serve(self, websocket: "ServerConnection") -> None:
        """Serve one connection."""
        host = _host(websocket)
        self._open[host] += 1
        try:
            await Connection(
                websocket, partial(self._session, websocket), max_message_rate=self._config.max_message_rate
            ).run()
        finally:
            self._open[host] -= 1
            if not self._open[host]:
                del self._open[host]

    def _session(self, websocket: "ServerConnection", wake: Callable[[], None]) -> Session:
        return Session(
            self._server,
            wake=wake,
            times=self._times,
            peer=_peer(websocket),
            max_subscriptions=self._config.max_subscriptions,
            max_names=self._config.max_names,
            number=self._shared.siblings.number if self._shared is not None else 1,
            others=partial(_subscribe, self._shared, wake) if self._shared is not None else None,
        )


async def _of_all(shared: Shared, own: "Response") -> "Response":
    """The metrics of all workers, of which this one's are `own`."""
    others = shared.others
    told = await asyncio.gather(*(fetch(path, "/metrics") for path in others.values()))
    texts = {shared.siblings.number: own.body.decode(), **dict(zip(others, told, strict=True))}
    return response(HTTPStatus.OK, merge(texts), CONTENT_TYPE)


def _subscribe(shared: Shared, wake: Callable[[], None], request: "Mapping[str, Any]") -> "Mapping[int, Feed]":
    """Subscribe at every other worker."""
    return {number: SiblingFeed(path, request, wake) for number, path in shared.others.items()}


def _peer(connection: "ServerConnection") -> Peer:
    """Who looks; another worker's connection has no address."""
    return Peer(str(Address(*connection.remote_address[:2])) if connection.remote_address else "")


def _host(connection: "ServerConnection") -> str:
    """The client's address without its port; nothing once it has gone."""
    return str(connection.remote_address[0]) if connection.remote_address else ""


def _select(_connection: "ServerConnection", offered: "Sequence[Subprotocol]") -> "Subprotocol | None":
    """Who offers nothing is spoken to all the same: there is only one way."""
    return next((each for each in offered if each == SUBPROTOCOL), None)


def _quiet() -> logging.Logger:
    """A logger for websockets, which tells of each client that fails in several lines."""
    quiet = logging.getLogger("rime_ws.websockets")
    quiet.setLevel(logging.CRITICAL)
    return quiet


def _traced(server: Server) -> AbstractAsyncContextManager[None]:
    try:
        from rime_ws.tracing import traced  # noqa: PLC0415 - loads OpenTelemetry, which need not be installed
    except ImportError as error:
        raise no_opentelemetry(error) from error
    return traced(server, Times(time.time, asyncio.get_running_loop().time))
