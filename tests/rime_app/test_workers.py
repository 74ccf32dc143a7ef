"""Workers are kept running; here they are fakes, and time is virtual. `test_worker.py` has real ones."""

import asyncio
import errno
import logging
import signal

import anyio
import pytest

from rime_app import workers
from rime_app.supervise import Backoff, keep_running
from rime_app.worker_process import Failed, Ready, Said
from rime_app.workers import StartError, Workers
from rime_core.errors import UsageError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Process:
    """A worker that says and does what the test has it do."""

    def __init__(self, number, *, obedient=True):
        self.number = number
        self.signals = []
        self.told_all_ready = 0
        self._obedient = obedient
        self._saying: asyncio.Queue[Said | None] = asyncio.Queue()
        self._over = anyio.Event()
        self._status = None

    def ready(self, line="ready grpc://127.0.0.1:1 with 2 resources"):
        self._saying.put_nowait(Ready(line))

    def fail(self, status, line):
        self._saying.put_nowait(Failed(status, line))

    def die(self, status):
        self._status = status
        self._saying.put_nowait(None)
        self._over.set()

    async def said(self):
        return await self._saying.get()

    async def ended(self):
        await self._over.wait()
        return self._status

    def all_ready(self):
        self.told_all_ready += 1

    def signal(self, number):
        self.signals.append(number)
        if self._status is None and (self._obedient or number == signal.SIGKILL):
            self.die(0)


class Stage:
    """Workers, the processes that were started, and a clock that only sleeping moves."""

    def __init__(self, count, *, obedient=True):
        self.announced: list[str] = []
        self.slept = []
        self.processes = []
        self.now = 0.0
        self.starts = 0
        self.refused: tuple[int, ...] = ()
        """The starts, from 1, that the system does not allow."""
        self._obedient = obedient
        self.workers = Workers(count, self._start, self.announced.append, keep=self._keep)

    async def _keep(self, *args, **options):
        await keep_running(
            *args, **options, backoff=Backoff(chance=lambda: 0.0), clock=lambda: self.now, sleep=self._sleep
        )

    async def _sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()

    def _start(self, number):
        self.starts += 1
        if self.starts in self.refused:
            raise OSError(errno.EMFILE, "Too many open files")
        process = Process(number, obedient=self._obedient)
        self.processes.append(process)
        return process

    async def __aenter__(self):
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self.workers.run)
        await self.settle()
        return self

    async def __aexit__(self, *error):
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(*error)

    async def settle(self):
        await anyio.wait_all_tasks_blocked()

    async def all_ready(self):
        for process in self.processes:
            process.ready()
        await self.settle()


async def test_each_is_started_once():
    async with Stage(3) as stage:
        assert [process.number for process in stage.processes] == [1, 2, 3]


async def test_it_is_announced_once_that_all_are_ready_and_every_one_is_told():
    async with Stage(2) as stage:
        one, two = stage.processes
        one.ready()
        await stage.settle()
        assert (stage.announced, one.told_all_ready) == ([], 0)

        two.ready()
        await stage.settle()

        assert stage.announced == ["ready grpc://127.0.0.1:1 with 2 resources, 2 workers"]
        assert (one.told_all_ready, two.told_all_ready) == (1, 1)


async def test_one_that_was_ready_and_died_does_not_count_as_ready():
    async with Stage(2) as stage:
        one, two = stage.processes
        one.ready()
        await stage.settle()
        one.die(-signal.SIGKILL)
        await stage.settle()
        two.ready()
        await stage.settle()

        assert stage.announced == []


async def test_one_that_dies_is_replaced_and_a_line_says_so(caplog):
    async with Stage(2) as stage:
        await stage.all_ready()
        stage.processes[1].die(-signal.SIGKILL)
        await stage.settle()

        assert [process.number for process in stage.processes] == [1, 2, 2]
        assert stage.processes[0].signals == []
        assert [record.getMessage() for record in caplog.records] == ["worker 2 failed and starts again in 1.0 s"]
        assert str(caplog.records[0].exc_info[1]) == "was ended by SIGKILL"
        assert caplog.records[0].levelno == logging.ERROR


async def test_who_replaces_it_is_told_at_once_that_all_have_been_ready_and_nothing_is_announced_again():
    async with Stage(2) as stage:
        await stage.all_ready()
        stage.processes[0].die(3)
        await stage.settle()
        *_, new = stage.processes
        assert new.told_all_ready == 1

        new.ready()
        await stage.settle()

        assert (len(stage.announced), new.told_all_ready) == (1, 1)


async def test_one_that_dies_again_and_again_is_started_ever_less_often():
    async with Stage(2) as stage:
        await stage.all_ready()
        for _ in range(7):
            stage.processes[-1].die(1)
            await stage.settle()

        assert stage.slept == [1, 2, 4, 8, 16, 30, 30]


async def test_later_all_may_die_and_all_are_replaced():
    async with Stage(2) as stage:
        await stage.all_ready()
        for _ in range(2):
            for process in stage.processes[-2:]:
                process.die(-signal.SIGKILL)
            await stage.settle()

        assert sorted(process.number for process in stage.processes) == [1, 1, 1, 2, 2, 2]


async def test_one_that_lasted_is_started_again_soon():
    async with Stage(2) as stage:
        await stage.all_ready()
        for _ in range(3):
            stage.processes[-1].die(1)
            await stage.settle()
        stage.now += 31
        stage.processes[-1].die(1)
        await stage.settle()

        assert stage.slept == [1, 2, 4, 1]


async def ends_with(error, count, act):
    stage = Stage(count)

    async def play():
        async with stage:
            act(stage)
            await anyio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await play()
    (raised,) = caught.value.exceptions
    assert type(raised) is error
    return str(raised), stage


async def test_what_cannot_be_served_is_told_once_and_ends_them_all():
    def act(stage):
        for process in stage.processes:
            process.fail(2, "--source file:nowhere: there is no such folder")

    text, stage = await ends_with(UsageError, 3, act)

    assert text == "--source file:nowhere: there is no such folder"
    assert len(stage.processes) == 3
    assert all(process.signals for process in stage.processes)


async def test_what_breaks_at_the_start_ends_them_with_the_status_of_that():
    text, _ = await ends_with(StartError, 2, lambda stage: stage.processes[1].fail(1, "broke on KeyError: 'x'"))

    assert text == "broke on KeyError: 'x'"


async def test_where_the_system_lets_too_few_start_they_end_and_it_is_said_what_may_help():
    stage = Stage(3)
    stage.refused = (2,)
    with pytest.raises(StartError) as raised:
        await stage.workers.run()
    assert str(raised.value) == (
        "worker 2 of 3 cannot be started: Too many open files; fewer --workers, or a higher limit (ulimit), may help"
    )
    assert stage.processes[0].signals == [signal.SIGTERM]


async def test_where_one_cannot_be_started_again_it_is_tried_later_and_the_others_go_on(caplog):
    async with Stage(2) as stage:
        await stage.all_ready()
        stage.refused = (3, 4)
        stage.processes[0].die(-9)
        await stage.settle()
        assert [process.number for process in stage.processes] == [1, 2, 1]
        assert not stage.processes[1].signals
    assert caplog.text.count("cannot be started: Too many open files") == 2


async def test_where_it_cannot_be_announced_it_is_over_as_with_one_process():
    stage = Stage(1)

    def announce(_line):
        raise OSError(28, "No space left on device")

    with pytest.RaisesGroup(
        pytest.RaisesExc(StartError, match=r"broke on OSError: \[Errno 28\] No space left on device")
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Workers(1, stage._start, announce, keep=stage._keep).run)
            await stage.settle()
            stage.processes[0].ready()
            await stage.settle()
            tasks.cancel_scope.cancel()

    assert len(stage.processes) == 1


async def test_where_each_has_ended_without_a_word_before_all_were_ready_it_is_over():
    def act(stage):
        for process in stage.processes:
            process.die(-signal.SIGILL)

    text, _ = await ends_with(StartError, 2, act)

    assert text == "no worker comes up: the last was ended by SIGILL"


async def test_where_only_one_ends_before_all_were_ready_it_is_replaced():
    async with Stage(2) as stage:
        for _ in range(3):
            stage.processes[-1].die(-signal.SIGKILL)
            await stage.settle()
        stage.processes[0].ready()
        stage.processes[-1].ready()
        await stage.settle()

        assert len(stage.announced) == 1


async def test_what_a_later_one_cannot_serve_is_a_line_and_the_others_go_on(caplog):
    async with Stage(2) as stage:
        await stage.all_ready()
        stage.processes[1].die(1)
        await stage.settle()
        caplog.clear()
        stage.processes[2].fail(2, "grpc: cannot read cert=tls.crt: No such file or directory")
        stage.processes[2].die(2)
        await stage.settle()

        assert [process.number for process in stage.processes] == [1, 2, 2, 2]
        assert str(caplog.records[0].exc_info[1]) == "grpc: cannot read cert=tls.crt: No such file or directory"


async def test_signals_are_passed_on_to_all_that_live():
    async with Stage(2, obedient=False) as stage:
        await stage.all_ready()
        stage.processes[0].die(1)
        await stage.settle()
        stage.workers.signal(signal.SIGHUP)

        assert [process.signals for process in stage.processes[1:]] == [[signal.SIGHUP], [signal.SIGHUP]]
        for process in stage.processes[1:]:
            process.die(0)


async def test_at_the_end_each_is_told_to_end_and_waited_for():
    async with Stage(2) as stage:
        await stage.all_ready()

    assert [process.signals for process in stage.processes] == [[signal.SIGTERM]] * 2


async def test_one_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(workers, "END_WITHIN", 0.0)
    async with Stage(2, obedient=False) as stage:
        await stage.all_ready()

    assert [process.signals for process in stage.processes] == [[signal.SIGTERM, signal.SIGKILL]] * 2


def test_workers_are_given_more_time_to_end_than_they_take():
    assert workers.END_WITHIN > 1
