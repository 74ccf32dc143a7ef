"""What is sent over real gRPC, and what becomes of it, is counted where it is, bytes and all."""

import pytest

import rime_grpc
from rime_core import CLUSTER, Plane
from tests.rime_grpc.clients import connect
from tests.rime_grpc.test_fetch import connected, until

pytestmark = pytest.mark.asyncio


def sums(traffic):
    (((transport, type_url), flow),) = traffic.flows.items()
    assert (transport, type_url) == ("grpc", CLUSTER)
    return flow.responses, flow.resources, flow.acknowledged, flow.rejected


async def test_what_a_stream_is_sent_and_says_is_counted():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    traffic = plane.server().clients.traffic()
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "n"})
        data = await client.call.read()
        await client.send(type_url=CLUSTER, response_nonce="clusters.1.0")
        plane.apply(CLUSTER, "b", bytes(1000))
        data += await client.call.read()
        await client.send(type_url=CLUSTER, response_nonce="clusters.2.0", error_detail={"message": "no"})
        plane.apply(CLUSTER, "b", b"2")
        await client.receive()
        plane.apply(CLUSTER, "b", b"3")
        data += await client.call.read()
        await until(lambda: sums(traffic)[2] == 2)
    assert sums(traffic) == (4, 4, 2, 1)
    flow = traffic.flows["grpc", CLUSTER]
    assert len(data) < flow.bytes < len(data) + 200
    assert sum(flow.delays) == 1, "what was there when the client came is no change, nor is what it refused"
    assert 0 < flow.delay < 10


async def test_so_is_what_is_fetched():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    traffic = plane.server().clients.traffic()
    async with connected(plane.server()) as client:
        await client.fetch(CLUSTER)
    assert sums(traffic) == (1, 1, 0, 0)
    assert traffic.flows["grpc", CLUSTER].bytes > 10


async def test_nothing_is_counted_while_nobody_asks():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.subscribe(known={}, node_id="n")
        await client.receive()
        assert plane.server().clients.observers == ()
        assert plane.server().clients.traffic().flows == {}
