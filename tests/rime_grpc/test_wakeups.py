"""What grpcio has finished is taken together."""

import asyncio
import socket

import pytest
import uvloop

import rime_grpc
from rime_core import CLUSTER, Plane
from rime_grpc import wakeups
from tests.rime_grpc.clients import connect


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


class Reader:
    """Takes a byte and all that was queued by then, as grpcio's."""

    def __init__(self, pair):
        self._pair = pair
        self._queued = []
        self.found = []
        self.full = asyncio.Event()

    def queue(self, *items):
        for item in items:
            self._queued.append(item)
            self._pair[1].send(b"1")

    def __call__(self, of):
        assert of == "what it was added with"
        self._pair[0].recv(1)
        self.found.append(list(self._queued))
        self._queued.clear()
        self.full.set()


@pytest.mark.asyncio
async def test_all_bytes_that_are_there_are_one_call(pair):
    loop, reader = asyncio.get_running_loop(), Reader(pair)
    with wakeups.taken_together(loop):
        loop.add_reader(pair[0], reader, "what it was added with")
    reader.queue(1, 2, 3)
    await reader.full.wait()
    await asyncio.sleep(0)
    assert reader.found == [[1, 2, 3]]
    reader.full.clear()
    reader.queue(4)
    await reader.full.wait()
    assert reader.found == [[1, 2, 3], [4]]
    loop.remove_reader(pair[0])


def test_on_uvloop_as_well_which_rime_serve_runs_on(pair):
    uvloop.run(test_all_bytes_that_are_there_are_one_call(pair))


@pytest.mark.asyncio
async def test_what_comes_meanwhile_brings_a_call_of_its_own(pair):
    loop, reader = asyncio.get_running_loop(), Reader(pair)
    with wakeups.taken_together(loop):
        loop.add_reader(pair[0], reader, "what it was added with")
    take = reader.__class__.__call__

    def taken(of):
        take(reader, of)
        if reader.found == [[1, 2]]:
            reader.queue(3)

    loop.remove_reader(pair[0])
    with wakeups.taken_together(loop):
        loop.add_reader(pair[0], taken, "what it was added with")
    reader.queue(1, 2)
    for _ in range(2):
        await reader.full.wait()
        reader.full.clear()
    assert reader.found == [[1, 2], [3]]
    loop.remove_reader(pair[0])


@pytest.mark.asyncio
async def test_what_a_failing_call_left_is_found_by_the_next(pair):
    loop, reader = asyncio.get_running_loop(), Reader(pair)
    failures = []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def failing_once(of):
        if not failures:
            pair[0].recv(1)
            raise RuntimeError("of a loop that is closed")
        reader(of)

    with wakeups.taken_together(loop):
        loop.add_reader(pair[0], failing_once, "what it was added with")
    reader.queue(1, 2, 3)
    await reader.full.wait()
    assert reader.found == [[1, 2, 3]]
    assert [str(each) for each in failures] == ["of a loop that is closed"]
    loop.remove_reader(pair[0])


@pytest.mark.asyncio
async def test_afterwards_the_loop_is_as_it_was(pair):
    loop, reader = asyncio.get_running_loop(), Reader(pair)
    with wakeups.taken_together(loop):
        pass
    loop.add_reader(pair[0], reader, "what it was added with")
    reader.queue(1, 2)
    await reader.full.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert reader.found == [[1, 2], []]
    loop.remove_reader(pair[0])


async def grpcio_takes_its_reader_there(monkeypatch):
    calls = []
    once = wakeups._once

    def counted(pair, *args):
        calls.append(pair)
        once(pair, *args)

    monkeypatch.setattr(wakeups, "_once", counted)
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.subscribe(known={}, node_id="n")
        assert set((await client.receive()).resources) == {"a"}
    assert calls


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_grpcio_takes_its_reader_there(monkeypatch, run):
    """Else it would have found another way, and ours would be of no use."""
    run(grpcio_takes_its_reader_there(monkeypatch))
