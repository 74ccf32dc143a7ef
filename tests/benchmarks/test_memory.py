"""What an idle stream of a real server keeps in memory: with room, since that depends on the allocator.

What would be kept of each resource for each stream, be it a name and a version, would be several times as much.
"""

import pytest
from benchmarks import resources
from benchmarks.contenders import RIME
from benchmarks.load.client import Load
from benchmarks.servers.process import ServerProcess

N = 5_000
SIZE = 300
"""Bytes of a resource, so that first answers take no time to speak of."""

WARM_UP = 50
STREAMS = 150


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kind", "named", "most"),
    [("clusters", [], 100), ("endpoints", [resources.name(number) for number in range(N)], 150)],
    ids=["all", "by name"],
)
def test_a_stream_keeps_so_many_kib(kind, named, most):
    """Measured: 54 of one that asks for all, and up to 95 of one that asks for each by name."""
    command = (*RIME.command(kind, N), "--size", str(SIZE))
    with ServerProcess(command) as server, Load(server.port, resources.TYPE_URLS[kind]) as load:

        def memory_with(more):
            load.connect([load.first_request(named)] * more, resources=N, at_a_time=16, timeout=60)
            load.quiet(0.3)
            server.ask("collect")
            return server.memory_bytes()

        before = memory_with(WARM_UP)
        assert (memory_with(STREAMS) - before) / STREAMS / 1024 <= most
