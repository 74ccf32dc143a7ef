"""gRPC's health service, `grpc.health.v1.Health`: what Kubernetes' probes and load balancers ask for.

It is serving once the clients of every group are answered, which is when every source has delivered its first full
state; of one of several processes on one port, once those of each were. It says so of the server as a whole ("") and of
each service that there is.

Its two messages have one field each, a text and a number, and are on the wire what protobuf's own wrappers of these
are.
"""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Literal

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import StringValue, UInt32Value

if TYPE_CHECKING:
    from rime_core import Server, Siblings
    from rime_grpc.stream import Context

CHECK: Final = "/grpc.health.v1.Health/Check"
WATCH: Final = "/grpc.health.v1.Health/Watch"

_SERVING: Final = 1
_NOT_SERVING: Final = 2
_SERVICE_UNKNOWN: Final = 3


class Health:
    """Answers for `server`, and for each of `services` (full names); `siblings` serve the same on the same port."""

    def __init__(self, server: "Server", services: Collection[str], siblings: "Siblings | None" = None) -> None:
        others = (siblings,) if siblings is not None else ()
        self._awaited: Final = (*(server.groups.values() or (server,)), *others)
        self._services: Final = frozenset(("", *services))
        self._over: Final = asyncio.Event()

    def end(self) -> None:
        """It serves no longer: who watches is told so, and is not answered any more."""
        self._over.set()

    async def check(self, context: "Context") -> None:
        """One answer: as it is now."""
        service = await self._asked(context)
        if service is None:
            return
        if service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {service!r} here")
        await context.write(_answer(self._state()))

    async def watch(self, context: "Context") -> None:
        """An answer now, and another whenever it differs, until the client goes."""
        service = await self._asked(context)
        if service is None:
            return
        if service not in self._services:
            await context.write(_answer(_SERVICE_UNKNOWN))
            await self._over.wait()
            return
        told = self._state()
        await context.write(_answer(told))
        if told != _SERVING:
            await self._until_ready()
            await context.write(_answer(self._state()))
        await self._over.wait()
        await context.write(_answer(_NOT_SERVING))

    async def _asked(self, context: "Context") -> str | None:
        """The service that is asked about; None where the client has gone."""
        data: object = await context.read()
        if not isinstance(data, bytes):
            return None
        try:
            return StringValue.FromString(data).value
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{len(data)} bytes that are no HealthCheckRequest")

    async def _until_ready(self) -> None:
        """Wait until clients are answered, or until the end."""
        over = asyncio.ensure_future(self._over.wait())
        try:
            for each in self._awaited:
                await self._until(each, over)
        finally:
            over.cancel()

    async def _until(self, awaited: "Server | Siblings", over: "asyncio.Future[Literal[True]]") -> None:
        ready = asyncio.Event()
        awaited.when_ready(ready.set)
        waiting = asyncio.ensure_future(ready.wait())
        try:
            await asyncio.wait((waiting, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            awaited.not_when_ready(ready.set)
            waiting.cancel()

    def _state(self) -> int:
        return _SERVING if all(each.ready for each in self._awaited) and not self._over.is_set() else _NOT_SERVING


def _answer(state: int) -> bytes:
    return UInt32Value(value=state).SerializeToString()
