"""The priorities of a process's threads, in one of its own."""

import json
import subprocess
import sys

import pytest

from rime_grpc import threads

PROGRAM = """
import json, os, sys, threading
from pathlib import Path
import anyio
from rime_core import Plane
from rime_grpc.transport import GrpcTransport

def priorities():
    pythons = {thread.native_id: thread.name for thread in threading.enumerate()}
    threads = {}
    for task in Path("/proc/self/task").iterdir():
        name = pythons.get(int(task.name)) or (task / "comm").read_text().strip()
        threads.setdefault(name, []).append(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return threads

async def main():
    os.nice(int(sys.argv[1]))
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            await tasks.start(GrpcTransport("127.0.0.1:0", {}).run, Plane().server())
        await anyio.to_thread.run_sync(int)
        # one that has just been started has the name of who started it, until it runs
        while Path("/proc/self/comm").read_text().strip() in (found := priorities()):
            await anyio.sleep(0.01)
        print(json.dumps({"own": os.getpriority(os.PRIO_PROCESS, 0), "threads": found}))
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
    own, found = told["own"], told["threads"]
    found.pop(
        "grpc_global_tim", None
    )  # gRPC's as well, but it does nothing here: lower or not, by what it is called when
    lower = {name for name, priorities in found.items() if set(priorities) == {own + 5}}
    assert {name.partition(" ")[2] or name for name in lower} == {"event_engine", "lifeguard", "(_poll_wrapper)"}
    assert set().union(*(priorities for name, priorities in found.items() if name not in lower)) == {own}
    assert any("worker" in name.lower() for name in found), "one that works for the loop"


def test_where_proc_is_not_there_all_stays_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "_THREADS", tmp_path / "nowhere")
    threads.give_way()
