"""A control plane in one program: a Plane, served to Envoy over gRPC, with a cluster that changes every second.

    pip install --find-links dist rime-core rime-grpc
    python examples/quickstart.py                   # or on another address: python examples/quickstart.py 127.0.0.1:0

It goes on until Ctrl-C. Every client that is connected is sent each change; one that comes back is sent what it lacks.
"""

import asyncio
import itertools
import sys
from contextlib import suppress

import rime_grpc
from rime_core import CLUSTER, Plane, UsageError
from rime_envoy_api import message_class, resource

Cluster = message_class("envoy.config.cluster.v3.Cluster")


async def main(address: str) -> None:
    """Serve on `address`, and change the cluster until cancelled."""
    plane = Plane()
    async with rime_grpc.serve(plane.server(), address) as bound:
        print(f"serving clusters on {bound.address}, until Ctrl-C", flush=True)
        for seconds in itertools.cycle((1, 2, 3)):
            plane.apply(*resource(Cluster(name="backend", connect_timeout={"seconds": seconds})))
            version = plane.snapshot()[CLUSTER]["backend"].version
            print(f"backend: connect_timeout {seconds} s, version {version}", flush=True)
            await asyncio.sleep(1)


if __name__ == "__main__":
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main(*sys.argv[1:] or ["127.0.0.1:18000"]))
    except UsageError as error:
        sys.exit(str(error))
