"""What a change costs each of many gRPC streams, in counts: what is encoded, who is woken, what is allocated.

Nothing is timed. The streams are those that serve gRPC, with a call that is no network in its place, on a loop that
counts what it calls. What the kernel does for it is counted in tests/rime_core/test_cost.py.
"""

import asyncio
import gc
import sys
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from rime_core import CLUSTER, Peer, Plane
from rime_grpc import wire
from rime_grpc.config import Config
from rime_grpc.gate import Gate
from rime_grpc.services import DELTA, Method
from rime_grpc.stream import Stream
from tests.rime_core.test_cost import Calls
from tests.rime_grpc.clients import Request, decode
from tests.rime_grpc.virtual_loop import VirtualLoop

FEW, MANY = 10, 500


class CountingLoop(VirtualLoop):
    """Counts what it calls, too."""

    def __init__(self):
        self.calls = 0
        super().__init__()

    def call_soon(self, callback, *args, context=None):  # type: ignore[override]  # it does not say how many
        self.calls += 1
        return super().call_soon(callback, *args, context=context)


class Call:
    """As much of a call as a Stream uses. What it is sent is kept, and nothing else happens for it."""

    def __init__(self):
        self.sent: list[bytes] = []
        self.takes: asyncio.Event | None = None
        """Set when its client takes what it is sent; None: it always does."""
        self._requests: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, **fields):
        self._requests.put_nowait(Request(**fields).SerializeToString())

    async def read(self):
        return await self._requests.get()

    async def write(self, response):
        self.sent.append(response)
        if self.takes is not None:
            await self.takes.wait()


class Crowd:
    """Streams that have everything and have acknowledged it."""

    def __init__(self, how_many):
        self.loop = cast("CountingLoop", asyncio.get_running_loop())
        self.plane = Plane()
        self.plane.replace(CLUSTER, {f"c{each}": b"old" for each in range(100)})
        self.calls = [Call() for _ in range(how_many)]
        self._stack = AsyncExitStack()
        self._content = 0

    async def __aenter__(self):
        gate, config, method = Gate(Config()), Config(), Method("", DELTA)
        for call in self.calls:
            stream = Stream(method, self.plane.server(), cast("Any", call), Peer(), config, gate)
            running = asyncio.create_task(stream.run())
            self._stack.push_async_callback(self._end, running)
            call.send(type_url=CLUSTER)
        await self.rest()
        self.acknowledge()
        await self.rest()
        return self

    async def __aexit__(self, *_):
        await self._stack.aclose()

    async def _end(self, running):
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def rest(self):
        """Until nothing happens any more."""
        before = -1
        while self.loop.calls - before > 1:
            before = self.loop.calls
            await asyncio.sleep(0)

    def change(self):
        self._content += 1
        self.plane.apply(CLUSTER, "c50", b"%09d" % self._content)

    def acknowledge(self):
        """All acknowledge what they were sent last; what that was."""
        sent = [call.sent.pop() for call in self.calls]
        nonce = decode(sent[0]).nonce
        for call in self.calls:
            call.send(type_url=CLUSTER, response_nonce=nonce)
        return sent

    async def change_and_acknowledge(self):
        self.change()
        await self.rest()
        self.acknowledge()
        await self.rest()


def among(how_many, story):
    """What `story` gives of a crowd, with everything warm."""

    async def run():
        async with Crowd(how_many) as crowd:
            for _ in range(5):
                await crowd.change_and_acknowledge()
            gc.collect()
            gc.disable()
            try:
                await crowd.change_and_acknowledge()
                return await story(crowd)
            finally:
                gc.enable()

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(run())


def test_a_change_is_encoded_once_however_many_streams_are_sent_it():
    async def encodings(crowd):
        with Calls(wire) as counted:
            crowd.change()
            await crowd.rest()
        sent = crowd.acknowledge()
        assert len({id(each) for each in sent}) == 1, "the same bytes, nonce included"
        return {name: count for name, count in counted.by_name.items() if name != "encode"}

    one = among(1, encodings)
    assert one
    assert one == among(MANY, encodings)


def test_acknowledgements_of_a_change_are_parsed_once_however_many_streams_send_them():
    async def parsed(crowd):
        crowd.change()
        await crowd.rest()
        wire.DeltaDecoder._known.clear()  # of other tests
        with Calls(wire) as counted:
            crowd.acknowledge()
            await crowd.rest()
        return {name: count for name, count in counted.by_name.items() if name != "decode"}

    one = among(1, parsed)
    assert one
    assert one == among(MANY, parsed)


async def calls(crowd):
    """What the loop calls for a change, and for its acknowledgements."""
    counts = []
    for act in (crowd.change, crowd.acknowledge):
        before = crowd.loop.calls
        act()
        await crowd.rest()
        counts.append(crowd.loop.calls - before)
    return counts


def test_a_change_and_an_acknowledgement_wake_each_stream_once():
    few, many = among(FEW, calls), among(MANY, calls)
    assert [more - less for less, more in zip(few, many, strict=True)] == [MANY - FEW, MANY - FEW]


def test_a_change_takes_as_many_rounds_of_the_loop_however_many_streams_there_are():
    async def rounds(crowd):
        before = crowd.loop.rounds
        await crowd.change_and_acknowledge()
        return crowd.loop.rounds - before

    assert among(FEW, rounds) == among(MANY, rounds) <= 8


def test_who_is_not_concerned_is_not_woken():
    async def woken(crowd):
        other = "type.googleapis.com/example.Other"
        before = crowd.loop.calls
        crowd.plane.apply(other, "a", b"1")
        await crowd.rest()
        return crowd.loop.calls - before

    assert among(FEW, woken) == among(MANY, woken)


@pytest.mark.parametrize(("acknowledged", "most"), [(False, 3), (True, 0)])
def test_so_much_is_allocated_for_each_stream_while_a_change_is_on_its_way_and_nothing_after(acknowledged, most):
    """Pieces of memory: what it is to acknowledge, and what it waits for; bodies, names and versions are shared."""

    async def blocks(crowd):
        before = sys.getallocatedblocks()
        crowd.change()
        await crowd.rest()
        if acknowledged:
            crowd.acknowledge()
            await crowd.rest()
        return sys.getallocatedblocks() - before

    few, many = among(FEW, blocks), among(MANY, blocks)
    assert (many - few) / (MANY - FEW) <= most


def test_what_a_client_misses_while_it_takes_nothing_is_one_response_and_costs_nothing_more():
    changes, names = 100_000, 100

    async def story(crowd):
        (call,) = crowd.calls
        taken = call.takes = asyncio.Event()
        crowd.change()
        await crowd.rest()
        before = sys.getallocatedblocks()
        for number in range(changes):
            crowd.plane.apply(CLUSTER, f"c{number % names}", b"%09d" % number)
        kept = sys.getallocatedblocks() - before
        taken.set()
        await crowd.rest()
        on_its_way, missed = map(decode, call.sent)
        assert len(on_its_way.resources) == 1
        newest = {f"c{number % names}": b"%09d" % number for number in range(changes - names, changes)}
        assert {each.name: each.resource.value for each in missed.resources} == newest
        return kept

    assert among(1, story) < 10 * names
