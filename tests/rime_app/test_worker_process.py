"""A worker's process, and the line to it, without a rime in it: what answers there is a program of the test's."""

import signal
import sys
from pathlib import Path

import anyio
import pytest

from rime_app.config import Config, read_config
from rime_app.worker import AWAITED
from rime_app.worker_process import AllReady, Failed, Ready, Task, WorkerProcess

pytestmark = pytest.mark.anyio

PROGRAM = """
import signal, sys, os
from multiprocessing.connection import Connection
from rime_app.worker_process import Failed, Ready

line = Connection(int(sys.argv[-1]))
task = line.recv()
line.send(Ready(f"{task.number} of {task.count} at {task.folder}, -P: {sys.flags.safe_path}"))
line.send(Ready(str(sorted(int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])))))
line.send(Ready(repr(task.config)))
line.send(Failed(2, type(line.recv()).__name__))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
signal.pause()
"""


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def python(tmp_path, monkeypatch):
    """In place of Python, a program that runs `PROGRAM`, with the options of Python that it was given."""
    (tmp_path / "program.py").write_text(PROGRAM)
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$1" {tmp_path}/program.py "$4"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(wrapper))


CONFIG = read_config(sources=["file:conf?group=a"], transports=["grpc:127.0.0.1:1?max_streams=5"])


async def test_it_is_told_what_to_do_and_says_how_it_goes_until_it_ends():
    process = WorkerProcess(Task(2, 4, CONFIG, Path("/run/rime")))
    assert await process.said() == Ready("2 of 4 at /run/rime, -P: True")
    assert await process.said() == Ready(str(sorted(map(int, AWAITED))))  # so no signal finds it without a handler
    assert await process.said() == Ready(repr(CONFIG))
    process.all_ready()
    assert await process.said() == Failed(2, AllReady.__name__)

    process.signal(signal.SIGTERM)

    assert await process.said() is None
    assert await process.ended() == -signal.SIGTERM
    process.signal(signal.SIGTERM)  # to one that has gone it goes nowhere
    process.all_ready()


async def test_this_process_hears_signals_as_before():
    process = WorkerProcess(Task(1, 2, Config(), Path()))

    assert not AWAITED & signal.pthread_sigmask(signal.SIG_BLOCK, [])
    process.signal(signal.SIGKILL)
    assert await process.ended() == -signal.SIGKILL


async def test_one_that_ends_before_it_is_told_anything_is_noticed(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    process = WorkerProcess(Task(1, 2, Config(), Path()))

    with anyio.fail_after(10):
        assert await process.said() is None
        assert await process.ended() == 1
