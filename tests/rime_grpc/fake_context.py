"""A call without a network: what a client sends is put into it, what it is sent is taken out."""

import asyncio


class FakeContext:
    """As much of grpc.aio.ServicerContext as a Stream uses."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        """How long the client takes for a response."""
        self.requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.responses: asyncio.Queue[bytes] = asyncio.Queue()
        self.reads = []
        """When each request was read, by the loop's clock."""

    def peer(self):
        return "ipv4:127.0.0.1:5000"

    async def read(self):
        request = await self.requests.get()
        self.reads.append(asyncio.get_running_loop().time())
        return request

    async def write(self, response):
        await asyncio.sleep(self.seconds)
        self.responses.put_nowait(response)

    async def abort(self, code, details):
        raise asyncio.CancelledError(code, details)
