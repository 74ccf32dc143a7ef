"""The built wheels, and environments that have nothing but them: what users get, not what is in the tree."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.binpb*", "dist", "build", "*.egg-info")


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and a folder to work in that has the wheels in `dist/`, as the README's reader has."""

    path: Path
    folder: Path

    @property
    def variables(self) -> Mapping[str, str]:
        """Those of a shell in which it is activated."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE", "MFLAGS"))}
        return kept | {
            "PATH": os.pathsep.join([str(self.path / "bin"), kept.get("PATH", "")]),
            "VIRTUAL_ENV": str(self.path),
            "PYTHONUNBUFFERED": "1",
            "PIP_NO_COMPILE": "1",  # saves a third of the time; what is imported is compiled then
        }

    def shell(self, command: str, *, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a line as typed; what it printed, both kinds together, whatever its exit status."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def python(self, code: str) -> str:
        """What Python prints; an error is one of the test."""
        ran = subprocess.run(
            [self.path / "bin" / "python", "-W", "error", "-c", code],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a program of it; the caller ends it."""
        return subprocess.Popen(
            [self.path / "bin" / command[0], *command[1:]],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """The folder that `make dist` fills, from a copy of the sources without anything that was built before."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "packages", tree / "packages", ignore=NOT_SOURCES)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tree)
    # the environment that runs this test is set up: no second one is needed (-o: it is not out of date)
    ready = Path(sys.prefix, ".ready")
    make = ["make", f"VENV={sys.prefix}", "-o", str(ready), "dist"]
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    made = subprocess.run(make, cwd=tree, env=outer, capture_output=True, text=True, timeout=240, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return tree / "dist"


@pytest.fixture(scope="session")
def environment(tmp_path_factory, wheels):
    """Makes empty environments."""

    def make():
        folder = tmp_path_factory.mktemp("reader")
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        (folder / "dist").symlink_to(wheels)
        return Environment(folder / "venv", folder)

    return make


@pytest.fixture(scope="session")
def alone(environment):
    """rime-core and nothing else, not even xxhash; without an index, for it needs none."""
    made = environment()
    ran = made.shell("pip install --no-index --find-links dist rime-core")
    assert ran.returncode == 0, ran.stdout
    return made


@pytest.fixture(scope="session")
def embedding(environment):
    """What a program that embeds rime installs: the README's first line of pip."""
    return installed(environment(), lines=1)


@pytest.fixture(scope="session")
def whole(environment):
    """Everything: all of the README's lines of pip."""
    return installed(environment(), lines=2)


def installed(made, lines):
    commands = re.findall(r"^\$ (pip install .+)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[0] == "pip install --find-links dist rime-core rime-grpc"
    assert len(commands) == 2
    for command in commands[:lines]:
        ran = made.shell(command)
        assert ran.returncode == 0, ran.stdout
    return made
