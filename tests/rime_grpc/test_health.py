"""gRPC's health service: whether clients are answered, for probes and load balancers."""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue, UInt32Value

import rime_grpc
from rime_core import CLUSTER, Plane
from rime_grpc import Config
from rime_grpc.health import CHECK, WATCH
from rime_grpc.siblings import Shared
from tests.rime_grpc.fake_siblings import Siblings

pytestmark = pytest.mark.asyncio

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def writer(plane):
    """A source that has not delivered yet."""
    found = plane.writer("file:conf")
    found.apply(CLUSTER, "a", b"")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request(service=""):
    return StringValue(value=service).SerializeToString()


def state(data):
    return UInt32Value.FromString(data).value


@asynccontextmanager
async def serving(plane, config=None, shared=None):
    where = f"127.0.0.1:{free_port()}" if shared else "127.0.0.1:0"
    async with (
        rime_grpc.serve(plane.server(), where, config, shared=shared) as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        yield channel


def watch(channel, service="") -> Any:
    return channel.unary_stream(WATCH)(request(service), timeout=20)


async def check(channel, service=""):
    return state(await channel.unary_unary(CHECK)(request(service), timeout=20))


@pytest.mark.parametrize("service", ["", ADS, "envoy.service.status.v3.ClientStatusDiscoveryService"])
async def test_it_serves_once_every_source_has_delivered(plane, writer, service):
    async with serving(plane) as channel:
        assert await check(channel, service) == NOT_SERVING
        writer.ready()
        assert await check(channel, service) == SERVING


async def test_one_of_several_processes_serves_once_all_of_them_were_ready(plane, writer, tmp_path):
    siblings = Siblings()
    async with serving(plane, shared=Shared(siblings, tmp_path)) as channel:
        watching = watch(channel)
        assert state(await watching.read()) == NOT_SERVING
        writer.ready()
        assert await check(channel) == NOT_SERVING
        siblings.become_ready()
        assert await check(channel) == SERVING
        assert state(await watching.read()) == SERVING
        watching.cancel()


async def test_that_all_the_others_are_ready_does_not_make_it_ready_itself(plane, writer, tmp_path):
    siblings = Siblings()
    siblings.become_ready()
    async with serving(plane, shared=Shared(siblings, tmp_path)) as channel:
        assert await check(channel) == NOT_SERVING
        writer.ready()
        assert await check(channel) == SERVING


async def test_a_service_that_there_is_not(plane):
    async with serving(plane) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await check(channel, "shop.Cart")
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        call = watch(channel, "shop.Cart")
        assert state(await call.read()) == SERVICE_UNKNOWN
        call.cancel()


async def test_what_is_no_request(plane):
    async with serving(plane) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary(CHECK)(b"\xff", timeout=20)
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_watches_is_told_when_it_becomes_ready_and_when_it_ends(plane, writer):
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(bound.address))
            call = watch(channel)
            assert state(await call.read()) == NOT_SERVING
            writer.ready()
            assert state(await call.read()) == SERVING
        assert state(await call.read()) == NOT_SERVING


@pytest.mark.usefixtures("writer")
async def test_who_watches_is_told_of_an_end_before_it_was_ever_ready(plane):
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(bound.address))
            call = watch(channel)
            assert state(await call.read()) == NOT_SERVING
        assert state(await call.read()) == NOT_SERVING


async def test_every_group_has_to_be_ready(plane):
    edge = Plane(base=plane)
    source = edge.writer("file:edge", allow_empty=True)
    server = plane.server(groups={"default": plane.server(), "edge": edge.server()})
    async with (
        rime_grpc.serve(server, "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        call = watch(channel)
        assert state(await call.read()) == NOT_SERVING
        source.ready()
        assert state(await call.read()) == SERVING
        call.cancel()


async def test_it_is_answered_also_where_no_more_streams_are(plane):
    async with serving(plane, Config(max_streams=1)) as channel:
        call = watch(channel)
        assert state(await call.read()) == SERVING
        assert await check(channel) == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await watch(channel).read()
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        call.cancel()
