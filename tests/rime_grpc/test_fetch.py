"""`Fetch…`: one request, one answer, over real gRPC; and what is left of it afterwards: nothing."""

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, ENDPOINT, LISTENER, SECRET, Peer, PeerError, Plane
from rime_grpc.config import Config
from rime_grpc.fetch import Fetch
from rime_grpc.gate import Gate
from rime_grpc.services import METHODS
from tests.rime_grpc.clients import SotwRequest, decode_sotw
from tests.rime_grpc.fake_context import FakeContext
from tests.rime_grpc.virtual_loop import VirtualLoop

FETCHES = {method.type_url: path for path, method in METHODS.items() if method.once}


class Client:
    def __init__(self, channel):
        self._channel = channel

    async def raw(self, path, data, seconds=10.0):
        """What comes for these bytes."""
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(path)
        return decode_sotw(await call(data, timeout=seconds))

    async def fetch(self, type_url, *names, seconds=10.0, **fields):
        """What is fetched through the service of this type."""
        request = SotwRequest(resource_names=names, **fields)
        return await self.raw(FETCHES[type_url], request.SerializeToString(), seconds)


@asynccontextmanager
async def connected(server, config=None):
    async with (
        rime_grpc.serve(server, "127.0.0.1:0", config) as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        yield Client(channel)


async def until(look):
    """Wait until `look` is true: of what gRPC has no event for."""
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - as the text says
            await asyncio.sleep(0)


async def asked(plane):
    """Wait until somebody asks for clusters."""
    await until(lambda: CLUSTER in plane.store.indexes and plane.store.indexes[CLUSTER].subscribers)


def ended_with(code):
    return pytest.raises(grpc.aio.AioRpcError, check=lambda error: error.code() is code)


def bodies(response):
    return sorted(each.value for each in response.resources)


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"2")
    return plane


@pytest.mark.parametrize("type_url", FETCHES)
@pytest.mark.asyncio
async def test_each_type_that_can_be_fetched(plane, type_url):
    plane.apply(type_url, "x", b"x")
    async with connected(plane.server()) as client:
        response = await client.fetch(type_url, "x")
    assert response.type_url == type_url
    assert [(each.type_url, each.value) for each in response.resources] == [(type_url, b"x")]
    assert response.version_info


@pytest.mark.asyncio
async def test_no_names_are_all_clusters_and_no_secrets(plane):
    plane.apply(SECRET, "key", b"key")
    async with connected(plane.server()) as client:
        assert bodies(await client.fetch(CLUSTER)) == [b"1", b"2"]
        assert bodies(await client.fetch(SECRET)) == []


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
@pytest.mark.asyncio
async def test_where_there_is_nothing_the_answer_is_empty(type_url):
    async with connected(Plane().server()) as client:
        response = await client.fetch(type_url, "missing")
    assert (response.type_url, bodies(response)) == (type_url, [])


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
@pytest.mark.asyncio
async def test_what_the_client_has_already_is_answered_all_the_same(plane, type_url):
    plane.apply(type_url, "a", b"1")
    async with connected(plane.server()) as client:
        first = await client.fetch(type_url, "a")
        again = await client.fetch(
            type_url, "a", version_info=first.version_info, response_nonce=first.nonce, error_detail={"message": "no"}
        )
    assert bodies(again) == [b"1"]
    assert again.version_info == first.version_info


@pytest.mark.asyncio
async def test_an_answer_is_never_split(plane):
    names = [f"e{number}" for number in range(100)]
    for name in names:
        plane.apply(ENDPOINT, name, bytes(1000))
    async with connected(plane.server(), Config(max_response_bytes=2000)) as client:
        assert len((await client.fetch(ENDPOINT, *names)).resources) == 100


@pytest.mark.asyncio
async def test_it_waits_until_the_plane_is_ready():
    plane = Plane()
    source = plane.writer("source")
    async with connected(plane.server()) as client:
        with ended_with(grpc.StatusCode.DEADLINE_EXCEEDED):
            await client.fetch(CLUSTER, seconds=0.05)
        waiting = asyncio.create_task(client.fetch(CLUSTER))
        await asked(plane)
        source.apply(CLUSTER, "a", b"1")
        assert not waiting.done()
        source.ready()
        assert bodies(await waiting) == [b"1"]


@pytest.mark.asyncio
async def test_who_has_another_version_is_given_no_set_that_lacks_what_cannot_be_read():
    plane = Plane()
    source = plane.writer("source")
    source.apply(CLUSTER, "a", b"1")
    source.incomplete(["broken.yaml:3: not YAML"])
    source.ready()
    async with connected(plane.server()) as client:
        present = await client.fetch(CLUSTER)
        again = await client.fetch(CLUSTER, version_info=present.version_info)
        assert (bodies(present), bodies(again)) == ([b"1"], [b"1"])
        with ended_with(grpc.StatusCode.DEADLINE_EXCEEDED):
            await client.fetch(CLUSTER, version_info="that of an earlier rime", seconds=0.05)
        waiting = asyncio.create_task(client.fetch(CLUSTER, version_info="that of an earlier rime"))
        await asked(plane)
        source.apply(CLUSTER, "b", b"2")
        source.incomplete([])
        assert bodies(await waiting) == [b"1", b"2"]


@pytest.mark.asyncio
async def test_one_that_waits_is_told_to_come_back_when_rime_stops():
    plane = Plane()
    plane.writer("source")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        channel = grpc.aio.insecure_channel(bound.address)
        waiting = asyncio.create_task(Client(channel).fetch(CLUSTER))
        await asked(plane)
    with ended_with(grpc.StatusCode.UNAVAILABLE) as ended:
        await waiting
    assert ended.value.details() == "rime is stopping"
    await channel.close()


def test_first_answers_are_given_in_turn(plane):
    async def crowd():
        loop, gate, config = asyncio.get_running_loop(), Gate(Config(first_answers=1)), Config()
        contexts = [FakeContext(seconds=0.5) for _ in range(3)]
        for context in contexts:
            context.requests.put_nowait(b"")
        calls = [
            Fetch(METHODS[FETCHES[CLUSTER]], plane.server(), cast("Any", context), Peer(), config, gate)
            for context in contexts
        ]
        begun = loop.time()
        await asyncio.gather(*(call.run() for call in calls))
        assert all(context.responses.qsize() == 1 for context in contexts)
        return loop.time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(crowd()) == pytest.approx(1.5)


@pytest.mark.asyncio
async def test_it_counts_as_a_stream():
    plane = Plane()
    source = plane.writer("source")
    async with connected(plane.server(), Config(max_streams=1)) as client:
        waiting = asyncio.create_task(client.fetch(CLUSTER))
        await asked(plane)
        with ended_with(grpc.StatusCode.UNAVAILABLE) as refused:
            await client.fetch(CLUSTER)
        assert "max_streams" in str(refused.value.details())
        source.ready()
        await waiting
        for _ in range(3):
            await client.fetch(CLUSTER)


class NoSecretOfOthers:
    def __init__(self, client):
        self._id = client.node.id
        if self._id == "nobody":
            raise PeerError("nobody is served", code="PERMISSION_DENIED")

    def type(self, type_url):
        return "no listeners" if type_url == LISTENER else None

    def names(self, _type_url):
        return lambda name: None if name.startswith(self._id) else "it is another's"


@pytest.mark.asyncio
async def test_what_a_client_may_not_have_is_to_it_as_if_it_did_not_exist(plane, caplog):
    for name in ("one/key", "other/key"):
        plane.apply(SECRET, name, name.encode())
    plane.apply(LISTENER, "one/web", b"web")
    async with connected(plane.server(authorize=NoSecretOfOthers)) as client:
        assert bodies(await client.fetch(SECRET, "one/key", "other/key", node={"id": "one"})) == [b"one/key"]
        assert bodies(await client.fetch(SECRET, "one/key", node={"id": "two"})) == []
        assert bodies(await client.fetch(LISTENER, "one/web", node={"id": "one"})) == []
        with ended_with(grpc.StatusCode.PERMISSION_DENIED):
            await client.fetch(CLUSTER, node={"id": "nobody"})
    assert "is refused secrets other/key: it is another's" in caplog.text


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xff", "bytes that are no DiscoveryRequest"),
        (SotwRequest(type_url=LISTENER).SerializeToString(), "came on the stream of"),
        (b"\x1a\x02\xff\xfe", "bytes that are no DiscoveryRequest"),
    ],
)
@pytest.mark.asyncio
async def test_what_is_no_request_is_refused(plane, data, complaint, caplog):
    async with connected(plane.server()) as client:
        with ended_with(grpc.StatusCode.INVALID_ARGUMENT) as refused:
            await client.raw(FETCHES[CLUSTER], data)
        assert complaint in str(refused.value.details())
        assert bodies(await client.fetch(CLUSTER)) == [b"1", b"2"]
    assert "broke the protocol" in caplog.text


@pytest.mark.asyncio
async def test_too_many_names(plane):
    async with connected(plane.server(), Config(max_names=2)) as client:
        with ended_with(grpc.StatusCode.RESOURCE_EXHAUSTED):
            await client.fetch(CLUSTER, "a", "b", "c")


@pytest.mark.asyncio
async def test_a_closed_plane(plane):
    server = plane.server()
    plane.close()
    async with connected(server) as client:
        with ended_with(grpc.StatusCode.UNAVAILABLE):
            await client.fetch(CLUSTER)


@pytest.mark.asyncio
async def test_a_fault_of_rimes_is_in_the_log_and_ends_that_call_alone(plane, caplog):
    def faulty(client):
        if client.node.id == "bad":
            raise RuntimeError("a fault of the program's")

    async with connected(plane.server(authorize=faulty)) as client:
        with ended_with(grpc.StatusCode.INTERNAL) as ended:
            await client.fetch(CLUSTER, node={"id": "bad"})
        assert "fault of the" not in str(ended.value.details())
        assert bodies(await client.fetch(CLUSTER)) == [b"1", b"2"]
    assert "RuntimeError: a fault of the program's" in caplog.text


@pytest.mark.asyncio
async def test_nothing_is_left_behind(plane, caplog):
    caplog.set_level(logging.DEBUG, "rime_grpc")
    async with connected(plane.server()) as client:
        for _ in range(5):
            await client.fetch(CLUSTER, node={"id": "n"})
        index = plane.store.indexes[CLUSTER]
        await until(lambda: not index.subscribers)
    assert not index.waiting
    assert [message.partition(" is ")[2] for message in caplog.messages] == ["sent clusters a, b"] * 5
