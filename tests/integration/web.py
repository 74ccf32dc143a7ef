"""Small HTTP/1.1, over asyncio: upstreams that answer their name, single requests, and a load that does not pause."""

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    body: str


@asynccontextmanager
async def upstream(name):
    """A server that answers every request with its name; gives its port."""
    connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(reader, writer):
        connections[writer] = asyncio.current_task()
        try:
            while await _head(reader):
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(name)}\r\n\r\n{name}".encode())
                await writer.drain()
        except OSError:
            pass
        finally:
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


async def get(port, path="/", host="shop.example", tls=None):
    """The answer to one request, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=host if tls else None)
    try:
        return await _exchange(reader, writer, path, host)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class Load:
    """Requests one after another on a kept connection, for as long as the block lasts."""

    def __init__(self, port):
        self._port = port
        self.answers = []
        self.failures = []

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while True:
                    answer = await _exchange(reader, writer, "/", "shop.example")
                    (self.answers if answer.status == 200 else self.failures).append(answer)
            except (OSError, EOFError) as lost:
                self.failures.append(lost)
            finally:
                writer.close()


async def _exchange(reader, writer, path, host):
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
    status, *headers = await _head(reader) or _lost()
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body = await reader.readexactly(int(fields["content-length"]))
    return Answer(int(status.split()[1]), body.decode())


async def _head(reader):
    """The lines before a body; none when the other side has ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial:
            raise
        return []
    return head.decode().split("\r\n")[:-2]


def _lost():
    raise ConnectionResetError("the connection ended before an answer")
