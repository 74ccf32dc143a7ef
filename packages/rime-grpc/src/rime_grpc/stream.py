"""One client's stream over gRPC: requests read into a DeltaStream, its batches written out.

Two tasks a stream: one reads, one writes. Nothing is queued between them: the reader calls `DeltaStream.receive`, which
wakes the writer, which takes a batch, writes it, and takes the next when that is done. A client that stops reading
costs its cursor and the one response that is being written.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

import grpc

from rime_core import ClosedError, FellBehindError, PeerError, Server, describe
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Event, Held, LetGo, RejectedResponse, UnknownType
from rime_core.protocol.messages import DeltaResponse
from rime_core.protocol.order import Patience
from rime_grpc.peer import peer_of
from rime_grpc.wire import Decoder, encode

log = logging.getLogger("rime_grpc")

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[bytes, bytes]


class Stream:
    """Serves one call; `run()` returns when it is over."""

    def __init__(self, server: Server, context: "Context", *, max_response_bytes: int, patience: Patience) -> None:
        self._context: Final = context
        self._loop: Final = asyncio.get_running_loop()
        self._peer: Final = peer_of(context)
        self._delta: Final = DeltaStream(
            server,
            wake=self._wake,
            clock=self._loop.time,
            peer=self._peer,
            patience=patience,
            max_response_bytes=max_response_bytes,
        )
        self._decoder: Final = Decoder()
        self._idle: asyncio.Future[None] | None = None
        self._end: tuple[grpc.StatusCode, str] | None = None

    async def run(self) -> None:
        """Serve until the client goes, breaks the protocol, or `end` is called."""
        reading = asyncio.create_task(self._read())
        try:
            await self._write()
        except (FellBehindError, ClosedError) as error:
            self._end = (grpc.StatusCode.UNAVAILABLE, str(error))
        finally:
            reading.cancel()
            self._delta.close()
            log.info("%s has gone", self, extra={"event": "closed"})
        if self._end is not None and self._end[0] is not grpc.StatusCode.OK:
            await self._context.abort(*self._end)

    def end(self, code: grpc.StatusCode, message: str) -> None:
        """End the stream with this status, after what is being written."""
        if self._end is None:
            self._end = (code, message)
            self._wake()

    def __str__(self) -> str:
        node = self._delta.node
        return (
            f"{_cut(node.id) or 'a client without id'} at {self._peer.address}"
            if node is not None
            else f"a client at {self._peer.address}"
        )

    async def _write(self) -> None:
        while self._end is None:
            batch = self._delta.responses()
            self._log(self._delta.events())
            for response in batch:
                await self._context.write(encode(response))
                if log.isEnabledFor(logging.DEBUG):
                    self._log_sent(response)
            if not batch:
                await self._until_woken()

    async def _until_woken(self) -> None:
        due = self._delta.due
        timer = self._loop.call_at(due, self._wake) if due is not None else None
        self._idle = self._loop.create_future()
        await self._idle
        self._idle = None
        if timer is not None:
            timer.cancel()

    async def _read(self) -> None:
        try:
            while True:
                data: object = await self._context.read()
                if not isinstance(data, bytes):  # grpc.aio.EOF
                    return self.end(grpc.StatusCode.OK, "")
                known = self._delta.node is not None
                self._delta.receive(self._decoder.decode(data))
                if not known:
                    log.info("%s has come", self, extra={"event": "opened"})
                self._log(self._delta.events())
        except PeerError as error:
            log.warning("%s broke the protocol: %s", self, error, extra={"event": "refused"})
            self.end(getattr(grpc.StatusCode, error.code), str(error))
        except ClosedError as error:
            self.end(grpc.StatusCode.UNAVAILABLE, str(error))
        except grpc.RpcError:
            self.end(grpc.StatusCode.CANCELLED, "the connection was lost")
        except Exception:
            # a fault of ours ends this stream and no other
            log.exception("serving %s failed", self, extra={"event": "failed"})
            self.end(grpc.StatusCode.INTERNAL, "rime failed; its log says how")

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _log(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case RejectedResponse(type_url, nonce, versions, message):
                    log.warning(
                        "%s rejected %s %s: %s",
                        self,
                        describe(type_url).plural,
                        _listed(versions),
                        message,
                        extra={"event": "rejected", "type_url": type_url, "nonce": nonce},
                    )
                case Held(hold):
                    # a name in use that is gone is somebody's mistake; anything else is what order is for
                    level = logging.WARNING if hold.why == "in service" else logging.DEBUG
                    log.log(level, "%s: %s", self, hold, extra={"event": "held", "type_url": hold.type_url})
                case LetGo(hold):
                    log.warning(
                        "%s was waited for too long: %s",
                        self,
                        hold,
                        extra={"event": "let go", "type_url": hold.type_url},
                    )
                case UnknownType(type_url):
                    log.warning(
                        "%s asks for %r, which rime does not know", self, _cut(type_url), extra={"event": "unknown"}
                    )

    def _log_sent(self, response: DeltaResponse) -> None:
        update = response.update
        log.debug(
            "%s is sent %s %s",
            self,
            describe(response.type_url).plural,
            _listed(update.manifest.versions),
            extra={
                "event": "sent",
                "type_url": response.type_url,
                "resources": len(update.resources),
                "removed": len(update.removed),
                "nonce": response.nonce,
            },
        )


_LISTED: Final = 5
"""Names in a log line; Envoy rejects a response of thousands as a whole."""


_CUT: Final = 200
"""Characters of a client's own text in a log line."""


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text)} characters)"


def _listed(names: Collection[str]) -> str:
    if not names:
        return "(nothing)"
    listed = ", ".join(_cut(name) for name in sorted(names)[:_LISTED])
    return f"{listed} and {len(names) - _LISTED} more" if len(names) > _LISTED else listed
