"""Whom the benchmarks measure, and how each is started."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that takes the commands of servers/process.py."""

    name: str
    start: tuple[str | Path, ...]
    loops: bool = True
    """Whether its first thread is an event loop, and does all that is not gRPC's."""

    def command(self, kind: str, count: int) -> tuple[str | Path, ...]:
        """What starts it with so many resources of a kind."""
        return (*self.start, "--kind", kind, "--resources", str(count))


RIME = Contender("rime", (sys.executable, "-m", "benchmarks.servers.rime_server"))
"""`rime serve` with gRPC."""

BARE = Contender("bare grpcio", (sys.executable, "-m", "benchmarks.servers.bare_server"))
"""grpcio as it comes, without any protocol: what a write and a read cost."""


def go_control_plane(program: Path) -> tuple[Contender, ...]:
    """Those of its caches that serve incremental streams."""
    return (
        Contender("go-control-plane LinearCache", (program, "--cache", "linear"), loops=False),
        Contender("go-control-plane SnapshotCache", (program, "--cache", "snapshot"), loops=False),
    )
