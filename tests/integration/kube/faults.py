"""A relay in front of the API server that does what networks do: it cuts connections, at any byte, and goes silent.

It speaks plain HTTP to its clients and TLS to the server, so that a byte here is a byte of the API. The same as a proxy
that clients are told to use.
"""

import asyncio
import re
import ssl


class FaultyRelay:
    """`url` is for clients. An async context manager."""

    def __init__(self, server):
        self._server = server
        self._open = set()
        self._thaw = asyncio.Event()
        self._thaw.set()
        self.cut_after = None
        """Bytes of answers after which each connection is cut; None: it is not."""
        self.refuses = False
        """Whether new connections are closed at once."""
        self.connections = 0
        self.answered = 0
        """Bytes of answers."""
        self.requests = []
        """The first lines of what was asked."""

    async def __aenter__(self):
        self._context = ssl.create_default_context(cafile=str(self._server.folder / "ca.crt"))
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._listening.close()
        self.thaw()
        self.cut()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._listening.wait_closed()

    def cut(self):
        """Break every connection."""
        for task in self._open:
            task.cancel()

    def freeze(self):
        """Go silent on every connection, without ending one."""
        self._thaw.clear()

    def thaw(self):
        self._thaw.set()

    async def _serve(self, reader, writer):
        self.connections += 1
        if self.refuses:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        self._open.add(task)
        there = None
        try:
            answers, there = await self._connect(reader, writer)
            ways = [
                asyncio.create_task(self._pass_on(reader, there, None, is_answer=False)),
                asyncio.create_task(self._pass_on(answers, writer, self.cut_after, is_answer=True)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            for each in (writer, there):
                if each is not None:
                    each.transport.abort()

    async def _connect(self, _reader, _writer):
        """The other side, for one connection of a client."""
        return await asyncio.open_connection("127.0.0.1", self._server.port, ssl=self._context)

    async def _pass_on(self, reader, writer, limit, *, is_answer):
        while data := await reader.read(65536):
            await self._thaw.wait()
            if is_answer:
                self.answered += len(data)
            else:
                self.requests += re.findall(r"^[A-Z]+ /.* HTTP", data.decode("latin-1"), re.MULTILINE)
            if limit is not None:
                data, limit = data[:limit], limit - len(data)
            writer.write(data)
            await writer.drain()
            if limit is not None and limit <= 0:
                return


class ConnectProxy(FaultyRelay):
    """The same as an HTTP proxy, to which clients say where they want to go; what they send there is theirs alone."""

    def __init__(self, server):
        super().__init__(server)
        self.targets = set()
        """Where they wanted to go: 127.0.0.1:6443."""

    async def _connect(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split(" ", 2)
        assert method == "CONNECT"
        self.targets.add(target)
        host, _, port = target.rpartition(":")
        opened = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return opened
