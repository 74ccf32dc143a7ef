"""One stream's log: who came, what was rejected and why, what was sent; and how it ends."""

import asyncio
import gc
import logging
import weakref
from typing import cast

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, ENDPOINT, ROUTE, Peer, Plane
from rime_grpc.config import Config
from rime_grpc.gate import Gate
from rime_grpc.services import DELTA, Method
from rime_grpc.stream import Stream
from rime_grpc.turns import STALLED
from tests.rime_grpc.clients import Request, SotwRequest, connect, decode
from tests.rime_grpc.fake_context import FakeContext
from tests.rime_grpc.virtual_loop import VirtualLoop


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return plane


@pytest.mark.asyncio
async def test_a_rejection_is_a_warning_that_names_who_what_and_why(plane, caplog):
    for number in range(6):
        plane.apply(CLUSTER, f"c{number}", b"1")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "envoy-1"})
        nonce = decode(await client.call.read()).nonce
        await client.send(type_url=CLUSTER, response_nonce=nonce, error_detail={"message": "c0 is no good"})
        await client.send(type_url=ENDPOINT, resource_names_subscribe=["fence"])
        await client.call.read()
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    text = record.getMessage()
    assert text.startswith("envoy-1 at 127.0.0.1:")
    assert text.endswith("rejected clusters a, c0, c1, c2, c3 and 2 more: c0 is no good")


@pytest.mark.asyncio
async def test_a_clients_own_text_is_cut_in_the_log(plane, caplog):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url="x" * 100_000, node={"id": "n" * 100_000})
        await client.send(type_url=CLUSTER)
        await client.receive()
    assert "… (100000 characters)" in caplog.text
    assert max(len(record.getMessage()) for record in caplog.records) < 1000


@pytest.mark.asyncio
async def test_when_the_plane_is_closed_its_streams_end_so_that_clients_come_back(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.subscribe(known={}, node_id="n")
        await client.receive()
        plane.close()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await client.call.read()
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        async with connect(bound.address) as late:
            await late.subscribe(known={}, node_id="n")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await late.call.read()
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.asyncio
async def test_what_is_sent_shows_at_debug_level(plane, caplog):
    caplog.set_level(logging.DEBUG, "rime_grpc")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, resource_names_subscribe=["a", "missing"], node={"id": "envoy-1"})
        await client.receive()
    (record,) = [record for record in caplog.records if getattr(record, "event", None) == "sent"]
    assert record.getMessage().endswith("is sent clusters a, missing")
    assert (record.resources, record.removed, record.type_url) == (1, 1, CLUSTER)


@pytest.mark.asyncio
async def test_what_state_of_the_world_does_not_say_does_not_show_as_sent(plane, caplog):
    caplog.set_level(logging.DEBUG, "rime_grpc")
    path = "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters"
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path)()
        await call.write(SotwRequest(resource_names=["a", "missing"]).SerializeToString())
        await call.read()
        call.cancel()
    (record,) = [record for record in caplog.records if getattr(record, "event", None) == "sent"]
    assert record.getMessage().endswith("is sent clusters a")
    assert (record.resources, record.removed) == (1, 0)


@pytest.mark.asyncio
async def test_coming_and_going_show(plane, caplog):
    caplog.set_level(logging.INFO, "rime_grpc")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "envoy-1"})
        await client.receive()
    events = [record.event for record in caplog.records if hasattr(record, "event")]
    assert events == ["opened", "closed"]


@pytest.mark.asyncio
async def test_a_client_that_has_said_all_ends_its_stream(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER)
        await client.receive()
        await client.call.done_writing()
        assert await client.call.read() is grpc.aio.EOF
        assert await client.call.code() is grpc.StatusCode.OK


@pytest.mark.asyncio
async def test_a_fault_of_ours_ends_one_stream_and_is_logged(plane, caplog):
    def fails(_):
        raise RuntimeError("a bug in a group hook")

    async with rime_grpc.serve(plane.server(fails), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await client.call.read()
    assert ended.value.code() is grpc.StatusCode.INTERNAL
    assert "bug" not in str(ended.value.details())
    assert "a bug in a group hook" in caplog.text


@pytest.mark.asyncio
async def test_a_stream_that_fell_behind_is_sent_away_and_comes_back_to_the_difference():
    plane = Plane(tombstones=1)
    for name in "abcd":
        plane.apply(CLUSTER, name, b"1")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER)
        known = (await client.receive()).resources
        for name in "abc":
            plane.remove(CLUSTER, name)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await client.call.read()
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        async with connect(bound.address) as back:
            await back.subscribe(known=known, node_id="n")
            received = await asyncio.wait_for(back.receive(), 10)
            assert (received.resources, sorted(received.removed)) == ({}, ["a", "b", "c"])


class Call:
    """A Stream of a call without a network, served as long as the block lasts."""

    def __init__(self, plane, config, gate=None, *, seconds=0.0):
        self.context = FakeContext(seconds)
        context = cast("grpc.aio.ServicerContext[bytes, bytes]", self.context)
        self.stream = Stream(
            Method("", DELTA), plane.server(), context, Peer("127.0.0.1:5000"), config, gate or Gate(config)
        )

    async def __aenter__(self):
        self.running = asyncio.create_task(self.stream.run())
        return self

    async def __aexit__(self, *_):
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.context.over()

    async def goes(self, who):
        """It is over, by the client or by the server."""
        if who == "the client":
            self.running.cancel()
        else:
            self.stream.end(grpc.StatusCode.OK, "")
        await asyncio.wait([self.running])

    def send(self, **fields):
        self.context.requests.put_nowait(Request(**fields).SerializeToString())

    async def answer(self):
        return decode(await self.context.responses.get())


def run(story):
    """In virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


@pytest.mark.parametrize("goes", ["by itself", "in the middle of what it is sent"])
def test_what_is_left_of_a_client_that_went_is_freed_at_once(plane, goes):
    """Not when Python next looks for cycles: until then thousands may have come and gone."""

    async def story():
        gate = Gate(Config())
        async with Call(plane, Config(), gate=gate) as call:
            call.send(type_url=CLUSTER)
            call.send(type_url=CLUSTER, response_nonce=(await call.answer()).nonce)
            if goes == "by itself":
                call.context.requests.put_nowait(None)
                await call.running
            else:
                call.context.seconds = 10.0
                plane.apply(CLUSTER, "a", b"2")
                await asyncio.sleep(1)
        left = weakref.ref(call.stream)
        del call
        await asyncio.sleep(0)  # what was reading ends
        assert left() is None

    gc.disable()
    try:
        run(story())
    finally:
        gc.enable()


@pytest.mark.parametrize("who", ["the client", "the server"])
def test_a_read_is_answered_and_not_cancelled(plane, who):
    """gRPC would never free what it has taken for it (grpc/grpc#43360)."""

    async def story():
        async with Call(plane, Config()) as call:
            call.send(type_url=CLUSTER)
            await call.answer()
            await call.goes(who)
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert call.context.cancelled_reads == 0

    run(story())


@pytest.mark.parametrize("who", ["the client", "the server"])
def test_what_is_read_after_the_end_is_not_received(plane, who):
    async def story():
        async with Call(plane, Config()) as call:
            call.send(type_url=CLUSTER)
            await call.answer()
            received = call.stream.heard
            await asyncio.sleep(1)
            await call.goes(who)
            call.send(type_url=CLUSTER)
            await asyncio.sleep(1)
            assert call.stream.heard == received

    run(story())


def test_a_client_that_was_slowed_and_goes_is_not_read_any_more(plane):
    """gRPC has freed its call by then."""

    async def story():
        async with Call(plane, Config(max_request_rate=1)) as call:
            for number in range(20):
                call.send(type_url=CLUSTER, resource_names_subscribe=[str(number)])
            await call.answer()
            read = len(call.context.reads)
            assert read < 20
        await asyncio.sleep(100)
        assert len(call.context.reads) == read
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(story())


@pytest.mark.asyncio
@pytest.mark.parametrize("ends", ["the client goes", "the client is wrong", "the plane is closed"])
async def test_gRPC_answers_the_read_of_a_call_that_is_over(ends, plane, caplog):  # noqa: N802 - its name
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        before = asyncio.all_tasks()
        async with connect(bound.address) as client:
            await client.subscribe(known={}, node_id="n")
            await client.receive()
            reading = [task for task in asyncio.all_tasks() - before if "Stream._read" in repr(task)]
            assert reading
            if ends != "the client goes":
                if ends == "the client is wrong":
                    await client.send(type_url="")
                else:
                    plane.close()
                with pytest.raises(grpc.aio.AioRpcError):
                    await client.call.read()
        done, _ = await asyncio.wait(reading, timeout=10)
    assert [task.exception() for task in done] == [None for _ in reading]
    assert "failed" not in [getattr(record, "event", None) for record in caplog.records]


def test_who_asks_too_fast_is_read_more_slowly_and_loses_nothing(plane, caplog):
    async def story():
        async with Call(plane, Config(max_request_rate=10)) as call:
            began = call.stream.heard
            for number in range(120):
                call.send(type_url=CLUSTER, resource_names_subscribe=[str(number)])
            await asyncio.sleep(10)
            assert len(call.context.reads) == 120
            assert call.context.reads[100] == began
            assert began + 1.5 < call.context.reads[-1] < began + 2.0
            assert len(call.stream.protocol.subscribers()[CLUSTER].names) == 120

    run(story())
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "sends more than 10 requests a second; they are read more slowly" in record.getMessage()


def test_what_acknowledges_changes_is_never_slowed(plane):
    async def story():
        async with Call(plane, Config(max_request_rate=1)) as call:
            began = call.stream.heard
            call.send(type_url=CLUSTER)
            for number in range(200):
                answer = await call.answer()
                call.send(type_url=CLUSTER, response_nonce=answer.nonce)
                plane.apply(CLUSTER, "a", b"%d" % number)
            await asyncio.sleep(1000)
            assert call.context.reads == [began] * 201

    run(story())


def test_a_client_that_takes_a_large_answer_slowly_keeps_its_place(plane):
    for number in range(5):
        plane.apply(CLUSTER, f"c{number}", bytes(2000))

    async def story():
        config = Config(max_response_bytes=1024, first_answers=1)
        gate, seconds = Gate(config), STALLED * 0.9
        async with Call(plane, config, gate, seconds=seconds) as slow, Call(plane, config, gate) as waiting:
            came = slow.stream.heard
            slow.send(type_url=CLUSTER)
            await asyncio.sleep(0.1)
            waiting.send(type_url=CLUSTER)
            await waiting.answer()
            assert asyncio.get_running_loop().time() == pytest.approx(came + 6 * seconds)

    run(story())


def test_when_a_client_was_last_heard(plane):
    async def story():
        async with Call(plane, Config()) as call:
            came = call.stream.heard
            await asyncio.sleep(5)
            assert call.stream.heard == came
            call.send(type_url=CLUSTER)
            await call.answer()
            await asyncio.sleep(5)
            assert call.stream.heard == came + 5

    run(story())


def test_at_its_age_a_stream_ends_quietly(plane):
    async def story():
        async with Call(plane, Config(max_age=100.0)) as call:
            came = call.stream.heard
            call.send(type_url=CLUSTER)
            await call.answer()
            await call.running
            assert 80 <= asyncio.get_running_loop().time() - came <= 120

    run(story())


def test_what_is_owed_at_that_moment_is_written_first(plane):
    async def story():
        async with Call(plane, Config(max_age=100.0)) as call:
            call.send(type_url=CLUSTER)
            await call.answer()
            call.stream._retire()
            plane.apply(CLUSTER, "a", b"2")
            await call.running
            assert [each.name for each in (await call.answer()).resources] == ["a"]

    run(story())


def test_a_stream_that_was_sent_nothing_has_no_age(plane):
    """gRPC would take its end for a failure, and Envoy would come back later each time."""

    async def story():
        async with Call(plane, Config(max_age=100.0)) as call:
            known = plane.snapshot()[CLUSTER]["a"].version
            call.send(type_url=CLUSTER, initial_resource_versions={"a": known})
            await asyncio.sleep(1000)
            assert not call.running.done()
            plane.apply(CLUSTER, "a", b"2")
            await call.answer()
            assert not call.running.done(), "not all that were spared end with the first change"
            await asyncio.sleep(120)
            assert call.running.done()

    run(story())


def test_a_stream_from_which_something_is_held_back_stays_until_it_is_let_go():
    plane = Plane(references=lambda type_url, _: [(CLUSTER, "a")] if type_url == ROUTE else [])
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ROUTE, "r", b"1")

    async def story():
        async with Call(plane, Config(max_age=100.0)) as call:
            call.send(type_url=CLUSTER)
            call.send(type_url=ROUTE, resource_names_subscribe=["r"])
            for _ in range(2):
                answer = await call.answer()
                call.send(type_url=answer.type_url, response_nonce=answer.nonce)
            plane.remove(CLUSTER, "a")
            await asyncio.sleep(150)
            assert not call.running.done()
            call.send(type_url=ROUTE, resource_names_unsubscribe=["r"])
            assert (await call.answer()).removed_resources == ["a"]
            await asyncio.sleep(120)
            assert call.running.done()

    run(story())


def test_without_an_age_a_stream_stays(plane):
    async def story():
        async with Call(plane, Config(max_age=0.0)) as call:
            call.send(type_url=CLUSTER)
            await call.answer()
            await asyncio.sleep(1e7)
            assert not call.running.done()

    run(story())


def test_a_stream_that_ended_leaves_no_timer_behind(plane):
    async def story():
        async with Call(plane, Config()) as call:
            call.send(type_url=CLUSTER)
            await call.answer()
            aging = call.stream._aging
            call.context.requests.put_nowait(None)
            await call.running
            assert aging is not None
            assert aging.cancelled()

    run(story())
