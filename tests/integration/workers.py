"""`rime serve --workers`, and clients of it that are on one worker and then on another."""

import subprocess
from contextlib import asynccontextmanager

import grpc

from rime_core import CLUSTER
from rime_envoy_api import message_class

from .waiting import eventually

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"

DeltaRequest = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
DeltaResponse = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")
Request = message_class("envoy.service.discovery.v3.DiscoveryRequest")
Response = message_class("envoy.service.discovery.v3.DiscoveryResponse")


def workers_of(process):
    """The process ids of its workers: at first in the order of their numbers, for so they are started."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return sorted(map(int, found.stdout.split()))


class Client:
    """A client of clusters, which notes what it is sent: in both variants the same questions."""

    def __init__(self, call, node):
        self._call = call
        self._node = {"id": node}

    async def _say(self, request):
        await self._call.write(request.SerializeToString())

    async def _hear(self, response):
        return response.FromString(await self._call.read())


class Delta(Client):
    """On an incremental stream; `versions` is what it has."""

    METHOD = ADS + "DeltaAggregatedResources"

    async def begin(self, versions):
        self.versions = dict(versions or {})
        await self._say(DeltaRequest(type_url=CLUSTER, node=self._node, initial_resource_versions=self.versions))

    async def sent(self):
        """What comes next: (name, version) → body."""
        response = await self._hear(DeltaResponse)
        await self._say(DeltaRequest(type_url=response.type_url, response_nonce=response.nonce))
        self.versions.update((each.name, each.version) for each in response.resources)
        return {(each.name, each.version): each.resource.value for each in response.resources}


class Sotw(Client):
    """In state-of-the-world; `versions` is the version of the set that it has."""

    METHOD = ADS + "StreamAggregatedResources"

    async def begin(self, versions):
        self.versions = versions or ""
        await self._say(Request(type_url=CLUSTER, node=self._node, version_info=self.versions))

    async def sent(self):
        """What comes next: (number, version of the set) → body."""
        response = await self._hear(Response)
        self.versions = response.version_info
        said = {"response_nonce": response.nonce, "version_info": response.version_info}
        await self._say(Request(type_url=response.type_url, **said))
        return {(number, response.version_info): each.value for number, each in enumerate(response.resources)}


@asynccontextmanager
async def connected(variant, rime, node, versions=None):
    """A client on a connection of its own, for which the kernel chooses the worker; and the worker's number."""
    async with grpc.aio.insecure_channel(rime.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        client = variant(channel.stream_stream(variant.METHOD)(), node)
        await client.begin(versions)

        def worker():
            return [record["worker"] for record in rime.events("opened") if record["message"].startswith(f"{node} ")]

        yield client, (await eventually(worker))[0]


@asynccontextmanager
async def on_worker(number, variant, rime, node, versions=None):
    """A client that is on this worker: it comes anew, under other names, until it is."""
    for attempt in range(60):
        async with connected(variant, rime, f"{node}-{attempt}", versions) as (client, worker):
            if worker == number:
                yield client
                return
    raise AssertionError(f"no connection came to worker {number}")
