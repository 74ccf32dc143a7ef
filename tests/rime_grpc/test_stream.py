"""One stream's log: who came, what was rejected and why, what was sent; and how it ends."""

import asyncio
import logging

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, ENDPOINT, Plane
from tests.rime_grpc.clients import connect, decode

pytestmark = pytest.mark.asyncio


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return plane


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


async def test_a_clients_own_text_is_cut_in_the_log(plane, caplog):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url="x" * 100_000, node={"id": "n" * 100_000})
        await client.send(type_url=CLUSTER)
        await client.receive()
    assert "… (100000 characters)" in caplog.text
    assert max(len(record.getMessage()) for record in caplog.records) < 1000


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


async def test_what_is_sent_shows_at_debug_level(plane, caplog):
    caplog.set_level(logging.DEBUG, "rime_grpc")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, resource_names_subscribe=["a", "missing"], node={"id": "envoy-1"})
        await client.receive()
    (record,) = [record for record in caplog.records if getattr(record, "event", None) == "sent"]
    assert record.getMessage().endswith("is sent clusters a, missing")
    assert (record.resources, record.removed, record.type_url) == (1, 1, CLUSTER)


async def test_coming_and_going_show(plane, caplog):
    caplog.set_level(logging.INFO, "rime_grpc")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "envoy-1"})
        await client.receive()
    events = [getattr(record, "event", None) for record in caplog.records]
    assert events == ["opened", "closed"]


async def test_a_client_that_has_said_all_ends_its_stream(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER)
        await client.receive()
        await client.call.done_writing()
        assert await client.call.read() is grpc.aio.EOF
        assert await client.call.code() is grpc.StatusCode.OK


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
