"""Two ends of the traffic that goes through Envoy: servers that answer their name, and requests without a pause."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PAUSE = 0.002
"""Seconds between an answer and the next request: dense enough to time a change, and leaves the processor to others."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def upstream(name: str) -> AsyncIterator[int]:
    """A server that answers every request with its name; gives its port."""
    answer = f"HTTP/1.1 200 OK\r\ncontent-length: {len(name) + 1}\r\n\r\n{name}\n".encode()
    connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[writer] = asyncio.current_task()
        with suppress(OSError, EOFError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
        del connections[writer]
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        handlers = [handler for handler in connections.values() if handler is not None]
        for writer in connections:
            writer.close()  # its handler reads the end
        await asyncio.gather(*handlers)
        await server.wait_closed()


async def get(port: int, path: str = "/") -> str:
    """The body of one answer.

    Raises:
        OSError, EOFError: nothing answers there, or with another status than 200.
    """
    connection = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await _exchange(connection, path)
    finally:
        connection[1].close()


class Traffic:
    """Requests one after another on a kept connection, from `start` until `stop`.

    `answered` and `failed` are counts; `latest` is who answered last, nothing when a request failed since.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._task: asyncio.Task[None] | None = None
        self._first_answers: list[tuple[float, str]] = []
        self.answered = 0
        self.failed = 0
        self.latest = ""

    def start(self) -> None:
        """Begin, and do not stop for failures."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def moved(self, to: str, since: float) -> float | None:
        """Seconds from `since` (`time.monotonic()`) until `to` answered in place of another; None: not yet."""
        for at, who in reversed(self._first_answers):
            if who == to and at >= since:
                return at - since
        return None

    def __str__(self) -> str:
        return f"{self.answered:,} requests answered, {self.failed:,} failed"

    async def _run(self) -> None:
        while True:
            try:
                connection = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    while True:
                        await self._request(connection)
                        await asyncio.sleep(PAUSE)
                finally:
                    connection[1].close()
            except (OSError, EOFError):
                self.failed += 1
                self.latest = ""
                await asyncio.sleep(PAUSE)

    async def _request(self, connection: Connection) -> None:
        who = (await _exchange(connection, "/")).strip()
        self.answered += 1
        if who != self.latest:
            self.latest = who
            self._first_answers.append((time.monotonic(), who))


async def _exchange(connection: Connection, path: str) -> str:
    reader, writer = connection
    writer.write(f"GET {path} HTTP/1.1\r\nhost: demo.example\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body = await reader.readexactly(int(fields["content-length"]))
    if status.split()[1] != "200":
        raise ConnectionError(status)
    return body.decode()
