"""End to end: a real API server, rime as its users run it, and a real Envoy.

EndpointSlices refuse loopback addresses, so they have others, and what Envoy is sent passes a relay that writes
127.0.0.x for 10.10.0.x: texts of one length, and all of 127.0.0.0/8 is this machine.
"""

import asyncio

import pytest
import pytest_asyncio

from tests.integration import resources
from tests.integration.waiting import eventually
from tests.integration.web import Answer, Load, get

from .objects import endpoint, endpoint_slice, service

pytestmark = pytest.mark.asyncio


def to_loopback(response):
    return response.replace(b"10.10.0.", b"127.0.0.")


class Shop:
    """A Service with Pods that answer by their names, a rime that serves it, an Envoy that goes there."""

    def __init__(self, stage, kube, namespace):
        self.stage = stage
        self.namespace = namespace
        self.name = f"{namespace.name}/shop/80"
        self.source = f"kubernetes:?kubeconfig={kube.kubeconfig()}&namespace={namespace.name}"

    async def open(self):
        self.port = await self.stage.upstream("blue", "127.0.0.2")
        await self.stage.upstream("green", "127.0.0.3", self.port)
        self.namespace.create("services", service("shop"))
        blue = endpoint_slice("shop", "10.10.0.2", ports=[{"port": self.port}])
        self.namespace.create("endpointslices", blue)
        self.stage.save(route=resources.route(self.name), listener=resources.listener())
        self.rime = await self.serve()
        self.relay = await self.stage.relay(self.rime.address, to_loopback)
        self.envoy = self.stage.envoy(self.relay.address)
        self.listener = await self.envoy.port()
        await self.stage.answers(self.listener, "blue")

    async def serve(self):
        return await self.stage.rime(more=[self.source])

    def endpoints(self, *endpoints):
        self.namespace.change("endpointslices", "shop-1", {"endpoints": list(endpoints)})

    async def answers_only(self, name):
        async def only():
            return {(await get(self.listener)) for _ in range(8)} == {Answer(200, name)}

        await eventually(only)


@pytest_asyncio.fixture
async def shop(stage, kube, namespace):
    shop = Shop(stage, kube, namespace)
    await shop.open()
    return shop


async def test_endpoints_come_and_go_and_traffic_follows_without_a_failed_request(shop):
    async with Load(shop.listener, kept=2, new=1) as load:
        shop.endpoints(endpoint("10.10.0.2"), endpoint("10.10.0.3"))
        await load.until("green")
        shop.endpoints(endpoint("10.10.0.2", ready=False, serving=True, terminating=True), endpoint("10.10.0.3"))
        await shop.answers_only("green")
        shop.endpoints(endpoint("10.10.0.3"))
        await eventually(lambda: len(shop.relay.sent("ClusterLoadAssignment")) == 4)
        await shop.answers_only("green")

    assert load.failures == []
    assert len(load.answers) > 20
    assert shop.relay.sent("Cluster") == [shop.name]


async def test_while_the_api_server_is_away_traffic_goes_on_and_that_is_seen(shop, kube):
    async with Load(shop.listener, new=1) as load:
        kube.end("kube-apiserver", kill=True)

        def said():
            return [each for each in shop.rime.log if "Connection refused" in each.get("message", "")]

        try:
            await eventually(said)
        finally:
            await asyncio.to_thread(kube.start_api)  # the upstreams answer meanwhile
        shop.endpoints(endpoint("10.10.0.3"))
        await load.until("green")
    assert load.failures == []


async def test_an_envoy_that_moves_to_another_replica_is_sent_nothing_again(shop):
    other = await shop.serve()
    shop.relay.clear()
    shop.relay.switch(other.address)
    await eventually(lambda: len({request.type_url for request in shop.relay.requests}) == 4)
    shop.endpoints(endpoint("10.10.0.3"))
    await shop.answers_only("green")

    assert shop.relay.travelled == [("ClusterLoadAssignment", shop.name)]
    shop.relay.clear()
    shop.relay.switch(shop.rime.address)
    await eventually(lambda: len({request.type_url for request in shop.relay.requests}) == 4)
    shop.endpoints(endpoint("10.10.0.2"))
    await shop.answers_only("blue")
    assert shop.relay.travelled == [("ClusterLoadAssignment", shop.name)]


async def test_rime_that_is_killed_and_started_again_sends_nothing_that_the_envoy_has(shop):
    shop.rime.kill()
    shop.relay.clear()
    again = await shop.serve()
    shop.relay.switch(again.address)
    shop.endpoints(endpoint("10.10.0.3"))
    await shop.answers_only("green")

    assert shop.relay.travelled == [("ClusterLoadAssignment", shop.name)]
