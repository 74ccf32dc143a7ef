"""The priorities of a process's threads, in one of its own."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, sys
from pathlib import Path
import anyio
from rime_core import Plane
from rime_grpc.transport import GrpcTransport

def priorities():
    threads = {}
    for task in Path("/proc/self/task").iterdir():
        name = (task / "comm").read_text().strip()
        threads.setdefault(name, set()).add(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return {name: sorted(found) for name, found in threads.items()}

async def main():
    os.nice(int(sys.argv[1]))
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            await tasks.start(GrpcTransport("127.0.0.1:0", {}).run, Plane().server())
        print(json.dumps({"own": os.getpriority(os.PRIO_PROCESS, 0), "threads": priorities()}))
        tasks.cancel_scope.cancel()

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
@pytest.mark.parametrize("nice", [0, 3])
def test_where_grpc_is_served_its_threads_give_way_to_the_loop(nice):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(nice)], stdout=subprocess.PIPE, check=True, text=True, timeout=30
    )
    told = json.loads(done.stdout)
    own = told["own"]
    assert told["threads"]["event_engine"] == [own + 5], "all of them, and once however many transports there are"
    others = [found for name, found in told["threads"].items() if name not in {"event_engine", "lifeguard"}]
    assert set().union(*others) == {own}
