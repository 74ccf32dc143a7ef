"""Small HTTP/1.1, over asyncio: upstreams that answer their name, single requests, and a load that does not pause."""

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from .waiting import PATIENCE


class Answer(NamedTuple):
    status: int
    body: str


@asynccontextmanager
async def upstream(name, host="127.0.0.1", port=0):
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

    server = await asyncio.start_server(serve, host, port)
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
        answer, _ = await _exchange(reader, writer, path, host)
        return answer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class Load:
    """Requests one after another for as long as the block lasts, in `kept` rows on a connection that is kept, and in
    `new` rows on a new connection each.

    A failure is anything but 200, and an answer that is not `right`: not one of those that were right when its request
    began, or that are when it ends. Until `right` is set every answer is.
    """

    def __init__(self, port, *, kept=1, new=0):
        self._port = port
        self._rows = [self._keep] * kept + [self._renew] * new
        self._changed = asyncio.Event()
        self.answers = []
        self.failures = []
        self.right: set[str] = set()

    async def __aenter__(self):
        self._tasks = [asyncio.create_task(self._run(row)) for row in self._rows]
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            assert isinstance(ended, asyncio.CancelledError), ended

    async def until(self, body):
        """Wait for an answer with this body to come."""
        seen = len(self.answers)
        async with asyncio.timeout(PATIENCE):
            while not any(answer.body == body for answer in self.answers[seen:]):
                seen = len(self.answers)
                self._changed.clear()
                await self._changed.wait()

    async def _run(self, row):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as refused:
                self.failures.append(refused)
                await asyncio.sleep(0)
                continue
            try:
                await row(reader, writer)
            except (OSError, EOFError) as lost:
                self.failures.append(lost)
            finally:
                writer.close()

    async def _keep(self, reader, writer):
        while await self._request(reader, writer):
            pass

    async def _renew(self, reader, writer):
        await self._request(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _request(self, reader, writer):
        """Whether the other side keeps the connection."""
        right = self.right
        answer, keeps = await _exchange(reader, writer, "/", "shop.example")
        is_right = not right or answer.body in right | self.right
        (self.answers if answer.status == 200 and is_right else self.failures).append(answer)
        self._changed.set()
        return keeps


async def _exchange(reader, writer, path, host):
    """The answer, and whether the connection is kept."""
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
    return Answer(int(status.split()[1]), body.decode()), fields.get("connection") != "close"


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
