"""A conversation with a Session in virtual time; every message of either side is checked against the page's schema."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from rime_core import Connected, Peer
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest
from rime_ws.session import Session
from rime_ws.times import Times

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/debug-stream.schema.json").read_text(encoding="utf-8"))


def checker(side):
    return Draft202012Validator({"$ref": f"#/$defs/{side}", "$defs": SCHEMA["$defs"]})


FROM_CLIENT, FROM_RIME = checker("from_client"), checker("from_rime")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


class Talk:
    """One connection, as its client sees it."""

    def __init__(self, server, clock=None, **limits):
        self.clock = clock or Clock()
        self.woken = False
        times = Times(lambda: 1_700_000_000 + self.clock.time, self.clock)
        self.session = Session(server, wake=self._wake, times=times, peer=Peer("127.0.0.1:5000"), **limits)
        self.hello = self.next()

    def _wake(self):
        self.woken = True

    def say(self, **message):
        FROM_CLIENT.validate(message)
        self.session.receive(json.dumps(message))

    def next(self):
        """The next message; None where there is none."""
        text = self.session.message()
        if text is None:
            return None
        message = json.loads(text)
        FROM_RIME.validate(message)
        return message

    def heard(self):
        """All that there is to hear now."""
        return list(iter(self.next, None))

    def ask(self, **message):
        """What is heard after this was said."""
        self.say(message="subscribe", **message)
        return self.heard()

    def error(self, text):
        """The error that this text is answered with, and its subscription."""
        self.session.receive(text)
        message = self.next()
        assert message["message"] == "error"
        assert self.next() is None
        return message["error"], message.get("id")


class FakeEnvoy:
    """A client of another transport: a real stream of the protocol, entered with the Plane."""

    SIZE = 100
    """Bytes of each response, which it takes without encoding it."""

    def __init__(self, server, node, clock, *, peer="10.0.0.1:4000", transport="grpc"):
        self.server, self.node = server, node
        self.stream = DeltaStream(server, clock=clock, peer=Peer(peer))
        self.connected = Connected(self.stream, transport, clock())
        server.clients.enter(self.connected)

    def _changed(self):
        self.server.clients.happened(self.connected, self.stream.events())
        self.server.clients.changed(self.connected)

    def ask(self, type_url, *names):
        self.stream.receive(DeltaRequest(type_url, node=self.node, subscribe=names))
        self._changed()
        return self

    def read(self):
        """Take the next batch, and acknowledge nothing yet."""
        batch = self.stream.responses()
        for response in batch:
            self.server.clients.wrote(self.connected, response, self.SIZE)
        self._changed()
        return batch

    def answer(self, batch, error=None):
        for response in batch:
            self.stream.receive(DeltaRequest(response.type_url, nonce=response.nonce, error=error))
        self._changed()
        return self

    def catch_up(self):
        while batch := self.read():
            self.answer(batch)
        return self

    def go(self):
        self.server.clients.leave(self.connected)
        self.stream.close()
