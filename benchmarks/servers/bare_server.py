"""What a change costs grpcio alone, as it comes. Nothing is known of any client, and no protocol is kept.

All streams are sent the same bytes, and what they send is read and dropped. See process.py.
"""

import argparse
import asyncio
import json
import sys
from typing import Any, Final

import grpc

from benchmarks import resources
from benchmarks.load.client import METHOD
from rime_core import CLUSTER
from rime_envoy_api import message_class


class Streams(grpc.GenericRpcHandler):
    """All that are open. What is sent while one is writing replaces what it has not begun to write."""

    def __init__(self, first: bytes) -> None:
        self._first: Final = first
        self._handler: Final[Any] = grpc.stream_stream_rpc_method_handler(self._serve)
        self._sent = 0
        self._newest = first
        self._idle: Final[set[asyncio.Future[None]]] = set()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 - grpcio's own
        """The handler of the one method there is."""
        return self._handler if handler_call_details.method == METHOD else None

    def send(self, response: bytes) -> None:
        """Have all streams write this."""
        self._sent += 1
        self._newest = response
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)

    async def _serve(self, _requests: object, context: Any) -> None:  # noqa: ANN401 - grpcio's own
        await context.read()
        reading = asyncio.create_task(self._read(context))
        try:
            written = self._sent
            await context.write(self._first)
            while True:
                if written == self._sent:
                    idle = asyncio.get_running_loop().create_future()
                    self._idle.add(idle)
                    try:
                        await idle
                    finally:
                        self._idle.discard(idle)
                written = self._sent
                await context.write(self._newest)
        except asyncio.CancelledError:
            return
        finally:
            reading.cancel()

    async def _read(self, context: Any) -> None:  # noqa: ANN401 - grpcio's own
        while isinstance(await context.read(), bytes):
            pass


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["clusters"], default="clusters")
    parser.add_argument("--resources", type=int, required=True)
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    count = options.resources
    names = [resources.name(number) for number in range(count)]
    templates = {name: resources.template(CLUSTER, name, options.size) for name in names}
    response_class = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")

    def response(stamps: dict[str, int]) -> bytes:
        message = response_class(type_url=CLUSTER, nonce="1")
        for name, stamp in stamps.items():
            resource = message.resources.add(name=name, version=str(stamp))
            resource.resource.type_url = CLUSTER
            resource.resource.value = templates[name].body(stamp)
        data: bytes = message.SerializeToString()
        return data

    streams = Streams(response(dict.fromkeys(templates, 0)))
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((streams,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"port": port}), flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async for line in commands:
        command = json.loads(line)
        if command["do"] == "change":
            streams.send(response({command["name"]: command["stamp"]}))
        print(json.dumps({"done": True}), flush=True)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
