"""Make before break, with a real Envoy that drains as long as it does by default: under load nothing fails.

rime is in this process, so that nothing waits for a folder to be watched.
"""

import logging

import pytest
import pytest_asyncio

import rime_grpc
from rime_core import Plane
from rime_envoy_api import parse, references

from . import resources
from .waiting import eventually
from .web import Load

pytestmark = pytest.mark.asyncio


class Shop:
    """A Plane over gRPC, an Envoy, and two upstreams that a cluster may lead to."""

    def __init__(self):
        self._files = {}
        self.plane = Plane(references=references)

    async def open(self, stage, api_type=None):
        self.upstreams = {name: await stage.upstream(name) for name in ("blue", "green")}
        bound = await stage.enter(rime_grpc.serve(self.plane.server(), "127.0.0.1:0"))
        self.envoy = stage.envoy(bound.address, drain=None, api_type=api_type)
        return self

    def save(self, **files):
        """Change these files in one transaction; None deletes one."""
        with self.plane.transaction() as change:
            for name, text in files.items():
                now = parse(text, origin=name).resources if text is not None else ()
                gone = {(each.type_url, each.name) for each in self._files.get(name, ())}
                for each in now:
                    change.apply(each.type_url, each.name, each.body)
                    gone.discard((each.type_url, each.name))
                for type_url, removed in gone:
                    change.remove(type_url, removed)
                self._files[name] = now

    def swap(self, number, **others):
        """The cluster behind the route is another one from now on, and the one before is gone; what it answers."""
        old, new, body = f"shop-{number - 1}", f"shop-{number}", ("blue", "green")[number % 2]
        files = {new: resources.cluster(new), f"{new}-endpoints": resources.endpoints(self.upstreams[body], new)}
        if number:
            files |= {old: None, f"{old}-endpoints": None}
        self.save(**files, route=resources.route(new), **others)
        return body

    async def has_only(self, *clusters):
        """Wait until Envoy has these clusters and no others."""

        async def has():
            return set(await self.envoy.clusters()) == set(clusters)

        await eventually(has)


@pytest_asyncio.fixture
async def shop(stage):
    return await Shop().open(stage)


@pytest.fixture(autouse=True)
def unsaid(caplog):
    """Nobody is waited for too long, and nothing is rejected: rime has nothing to say of it."""
    caplog.set_level(logging.WARNING, "rime_grpc")
    yield caplog
    assert caplog.messages == []


async def test_200_swaps_of_a_cluster_behind_a_route_and_no_request_fails(stage, shop):
    blue = shop.swap(0, listener=resources.listener())
    port = await shop.envoy.port()
    await stage.answers(port, blue)

    async with Load(port, kept=4, new=2) as load:
        for number in range(1, 201):
            load.right = {"blue", "green"}
            body = shop.swap(number)
            await load.until(body)
            load.right = {body}
        await shop.has_only("shop-200")

    assert load.failures == []
