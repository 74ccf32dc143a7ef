"""The real `rime` command, in a process of its own, with plugins that only it sees."""

import logging
import os
import subprocess
import sys
import textwrap

import pytest


class Rime:
    """Starts `rime` with the plugins that were installed; ends at the test's end what is still running."""

    def __init__(self, site):
        self.site = site
        self.started = []

    def install(self, distribution, code, version="1.0"):
        """Put a distribution of one module, a plugin, where `rime` finds it."""
        module = distribution.replace("-", "_")
        (self.site / f"{module}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        info = self.site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[rime]\nplugin = {module}\n")

    def start(self, *arguments, command='exec "$@"', **environment):
        """Start it by this command of a shell."""
        process = subprocess.Popen(
            ["sh", "-c", command, "sh", sys.executable, "-m", "rime_app", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.site,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(self.site), *filter(None, [os.environ.get("PYTHONPATH")])])}
            | environment,
        )
        self.started.append(process)
        return process

    def run(self, *arguments, **environment):
        """Run to the end; (exit status, stdout, stderr)."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def end_all(self):
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture
def rime(tmp_path):
    made = Rime(tmp_path)
    yield made
    made.end_all()


@pytest.fixture(autouse=True)
def restore_the_root_logger():
    """`rime serve` configures the log of its process, which here is that of all tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
