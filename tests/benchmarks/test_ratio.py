"""What a change costs rime, beside what it costs grpcio alone to write it and to read its acknowledgement, in one run.

Times wobble, so this is no measure, and leaves much room: it fails where a change is made to cost something for each
resource, or several times as much for each stream. What is compared is CPU time, the least of several changes.
"""

from contextlib import ExitStack

import pytest
from benchmarks import resources
from benchmarks.contenders import BARE, RIME
from benchmarks.load.client import Load
from benchmarks.servers.process import ServerProcess
from benchmarks.streams import OneChange

from rime_core import CLUSTER

N = 5_000
SIZE = 128
"""Bytes of a resource, so that first answers take no time to speak of."""

STREAMS = 100
ROUNDS = 12
AT_MOST = 3.0
"""Measured, on two cores with other work beside it: 1.3 to 1.7, and 0.9 with 1,000 streams."""


class Pair:
    """A server, and clients that have everything."""

    def __init__(self, contender, stack):
        command = (*contender.command("clusters", N), "--size", str(SIZE))
        self._server = stack.enter_context(ServerProcess(command))
        self._load = stack.enter_context(Load(self._server.port, CLUSTER))
        self._load.connect([self._load.first_request()] * STREAMS, resources=N, at_a_time=STREAMS, timeout=30)
        self._load.quiet(0.2)

    def change(self, stamp):
        """CPU seconds that one change takes the server, acknowledgements and all."""
        before = self._server.cpu_seconds()
        name = resources.name(stamp * 37 % N)
        change = self._load.watch = OneChange(name, stamp, STREAMS)
        self._server.tell("change", name=name, stamp=stamp)
        self._load.until(change.is_everywhere, timeout=10, what="a change on every stream")
        self._server.finished()
        self._load.quiet(0.05)
        return self._server.cpu_seconds() - before


@pytest.mark.timeout(120)
def test_a_change_to_100_streams_takes_no_more_than_three_times_what_grpcio_takes_for_it():
    with ExitStack() as stack:
        rime, bare = Pair(RIME, stack), Pair(BARE, stack)
        took = [(rime.change(stamp), bare.change(stamp)) for stamp in range(1, ROUNDS + 1)]
    least, floor = (min(each) for each in zip(*took, strict=True))
    assert least <= AT_MOST * floor, f"{least * 1e3:.1f} ms beside {floor * 1e3:.1f} ms"
