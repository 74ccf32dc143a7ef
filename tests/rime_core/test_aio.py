"""Awaiting a Subscriber: nothing is lost when a wait is cancelled; closing ends it."""

import asyncio
import subprocess
import sys

import pytest

from rime_core import CLUSTER, ClosedError, Plane, UsageError

pytestmark = pytest.mark.asyncio


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def subscriber(plane):
    subscriber = plane.server().subscribe(CLUSTER)
    subscriber.initial()
    return subscriber


async def waiting(subscriber):
    """A task that waits for the next update, and does so already."""
    task = asyncio.create_task(subscriber.changed())
    await asyncio.sleep(0)
    assert subscriber.waited_for
    return task


def names(update):
    return [resource.name for resource in update.resources]


async def test_it_waits_for_a_change(plane, subscriber):
    task = await waiting(subscriber)
    assert not task.done()
    plane.apply(CLUSTER, "a", b"1")
    assert names(await task) == ["a"]
    assert subscriber.poll() is None


async def test_what_is_there_already_is_not_waited_for(plane, subscriber):
    plane.apply(CLUSTER, "a", b"1")
    assert names(await subscriber.changed()) == ["a"]


async def test_what_is_asked_for_ends_the_wait(subscriber):
    task = await waiting(subscriber)
    subscriber.add(["phantom"])
    assert (await task).removed == ("phantom",)


async def test_a_wake_up_for_nothing_goes_on_waiting(plane, subscriber):
    task = await waiting(subscriber)
    plane.apply(CLUSTER, "a", b"1")
    plane.remove(CLUSTER, "a")
    await asyncio.sleep(0)
    plane.apply(CLUSTER, "b", b"1")
    assert names(await task) == ["b"]


async def test_parts_come_one_by_one(plane):
    subscriber = plane.server().subscribe(CLUSTER, max_bytes=500)
    subscriber.initial()
    plane.replace(CLUSTER, {"a": bytes(400), "b": bytes(400)})
    assert names(await subscriber.changed()) + names(await subscriber.changed()) == ["a", "b"]


@pytest.mark.parametrize("change", ["before", "after", "at the same time"])
async def test_a_wait_that_is_cancelled_loses_nothing(plane, subscriber, change):
    task = await waiting(subscriber)
    if change == "at the same time":
        plane.apply(CLUSTER, "a", b"1")
    task.cancel()
    if change == "before":
        plane.apply(CLUSTER, "a", b"1")
    with pytest.raises(asyncio.CancelledError):
        await task
    if change == "after":
        plane.apply(CLUSTER, "a", b"1")
    assert not subscriber.waited_for
    assert names(await subscriber.changed()) == ["a"]


async def test_a_wait_with_a_limit_can_be_taken_up_again(plane, subscriber):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await subscriber.changed()
    plane.apply(CLUSTER, "a", b"1")
    assert names(await subscriber.changed()) == ["a"]


async def test_only_one_waits(subscriber):
    task = await waiting(subscriber)
    with pytest.raises(
        UsageError, match=r"^somebody else awaits this subscriber already; each client has one of its own$"
    ):
        await subscriber.changed()
    assert not task.done()
    task.cancel()


async def test_waiting_before_the_first_answer(plane):
    with pytest.raises(UsageError, match=r"call initial\(\) before"):
        await plane.server().subscribe(CLUSTER).changed()


async def test_a_wake_callback_is_called_as_well(plane):
    woken = []
    subscriber = plane.server().subscribe(CLUSTER, wake=lambda: woken.append(1))
    subscriber.initial()
    task = await waiting(subscriber)
    plane.apply(CLUSTER, "a", b"1")
    await task
    assert woken == [1]


@pytest.mark.parametrize("who", ["subscriber", "plane"])
async def test_closing_wakes_who_waits(plane, subscriber, who):
    task = await waiting(subscriber)
    (subscriber if who == "subscriber" else plane).close()
    with pytest.raises(ClosedError, match=r"^the subscriber was closed while it was awaited$"):
        await task
    with pytest.raises(ClosedError):
        await subscriber.changed()


async def test_an_iteration_gives_each_update_and_ends_with_close(plane, subscriber):
    seen = []
    plane.apply(CLUSTER, "a", b"1")
    async for update in subscriber:
        seen += names(update)
        if "b" in seen:
            plane.apply(CLUSTER, "late", b"1")
            subscriber.close()
        else:
            plane.apply(CLUSTER, "b", b"1")
    assert seen == ["a", "b"]


async def test_an_iteration_that_waits_ends_with_close(plane, subscriber):
    async def all_of_it():
        return [update async for update in subscriber]

    task = asyncio.create_task(all_of_it())
    await asyncio.sleep(0)
    assert subscriber.waited_for
    plane.close()
    assert await task == []


async def test_an_error_of_use_does_not_end_an_iteration_quietly(plane):
    with pytest.raises(UsageError):
        async for _ in plane.server().subscribe(CLUSTER):
            pass


async def test_who_uses_callbacks_does_not_load_asyncio():
    code = "import sys, rime_core; plane = rime_core.Plane(); print('asyncio' in sys.modules)"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
