"""One connection of the debug stream: its messages read into a Session, what that has to say written out.

Two tasks: one reads, one writes. Nothing is queued between them. A client that does not read holds up its own writing,
and what it misses merges; one that writes too fast, or more than it reads the answers of, is read more slowly.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.server import ServerConnection

    from rime_ws.session import Session

log = logging.getLogger("rime_ws")

BURST: Final = 10
"""Seconds' worth of messages that a connection may send at once: a page that opens subscribes to all that it shows."""

UNEXPECTED: Final = 1011
"""The code with which a connection is closed for a fault of ours (RFC 6455, 7.4.1)."""


class Connection:
    """Serves one; `run()` returns when it is over. `session` makes its Session from what is to be called to wake it."""

    def __init__(
        self,
        websocket: "ServerConnection",
        session: "Callable[[Callable[[], None]], Session]",
        *,
        max_message_rate: int,
    ) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._websocket: Final = websocket
        self._rate: Final = max_message_rate
        self._read_until = self._loop.time() - BURST
        """When what was read so far would have been read at the highest rate."""
        self._woken: Final = asyncio.Event()
        self._answered: Final = asyncio.Event()
        self._session: Final = session(self._woken.set)
        self._over = False

    async def run(self) -> None:
        """Serve until the client goes."""
        reading = asyncio.create_task(self._read())
        try:
            await self._write()
        except ConnectionClosed:
            pass
        except Exception:
            # a fault of ours ends this connection and no other
            log.exception("serving a debug client failed", extra={"event": "failed"})
            await self._websocket.close(UNEXPECTED)
        finally:
            reading.cancel()
            self._session.close()

    async def _write(self) -> None:
        while not self._over:
            self._woken.clear()
            message = self._session.message()
            if message is None:
                await self._until_woken()
                continue
            await self._websocket.send(message)
            if not self._session.owes_an_answer:
                self._answered.set()
            await asyncio.sleep(0)  # what was sent may all be in a buffer: others have their turn

    async def _until_woken(self) -> None:
        due = self._session.due
        timer = self._loop.call_at(due, self._woken.set) if due is not None else None
        await self._woken.wait()
        if timer is not None:
            timer.cancel()

    async def _read(self) -> None:
        try:
            async for message in self._websocket:
                self._answered.clear()
                if isinstance(message, str):
                    self._session.receive(message)
                else:
                    self._session.receive_binary()
                if self._session.owes_an_answer:
                    await self._answered.wait()
                await self._slow_down()
        except ConnectionClosed:
            pass
        except Exception:
            log.exception("reading from a debug client failed", extra={"event": "failed"})
            await self._websocket.close(UNEXPECTED)
        finally:
            self._over = True
            self._woken.set()

    async def _slow_down(self) -> None:
        """Read no further while the client's messages are more than its share."""
        if self._rate:
            now = self._loop.time()
            self._read_until = max(self._read_until, now - BURST) + 1 / self._rate
            if self._read_until > now:
                await asyncio.sleep(self._read_until - now)
