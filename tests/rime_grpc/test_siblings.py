"""Whichever of several workers is asked, it tells of the clients of all: two of them, in this process."""

import socket
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, Plane
from rime_envoy_api import message_class
from rime_grpc import Config, csds
from rime_grpc.errors import RefusedError
from rime_grpc.siblings import FETCH, Shared
from tests.rime_grpc.clients import DELTA_ADS, GrpcClient
from tests.rime_grpc.fake_siblings import Siblings

pytestmark = pytest.mark.asyncio

Request = message_class("envoy.service.status.v3.ClientStatusRequest")
Response = message_class("envoy.service.status.v3.ClientStatusResponse")


OF_ITS_OWN = [("grpc.use_local_subchannel_pool", 1)]
"""Without it all channels of this process to one address are one connection."""


@pytest.fixture
def address():
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


class Worker:
    """One worker, alone on the port when its client comes, so that it is this one's."""

    def __init__(self, number, folder):
        siblings = Siblings()
        siblings.number = number
        self.shared = Shared(siblings, folder)
        self.plane = Plane()
        self.plane.apply(CLUSTER, "a", b"1")

    def serve(self, address):
        return rime_grpc.serve(self.plane.server(), address, Config(), shared=self.shared)


@asynccontextmanager
async def client(address, name):
    async with grpc.aio.insecure_channel(address, OF_ITS_OWN) as channel:
        found = GrpcClient(channel.stream_stream(DELTA_ADS)())
        await found.subscribe(known={}, node_id=name)
        await found.receive()
        yield


@asynccontextmanager
async def two_workers(address, folder):
    """Each with a client, "edge-1" and one of "edge-2-..."; what ends the second, and how the first is asked alone."""
    one, two = Worker(1, folder), Worker(2, folder)
    async with AsyncExitStack() as stack, AsyncExitStack() as of_two:
        first = await stack.enter_async_context(one.serve(address))
        await stack.enter_async_context(client(address, "edge-1"))
        bound = await of_two.enter_async_context(two.serve(address))
        for attempt in range(60):  # until the kernel chooses the second
            await stack.enter_async_context(client(address, f"edge-2-{attempt}"))
            if bound.clients():
                break
        else:
            raise AssertionError("no connection came to the second worker")
        yield of_two, lambda: sorted(each.node.id for each in first.clients())


async def ask(address, **fields):
    """The ids of the clients of an answer."""
    async with grpc.aio.insecure_channel(address, OF_ITS_OWN) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(FETCH)
        answer = Response.FromString(await call(Request(**fields).SerializeToString()))
    assert all(each.generic_xds_configs[0].name == "a" for each in answer.config)
    return sorted(each.node.id for each in answer.config)


async def test_what_it_asks_with_is_one_of_the_service_s_methods():
    assert FETCH in csds.METHODS


async def test_whichever_is_asked_it_tells_of_all(address, tmp_path):
    async with two_workers(address, tmp_path):
        told = [await ask(address) for _ in range(8)]

    assert len(told[0]) >= 2
    assert all(each == told[0] for each in told)
    assert len(set(told[0])) == len(told[0])


async def test_what_is_asked_for_is_asked_of_all(address, tmp_path):
    async with two_workers(address, tmp_path):
        for _ in range(4):
            assert await ask(address, node_matchers=[{"node_id": {"exact": "edge-1"}}]) == ["edge-1"]


async def test_of_one_that_has_gone_nothing_is_told(address, tmp_path):
    async with two_workers(address, tmp_path) as (second, of_the_first):
        everyone = await ask(address)
        await second.aclose()

        assert await ask(address) == of_the_first()
        assert len(everyone) == len(of_the_first()) + 1


async def test_what_another_refuses_is_refused(address, tmp_path):
    other = Worker(2, tmp_path)
    async with Worker(1, tmp_path).serve(address):
        with pytest.raises(RefusedError, match="no ClientStatusRequest") as refused:
            await other.shared.ask(b"\xff")

    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_others_are_asked_for_what_is_their_own(address, tmp_path):
    async with two_workers(address, tmp_path):
        for number in (1, 2):
            found = await ask(f"unix:{tmp_path / str(number)}")
            assert ("edge-1" in found) == (number == 1)
