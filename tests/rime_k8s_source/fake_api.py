"""A small HTTP server that answers as it is told: for what a real API server cannot be made to say.

`answers` is a function from a request to a status and a body, or to a list of events: then it is a watch, which stays
open, and a test may `send` more.
"""

import asyncio
import json

from aiohttp import web


class FakeApi:
    """`url` is where it listens. An async context manager."""

    def __init__(self, answers, tls=None):
        self._answers = answers
        self._tls = tls
        self.requests: list[web.Request] = []
        self.bodies: list[object] = []
        """What came with those that had a body."""
        self._watches: list[tuple[str, web.StreamResponse]] = []

    async def __aenter__(self):
        server = web.Server(self._serve)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def send(self, text, plural=""):
        """More bytes to everyone who watches this kind."""
        for path, watch in self._watches:
            if path.endswith(plural):
                await watch.write(text)

    async def _serve(self, request):
        self.requests.append(request)
        if request.can_read_body:
            self.bodies.append(json.loads(await request.read()))
        found = self._answers(request)
        if isinstance(found, list):
            watch = web.StreamResponse(headers={"content-type": "application/json"})
            await watch.prepare(request)
            for event in found:
                await watch.write(json.dumps(event).encode() + b"\n")
            self._watches.append((request.path, watch))
            await asyncio.Event().wait()
        status, body = found
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"location": "http://127.0.0.1:1/"} if 300 <= status < 400 else {}
        return web.Response(status=status, text=text, headers=headers)


def status(code, message):
    """What an API server says with an error."""
    return code, {"kind": "Status", "code": code, "message": message}
