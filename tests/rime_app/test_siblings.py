"""What a worker knows of the others, from the line to the process that started them all."""

import os
import signal
import threading
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from rime_app.config import Config
from rime_app.siblings import Siblings
from rime_app.worker_process import AllReady, Task


@pytest.fixture
def line():
    ours, theirs = Pipe()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """What would be done to this process."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    monkeypatch.setattr(os, "_exit", lambda status: sent.append(("exit", status)))
    monkeypatch.setattr("rime_app.siblings.END_WITHIN", 0.0)
    return sent


@pytest.fixture
def siblings(line, tmp_path):
    return Siblings(Task(2, 4, Config(), tmp_path / "rime"), line[1])


def hear(siblings):
    """Hear all that the line brings until it ends, without a thread."""
    siblings._hear(lambda callback: callback())


def test_it_is_what_transports_are_given(siblings):
    assert (siblings.number, siblings.count, siblings.ready) == (2, 4, False)


def test_each_transport_has_a_folder_that_its_siblings_have_too(siblings, tmp_path):
    (tmp_path / "rime").mkdir()

    assert siblings.folder(1) == siblings.folder(1) == tmp_path / "rime" / "1"
    assert siblings.folder(0).is_dir()


def test_who_waits_is_called_once_when_all_are_ready(siblings, line):
    called = []
    count = lambda: called.append("ready")  # noqa: E731 - the same each time, as asking twice is asking once
    siblings.when_ready(count)
    siblings.when_ready(count)
    line[0].send(AllReady())
    line[0].close()
    hear(siblings)

    assert siblings.ready
    assert called == ["ready"]
    siblings.when_ready(count)
    assert called == ["ready", "ready"]


def test_who_waits_no_longer_is_not_called(siblings, line):
    called = []
    count = lambda: called.append("ready")  # noqa: E731 - as above
    siblings.when_ready(count)
    siblings.not_when_ready(count)
    siblings.not_when_ready(count)
    line[0].send(AllReady())
    line[0].close()
    hear(siblings)

    assert called == []


def test_the_end_of_the_line_ends_it_by_signal_or_at_last_without_and_leaves_no_sockets(siblings, line, told, tmp_path):
    (tmp_path / "rime").mkdir()
    siblings.folder(0)
    line[0].close()
    hear(siblings)

    assert told == [(os.getpid(), signal.SIGTERM), ("exit", 1)]
    assert not siblings.ready
    assert not Path(tmp_path / "rime").exists()


def test_it_is_heard_in_a_thread_that_keeps_nothing_from_ending(siblings, line, told):
    called: list[Any] = []
    siblings.begin(called.append)
    assert [each.daemon for each in threading.enumerate() if each.name == "line"] == [True]
    line[0].send(AllReady())
    while not called:
        pass
    line[0].close()
    while len(told) < 2:
        pass

    assert not siblings.ready  # what is to be called in the loop was not called here
    called[0]()
    assert siblings.ready
