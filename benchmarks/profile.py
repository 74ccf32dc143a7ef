"""Where the CPU time of a change to a thousand streams goes, by library: `perf`, while one after the other is made.

Each is over before the next: nothing merges.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.contenders import RIME
from benchmarks.figures import Figure, figure
from benchmarks.load.client import Load, LoadError
from benchmarks.servers.process import ServerProcess
from benchmarks.streams import AT_A_TIME, come_to_rest, settle
from rime_core import CLUSTER

N: Final = 1_000
STREAMS: Final = 1_000
RATE: Final = 12
"""Changes a second."""

SECONDS: Final = 10.0
SAMPLES: Final = 1_999
"""A second of CPU time: not a multiple of anything's."""

LIBRARIES: Final = (
    (re.compile(r"python[\d.]*$|libpython"), "Python"),
    (re.compile(r"^rime_core"), "the compiled core"),
    (re.compile(r"^cygrpc"), "gRPC's library"),
    (re.compile(r"^\[(kernel|guest)"), "the system's kernel"),
    (re.compile(r""), "all else: the C library, uvloop, asyncio"),
)
_SAMPLE: Final = re.compile(r"^\s*(\d+)/(\d+)\s+[0-9a-f]+\s+\((.*)\)\s*$")


class NoPerfError(RuntimeError):
    """`perf` is not there, or may not be used; the text is one line and says what helps."""


def find() -> str:
    """The command, which has been seen to work.

    Raises:
        NoPerfError: it is not there, or may not look at a process.
    """
    perf = shutil.which("perf")
    if perf is None:
        raise NoPerfError("the profile needs Linux's `perf`: there is none on the PATH (Debian: linux-perf)")
    with TemporaryDirectory() as folder:
        samples = Path(folder) / "perf.data"
        tried = subprocess.run(
            [*_record(perf, samples), "--", sys.executable, "-c", "sum(range(10_000_000))"],
            capture_output=True,
            text=True,
            check=False,
        )
        if tried.returncode or not shares(_samples(perf, samples)):
            said = " ".join(tried.stderr.split()) or "it took no samples"
            raise NoPerfError(f"perf cannot look at a process (kernel.perf_event_paranoid?): {said}")
    return perf


def measure(progress: Callable[[str], object]) -> Iterator[Figure]:
    """Percent of the server's CPU time, by library, in the event loop's thread and in gRPC's.

    Raises:
        NoPerfError: `perf` is not there, or may not look at a process.
        LoadError: not all changes were made.
    """
    perf = find()
    progress(f"a profile of changes to {STREAMS:,} streams")
    with (
        ServerProcess(RIME.command("clusters", N)) as server,
        Load(server.port, CLUSTER) as load,
        TemporaryDirectory() as folder,
    ):
        load.connect([load.first_request()] * STREAMS, resources=N, at_a_time=AT_A_TIME, timeout=60)
        load.watch = lambda _client, _received: None
        settle(server, load)
        samples = Path(folder) / "perf.data"
        with subprocess.Popen([*_record(perf, samples), "-p", str(server.pid)]) as recording:
            try:
                server.tell("changes", rate=RATE, seconds=SECONDS, among=N)
                load.quiet(SECONDS)
                made = server.finished()["made"]
                come_to_rest(server, load)
            finally:
                recording.send_signal(signal.SIGINT)
        if made != RATE * SECONDS:
            raise LoadError(f"{made} changes were made, and {RATE * SECONDS:.0f} were to be")
        found = shares(_samples(perf, samples))
    for name, share in found.items():
        yield figure(f"profile, {name}", "rime", N, "%", [share], streams=STREAMS)


def _record(perf: str, samples: Path) -> list[str]:
    return [perf, "record", "-q", "-F", str(SAMPLES), "-o", str(samples)]


def _samples(perf: str, samples: Path) -> list[str]:
    command = [perf, "script", "-i", str(samples), "-F", "pid,tid,ip,dso"]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    ).stdout.splitlines()


def shares(lines: Iterable[str]) -> dict[str, float]:
    """Library and thread → percent of the samples, of what `perf script` tells: `process/thread address (file)`.

    Empty, where it tells of none.
    """
    count: Counter[str] = Counter()
    for line in lines:
        sample = _SAMPLE.match(line)
        if sample is None:
            continue
        process, thread, file = sample.groups()
        library = next(name for pattern, name in LIBRARIES if pattern.search(Path(file).name))
        count[f"{library}; {'event loop' if process == thread else 'other threads'}"] += 1
    return {name: 100 * samples / count.total() for name, samples in count.most_common()}
