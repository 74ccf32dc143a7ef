"""One connection: what is written when, and how fast it is read, in virtual time."""

import asyncio
from functools import wraps
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK

from rime_ws.connection import BURST, UNEXPECTED, Connection
from tests.rime_grpc.virtual_loop import VirtualLoop


class FakeWebsocket:
    """What a Connection uses of websockets' own: a client that sends what a test says, and reads when it says so."""

    def __init__(self):
        self.incoming: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.written = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.closed_with = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        message = await self.incoming.get()
        if message is None:
            raise StopAsyncIteration
        return message

    async def send(self, message):
        await self.reads.wait()
        if self.closed_with is not None:
            raise ConnectionClosedOK(None, None)
        self.written.append(message)

    async def close(self, code):
        self.closed_with = code


class FakeSession:
    """A session that answers each message, and has one more to tell when a test says so."""

    def __init__(self, wake):
        self.wake = wake
        self.answers = []
        self.news = 0
        self.due = None
        self.received = []
        self.closed = False
        self.looked = []

    @property
    def owes_an_answer(self):
        return bool(self.answers)

    def receive(self, text):
        if text == "break":
            raise RuntimeError("a fault of ours")
        self.received.append(text)
        self.answers.append(f"re: {text}")
        self.wake()

    def receive_binary(self):
        self.receive("binary")

    def message(self):
        self.looked.append(asyncio.get_running_loop().time())
        if self.answers:
            return self.answers.pop(0)
        if self.news:
            self.news -= 1
            return "news"
        return None

    def close(self):
        self.closed = True


class Stage:
    def __init__(self, rate=0):
        self.websocket = FakeWebsocket()
        websocket: Any = self.websocket
        self.connection = Connection(websocket, self._session, max_message_rate=rate)
        self.running = asyncio.ensure_future(self.connection.run())

    def _session(self, wake) -> Any:
        self.session: Any = FakeSession(wake)
        return self.session

    async def say(self, *messages):
        for message in messages:
            self.websocket.incoming.put_nowait(message)
        await settled()


async def settled():
    for _ in range(50):
        await asyncio.sleep(0)


def virtually(test):
    """Run a test on a loop of virtual time."""

    @wraps(test)
    def run(*arguments, **named):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*arguments, **named))

    return run


@virtually
async def test_what_comes_is_answered_until_the_client_goes():
    stage = Stage()
    await stage.say("a", b"b", "c")
    assert stage.session.received == ["a", "binary", "c"]
    assert stage.websocket.written == ["re: a", "re: binary", "re: c"]
    await stage.say(None)
    assert stage.running.done()
    assert stage.session.closed


@virtually
async def test_who_is_woken_writes_all_that_there_is():
    stage = Stage()
    await settled()
    stage.session.news = 3
    stage.session.wake()
    await settled()
    assert stage.websocket.written == ["news"] * 3
    stage.running.cancel()


@virtually
async def test_it_looks_when_that_is_due():
    stage = Stage()
    await settled()
    loop = asyncio.get_running_loop()
    stage.session.due = loop.time() + 5
    stage.session.wake()
    await settled()
    stage.session.due = None
    before = len(stage.session.looked)
    await asyncio.sleep(4.9)
    assert len(stage.session.looked) == before
    await asyncio.sleep(0.2)
    assert len(stage.session.looked) == before + 1
    stage.running.cancel()


@virtually
async def test_one_that_does_not_read_its_answers_is_not_read_either():
    stage = Stage()
    stage.websocket.reads.clear()
    await stage.say("a", "b", "c", "d")
    assert len(stage.session.received) <= 2
    assert len(stage.session.answers) <= 1
    stage.websocket.reads.set()
    await settled()
    assert stage.websocket.written == ["re: a", "re: b", "re: c", "re: d"]
    stage.running.cancel()


@virtually
async def test_one_that_sends_too_much_is_read_at_its_rate_after_a_burst():
    stage = Stage(rate=2)
    for number in range(100):
        stage.websocket.incoming.put_nowait(str(number))
    await asyncio.sleep(0.1)
    assert len(stage.session.received) == BURST * 2 + 1
    await asyncio.sleep(10)
    assert len(stage.session.received) == BURST * 2 + 1 + 20
    stage.running.cancel()


@virtually
async def test_one_that_goes_while_it_is_written_to_leaves_nothing_behind():
    stage = Stage()
    await settled()
    stage.websocket.closed_with = 1000
    stage.session.news = 1
    stage.session.wake()
    await settled()
    assert stage.running.done()
    assert stage.session.closed
    assert stage.running.exception() is None


@pytest.mark.parametrize("side", ["reading", "writing"])
@virtually
async def test_a_fault_of_ours_closes_it_and_is_logged(side, caplog):
    stage = Stage()
    await settled()
    if side == "reading":
        await stage.say("break")
    else:
        stage.session.message = None
        stage.session.wake()
        await settled()
    assert stage.websocket.closed_with == UNEXPECTED
    assert stage.running.done()
    assert len(caplog.records) == 1
