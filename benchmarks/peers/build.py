"""Builds the peers: go-control-plane as a server, and the program that measures the crate rime-xds.

`python -m benchmarks.peers.build` builds both and prints where they are. That is outside of the tree, in
`rime-benchmarks` below the user's cache folder ($XDG_CACHE_HOME), each in a folder named after its sources and its
compiler: what is built already is not built again. What is there may be deleted at any time.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
GO_CONTROL_PLANE = HERE / "go-control-plane"
CRATE = HERE / "rime-xds"
CRATE_PROGRAM = "measure-rime-xds"
SOURCE_SUFFIXES = {".go", ".mod", ".sum", ".rs", ".toml"}


class MissingToolError(RuntimeError):
    """A compiler is not there, or is too old; the text is one line and says which it must be."""


class BuildError(RuntimeError):
    """A compiler failed; the text is what it said."""


def go_control_plane() -> Path:
    """The server program, built if need be, with progress on stderr.

    Raises:
        MissingToolError: Go is not there, or older than go.mod asks for.
        BuildError: it does not build, or a module cannot be had.
    """
    go, version = _tool("go", "Go", _go_needed(), "go-control-plane")
    # no other version of Go is fetched in its place, and neither a workspace nor a checkout above has a say
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off"}

    def build(folder: Path) -> None:
        _run([go, "build", "-v", "-buildvcs=false", "-o", str(folder / "server"), "."], GO_CONTROL_PLANE, environment)

    return _built(GO_CONTROL_PLANE, f"Go {version}", build) / "server"


def crate() -> Path:
    """The program that measures the crate, built if need be, with progress on stderr.

    Raises:
        MissingToolError: cargo is not there, or older than Cargo.toml asks for.
        BuildError: it does not build, or a crate cannot be had.
    """
    return _crate_folder() / CRATE_PROGRAM


def crate_versions() -> dict[str, str]:
    """What `crate()` is built from: the versions of the crate and of Rust.

    Raises:
        MissingToolError, BuildError: as `crate` does.
    """
    locked = tomllib.loads((_crate_folder() / "Cargo.lock").read_text())
    found = {package["name"]: package["version"] for package in locked["package"]}
    return {"rime-xds": found["rime-xds"], "rust": _cargo()[1]}


def _crate_folder() -> Path:
    cargo, version = _cargo()
    # flags from outside, such as a target-cpu, would make the figures others' than the README says
    environment = {name: value for name, value in os.environ.items() if "RUSTFLAGS" not in name}

    def build(folder: Path) -> None:
        # of a copy, since cargo writes its lock file beside the sources
        sources = shutil.copytree(CRATE, folder / "sources", ignore=shutil.ignore_patterns("target", "Cargo.lock"))
        target = folder / "target"
        _run([cargo, "build", "--release", "--target-dir", str(target)], sources, environment)
        (target / "release" / CRATE_PROGRAM).rename(folder / CRATE_PROGRAM)
        (sources / "Cargo.lock").rename(folder / "Cargo.lock")
        shutil.rmtree(target)
        shutil.rmtree(sources)

    return _built(CRATE, f"Rust {version}", build)


def _cargo() -> tuple[str, str]:
    needed: str = tomllib.loads((CRATE / "Cargo.toml").read_text())["package"]["rust-version"]
    return _tool("cargo", "Rust's cargo", needed, "rime-xds")


def _go_needed() -> str:
    stated = re.search(r"^go (\S+)$", (GO_CONTROL_PLANE / "go.mod").read_text(), re.MULTILINE)
    assert stated, "go.mod names the version of Go"
    return stated[1]


def _tool(command: str, title: str, needed: str, peer: str) -> tuple[str, str]:
    """Where the command is, and its version."""
    what = f"{peer} needs {title} {needed} or newer"
    path = shutil.which(command)
    if path is None:
        raise MissingToolError(f"{what}: there is no `{command}` on the PATH")
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    said = subprocess.run(
        [path, "version"], capture_output=True, text=True, env=environment, cwd=HERE, check=False
    ).stdout
    version = re.search(r"\d+(\.\d+)+", said)
    if version is None:
        raise MissingToolError(f"{what}: `{command} version` names none")
    if _numbers(version[0]) < _numbers(needed):
        raise MissingToolError(f"{what}: `{command}` is {version[0]}")
    return path, version[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _built(sources: Path, compiler: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build` fills, called only where these sources were not built with this compiler before."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rime-benchmarks"
    home = cache / f"{sources.name}-{_digest(sources, compiler)}"
    if not home.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"building {sources.name} with {compiler}, once ", end="", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            folder = Path(scratch) / "built"
            folder.mkdir()
            build(folder)
            folder.rename(home)  # last: what was interrupted is built again
    return home


def _digest(sources: Path, compiler: str) -> str:
    digest = hashlib.sha256(compiler.encode())
    for path in sorted(sources.rglob("*")):
        if path.suffix in SOURCE_SUFFIXES:
            digest.update(f"\n{path.relative_to(sources)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run it with a dot on stderr for each line that it says: each package that is fetched or compiled is one."""
    said = []
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr  # for the type checker: it is a pipe
        for line in process.stderr:
            said.append(line)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if process.returncode:
        raise BuildError(f"{Path(command[0]).name} failed in {folder}:\n{''.join(said[-20:]).rstrip()}")


if __name__ == "__main__":
    try:
        print(go_control_plane())
        print(crate())
    except (MissingToolError, BuildError) as error:
        sys.exit(f"benchmarks: {error}")
