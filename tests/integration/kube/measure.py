"""How long, and how much memory, until rime can answer from a cluster of many Services.

python -m tests.integration.kube.measure [SERVICES [ENDPOINTS]]

A real API server is filled, then `rime serve` is started three times, and once without a cluster to compare with. Then
one Pod's readiness changes, and a subscriber waits for its assignment. No test: the figures are those of a machine;
what can be counted is counted in test_cost.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .binary import ABSENT, build, cached, find_go
from .objects import Namespace, endpoint, fill
from .server import KubeServer
from .sourced import sourced

FLIPS = 20


def started(*sources):
    """(seconds, peak MiB) from the start of `rime serve` to its ready line."""
    flags = [flag for source in sources for flag in ("--source", source)]
    command = [sys.executable, "-m", "rime_app", "serve", *flags, "--transport", "grpc:127.0.0.1:0"]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        took = time.perf_counter() - begun
        peak = Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
        return took, int(peak) / 1024, line.strip()
    finally:
        process.terminate()
        process.communicate()


async def flips(kubeconfig, namespace, count):
    """Seconds from telling the API server that a Pod is ready, or not, to a subscriber's update; each of `count`."""
    from rime_core import ENDPOINT  # noqa: PLC0415 - after the processes were measured

    found = []
    async with sourced(kubeconfig, namespace=namespace.name) as source:
        with source.plane.server().subscribe(ENDPOINT) as endpoints:
            endpoints.initial()
            for number in range(count):
                patch = {"endpoints": [endpoint("10.1.0.1"), endpoint("10.1.0.2", ready=number % 2 == 1)]}
                begun = time.perf_counter()
                change = asyncio.to_thread(namespace.change, "endpointslices", "s7-1", patch)
                update, _ = await asyncio.gather(endpoints.changed(), change)
                found.append(time.perf_counter() - begun)
                assert len(update.resources) == 1
    return found


def main(services=1000, endpoints=10):
    go = find_go()
    assert go is not None, ABSENT
    with tempfile.TemporaryDirectory() as folder:
        server = KubeServer(build(go[0], cached(go[1]) / "kube"), Path(folder))
        try:
            server.start()
            server.call("POST", "/api/v1/namespaces", {"metadata": {"name": "many"}})
            namespace = Namespace(server, "many")
            fill(namespace, services, endpoints)
            print(f"{services} Services, {endpoints} endpoints each")
            kubeconfig = server.kubeconfig()
            (Path(folder) / "none").mkdir()
            nothing = f"file:{Path(folder) / 'none'}?allow_empty"
            print("nothing to serve: {:.2f} s, {:.0f} MiB".format(*started(nothing)))
            for _ in range(3):
                took, peak, line = started(f"kubernetes:?kubeconfig={kubeconfig}&namespace=many")
                print(f"ready after {took:.2f} s, peak {peak:.0f} MiB: {line.partition(' with ')[2]}")
            seconds = sorted(asyncio.run(flips(kubeconfig, namespace, FLIPS)))
            print(
                f"readiness of one Pod, to a subscriber's update: {statistics.median(seconds) * 1000:.0f} ms median,"
                f" {seconds[0] * 1000:.0f} to {seconds[-1] * 1000:.0f} ms of {FLIPS}"
            )
        finally:
            server.close()


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
