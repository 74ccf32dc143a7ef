"""The contract tests find what is broken: each adapter here breaks one promise."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from rime_core import CLUSTER, OptionReader, UsageError
from rime_core.node import Client, Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest
from rime_core.testing import Received, check_source, check_transport
from rime_core.update import Update

pytestmark = pytest.mark.asyncio


class GoodSource:
    content = b"1"

    def __init__(self, place, options):
        OptionReader("good", options).finish()

    async def run(self, writer):
        writer.replace(CLUSTER, {"a": self.content})
        writer.ready()
        await asyncio.Event().wait()


class TakesAnyOption(GoodSource):
    def __init__(self, place, options):
        pass


class SaysTwoLines(GoodSource):
    def __init__(self, place, options):
        raise UsageError(f"{list(options)}\nis wrong")


class NeverReady(GoodSource):
    async def run(self, writer):
        await asyncio.Event().wait()


class Ends(GoodSource):
    async def run(self, writer):
        raise ValueError("a fault")


class KeepsATransactionOpen(GoodSource):
    async def run(self, writer):
        await super().run(writer) if writer.owned else None
        change = writer.transaction()
        change.__enter__()
        writer.ready()
        await asyncio.Event().wait()


class WritesWhenCancelled(GoodSource):
    async def run(self, writer):
        try:
            await super().run(writer)
        finally:
            asyncio.get_running_loop().call_later(0.001, writer.apply, CLUSTER, "late", b"1")


class IgnoresCancellation(GoodSource):
    async def run(self, writer):
        writer.ready()
        while True:
            try:
                await asyncio.sleep(0.3)
            except asyncio.CancelledError:
                await asyncio.sleep(0.3)
            else:
                return


class DiffersTheSecondTime(GoodSource):
    async def run(self, writer):
        self.content += b"1"
        await super().run(writer)


async def test_a_good_source_passes_and_what_it_delivered_is_returned():
    snapshot = await check_source(GoodSource, "place", {})
    assert snapshot[CLUSTER]["a"].body == b"1"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (TakesAnyOption, "takes an option that it cannot know"),
        (SaysTwoLines, "an error for people is one line"),
        (NeverReady, "has not called writer.ready"),
        (Ends, r"ended before its first state was delivered: ValueError\('a fault'\)"),
        (KeepsATransactionOpen, "left a transaction open"),
        (WritesWhenCancelled, "wrote after it had been cancelled"),
        (IgnoresCancellation, "has not ended within"),
        (DiffersTheSecondTime, "it delivered something else"),
    ],
)
async def test_a_source_that_breaks_a_promise_is_found(source, said):
    with pytest.raises(AssertionError, match=said):
        await check_source(source, "place", {}, timeout=0.1)


LISTENING: dict[str, "GoodTransport"] = {}


class GoodTransport:
    """Carries streams within the process: an address is a key of LISTENING."""

    def __init__(self, place, options):
        OptionReader("good", options).finish()
        self.place = place

    async def run(self, server, *, task_status):
        if self.place in LISTENING:
            raise UsageError(f"{self.place} is taken")
        address = self.place if self.place != "any" else f"port {len(LISTENING)}"
        self.server = server
        LISTENING[address] = self
        try:
            self.start(task_status, address)
            await asyncio.Event().wait()
        finally:
            del LISTENING[address]

    def start(self, task_status, address):
        task_status.started(address)

    def stream(self, wake):
        return DeltaStream(self.server, wake=wake)


class StartsTwice(GoodTransport):
    def start(self, task_status, address):
        task_status.started(address)
        task_status.started(address)


class NeverStarts(GoodTransport):
    def start(self, task_status, address):
        pass


class SharesItsAddress(GoodTransport):
    async def run(self, server, *, task_status):
        LISTENING.pop(self.place, None)
        await super().run(server, task_status=task_status)


class AsksForNoGroup(GoodTransport):
    def stream(self, wake):
        return DeltaStream(self.server.serving(Client()).serving(Client()), wake=wake)


class DoesNotWait(GoodTransport):
    def stream(self, wake):
        self.server._store.open()
        return super().stream(wake)


class ForgetsKnownVersions(GoodTransport):
    def stream(self, wake):
        stream = super().stream(wake)
        receive = stream.receive
        stream.receive = lambda request: receive(DeltaRequest(request.type_url, request.node, nonce=request.nonce))
        return stream


class Altered(GoodTransport):
    """What it is to send is altered first."""

    def stream(self, wake):
        stream = super().stream(wake)
        responses = stream.responses
        stream.responses = lambda: [self.altered(stream, response) for response in responses()]
        return stream

    def altered(self, stream, response):
        raise NotImplementedError

    def with_update(self, response, resources, removed):
        return response._replace(update=Update(resources, removed, ordinal=response.update.ordinal))


class SendsAgainWhatItSent(Altered):
    """With each change after the second what the client was sent first."""

    def altered(self, stream, response):
        self.sent = getattr(self, "sent", {})
        update = response.update
        before = self.sent.setdefault(stream, []) if len(self.sent.get(stream, [])) < 2 else self.sent[stream]
        before.append(update)
        again = {each.name: each for each in (*(before[0].resources if len(before) > 2 else ()), *update.resources)}
        return self.with_update(response, tuple(again.values()), update.removed)


class ForgetsRemovals(Altered):
    """Where several others are to be told of as well."""

    def altered(self, stream, response):
        update = response.update
        return self.with_update(response, update.resources, () if len(update.resources) > 1 else update.removed)


class EndsWithItsClient(GoodTransport):
    async def run(self, server, *, task_status):
        self.over = asyncio.Event()
        running = asyncio.ensure_future(super().run(server, task_status=task_status))
        done = asyncio.ensure_future(self.over.wait())
        try:
            await asyncio.wait({running, done}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            running.cancel()
            done.cancel()
        if running.done() and not running.cancelled():
            running.result()

    def left(self):
        self.over.set()


class InProcessClient:
    def __init__(self, transport):
        self.woken = asyncio.Event()
        self.stream = transport.stream(self.woken.set)
        self.batch = []

    async def subscribe(self, *, known, node_id):
        self.stream.receive(DeltaRequest(CLUSTER, Node(node_id), initial_versions=known))

    async def receive(self):
        while True:
            self.woken.clear()
            self.batch += self.stream.responses()
            while self.batch:
                response = self.batch.pop(0)
                self.stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce))
                update = response.update
                if update:
                    return Received({each.name: each.version for each in update.resources}, update.removed)
            await self.woken.wait()


@asynccontextmanager
async def connect(address):
    transport = LISTENING[address]
    client = InProcessClient(transport)
    try:
        yield client
    finally:
        client.stream.close()
        getattr(transport, "left", lambda: None)()
        await asyncio.sleep(0)


async def test_a_good_transport_passes():
    await check_transport(GoodTransport, "any", {}, connect=connect)
    assert LISTENING == {}


@pytest.mark.parametrize(
    ("transport", "said"),
    [
        (StartsTwice, "called started.. 2 times"),
        (NeverStarts, "has not called task_status.started"),
        (SharesItsAddress, "is taken, and it serves there all the same"),
        (AsksForNoGroup, "did not ask server.serving"),
        (DoesNotWait, "answered a client before the Plane was ready"),
        (ForgetsKnownVersions, "who comes back should be sent c alone"),
        (EndsWithItsClient, "must not end the others"),
        (SendsAgainWhatItSent, "in the trace 'what is there comes first.*' it sent a, which did not differ"),
        (ForgetsRemovals, "in the trace 'a transaction comes as one' it never sent b"),
    ],
)
async def test_a_transport_that_breaks_a_promise_is_found(transport, said):
    with pytest.raises((AssertionError, KeyError), match=said):
        await check_transport(transport, "any", {}, connect=connect, timeout=0.2)
    LISTENING.clear()
