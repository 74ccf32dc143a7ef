"""How long `rime serve` waits for a client that says nothing, where its transport is told to wait less.

The clients are gRPC's, each with one stream: an Envoy cannot be told to be silent.
"""

import asyncio

import pytest

from rime_core import CLUSTER, ROUTE
from rime_core.protocol.order import Patience
from tests.rime_grpc.clients import connect, decode

from . import resources
from .waiting import eventually

pytestmark = pytest.mark.asyncio


class Client:
    """Knows what it has; acknowledges only where it is told to."""

    def __init__(self, stream):
        self.stream = stream
        self.has: dict[str, dict[str, str]] = {CLUSTER: {}, ROUTE: {}}

    async def ask(self, *, known=None, acknowledging=True):
        """For all clusters, and for the route `web`."""
        known = known or {CLUSTER: {}, ROUTE: {}}
        node = {"id": "n"}
        await self.stream.send(type_url=CLUSTER, node=node, initial_resource_versions=known[CLUSTER])
        subscribe = {"resource_names_subscribe": ["web"], "initial_resource_versions": known[ROUTE]}
        await self.stream.send(type_url=ROUTE, **subscribe)
        if acknowledging:
            await self.take(acknowledging=True)
            await self.take(acknowledging=True)

    async def take(self, *, acknowledging=False):
        """The next response, as (type, names, names removed)."""
        response = decode(await self.stream.call.read())
        self.has[response.type_url] |= {each.name: each.version for each in response.resources}
        if acknowledging:
            await self.stream.send(type_url=response.type_url, response_nonce=response.nonce)
        return response.type_url, [each.name for each in response.resources], list(response.removed_resources)


async def start(stage, **patience):
    """A rime that serves a route to the cluster `old`."""
    stage.save(old=resources.cluster("old"), route=resources.route("old"))
    options = "&".join(f"{name}={value}" for name, value in patience.items())
    return await stage.rime(at=f"127.0.0.1:0?{options}")


async def let_go(rime):
    """What the log says of why."""
    await eventually(lambda: rime.events("let go"))
    return rime.events("let go")[-1]["message"]


async def test_a_route_goes_although_the_client_never_acknowledged_its_cluster(stage):
    rime = await start(stage, warming="300ms")
    async with connect(rime.address) as stream:
        client = Client(stream)
        await client.ask()
        stage.save(new=resources.cluster("new"), route=resources.route("new"))
        assert await client.take() == (CLUSTER, ["new"], [])
        async with asyncio.timeout(Patience.warming - 1):
            assert await client.take() == (ROUTE, ["web"], [])
        assert "was waited for too long: route 'web' waits for cluster 'new'" in await let_go(rime)


async def test_a_cluster_goes_although_the_client_never_acknowledged_the_route_that_left_it(stage):
    rime = await start(stage, silence="300ms")
    async with connect(rime.address) as stream:
        client = Client(stream)
        await client.ask()
        stage.save(new=resources.cluster("new"), route=resources.route("new"))
        assert await client.take(acknowledging=True) == (CLUSTER, ["new"], [])
        assert await client.take() == (ROUTE, ["web"], [])
        stage.save(old=None)
        assert await client.take() == (CLUSTER, [], ["old"])
        assert "was waited for too long: the removal of cluster 'old'" in await let_go(rime)


@pytest.mark.parametrize(
    ("returning", "answers"),
    [
        ("0s", [(CLUSTER, ["new"], ["old"]), (ROUTE, ["web"], [])]),
        ("300ms", [(CLUSTER, ["new"], []), (ROUTE, ["web"], []), (CLUSTER, [], ["old"])]),
    ],
)
async def test_who_comes_back_and_never_asks_for_listeners_is_told_what_is_gone(stage, returning, answers):
    rime = await start(stage)
    async with connect(rime.address) as stream:
        client = Client(stream)
        await client.ask()
    rime.end()
    stage.save(new=resources.cluster("new"), old=None, route=resources.route("new"))
    rime = await stage.rime(at=f"127.0.0.1:0?returning={returning}")
    async with connect(rime.address) as stream:
        again = Client(stream)
        await again.ask(known=client.has, acknowledging=False)
        assert [await again.take(acknowledging=True) for _ in answers] == answers
