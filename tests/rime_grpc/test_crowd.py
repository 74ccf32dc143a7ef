"""Many clients at once over real gRPC: the limits, the first answers, the end of a stream's age."""

import asyncio
import logging
from contextlib import AsyncExitStack, suppress

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, Plane
from rime_grpc import gate, stream, turns
from tests.rime_grpc.clients import DELTA_ADS, GrpcClient, connect

pytestmark = pytest.mark.asyncio


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return plane


@pytest.fixture
def first_answers(monkeypatch):
    """Counts the first answers that are being given, from outside of what limits them."""

    class Counting(gate.Pass):
        asked, begun, left = asyncio.Queue[None](), asyncio.Queue[None](), asyncio.Queue[None]()
        now = most = given = 0

        async def enter(self):
            Counting.asked.put_nowait(None)
            await super().enter()
            Counting.begun.put_nowait(None)
            if not self.answered:
                Counting.now += 1
                Counting.most = max(Counting.most, Counting.now)

        def leave(self, *, answered):
            if not self.answered:
                Counting.now -= 1
                Counting.given += answered
                Counting.left.put_nowait(None)
            super().leave(answered=answered)

    monkeypatch.setattr(stream, "Pass", Counting)
    return Counting


@pytest.mark.parametrize("at_a_time", [1, 4])
async def test_after_a_restart_a_crowd_is_answered_a_few_at_a_time_while_changes_go_on(first_answers, at_a_time):
    plane = Plane()
    source, loading, crowd = plane.writer("source"), plane.writer("loading"), 300
    # more than a connection takes before its client has read some of it
    for number in range(20):
        source.apply(CLUSTER, f"c{number}", bytes([number]) * 10_000)
    source.apply(CLUSTER, "a", b"")
    source.ready()
    config = rime_grpc.Config(first_answers=at_a_time)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0", config) as bound, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(bound.address)) for _ in range(crowd)]
        for number, client in enumerate(clients):
            await client.subscribe(known={}, node_id=str(number))
        for _ in range(crowd):
            await first_answers.left.get()
        assert first_answers.given == 0, "nothing before ready"
        changes = 0

        async def read(client):
            nonlocal changes
            resources = (await client.receive()).resources
            assert len(resources) == 21
            while changes < crowd or resources["a"] != plane.snapshot()[CLUSTER]["a"].version:
                if changes < crowd:
                    changes += 1
                    source.apply(CLUSTER, "a", b"%d" % changes)
                resources = (await client.receive()).resources

        loading.ready()
        await asyncio.gather(*(read(client) for client in clients))
    assert first_answers.given == crowd
    assert first_answers.most == at_a_time


@pytest.fixture
def large(plane):
    """More than a connection takes while its client does not read."""
    for number in range(20):
        plane.apply(CLUSTER, f"c{number}", bytes([number]) * 1_000_000)
    return plane


async def test_clients_that_do_not_read_keep_no_other_waiting(large, first_answers, monkeypatch):
    monkeypatch.setattr(turns, "STALLED", 0.01)
    config = rime_grpc.Config(first_answers=1)
    async with rime_grpc.serve(large.server(), "127.0.0.1:0", config) as bound, AsyncExitStack() as stack:
        for number in range(5):
            silent = await stack.enter_async_context(connect(bound.address))
            await silent.subscribe(known={}, node_id=f"silent-{number}")
            await first_answers.begun.get()
        client = await stack.enter_async_context(connect(bound.address))
        await client.subscribe(known={}, node_id="reads")
        received: set[str] = set()
        while len(received) < 21:
            received |= set((await client.receive()).resources)


async def test_streams_that_wait_are_told_to_come_back_when_rime_stops(large, first_answers):
    async with AsyncExitStack() as stack:
        config = rime_grpc.Config(first_answers=1)
        async with rime_grpc.serve(large.server(), "127.0.0.1:0", config) as bound:
            silent = await stack.enter_async_context(connect(bound.address))
            await silent.subscribe(known={}, node_id="silent")
            await first_answers.begun.get()
            await first_answers.asked.get()
            waiting = await stack.enter_async_context(connect(bound.address))
            await waiting.subscribe(known={}, node_id="waiting")
            await first_answers.asked.get()
        assert await waiting.call.code() is grpc.StatusCode.UNAVAILABLE
        assert await waiting.call.details() == "rime is stopping"


@pytest.mark.parametrize(
    ("config", "option", "code"),
    [
        (rime_grpc.Config(max_streams=1), "max_streams", grpc.StatusCode.UNAVAILABLE),
        (
            rime_grpc.Config(max_streams_per_address=1),
            "max_streams_per_address",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        ),
    ],
)
async def test_over_a_limit_a_stream_is_refused_until_another_has_ended(plane, caplog, config, option, code):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0", config) as bound:
        async with connect(bound.address) as first:
            await first.subscribe(known={}, node_id="first")
            await first.receive()
            for _ in range(3):
                async with connect(bound.address) as refused:
                    with pytest.raises(grpc.aio.AioRpcError) as ended:
                        await refused.call.read()
                assert ended.value.code() is code
                assert str(ended.value.details()).endswith(f"which is {option}")
        async with asyncio.timeout(10):
            while True:  # gRPC has no event for "the handler has ended"
                async with connect(bound.address) as later:
                    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                        await later.subscribe(known={}, node_id="later")
                        await later.receive()
                        break
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().startswith("a client at 127.0.0.1:")


async def test_who_comes_back_after_the_age_has_another_connection(plane, caplog):
    """So that it may get to another replica; over the same connection it would not."""
    caplog.set_level(logging.INFO, "rime_grpc")
    config = rime_grpc.Config(max_age=0.3)
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0", config) as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        for _ in range(3):
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(DELTA_ADS)()
            client = GrpcClient(call)
            await client.subscribe(known={}, node_id="n")
            assert set((await client.receive()).resources) == {"a"}
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is grpc.StatusCode.OK
    came = [record.getMessage() for record in caplog.records if getattr(record, "event", None) == "opened"]
    assert len(set(came)) == 3, "the port is in the line"
