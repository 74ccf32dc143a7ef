"""What the other workers have to say, each over its own debug stream on a Unix socket.

Of several workers (`rime serve --workers`) a person reaches one, whichever the kernel chooses, and wants to see all. So
each worker serves its own debug stream on a socket in a folder that only this user can enter, and subscribes there to
what the others know: their clients, and how they are. Resources are the same in each and are not asked for.

A worker that has gone is tried again and again: another takes its place, with the same number and socket.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from websockets.asyncio.client import unix_connect
from websockets.exceptions import WebSocketException

from rime_core import Siblings

AGAIN_AFTER: Final = 0.25
"""Seconds until a worker that could not be reached is tried again."""

WITHIN: Final = 2.0
"""Seconds that a worker has to tell its metrics."""

LOST: Final[Mapping[str, Any]] = {"message": "lost"}
"""In place of a message: what was told is no longer so, for the worker has gone."""


class Shared(NamedTuple):
    """That the address is that of other processes, too: as `rime_core.SharedTransport.share` is told."""

    siblings: Siblings
    folder: Path

    @property
    def own(self) -> Path:
        """The socket of this worker."""
        return self.folder / str(self.siblings.number)

    @property
    def others(self) -> dict[int, Path]:
        """Number → socket of each other worker."""
        numbers = range(1, self.siblings.count + 1)
        return {number: self.folder / str(number) for number in numbers if number != self.siblings.number}


class SiblingFeed:
    """What one subscription at another worker has to say: a `rime_ws.session.Feed`, which besides says `LOST`.

    Nothing is queued here: the next message is read when the last has been taken, and what the other worker could not
    write meanwhile merges there.
    """

    due: float | None = None

    def __init__(self, path: Path, request: Mapping[str, Any], wake: Callable[[], None]) -> None:
        self._path: Final = path
        self._request: Final = json.dumps(request)
        self._wake: Final = wake
        self._said: dict[str, Any] | None = None
        self._taken: Final = asyncio.Event()
        self._following: Final = asyncio.create_task(self._follow())

    def take(self, now: float) -> dict[str, Any] | None:  # noqa: ARG002 - as every feed
        """The next message; None where there is none at present."""
        said, self._said = self._said, None
        self._taken.set()
        return said

    def close(self) -> None:
        """No more of it."""
        self._following.cancel()

    async def _follow(self) -> None:
        is_lost = False
        while True:
            try:
                async with unix_connect(str(self._path), "ws://localhost/", compression=None, max_size=None) as there:
                    await there.recv()  # hello
                    await there.send(self._request)
                    async for text in there:
                        await self._say(json.loads(text))
                        is_lost = False
            except (OSError, WebSocketException, EOFError):
                pass  # it has gone, or is not there yet
            if not is_lost:
                await self._say(dict(LOST))
                is_lost = True
            await asyncio.sleep(AGAIN_AFTER)

    async def _say(self, message: dict[str, Any]) -> None:
        self._said = message
        self._taken.clear()
        self._wake()
        await self._taken.wait()


async def fetch(path: Path, page: str) -> str | None:
    """What another worker answers to a plain request; None where it does not."""
    try:
        async with asyncio.timeout(WITHIN):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(f"GET {page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.decode() if head.split(b" ")[1:2] == [b"200"] else None
