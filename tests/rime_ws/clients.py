"""A client of the debug stream for these tests, on websockets' own client."""

import json
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect as connect_websocket

from rime_core.testing import Received


class WsClient:
    """One connection; what `rime_core.testing.check_transport` needs, and raw access for the rest."""

    def __init__(self, websocket) -> None:
        self.websocket = websocket

    async def send(self, **message) -> None:
        await self.websocket.send(json.dumps(message))

    async def next(self, kind=None):
        """The next message, or the next of this kind."""
        while True:
            message = json.loads(await self.websocket.recv())
            if kind is None or message["message"] == kind:
                return message

    async def subscribe(self, *, known, node_id) -> None:
        await self.send(message="subscribe", type="clusters", known=dict(known), node={"id": node_id})

    async def receive(self) -> Received:
        message = await self.next("resources")
        return Received({each["name"]: each["version"] for each in message["resources"]}, message["removed"])


@asynccontextmanager
async def connect(address, **options):
    """A connection to this address, which takes messages of any size and does not wait for its end."""
    scheme = "wss" if "ssl" in options else "ws"
    options = {"compression": None, "max_size": None, "close_timeout": 0.1, **options}
    async with connect_websocket(f"{scheme}://{address}", **options) as found:
        yield WsClient(found)
