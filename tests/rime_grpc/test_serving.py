"""Serving over real gRPC: what a program that embeds rime, and its clients, see."""

import asyncio
import logging
import socket
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import cast

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, LISTENER, Plane, UsageError
from rime_grpc import Config, csds, serving
from rime_grpc.health import CHECK, WATCH
from rime_grpc.services import DELTA, METHODS
from rime_grpc.siblings import Shared
from tests.rime_grpc.clients import DELTA_ADS, GrpcClient, Request, SotwRequest, connect, decode, decode_sotw
from tests.rime_grpc.fake_context import FakeContext
from tests.rime_grpc.fake_siblings import Siblings

pytestmark = pytest.mark.asyncio

FETCH_CLUSTERS = "/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters"


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return plane


async def test_the_address_has_the_port_that_was_bound(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        host, _, port = bound.address.rpartition(":")
        assert host == "127.0.0.1"
        assert int(port) > 0


async def test_a_plane_is_not_a_server(plane):
    with pytest.raises(TypeError, match=r"such as plane\.server\(\), not Plane"):
        async with rime_grpc.serve(plane, "127.0.0.1:0"):
            pass


async def test_who_is_told_to_share_a_port_does(plane, tmp_path):
    shared = Shared(Siblings(), tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        async with (
            rime_grpc.serve(plane.server(), address, shared=shared) as one,
            rime_grpc.serve(plane.server(), address, shared=shared) as other,
        ):
            assert one.address == other.address == address
            with pytest.raises(UsageError, match="in use"):
                async with rime_grpc.serve(plane.server(), address):
                    pass


async def test_who_is_not_told_to_share_a_port_does_not(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", int(bound.address.rpartition(":")[2])))


async def test_a_port_in_use_is_refused_by_rime_and_by_grpc(plane, capfd):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        with pytest.raises(UsageError, match=f"grpc: {bound.address} is in use"):
            async with rime_grpc.serve(plane.server(), bound.address):
                pass
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
async def test_where_others_could_connect_it_must_be_asked_for(plane, address):
    with pytest.raises(UsageError, match="insecure=true"):
        async with rime_grpc.serve(plane.server(), address):
            pass


async def test_where_it_was_asked_for_others_are_served_unencrypted(plane):
    async with rime_grpc.serve(plane.server(), "0.0.0.0:0", rime_grpc.Config(insecure=True)) as bound:
        host, _, port = bound.address.rpartition(":")
        assert host == "0.0.0.0"
        async with connect(f"127.0.0.1:{port}") as client:
            await client.subscribe(known={}, node_id="n")
            assert set((await client.receive()).resources) == {"a"}


async def test_when_it_stops_its_clients_are_told_to_come_back(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        channel = grpc.aio.insecure_channel(bound.address)
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(DELTA_ADS)()
        client = GrpcClient(call)
        await client.subscribe(known={}, node_id="n")
        await client.receive()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert ended.value.details() == "rime is stopping"
    await channel.close()


@pytest.mark.parametrize(
    "method",
    [
        "/envoy.service.route.v3.VirtualHostDiscoveryService/StreamVirtualHosts",
        "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaListeners",
        "/no.such.Service/Method",
    ],
)
async def test_other_methods_are_unimplemented(plane, method):
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await channel.stream_stream(method)().read()
        assert ended.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("path", METHODS)
async def test_each_method_is_served_in_its_variant(plane, path):
    method = METHODS[path]
    type_url = method.type_url or CLUSTER
    plane.apply(type_url, "a", b"1")
    if method.variant is DELTA:
        request = Request(type_url="" if method.type_url else CLUSTER, resource_names_subscribe=["a"])
    else:
        request = SotwRequest(type_url="" if method.type_url else CLUSTER, resource_names=["a"])
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path)()
        await call.write(request.SerializeToString())
        data = await call.read()
        assert isinstance(data, bytes)
        (resource,) = (decode if method.variant is DELTA else decode_sotw)(data).resources
        body = resource.resource if method.variant is DELTA else resource
        assert (body.type_url, body.value) == (type_url, b"1")
        call.cancel()


async def test_a_client_that_quotes_itself_at_length_is_told_what_it_did_wrong_all_the_same(plane, caplog):
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        clusters = "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters"
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(clusters)()
        await call.write(Request(type_url="x" * 200_000).SerializeToString())
        with pytest.raises(grpc.aio.AioRpcError, match=r"a request for x+… \(200\d\d\d characters\)") as ended:
            await call.read()
    assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert max(map(len, caplog.messages)) < 2000


@pytest.mark.parametrize("turns", range(6))
async def test_who_is_cancelled_while_it_begins_leaves_nothing_behind(plane, turns, caplog):
    async def serve():
        async with rime_grpc.serve(plane.server(), "127.0.0.1:0"):
            await asyncio.sleep(60)

    serving = asyncio.create_task(serve())
    for _ in range(turns):
        await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.subscribe(known={}, node_id="n")
        assert set((await client.receive()).resources) == {"a"}
    assert "InvalidStateError" not in caplog.text  # grpcio's own, of a server that begins when nobody waits any more


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x12\x03\xff\xfe\xfd"])
async def test_bytes_that_are_no_request_end_that_stream_alone(plane, data, caplog):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as other:
        await other.subscribe(known={}, node_id="other")
        await other.receive()
        async with connect(bound.address) as client:
            await client.call.write(data)
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await client.call.read()
        assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        plane.apply(CLUSTER, "a", b"2")
        assert set((await other.receive()).resources) == {"a"}
    assert "broke the protocol" in caplog.text


async def test_a_request_that_is_too_large_ends_that_stream_alone(plane):
    config = rime_grpc.Config(max_request_bytes=1000)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0", config) as bound, connect(bound.address) as other:
        await other.subscribe(known={}, node_id="other")
        await other.receive()
        async with connect(bound.address) as client:
            await client.subscribe(known={"a" * 2000: "1"}, node_id="n")
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await client.call.read()
        assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        plane.apply(CLUSTER, "a", b"2")
        assert set((await other.receive()).resources) == {"a"}


async def test_what_exceeds_a_message_is_split(plane):
    for number in range(100):
        plane.apply(LISTENER, f"l{number}", bytes(100_000))
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=LISTENER)
        received: set[str] = set()
        messages = 0
        while len(received) < 100:
            data = await client.call.read()
            assert len(data) < 1_000_000
            messages += 1
            received |= {each.name for each in decode(data).resources}
        assert messages == 12, "nine have room in each"


async def test_names_no_resource_can_have_are_answered_as_missing(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, resource_names_subscribe=["nul\0", "a" * 100_000, "\N{SNOWMAN}"])
        assert set((await client.receive()).removed) == {"nul\0", "a" * 100_000, "\N{SNOWMAN}"}


async def test_a_client_that_does_not_read_holds_up_nobody_and_costs_no_queue(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as stalled:
        await stalled.subscribe(known={}, node_id="stalled")
        async with connect(bound.address) as client:
            await client.subscribe(known={}, node_id="reads")
            await client.receive()
            for number in range(50):
                plane.apply(CLUSTER, "a", bytes([number]) * 1_000_000)
                assert set((await client.receive()).resources) == {"a"}
        versions: list[str] = []
        while versions[-1:] != [plane.snapshot()[CLUSTER]["a"].version]:
            versions.append((await stalled.receive()).resources["a"])
        # what grpc had taken before flow control stopped it, and then the last state at once
        assert len(versions) < 10


async def test_a_stream_leaves_nothing_behind(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        for _ in range(20):
            async with connect(bound.address) as client:
                await client.subscribe(known={}, node_id="n")
                await client.receive()
        index = plane.store.indexes[CLUSTER]
        async with asyncio.timeout(10):
            while index.subscribers:  # noqa: ASYNC110 - gRPC has no event for "the handler has ended"
                await asyncio.sleep(0)
    assert not index.waiting


@pytest.mark.parametrize(
    ("path", "request_of"),
    [(DELTA_ADS, Request), (FETCH_CLUSTERS, SotwRequest)],
    ids=["stream", "fetch"],
)
async def test_a_client_that_goes_in_the_middle_of_what_it_is_sent_is_no_error(path, request_of, plane, caplog):
    for number in range(40):
        plane.apply(CLUSTER, f"c{number}", bytes(1_000_000))
    request = request_of(type_url=CLUSTER).SerializeToString()
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, AsyncExitStack() as going:
        for _ in range(20):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = await going.enter_async_context(grpc.aio.insecure_channel(bound.address, options))
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path)()
            await call.write(request)
            await call.initial_metadata()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


class GoneContext(FakeContext):
    """A call whose client is gone when it is answered."""

    def __init__(self, peer, request):
        super().__init__()
        self.uri = peer
        self.status = None
        self.requests.put_nowait(request)
        self.failed = asyncio.Event()

    def peer(self):
        return self.uri

    def auth_context(self):
        return {}

    def done(self):
        return self.status is not None

    async def write(self, _):
        self.failed.set()
        raise grpc.aio.InternalError("the batch failed")

    async def abort(self, code, _):
        self.status = code
        await self.write(b"")


A_CLIENT = "ipv4:127.0.0.1:5000"
A_SIBLING = "unix:/run/rime/1"


def served(streams, path, context):
    """The task of a call."""
    handler = streams.service(cast("grpc.HandlerCallDetails", SimpleNamespace(method=path)))
    return asyncio.create_task(handler.stream_stream(None, context))


@pytest.mark.parametrize(
    ("path", "peer"),
    [(path, A_CLIENT) for path in (CHECK, WATCH, *csds.METHODS)] + [(path, A_SIBLING) for path in csds.METHODS],
)
async def test_nor_is_it_in_any_other_call(path, peer, plane, monkeypatch):
    streams = serving._Streams(plane.server(), Config(), shared=None)
    context = GoneContext(peer, b"")
    call = served(streams, path, context)
    await context.failed.wait()
    await asyncio.sleep(0)
    assert not call.done(), "gRPC is about to cancel it"
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    monkeypatch.setattr(serving, "CANCELLED_WITHIN", 0.0)
    with pytest.raises(grpc.aio.InternalError):
        await served(streams, path, GoneContext(peer, b""))


@pytest.mark.parametrize(
    ("path", "peer"),
    [(path, A_CLIENT) for path in (DELTA_ADS, FETCH_CLUSTERS, CHECK, WATCH, *csds.METHODS)]
    + [(path, A_SIBLING) for path in csds.METHODS],
)
async def test_a_call_that_is_refused_is_over_at_once_also_where_its_client_has_gone(path, peer, plane):
    """gRPC cancels no call that was given a status: it would count as a stream for as long as it waited."""
    streams = serving._Streams(plane.server(), Config(max_streams=1), shared=None)
    for _ in range(2):
        context = GoneContext(peer, b"no request")
        call = served(streams, path, context)
        await context.failed.wait()
        await asyncio.sleep(0)
        assert isinstance(call.exception(), grpc.aio.InternalError)
    follows = GoneContext(A_CLIENT, b"")
    call = served(streams, WATCH, follows)
    await follows.failed.wait()
    assert follows.status is None, "there is room for it"
    call.cancel()
