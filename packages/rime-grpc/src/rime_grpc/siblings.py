"""What the clients of the other workers have, for whoever asks one of them (CSDS).

Of several workers (`rime serve --workers`) a caller reaches one, whichever the kernel chooses, and asks about all. So
each serves on a Unix socket too, in a folder that only this user can enter, and is asked there for its own. Answers
are put together as they are: bytes of two messages, one after the other, are those of one with what both list.
"""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

import grpc

from rime_core import Siblings
from rime_grpc.errors import RefusedError

FETCH: Final = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"

WITHIN: Final = 10.0
"""Seconds that a worker has to tell."""

_GONE: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class Shared(NamedTuple):
    """That the address is that of other processes, too: as `rime_core.SharedTransport.share` is told."""

    siblings: Siblings
    folder: Path

    @property
    def own(self) -> str:
        """Where this worker answers the others."""
        return self._address(self.siblings.number)

    async def ask(self, request: bytes) -> bytes:
        """What all others answer to a request for the status of clients; nothing of one that has gone.

        Raises:
            RefusedError: one of them does not answer it.
        """
        others = [number for number in range(1, self.siblings.count + 1) if number != self.siblings.number]
        return b"".join(await asyncio.gather(*(_ask(self._address(number), request) for number in others)))

    def _address(self, number: int) -> str:
        return f"unix:{self.folder / str(number)}"


async def _ask(address: str, request: bytes) -> bytes:
    async with grpc.aio.insecure_channel(address, [("grpc.max_receive_message_length", -1)]) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(FETCH)
        try:
            return await call(request, timeout=WITHIN)
        except grpc.aio.AioRpcError as error:
            if error.code() in _GONE:
                return b""
            raise RefusedError(error.code(), error.details() or "") from error


def is_sibling(context: "grpc.aio.ServicerContext[bytes, bytes]") -> bool:
    """Whether a call came over the Unix socket."""
    return context.peer().startswith("unix:")
