"""Where the CPU time of a change to a thousand streams goes, by library: `perf`, while one after the other is made.

Each is over before the next: nothing merges.
"""

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import machine
from benchmarks.contenders import RIME
from benchmarks.figures import Figure, figure
from benchmarks.load.client import Load, LoadError
from benchmarks.servers.process import ServerProcess
from benchmarks.streams import AT_A_TIME, come_to_rest
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
    (re.compile(r"^\[(kernel|unknown|guest)"), "the system's kernel"),
    (re.compile(r""), "all else: the C library, uvloop, asyncio"),
)
_SAMPLE: Final = re.compile(r"^\s*(\d+)/(\d+)\s+[0-9a-f]+\s+\((.*)\)\s*$")


class NoPerfError(RuntimeError):
    """`perf` is not there, or may not be used; the text is one line and says what helps."""


def find() -> str:
    """The command.

    Raises:
        NoPerfError: it is not there.
    """
    command = shutil.which("perf")
    if command is None:
        raise NoPerfError("the profile needs Linux's `perf`: there is none on the PATH (Debian: linux-perf)")
    return command


def measure(progress: Callable[[str], object]) -> Iterator[Figure]:
    """Percent of the server's CPU time, by library, in the event loop's thread and in gRPC's.

    Raises:
        NoPerfError: `perf` is not there, or may not look at a process.
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
        come_to_rest(server, load)
        machine.wait_until_fast(load.quiet)
        samples = Path(folder) / "perf.data"
        command = [perf, "record", "-q", "-F", str(SAMPLES), "-p", str(server.pid), "-o", str(samples)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as recording:
            server.tell("changes", rate=RATE, seconds=SECONDS, among=N)
            load.quiet(SECONDS)
            made = server.finished()["made"]
            come_to_rest(server, load)
            recording.send_signal(signal.SIGINT)
            _, said = recording.communicate()
        if made != RATE * SECONDS:
            raise LoadError(f"{made} changes were made, and {RATE * SECONDS:.0f} were to be")
        if not samples.is_file() or not samples.stat().st_size:
            raise NoPerfError(f"perf cannot look at a process (kernel.perf_event_paranoid?): {' '.join(said.split())}")
        script = [perf, "script", "-i", str(samples), "-F", "pid,tid,ip,dso"]
        told = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    for name, share in shares(told.splitlines()).items():
        yield figure(f"profile, {name}", "rime", N, "%", [share], streams=STREAMS)


def shares(lines: Iterable[str]) -> dict[str, float]:
    """Library and thread → percent of the samples, of what `perf script` tells: `process/thread address (file)`."""
    count: Counter[str] = Counter()
    for line in lines:
        sample = _SAMPLE.match(line)
        if sample is None:
            continue
        process, thread, file = sample.groups()
        library = next(name for pattern, name in LIBRARIES if pattern.search(Path(file).name))
        count[f"{library}; {'event loop' if process == thread else 'other threads'}"] += 1
    return {name: 100 * samples / count.total() for name, samples in count.most_common()}
