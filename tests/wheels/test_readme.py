"""What the READMEs show is run, with the wheels installed as they say.

In a `console` block what follows `$` is run in the order of the page, and what it prints must be what the page shows; a
file that a `yaml` block names in its first line is there. `python` blocks are run, `pycon` blocks are doctests.
"""

import doctest
import re
import signal
from itertools import takewhile
from pathlib import Path

import pytest

from tests.examples.test_quickstart import changes
from tests.wheels.conftest import README, ROOT

pytestmark = pytest.mark.timeout(300)

PACKAGES = ROOT / "packages"
PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")


def blocks(page, *languages):
    """The text of each block in one of these languages, or in any where none is named."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages or not languages]


def sessions(page):
    """(command, what it prints), in the order of the page."""
    for block in blocks(page, "console"):
        lines = block.splitlines()
        for number, line in enumerate(lines):
            if line.startswith("$ "):
                printed = takewhile(lambda each: not each.startswith("$ "), lines[number + 1 :])
                yield line.removeprefix("$ "), "".join(f"{each}\n" for each in printed)


def on_any_port(text):
    """Other programs may have the page's port, here and in the processes that these tests start."""
    return PORT.sub("0", text)


def test_it_opens_with_a_paragraph_and_the_two_commands():
    title, paragraph, block = README.read_text(encoding="utf-8").split("\n\n")[:3]

    assert title == "# rime"
    assert paragraph.startswith("rime is ")
    assert [line.split("#")[0].strip() for line in block.splitlines()] == ["```sh", "make demo", "make test", "```"]


def test_what_it_makes_is_in_the_makefile():
    lines = [line.removeprefix("$ ") for block in blocks(README, "sh", "console") for line in block.splitlines()]
    targets = {line.split()[1] for line in lines if line.startswith("make ")}
    [phony] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert targets == {"demo", "test", "dist"}
    assert targets <= set(phony.split())


def test_it_shows_the_demo_that_there_is():
    """Its figures are of one run; its steps and what they prove are those of the program."""
    program = (ROOT / "examples" / "demo" / "demo.py").read_text(encoding="utf-8")
    [shown] = blocks(README, "text")

    assert re.findall(r"^\d  (.*)$", shown, re.MULTILINE) == re.findall(r'\.step\("([^":]*)"\)', program)
    assert set(re.findall(r"^  ✓ (\S+)", shown, re.MULTILINE)) <= set(re.findall(r'\.proven\("(\S+)"', program))


def test_its_commands_print_what_it_shows(whole):
    for block in blocks(README, "yaml"):
        path = whole.folder / block.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block, encoding="utf-8")

    ran = []
    for command, shown in sessions(README):
        if command.startswith(("make ", "pip install ")):
            continue  # what made this environment
        ran.append(command.split()[:2])
        if command.startswith("rime serve "):
            serves(whole, command, shown)
        else:
            done = whole.shell(command)
            assert (done.stdout, command) == (shown, command)
    assert ran == [["rime", "check"], ["rime", "bootstrap"], ["rime", "serve"], ["rime", "check"]]
    assert "port_value: 18000" in (whole.folder / "envoy.yaml").read_text(encoding="utf-8")


def serves(whole, command, shown):
    process = whole.start(*command.split(), "--transport", "grpc:127.0.0.1:0")
    try:
        assert on_any_port(process.stdout.readline()) == on_any_port(shown)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("page", [README, PACKAGES / "rime-grpc" / "README.md"], ids=lambda page: page.parent.name)
def test_its_program_serves(embedding, page):
    [program] = blocks(page, "python")
    # the page's own may end before a client has come
    patient = on_any_port(program).replace("sleep(0.1)", "sleep(100)")
    process = embedding.start("python", "-W", "error", "-c", patient)
    try:
        [address] = re.findall(r"^serving on (127\.0\.0\.1:\d+)$", process.stdout.readline())
        seen = changes(address)
        seconds, _ = next(seen)
        seen.close()
        assert seconds in (1, 2)
    finally:
        process.kill()
        process.communicate()


def test_the_program_of_rime_grpc_ends_by_itself(embedding):
    page = PACKAGES / "rime-grpc" / "README.md"
    [program] = blocks(page, "python")
    [shown] = blocks(page, "text")
    path = Path(embedding.folder, "program.py")
    path.write_text(program, encoding="utf-8")

    ran = embedding.shell("python -W error program.py")

    assert (ran.returncode, on_any_port(ran.stdout)) == (0, on_any_port(shown))


def test_the_program_of_rime_ws_ends_by_itself(whole):
    page = PACKAGES / "rime-ws" / "README.md"
    [program] = blocks(page, "python")
    [shown] = blocks(page, "text")
    Path(whole.folder, "look.py").write_text(program, encoding="utf-8")

    ran = whole.shell("python -W error look.py")

    assert (ran.returncode, on_any_port(ran.stdout)) == (0, on_any_port(shown))


def test_the_cores_sessions_run_with_nothing_else_installed(alone):
    page = PACKAGES / "rime-core" / "README.md"
    text = "\n".join(blocks(page, "pycon"))
    assert len(doctest.DocTestParser().get_examples(text)) > 10
    Path(alone.folder, "sessions.txt").write_text(text, encoding="utf-8")

    ran = alone.shell("python -m doctest sessions.txt")

    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("page", sorted(PACKAGES.glob("*/README.md")), ids=lambda page: page.parent.name)
def test_what_each_page_installs_is_ours(page):
    lines = [line for each in blocks(page) for line in each.splitlines() if "pip install" in line]
    named = {name for line in lines for name in re.findall(r"rime-[a-z0-9-]+", line)}

    assert page.parent.name in named
    assert named <= {path.name for path in PACKAGES.iterdir()}
