"""What ends is started again."""

import asyncio
import logging

import anyio
import pytest

from rime_app.supervise import Backoff, keep_running
from rime_core.errors import SourceError, UsageError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class EnoughError(BaseException):
    """Ends a supervision that would go on for ever."""


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def attempts(*outcomes):
    """An async callable that does one outcome a call, an exception to raise or nothing, and then ends the test."""
    left = list(outcomes)

    async def run():
        if not left:
            raise EnoughError
        outcome = left.pop(0)
        if outcome is not None:
            raise outcome

    return run


async def supervise(run, time=None, **options):
    time = time or Time()
    with pytest.raises(EnoughError):
        await keep_running(
            "file:conf", run, backoff=Backoff(chance=lambda: 0.0), clock=time.clock, sleep=time.sleep, **options
        )
    return time


async def test_what_raises_is_told_in_one_line_and_started_again(caplog):
    time = await supervise(attempts(SourceError("conf: no such folder")))

    [line] = caplog.records
    assert line.getMessage() == "file:conf failed and starts again in 1.0 s"
    assert str(line.exc_info[1]) == "conf: no such folder"
    assert line.levelno == logging.ERROR
    assert time.slept == [1.0]


async def test_what_returns_is_told_and_started_again(caplog):
    await supervise(attempts(None))

    assert [line.getMessage() for line in caplog.records] == ["file:conf ended by itself and starts again in 1.0 s"]
    assert caplog.records[0].exc_info is None


async def test_a_bug_is_no_different_from_an_error_on_purpose():
    assert (await supervise(attempts(ZeroDivisionError(), ExceptionGroup("x", [TypeError()])))).slept == [1.0, 2.0]


async def test_the_fatal_error_is_raised():
    with pytest.raises(UsageError, match="port in use"):
        await keep_running("grpc:", attempts(UsageError("port in use")), fatal=UsageError)


async def test_what_is_cancelled_is_not_started_again():
    calls = []

    async def run():
        calls.append(1)
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_running, "file:conf", run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert calls == [1]


async def test_what_is_cancelled_by_asyncio_alone_is_not_started_again_either():
    task = asyncio.create_task(keep_running("file:conf", anyio.sleep_forever))
    await anyio.wait_all_tasks_blocked()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_cancellation_of_another_task_is_an_error_like_any_other(caplog):
    first = asyncio.create_task(asyncio.sleep(60))
    left = [first]

    async def run():
        if not left:
            raise EnoughError
        left.pop().cancel()
        await first

    time = await supervise(run)

    assert [line.getMessage() for line in caplog.records] == ["file:conf failed and starts again in 1.0 s"]
    assert time.slept == [1.0]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_a_plugin_cannot_end_the_process(error, caplog):
    await supervise(attempts(error))

    assert [line.getMessage() for line in caplog.records] == ["file:conf failed and starts again in 1.0 s"]
    assert caplog.records[0].exc_info[1] is error


def test_pauses_double_up_to_the_longest():
    backoff = Backoff(chance=lambda: 0.0)

    assert [backoff.after(0.1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_chance_cuts_a_pause_by_up_to_a_half():
    assert Backoff(chance=lambda: 1.0).after(0) == 0.5
    assert Backoff(chance=lambda: 0.5).after(0) == 0.75


def test_what_ran_for_long_starts_over_with_the_first_pause():
    backoff = Backoff(chance=lambda: 0.0)
    pauses = [backoff.after(lasted) for lasted in (0, 0, 0, 30.0, 30.1, 0)]

    assert pauses == [1, 2, 4, 8, 1, 2]


async def test_how_long_a_run_lasted_is_read_from_the_clock():
    time = Time()

    async def run():
        if len(time.slept) == 3:
            raise EnoughError
        time.now += 31 if len(time.slept) == 2 else 1

    await supervise(run, time)

    assert time.slept == [1.0, 2.0, 1.0]


def test_by_default_the_pauses_of_two_differ():
    assert len({Backoff().after(0) for _ in range(20)}) > 1
