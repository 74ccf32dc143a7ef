"""The Makefile, with a stand-in for Python: what is set up when, and that half a set-up is none.

`make dist` is run for real by tests/wheels, `make demo` by tests/integration.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Makes an environment whose python is this script again; writes down how it was called; fails where it is told to.
PYTHON = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
case "$*" in
  --version) echo Python 3.11.0 ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
[[ -z "${FAILING:-}" || "$*" != *"$FAILING"* ]]
"""


class Tree:
    """A copy of what the set-up looks at."""

    def __init__(self, path):
        self.path = path
        self.ready = path / ".venv" / ".ready"
        self.python = path / "python"
        shutil.copy(ROOT / "Makefile", path)
        shutil.copy(ROOT / "pyproject.toml", path)
        (path / "packages" / "rime-core").mkdir(parents=True)
        shutil.copy(ROOT / "packages" / "rime-core" / "pyproject.toml", path / "packages" / "rime-core")
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def make(self, *arguments, failing=""):
        """What it printed, its exit status, and how Python was called."""
        calls = self.path / "calls"
        calls.write_text("")
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))}
        done = subprocess.run(
            ["make", f"PYTHON={self.python}", *arguments],
            cwd=self.path,
            env=outer | {"CALLS": str(calls), "FAILING": failing},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout, done.returncode, calls.read_text().splitlines()

    def later(self, path):
        """As if `path` had been changed after the set-up."""
        changed = self.ready.stat().st_mtime + 10
        os.utime(path, (changed, changed))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_make_alone_lists_every_target(tree):
    out, status, calls = tree.make()
    [phony] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert (status, calls) == (0, [])
    assert {line.split()[1] for line in out.splitlines()} == set(phony.split()) - {"help", "setup"}


def test_make_test_sets_up_once_and_runs_the_tests(tree):
    out, status, calls = tree.make("test")

    assert status == 0
    assert [call.split()[:3] for call in calls] == [
        ["--version"],
        ["-m", "venv", ".venv"],
        ["-m", "pip", "install"],
        ["-m", "pip", "install"],
        ["-m", "pytest"],
    ]
    assert "about a minute" in out

    assert tree.make("test", "ARGS=-k R28")[1:] == (0, ["-m pytest -k R28"])


@pytest.mark.parametrize("file", ["pyproject.toml", "packages/rime-core/pyproject.toml"])
def test_a_project_file_that_changed_is_set_up_anew(tree, file):
    tree.make("setup")
    tree.later(tree.path / file)

    assert len(tree.make("setup")[2]) == 4


@pytest.mark.parametrize("step", ["-m venv", "--upgrade pip", "--group dev"])
def test_what_failed_halfway_is_done_again(tree, step):
    out, status, _ = tree.make("test", failing=step)

    assert status != 0
    assert "Error" in out
    assert not tree.ready.exists()
    assert len(tree.make("setup")[2]) == 4
    assert tree.ready.exists()


def test_what_failed_after_a_change_is_not_ready_either(tree):
    tree.make("setup")
    tree.later(tree.path / "pyproject.toml")
    tree.make("setup", failing="--group dev")

    assert not tree.ready.exists()


def test_without_a_python_that_will_do_it_says_so(tree):
    out, status, _ = tree.make("setup", "PYTHON=")

    assert status != 0
    assert out.splitlines()[0] == (
        "make: needs Python 3.11 or newer with its venv module (on Debian: apt install python3-venv);"
        " make PYTHON=/path/to/python3 names one"
    )


def test_tests_that_fail_fail_it(tree):
    assert tree.make("test", failing="pytest")[1] != 0
