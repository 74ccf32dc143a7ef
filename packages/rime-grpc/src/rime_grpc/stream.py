"""One client's stream over gRPC: requests read into the protocol's state machine, its batches written out.

Two tasks a stream: one reads, one writes. Nothing is queued between them: the reader calls `receive`, which wakes the
writer, which takes a batch when it is its turn (gate.py), writes it, and takes the next when that is done. A client
that stops reading costs its cursor and the one response that is being written; one that asks too fast is read more
slowly.

The reader is never cancelled. grpc.aio frees what it has taken for a read only where somebody waits for its end
(grpc/grpc#43360), and would lose 80 bytes with each client that goes. Once the call is over it answers the read that
is under way, and the reader ends.
"""

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final

import grpc

from rime_core import ClosedError, Connected, FellBehindError, Peer, PeerError, Server
from rime_grpc.admission import RequestRate, stream_age
from rime_grpc.config import Config
from rime_grpc.errors import told
from rime_grpc.gate import Gate, Pass
from rime_grpc.journal import Journal
from rime_grpc.services import Method
from rime_grpc.wire import Decoder, encode

if TYPE_CHECKING:
    from rime_core.protocol.stream import Stream as Protocol

    Context = grpc.aio.ServicerContext[bytes, bytes]


class Stream:
    """Serves one call; `run()` returns when it is over."""

    def __init__(
        self, method: Method, server: Server, context: "Context", peer: Peer, config: Config, gate: Gate
    ) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._context: Final = context
        self._config: Final = config
        self._pass: Final = Pass(gate)
        self._rate: Final = RequestRate(config.max_request_rate, self._loop.time())
        self.protocol: Final[Protocol[Any, Any]] = method.variant.stream(
            server,
            wake=self._wake,
            clock=self._loop.time,
            peer=peer,
            patience=config.patience,
            type_url=method.type_url,
            max_response_bytes=config.max_response_bytes,
            max_names=config.max_names or None,
        )
        """What its client has, and is to be sent."""
        self._clients: Final = server.clients
        self._connected: Final = Connected(self.protocol, "grpc", self._loop.time())
        self._decoder: Final[Decoder[Any]] = method.variant.decoder()
        self._journal: Final = Journal(self.protocol, peer, gate)
        self._woken = False
        self._idle: asyncio.Future[None] | None = None
        self._aging: asyncio.TimerHandle | None = None
        self._aged = False
        self._end: tuple[grpc.StatusCode, str] | None = None

    @property
    def heard(self) -> float:
        """When its client last sent something, by the loop's clock; at first, when it came."""
        return self._connected.heard

    async def run(self) -> None:
        """Serve until the client goes, breaks the protocol, or `end` is called."""
        self._clients.enter(self._connected)
        # it lives until gRPC has answered its last read, which may be after this
        asyncio.create_task(self._read())  # noqa: RUF006
        self._age()
        try:
            await self._write()
        except (FellBehindError, ClosedError) as error:
            self._end = (grpc.StatusCode.UNAVAILABLE, str(error))
        finally:
            if self._end is None:
                self._end = (grpc.StatusCode.CANCELLED, "the client has gone")
            if self._aging is not None:
                self._aging.cancel()
            self._clients.leave(self._connected)
            self.protocol.close()
            self._happened()
            self._journal.gone()
        if self._end[0] is not grpc.StatusCode.OK:
            await self._context.abort(*self._end)

    def _is_over(self) -> bool:
        """Whether nothing more is to be read: gRPC may have let go of the call, and fails whoever begins to read it."""
        return self._end is not None

    def end(self, code: grpc.StatusCode, message: str) -> None:
        """End the stream with this status, after what is being written."""
        if self._end is None:
            self._end = (code, message)
            self._wake()
            self._pass.give_up()

    async def _write(self) -> None:
        while self._end is None:
            if self._woken:
                await self._write_batch()
            else:
                await self._until_woken()

    async def _until_woken(self) -> None:
        due = self.protocol.due
        timer = self._loop.call_at(due, self._wake) if due is not None else None
        self._idle = self._loop.create_future()
        await self._idle
        self._idle = None
        if timer is not None:
            timer.cancel()

    async def _write_batch(self) -> None:
        sent = False
        try:
            await self._pass.enter()
            self._woken, last = False, self._aged
            batch = self.protocol.responses() if self._end is None else ()
            self._happened()
            for response in batch:
                data = encode(response)
                await self._context.write(data)
                self._clients.wrote(self._connected, response, len(data))
                sent = True
                self._pass.moved()
                if response.shared:
                    self._rate.earn()
                self._journal.sent(response)
        finally:
            self._pass.leave(answered=sent)
            self._clients.changed(self._connected)
        if last:
            self.end(grpc.StatusCode.OK, "")

    async def _read(self) -> None:
        known = False
        try:
            while not self._is_over():
                data: object = await self._context.read()
                if not isinstance(data, bytes):  # grpc.aio.EOF
                    return self.end(grpc.StatusCode.OK, "")
                if self._is_over():
                    break
                now = self._connected.heard = self._loop.time()
                self.protocol.receive(self._decoder.decode(data))
                if not known:
                    known = True
                    self._journal.come()
                self._happened()
                self._clients.changed(self._connected)
                seconds = self._rate.take(now)
                if seconds:
                    # read no further while the client's requests are more than its share
                    self._journal.slowed(self._config.max_request_rate)
                    await asyncio.sleep(seconds)
        except PeerError as error:
            self._journal.broken(error)
            self.end(getattr(grpc.StatusCode, error.code), told(error))
        except ClosedError as error:
            self.end(grpc.StatusCode.UNAVAILABLE, str(error))
        except grpc.RpcError:
            self.end(grpc.StatusCode.CANCELLED, "the connection was lost")
        except Exception as error:
            if not self._is_over():  # a call that is over cannot be read
                # a fault of ours ends this stream and no other
                self._journal.failed(error)
                self.end(grpc.StatusCode.INTERNAL, "rime failed; its log says how")

    def _happened(self) -> None:
        """Hand on what the protocol tells."""
        events = self.protocol.events()
        if events:
            self._journal.happened(events)
            self._clients.happened(self._connected, events)

    def _age(self) -> None:
        if self._config.max_age:
            age = stream_age(self._config.max_age, random.random())  # noqa: S311 - spreads load, guards nothing
            self._aging = self._loop.call_later(age, self._retire)

    def _retire(self) -> None:
        """End once one more batch is written, so that the client comes back, perhaps to another replica.

        Not while something is held back: what the client must give up before it goes is not known on its next stream.
        """
        if self._pass.answered and not any(self.protocol.order.holds()):
            self._aged = True
            self._wake()
        else:
            self._age()

    def _wake(self) -> None:
        self._woken = True
        self._clients.changed(self._connected)
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
