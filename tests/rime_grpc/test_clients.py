"""Who is connected, as a program sees it."""

import asyncio

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, ENDPOINT, ROUTE, Plane
from tests.rime_grpc.clients import DELTA_ADS, GrpcClient, connect, decode

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


async def test_a_request_is_a_sign_of_life(plane, monkeypatch):
    loop = asyncio.get_running_loop()
    clock, passed = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: clock() + passed)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "n"})
        await client.call.read()
        passed = 1000.0
        assert 1000 <= bound.clients()[0].silent < 1100
        await client.send(type_url=ENDPOINT, resource_names_subscribe=["e"])
        await client.call.read()
        assert 0 <= bound.clients()[0].silent < 100


async def test_what_is_held_back_from_it_is_there_until_it_acknowledges_what_that_waits_for():
    plane = Plane(references=lambda type_url, body: [(CLUSTER, body.decode())] if type_url == ROUTE else [])
    plane.apply(CLUSTER, "old", b"1")
    plane.apply(ROUTE, "r", b"old")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.subscribe(known={}, node_id="n")
        await client.receive()
        await client.send(type_url=ROUTE, resource_names_subscribe=["r"])
        await client.receive()
        with plane.transaction() as change:
            change.apply(CLUSTER, "new", b"1")
            change.apply(ROUTE, "r", b"new")
            change.remove(CLUSTER, "old")
        cluster = decode(await client.call.read())
        assert [each.name for each in cluster.resources] == ["new"]
        (one,) = bound.clients()
        assert {(hold.type_url, hold.name): (hold.removal, hold.waits_for) for hold in one.holds()} == {
            (ROUTE, "r"): (False, ((CLUSTER, "new"),)),
            (CLUSTER, "old"): (True, ((ROUTE, "r"),)),
        }
        await client.send(type_url=CLUSTER, response_nonce=cluster.nonce)
        route = decode(await client.call.read())
        assert [each.name for each in route.resources] == ["r"]
        assert [hold.name for hold in one.holds()] == ["old"]
        await client.send(type_url=ROUTE, response_nonce=route.nonce)
        assert decode(await client.call.read()).removed_resources == ["old"]
        assert list(one.holds()) == []


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


async def test_its_stream_is_entered_with_the_plane_and_every_step_of_it_is_told(plane):
    server = plane.server()
    told = asyncio.Event()
    with server.clients.follow(told.set) as follower:

        async def until(state):
            async with asyncio.timeout(20):
                while not state():
                    await told.wait()
                    told.clear()
                    follower.take()

        async with rime_grpc.serve(server, "127.0.0.1:0") as bound:
            async with connect(bound.address) as client:
                await client.send(type_url=CLUSTER, node={"id": "n"})
                await until(lambda: any(each.stream.channel(CLUSTER) for each in server.clients))
                (one,) = server.clients
                assert (one.transport, one.stream.node.id) == ("grpc", "n")
                flights = one.stream.channel(CLUSTER).flights
                await until(lambda: flights)
                came = one.heard
                await client.send(type_url=CLUSTER, response_nonce=decode(await client.call.read()).nonce)
                await until(lambda: not flights)
                assert one.heard > came
                plane.apply(CLUSTER, "a", b"2")
                assert (follower.take(), one.stream.is_behind(CLUSTER)) == ([one], True)
            await until(lambda: len(server.clients) == 0)
