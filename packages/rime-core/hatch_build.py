"""Compile the kernel and the protocol with mypyc, for a wheel that is about twice as fast (docs/performance.md).

The source stays the same Python, and the wheel without this hook is complete: what is compiled is chosen when the wheel
is built, by `HATCH_BUILD_HOOK_ENABLE_CUSTOM=1`, and needs a C compiler and Python's headers.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "rime_core"
# What stays as it is, and why.
INTERPRETED = (
    "__init__.py",
    "adapter.py",  # others derive classes from these three, which compiled ones do not allow
    "claims.py",
    "errors.py",
    "address.py",  # read once, at the start: what people type
    "options.py",
    "native.py",  # what it is for is to be compiled away
    "aio.py",  # asynchronous generators, which mypyc does not know
    "testing.py",
    "traces.py",  # what testing replays
    "clients.py",  # asked seldom, by who shows what clients have
    "reception.py",
    "protocol/progress.py",
    "snapshot.py",  # what people may hold by weak references, and we do: compiled classes do not bear it
    "update.py",
    "protocol/__init__.py",
)
LAZY = "Treating generator comprehension as list"
SETUP = """
from setuptools import setup
from mypyc.build import mypycify

modules = mypycify({arguments!r}, group_name={package!r}, opt_level="3", debug_level="0", strip_asserts=False)
setup(name={package!r}, packages=[{package!r}], ext_modules=modules)
"""


class CompilingHook(BuildHookInterface):  # type: ignore[type-arg] # the parameter is hatchling's own configuration
    """Compiles a copy of the source, and has the wheel take the libraries that come of it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; an editable install stays Python, which is what is edited.

        Raises:
            RuntimeError: it cannot be compiled; the message has the compiler's.
        """
        if version == "editable":
            return
        self.source = Path(mkdtemp(prefix="rime-core-"))
        shutil.copytree(Path(self.root, "src", PACKAGE), self.source / PACKAGE)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {str(library): name for name, library in compiled(self.source).items()}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - the signature is hatchling's
        """The wheel is made: the libraries have been taken."""
        if version != "editable":
            shutil.rmtree(self.source)


def compiled(directory: Path) -> dict[str, Path]:
    """Compile the copy of the package in `directory`; path in the wheel → library."""
    sources = sorted(str(path.relative_to(directory)) for path in directory.rglob("*.py"))
    arguments = ["--strict", *(path for path in sources if path.removeprefix(PACKAGE + os.sep) not in INTERPRETED)]
    setup = directory / "setup.py"
    setup.write_text(SETUP.format(arguments=arguments, package=PACKAGE))
    command = [sys.executable, setup.name, "build_ext", "--inplace"]
    done = subprocess.run(  # noqa: S603 - made above
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"mypyc cannot compile {PACKAGE}:\n{done.stdout}")
    if LAZY in done.stdout:
        lines = [line for line in done.stdout.splitlines() if LAZY in line]
        raise RuntimeError(
            "compiled, these would be worked out at once, as lists, which they must say:\n" + "\n".join(lines)
        )
    libraries = [
        *directory.glob("*__mypyc.*"),
        *(directory / PACKAGE).rglob("*.so"),
        *(directory / PACKAGE).rglob("*.pyd"),
    ]
    return {str(library.relative_to(directory)): library for library in libraries}
