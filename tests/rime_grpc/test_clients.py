"""Who is connected, as a program sees it."""

import asyncio

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, ENDPOINT, Plane
from tests.rime_grpc.clients import DELTA_ADS, GrpcClient, connect

pytestmark = pytest.mark.asyncio

CDS = "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters"
EDS = "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints"


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ENDPOINT, "e", b"1")
    return plane


async def test_nobody_is_connected(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        assert bound.clients() == []


async def test_a_client_is_there_when_it_has_said_who_it_is_and_until_it_goes(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        async with connect(bound.address) as client:
            await client.subscribe(known={}, node_id="n")
            await client.receive()
            (one,) = bound.clients()
            assert one.node.id == "n"
            assert one.peer.address.startswith("127.0.0.1:")
            assert 0 <= one.silent < 30
            assert {each.name for each in one.progress()} == {"a"}
            assert list(one.holds()) == []
        while bound.clients():  # noqa: ASYNC110 - nobody tells when a stream is over
            await asyncio.sleep(0)


async def test_what_it_rejected_is_there(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "n"})
        await client.call.read()
        await client.send(type_url=CLUSTER, response_nonce="clusters.1.0", error_detail={"message": "token: abc"})
        await client.send(type_url=ENDPOINT, resource_names_subscribe=["e"])
        await client.call.read()
        (rejection,) = bound.clients()[0].rejections()
        assert (rejection.name, rejection.message) == ("a", "token: [redacted]")


async def test_the_streams_of_one_connection_are_one_client(plane):
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address, [("grpc.use_local_subchannel_pool", 1)]) as channel,
        connect(bound.address) as other,
    ):
        calls = []
        for path, names in ((CDS, []), (EDS, ["e"])):
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path)()
            client = GrpcClient(call)
            await client.send(node={"id": "n"}, resource_names_subscribe=names)
            await call.read()
            calls.append(call)
        await other.subscribe(known={}, node_id="n")
        await other.receive()
        assert sorted(sorted(each.name for each in one.progress()) for one in bound.clients()) == [["a"], ["a", "e"]]


async def test_a_stream_that_has_said_nothing_is_no_client_yet(plane):
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(DELTA_ADS)()
        await call.wait_for_connection()
        assert bound.clients() == []
        call.cancel()
