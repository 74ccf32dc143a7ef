"""A relay between Envoy and rime that passes every message on as it is, and keeps what passed.

So what travelled is not known from rime's own word. `target` may be changed: the next stream goes there. Any method of
rime's is relayed, in either variant.
"""

import asyncio
from functools import partial

import grpc

from rime_envoy_api import message_class
from rime_envoy_api.names import name_of
from rime_grpc.services import DELTA, METHODS


class Relay(grpc.GenericRpcHandler):
    """`address` is for Envoy; `requests` and `responses` are what passed, in order.

    `rewrite` makes of the bytes of a response what Envoy is given.
    """

    def __init__(self, target, rewrite=bytes):
        self.target = target
        self._rewrite = rewrite
        self.requests = []
        self.responses = []
        self._open = set()
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            path: grpc.stream_stream_rpc_method_handler(partial(self._pass_on, path)) for path in METHODS
        }

    async def __aenter__(self):
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_):
        self._end_streams()
        await self._server.stop(1)

    def service(self, details):
        return self._handlers.get(details.method)

    def switch(self, target):
        """Move the client to another rime: its stream ends, and it comes back."""
        self.target = target
        self._end_streams()

    def _end_streams(self):
        for call in self._open:
            call.cancel()

    def sent(self, type_name):
        """The names of the resources of a type that came from rime, in order, repetitions included."""
        return [name for short, name in self.travelled if short == type_name]

    def clear(self):
        self.requests.clear()
        self.responses.clear()

    @property
    def travelled(self):
        """[(type, name)] of all resources that came from rime, in order."""
        return [(_short(response), _name(each)) for response in self.responses for each in response.resources]

    @property
    def removed(self):
        """[(type, name)] of all that rime reported as removed, which it does incrementally only."""
        return [
            (_short(response), name)
            for response in self.responses
            for name in getattr(response, "removed_resources", ())
        ]

    async def _pass_on(self, path, _requests, context):
        variant = "Delta" if METHODS[path].variant is DELTA else ""
        request_class = message_class(f"envoy.service.discovery.v3.{variant}DiscoveryRequest")
        response_class = message_class(f"envoy.service.discovery.v3.{variant}DiscoveryResponse")
        async with grpc.aio.insecure_channel(self.target) as channel:
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path)()

            async def there():
                while isinstance(data := await context.read(), bytes):
                    self.requests.append(request_class.FromString(data))
                    await call.write(data)
                await call.done_writing()

            async def back():
                while isinstance(data := await call.read(), bytes):
                    self.responses.append(response_class.FromString(data))
                    await context.write(self._rewrite(data))

            self._open.add(call)
            ways = [asyncio.create_task(there()), asyncio.create_task(back())]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._open.discard(call)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        if not context.cancelled() and not context.done():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the relay's other side has ended")


def _short(response):
    return response.type_url.rpartition(".")[2]


def _name(resource):
    """An incremental response says it; of state-of-the-world only the body does."""
    if not hasattr(resource, "type_url"):
        return resource.name
    return name_of(message_class(resource.type_url.rpartition("/")[2]).FromString(resource.value))
