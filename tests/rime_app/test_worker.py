"""Workers as processes: `rime serve --workers` is the real command, with a plugin that only it sees."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PLUGIN = """
    import os
    import signal
    import subprocess
    import time
    from pathlib import Path

    import anyio

    from rime_app import hookimpl
    from rime_core import CLUSTER, UsageError


    def tell(line):
        os.write(2, f"{line}\\n".encode())  # at once: two processes write here, and print has several writes for a line


    class Source:
        def __init__(self, place, options):
            self.place = place
            if place == "missing":
                raise UsageError("shop: there is no table")
            if place == "killed-at-start":
                os.kill(os.getpid(), 9)
            if place == "broken":
                raise SystemExit(3)

        async def run(self, writer):
            tell(f"pid {os.getpid()}")
            with writer.transaction() as change:
                for name in "abcd":
                    change.apply(CLUSTER, name, b"")
            if self.place == "late" and not Path("first").exists():
                Path("first").touch()
                while not Path("go").exists():
                    await anyio.sleep(0.01)
            writer.ready()
            if self.place == "with-child":
                child = subprocess.Popen(["sleep", "60"], close_fds=False)
                tell(f"child {child.pid}")
            if self.place == "deaf":
                await anyio.sleep(0.3)
                tell("deaf")
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
                time.sleep(60)
            if self.place == "blocking":
                await anyio.sleep(0.3)
                tell("blocking")
                time.sleep(60)
            if self.place == "emptied":
                await anyio.sleep(0.1)
                writer.replace(CLUSTER, {})
            await anyio.sleep_forever()


    class Transport:
        def __init__(self, place, options):
            self.place = place

        def share(self, siblings, folder):
            self.siblings = siblings
            folder.joinpath(str(siblings.number)).touch()
            siblings.when_ready(lambda: tell(f"{siblings.number} of {siblings.count}"))
            assert not siblings.ready

        async def run(self, server, *, task_status):
            task_status.started(self.place)
            await anyio.sleep_forever()


    class Alone:
        def __init__(self, place, options): ...

        async def run(self, server, *, task_status): ...


    @hookimpl
    def rime_sources():
        return {"shop": Source}


    @hookimpl
    def rime_transports():
        return {"shop": Transport, "alone": Alone}
"""


@pytest.fixture
def serve(rime, monkeypatch):
    rime.install("shop-plugin", PLUGIN)
    monkeypatch.setenv("TMPDIR", str(rime.site))

    def start(place="well", *more, workers="2", transport="shop:here"):
        return rime.start("serve", "--source", f"shop:{place}", "--transport", transport, "--workers", workers, *more)

    return start


def until(stream, text, *, times=1):
    """The lines of a stream, up to where `text` was in so many."""
    lines = []
    for line in stream:
        lines.append(line)
        if sum(text in each for each in lines) == times:
            return lines
    raise AssertionError(f"{text!r} did not come {times} times: {lines}")


def pids(lines):
    return [int(line.split()[1]) for line in lines if line.startswith("pid ")]


def lives(process):
    """Whether it does; one that ended and was not asked for its status is still there."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def gone(*processes):
    """Whether all have ended within four seconds: they take two at most."""
    deadline = time.monotonic() + 4
    while any(map(lives, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def started(serve, *arguments, **options):
    """A `rime serve` that is ready, and its workers' process ids."""
    process = serve(*arguments, **options)
    workers = pids(until(process.stderr, "pid ", times=2))
    assert process.stdout.readline() == "ready shop://here with 4 resources, 2 workers\n"
    return process, workers


def test_each_is_a_process_and_one_line_says_that_all_are_ready(serve, rime):
    process, workers = started(serve)

    assert len({process.pid, *workers}) == 3
    assert sorted(until(process.stderr, " of ", times=2)[-2:]) == ["1 of 2\n", "2 of 2\n"]
    (folder,) = rime.site.glob("rime-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(each.name for each in (folder / "0").iterdir()) == ["1", "2"]


def test_ready_is_said_when_the_last_one_is(serve, rime):
    process = serve("late")
    until(process.stderr, "pid ", times=2)
    assert select.select([process.stdout], [], [], 0.3)[0] == []

    (rime.site / "go").touch()

    assert process.stdout.readline().startswith("ready ")


def test_a_signal_ends_all_with_status_0(serve, rime):
    process, workers = started(serve)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)

    assert (process.returncode, out) == (0, "")
    assert "info    SIGTERM: ending\n" in err
    assert "Traceback" not in err
    assert "did not end" not in err
    assert gone(*workers)
    assert list(rime.site.glob("rime-*")) == []


def test_ctrl_c_which_reaches_all_at_once_ends_all_with_status_0(serve):
    process, workers = started(serve)

    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGCONT):
        for each in (process.pid, *workers):
            os.kill(each, number)
    _, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert "Traceback" not in err
    assert "failed" not in err


def test_a_worker_that_blocks_ends_too(serve):
    process = serve("blocking")
    workers = pids(until(process.stderr, "blocking", times=2))

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert process.returncode == 0
    assert gone(*workers)


@pytest.mark.parametrize(("place", "said"), [("well", "pid "), ("blocking", "blocking"), ("deaf", "deaf")])
def test_no_worker_is_left_behind_where_the_first_process_is_killed(serve, rime, place, said):
    process = serve(place)
    workers = pids(until(process.stderr, said, times=2))

    process.kill()
    process.wait()

    assert gone(*workers)
    assert list(rime.site.glob("rime-*")) == []


def test_a_worker_that_is_killed_is_replaced_also_where_a_child_of_its_lives_on(serve):
    process = serve("with-child")
    began = until(process.stderr, "child ", times=2)
    one, other = pids(began)
    process.stdout.readline()

    os.kill(one, signal.SIGKILL)
    lines = until(process.stderr, "child ")
    for each in (*began, *lines):
        if each.startswith("child "):
            os.kill(int(each.split()[1]), signal.SIGKILL)

    (line,) = (each for each in lines if "starts again" in each)
    assert " error   worker " in line
    assert line.endswith("s: was ended by SIGKILL\n")
    (new,) = pids(lines)
    assert new not in {one, other}
    assert lives(other)


def test_hup_reaches_every_worker_and_each_record_of_the_log_says_whose_it_is(serve):
    process = serve("emptied", "--max-removal", "10%", "--log", "json")
    until(process.stderr, "would lose 4 of 4 resources", times=8)

    process.send_signal(signal.SIGHUP)

    lines = until(process.stderr, "removals of shop:emptied have happened", times=2)
    assert sorted(json.loads(line)["worker"] for line in lines if "have happened" in line) == [1, 2]


@pytest.mark.parametrize(
    ("place", "options", "status", "line"),
    [
        ("missing", {}, 2, "rime: --source shop:missing: shop: there is no table\n"),
        ("well", {"transport": "alone:x"}, 2, "rime: --transport alone:x: alone cannot be shared by workers; leave"),
        ("killed-at-start", {}, 1, "rime: no worker comes up: the last was ended by SIGKILL\n"),
    ],
)
def test_what_cannot_be_served_is_said_once_with_the_status_that_one_process_has(
    serve, rime, place, options, status, line
):
    rime.install("other-plugin", "raise ImportError('no libpq')")
    process = serve(place, **options)
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out) == (status, "")
    plugin, *said = [each for each in err.splitlines(keepends=True) if each.startswith("rime: ")]
    assert "going on without it" in plugin
    assert len(said) == 1
    assert said[0].startswith(line)
    assert "Traceback" not in err


def test_where_the_path_of_a_socket_would_be_too_long_one_line_says_so_before_a_worker_starts(serve, rime, monkeypatch):
    long = rime.site / ("x" * 104)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    process = serve()
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"rime: workers: cannot have sockets in {long}/rime-")
    assert err.endswith(": AF_UNIX path too long; set TMPDIR to another place, with a short path\n")
    assert err.count("\n") == 1
    assert list(long.iterdir()) == []


def test_what_lies_in_the_working_directory_is_not_imported(rime):
    (rime.site / "anyio.py").write_text("raise SystemExit('the wrong one')")
    program = Path(sys.executable).with_name("rime")
    found = subprocess.run(
        [program, "serve", "--source", "nothing:", "--workers", "2"],
        cwd=rime.site, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip

    assert (found.returncode, "nothing" in found.stderr, "wrong" in found.stderr) == (2, True, False)
