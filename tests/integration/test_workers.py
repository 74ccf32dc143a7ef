"""Several workers on one port: wherever a client lands, it is sent what it lacks, and nothing that it has."""

import asyncio
import json
import os
import signal

import grpc
import pytest
import pytest_asyncio

from . import resources
from .rime import rime as command
from .waiting import eventually
from .workers import Delta, Sotw, connected, on_worker, workers_of

pytestmark = pytest.mark.asyncio

WORKERS = "[serve]\nworkers = 2\n"
NAMES = ("blue", "green", "red")

variants = pytest.mark.parametrize("variant", [Delta, Sotw])


@pytest_asyncio.fixture
async def rime(stage):
    stage.save(**{name: resources.cluster(name) for name in NAMES})
    return await stage.rime(config=WORKERS)


@variants
async def test_all_workers_say_the_same_of_the_same(rime, variant):
    said = []
    for number in (1, 2):
        async with on_worker(number, variant, rime, f"from-{number}") as client:
            said.append(await client.sent())

    assert len(said[0]) == len(NAMES)
    assert said[0] == said[1]


@variants
async def test_a_client_that_moves_to_another_worker_is_sent_only_what_changes(stage, rime, variant):
    async with on_worker(1, variant, rime, "first") as client:
        await client.sent()
        versions = client.versions

    async with on_worker(2, variant, rime, "then", versions) as client:
        stage.save(green=resources.cluster("green", "2s"))
        said = await client.sent()

    # state-of-the-world has no smaller answer than all; had it been sent what it had, that would have come first
    assert [name for name, _ in said] == (["green"] if variant is Delta else [0, 1, 2])
    assert client.versions != versions


async def test_a_worker_that_is_killed_is_replaced_and_its_clients_are_sent_nothing_again(stage, rime):
    async with on_worker(1, Delta, rime, "on-1") as lost, on_worker(2, Delta, rime, "on-2") as other:
        for client in (lost, other):
            assert len(await client.sent()) == len(NAMES)
        killed, stays = workers_of(rime.process)
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await lost.sent()
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        # until then it may still be given connections, which end at once
        await eventually(lambda: [each for each in rime.log if "starts again" in each["message"]])

        async with connected(Delta, rime, "back", lost.versions) as (back, _):
            stage.save(green=resources.cluster("green", "2s"))
            assert [name for name, _ in await back.sent()] == ["green"]
        assert [name for name, _ in await other.sent()] == ["green"]

    new = await eventually(lambda: set(workers_of(rime.process)) - {killed, stays})
    assert len(new) == 1
    async with on_worker(1, Delta, rime, "again", lost.versions) as again:
        assert [name for name, _ in await again.sent()] == ["green"]


async def test_whoever_looks_sees_the_clients_of_all_workers(stage):
    stage.save(**{name: resources.cluster(name) for name in NAMES})
    rime = await stage.rime(config=WORKERS, looked_at=True)
    async with (
        on_worker(1, Delta, rime, "on-1") as one,
        on_worker(2, Delta, rime, "on-2") as two,
    ):
        for client in (one, two):
            assert len(await client.sent()) == len(NAMES)
        at = ("--at", f"ws://{rime.looked_at}", "-o", "json")
        (found,) = json.loads(await asyncio.to_thread(command, "status", "--wait", *at))
        listed = json.loads(await asyncio.to_thread(command, "clients", *at))

    assert found["clients"]["synced"] == 2
    assert [each["running"] for each in found["workers"]] == [True, True]
    assert sorted(each["worker"] for each in listed) == [1, 2]


async def test_an_envoy_whose_worker_is_killed_goes_on_and_is_sent_one_change_and_nothing_else(stage):
    blue, green = await stage.upstream("blue"), await stage.upstream("green")
    stage.save(
        cluster=resources.cluster(),
        endpoints=resources.endpoints(blue),
        route=resources.route(),
        listener=resources.listener(),
    )
    rime = await stage.rime(config=WORKERS)
    port = await stage.envoy(rime.address).port()
    await stage.answers(port, "blue")
    assert await eventually(lambda: rime.sent()[0]) == 4

    os.kill(workers_of(rime.process)[rime.events("opened")[0]["worker"] - 1], signal.SIGKILL)
    await eventually(lambda: len(rime.events("opened")) == 2)
    stage.save(endpoints=resources.endpoints(green))
    await stage.answers(port, "green")

    assert rime.sent() == (5, 0)
    assert rime.end() == 0
