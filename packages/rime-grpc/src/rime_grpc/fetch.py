"""One call of a `Fetch…` method: one request, one answer.

It is a state-of-the-world stream of which only the first answer is taken: what may be asked, by whom, and what comes,
is decided where it is for streams, and the answer waits its turn among the first answers of all. What differs: all that
was asked for is answered at once and whole, also where there is nothing of it, and where the client says that it has
the present version: a REST server would say 304 then (R86), and gRPC has no such status.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc

from rime_core import ClosedError, Connected, Peer, PeerError, Server
from rime_core.protocol.messages import DiscoveryRequest, DiscoveryResponse
from rime_grpc.config import Config
from rime_grpc.errors import told
from rime_grpc.gate import Gate, Pass
from rime_grpc.journal import Journal
from rime_grpc.services import Method
from rime_grpc.wire import Decoder, encode

if TYPE_CHECKING:
    from rime_core.protocol.stream import Stream as Protocol
    from rime_grpc.stream import Context

_WHOLE: Final = 1 << 62
"""Bytes of a response, which is never split: there is no second one."""


class Fetch:
    """Serves one call; `run()` returns when it is over."""

    def __init__(
        self, method: Method, server: Server, context: "Context", peer: Peer, config: Config, gate: Gate
    ) -> None:
        self._context: Final = context
        self._type_url: Final = method.type_url
        self._pass: Final = Pass(gate)
        self._woken: Final = asyncio.Event()
        self._protocol: Final[Protocol[DiscoveryRequest, DiscoveryResponse]] = method.variant.stream(
            server,
            wake=self._woken.set,
            peer=peer,
            type_url=method.type_url,
            max_response_bytes=_WHOLE,
            max_names=config.max_names or None,
        )
        self._clients: Final = server.clients
        self._connected: Final = Connected(self._protocol, "grpc", asyncio.get_running_loop().time())
        """Not entered: it is over with its answer."""
        self._decoder: Final[Decoder[Any]] = method.variant.decoder()
        self._journal: Final = Journal(self._protocol, peer, gate)
        self._end: tuple[grpc.StatusCode, str] | None = None

    async def run(self) -> None:
        """Answer the request, once the server is ready; the client says how long it waits, by the call's deadline."""
        try:
            data: object = await self._context.read()
            if not isinstance(data, bytes):
                return  # the client has given up
            self._protocol.receive(self._decoder.decode(data))
            response = await self._response()
            if response is not None:
                data = encode(response)
                await self._context.write(data)
                self._clients.wrote(self._connected, response, len(data))
                self._journal.sent(response)
        except PeerError as error:
            self._journal.broken(error)
            self._end = (getattr(grpc.StatusCode, error.code), told(error))
        except ClosedError as error:
            self._end = (grpc.StatusCode.UNAVAILABLE, str(error))
        except grpc.aio.InternalError:
            raise  # the client has gone in the middle of its answer
        except grpc.RpcError:
            self._end = (grpc.StatusCode.CANCELLED, "the connection was lost")
        except Exception as error:
            self._journal.failed(error)
            self._end = (grpc.StatusCode.INTERNAL, "rime failed; its log says how")
        finally:
            self._protocol.close()
            self._pass.leave(answered=True)
        if self._end is not None:
            await self._context.abort(*self._end)

    def end(self, code: grpc.StatusCode, message: str) -> None:
        """End the call with this status where it is not answered yet."""
        self._end = (code, message)
        self._woken.set()
        self._pass.give_up()

    async def _response(self) -> DiscoveryResponse | None:
        """The answer; None where the call is ended before there is one."""
        while True:
            await self._pass.enter()
            if self._end is not None:
                return None
            self._woken.clear()
            batch = self._protocol.responses()
            self._journal.happened(self._protocol.events())
            if batch:
                return batch[0]
            channel = self._protocol.channel(self._type_url)
            if channel is not None and channel.answered:
                return channel.respond(channel.subscriber.everything() or channel.missing(()), "", shared=False)
            self._pass.leave(answered=False)
            await self._woken.wait()
