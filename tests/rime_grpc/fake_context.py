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
        self.cancelled_reads = 0

    def peer(self):
        return "ipv4:127.0.0.1:5000"

    async def read(self):
        try:
            request = await self.requests.get()
        except asyncio.CancelledError:
            self.cancelled_reads += 1
            raise
        self.reads.append(asyncio.get_running_loop().time())
        return request

    async def write(self, response):
        await asyncio.sleep(self.seconds)
        self.responses.put_nowait(response)

    def over(self):
        """As gRPC does when a call is: the read that is under way is answered."""
        self.requests.put_nowait(None)

    async def abort(self, code, details):
        raise asyncio.CancelledError(code, details)
