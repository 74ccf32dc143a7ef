"""Workers that show each other what they know, over real sockets: two of them, in this process."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from websockets.asyncio.server import unix_serve

import rime_ws
from rime_core import CLUSTER, Node, Plane, UsageError
from rime_ws.siblings import Shared, SiblingFeed, fetch
from tests.rime_ws.clients import connect
from tests.rime_ws.talk import FROM_RIME, FakeEnvoy
from tests.rime_ws.web import get

pytestmark = pytest.mark.asyncio


class Siblings:
    """What one worker knows of the others."""

    def __init__(self, number, count=2, *, ready=True):
        self.number, self.count, self.ready = number, count, ready

    def when_ready(self, callback): ...

    def not_when_ready(self, callback): ...


class Workers:
    def __init__(self, address, folder, stack):
        self.address = address
        self.folder = folder
        self.planes = {}
        self._stack = stack
        self._running = {}

    async def start(self, number, *, ready=True):
        """A worker, with a client that is called as it is."""
        self.planes[number] = plane = Plane()
        plane.apply(CLUSTER, "a", b"")
        FakeEnvoy(
            plane.server(), Node(id=f"edge-{number}"), asyncio.get_running_loop().time, peer=f"10.0.0.1:{number}"
        ).ask(CLUSTER).catch_up()
        self._running[number] = await self._stack.enter_async_context(AsyncExitStack())
        shared = Shared(Siblings(number, ready=ready), self.folder)
        await self._running[number].enter_async_context(rime_ws.serve(plane.server(), self.address, shared=shared))

    async def end(self, number):
        await self._running[number].aclose()


@pytest.fixture
def port():
    """A port that is held as the first process holds it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@asynccontextmanager
async def workers_at(port, folder):
    async with AsyncExitStack() as stack:
        made = Workers(f"127.0.0.1:{port}", folder, stack)
        await made.start(1)
        await made.start(2)
        yield made


async def clients(client):
    """The clients that there are when the first state is whole."""
    await client.send(message="subscribe", feed="clients", id="who")
    found: dict[str, int] = {}
    while True:
        message = await client.next()
        FROM_RIME.validate(message)
        if message["message"] == "clients":
            found.update((each["node"]["id"], each["worker"]) for each in message["clients"])
            if not message["more"]:
                return found


async def test_whichever_worker_one_comes_to_the_clients_of_all_are_told(port, tmp_path):
    async with workers_at(port, tmp_path) as workers:
        for _ in range(8):
            async with connect(workers.address) as client:
                assert await clients(client) == {"edge-1": 1, "edge-2": 2}


async def test_a_worker_that_ends_takes_its_clients_along_and_another_in_its_place_is_found(port, tmp_path):
    async with workers_at(port, tmp_path) as workers:
        await workers.end(2)  # so that whoever connects comes to the first
        async with connect(workers.address) as client:
            assert await clients(client) == {"edge-1": 1}
            await workers.start(2)
            message = await client.next("clients")
            assert [each["node"]["id"] for each in message["clients"]] == ["edge-2"]
            await workers.end(2)
            assert (await client.next("clients"))["removed"] == ["edge-2@10.0.0.1:2"]


async def test_the_metrics_are_those_of_all(port, tmp_path):
    async with workers_at(port, tmp_path) as workers:
        for _ in range(4):
            body = (await get(workers.address, "/metrics")).body
            assert 'rime_streams{state="synced",transport="grpc",worker="1"} 1.0' in body
            assert 'rime_streams{state="synced",transport="grpc",worker="2"} 1.0' in body
            assert 'rime_resources{group="default",type="clusters"} 1.0' in body


async def test_it_is_not_ready_before_the_others_were(port, tmp_path):
    async with AsyncExitStack() as stack:
        workers = Workers(f"127.0.0.1:{port}", tmp_path, stack)
        await workers.start(1, ready=False)
        found = await get(workers.address, "/readyz")
        assert (found.status, found.body.splitlines()[0]) == (503, "not ready")
        assert found.body.splitlines()[-1] == "the other workers have not all been ready yet"
        await workers.end(1)
        await workers.start(1, ready=True)
        assert (await get(workers.address, "/readyz")).status == 200


async def test_a_port_that_was_not_to_be_shared_is_refused(port, tmp_path):
    async with workers_at(port, tmp_path) as workers:
        with pytest.raises(UsageError, match="in use"):
            async with rime_ws.serve(Plane().server(), workers.address):
                pass


async def test_who_cannot_be_asked_is_none(tmp_path):
    assert await fetch(tmp_path / "nobody", "/metrics") is None


async def test_what_is_no_page_is_none(port, tmp_path):
    async with workers_at(port, tmp_path):
        assert await fetch(tmp_path / "1", "/nothing") is None
        assert await fetch(tmp_path / "1", "/healthz") == "ok\n"


async def until(woken, feed):
    """What a feed says next."""
    while True:
        await woken.wait()
        woken.clear()
        said = feed.take(0.0)
        if said is not None:
            return said


async def test_that_a_worker_has_gone_is_said_once(tmp_path, monkeypatch):
    monkeypatch.setattr("rime_ws.siblings.AGAIN_AFTER", 0)
    woken = asyncio.Event()
    feed = SiblingFeed(tmp_path / "nobody", {"message": "subscribe", "feed": "clients", "id": "x"}, woken.set)
    try:
        assert await until(woken, feed) == {"message": "lost"}
        assert feed.take(0.0) is None
        for _ in range(100):
            await asyncio.sleep(0)
        assert not woken.is_set()
    finally:
        feed.close()


async def test_what_is_not_taken_yet_is_not_replaced_by_what_comes_next(tmp_path):
    async def tell(there):
        for text in ("hello", 1, 2, 3):
            await there.send(json.dumps(text))
        await there.wait_closed()

    woken = asyncio.Event()
    async with unix_serve(tell, str(tmp_path / "1")):
        feed = SiblingFeed(tmp_path / "1", {"message": "subscribe"}, woken.set)
        try:
            await woken.wait()
            for _ in range(100):
                await asyncio.sleep(0)
            first = feed.take(0.0)
            assert [first, await until(woken, feed), await until(woken, feed)] == [1, 2, 3]
        finally:
            feed.close()


async def test_only_this_user_can_reach_the_sockets(port, tmp_path):
    """The folder is made so by who starts the workers; a socket is in it, and nowhere else."""
    async with workers_at(port, tmp_path):
        assert sorted(each.name for each in tmp_path.iterdir() if each.is_socket()) == ["1", "2"]


async def test_numbers_say_which_socket_is_whose(tmp_path):
    shared = Shared(Siblings(2, 3), tmp_path)

    assert shared.own == tmp_path / "2"
    assert shared.others == {1: tmp_path / "1", 3: tmp_path / "3"}
