"""A real Envoy that speaks state-of-the-world: nothing fails under load, and what it has is not sent to it again.

rime is in this process, so that nothing waits for a folder to be watched.
"""

import logging

import pytest
import pytest_asyncio

import rime_grpc

from . import resources
from .shop import Shop
from .waiting import eventually
from .web import Load

pytestmark = pytest.mark.asyncio

LISTENER = resources.listener()


@pytest_asyncio.fixture
async def shop(stage):
    return await Shop(stage).open(api_type="GRPC")


@pytest.fixture(autouse=True)
def sent(caplog):
    """What rime says that it sends, from when the list is cleared; it has nothing to complain of."""
    caplog.set_level(logging.DEBUG, "rime_grpc")
    yield lambda: [
        message.partition(" is sent ")[2]
        for message, record in zip(caplog.messages, caplog.records, strict=True)
        if getattr(record, "event", None) == "sent"
    ]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_50_swaps_of_a_cluster_behind_a_route_and_no_request_fails(stage, shop):
    blue = shop.swap(0, listener=LISTENER)
    port = await shop.envoy.port()
    await stage.answers(port, blue)

    async with Load(port, kept=4, new=2) as load:
        for number in range(1, 51):
            load.right = {*shop.upstreams}
            body = shop.swap(number)
            await load.until(body)
            load.right = {body}
        await shop.has_only("shop-50")

    assert load.failures == []


async def test_a_changed_cluster_is_not_left_warming(stage, shop, sent, caplog):
    """Envoy asks for its assignment by repeating what it said."""
    blue = shop.swap(0, listener=LISTENER)
    port = await shop.envoy.port()
    await stage.answers(port, blue)
    caplog.clear()

    async with Load(port) as load:
        shop.save(**{"shop-0": resources.cluster("shop-0", timeout="7s")})

        async def active():
            return (await shop.envoy.clusters())["shop-0"]["connect_timeout"] == "7s"

        await eventually(active, within=3)

    assert load.failures == []
    assert sent() == ["clusters shop-0", "endpoints shop-0"]


@pytest.mark.parametrize("meanwhile", ["nothing", "an endpoint"])
async def test_who_comes_back_is_sent_what_is_not_current(stage, sent, caplog, meanwhile):
    one, other = await Shop(stage).stock(), Shop(stage)
    other.upstreams = one.upstreams
    async with rime_grpc.serve(one.plane.server(), "127.0.0.1:0") as bound:
        body = one.swap(0, listener=LISTENER)
        one.save(more=resources.cluster("more"), more_endpoints=resources.endpoints(1, "more"))
        envoy = stage.envoy(bound.address, api_type="GRPC")
        port = await envoy.port()
        await stage.answers(port, body)

    # another rime, that came to the same by another way
    other.save(more_endpoints=resources.endpoints(1, "more"))
    other.save(more=resources.cluster("more"), listener=LISTENER, route=resources.route("shop-9"))
    other.swap(0)
    if meanwhile == "an endpoint":
        moved = resources.endpoints(one.upstreams["green"], "shop-0")
        other.save(**{"shop-0-endpoints": moved})
        body = "green"
    caplog.clear()
    async with rime_grpc.serve(other.plane.server(), bound.address):
        await eventually(lambda: "has come" in caplog.text)
        await stage.answers(port, body)
        # one change, so that it can be told that all there is to come has come
        other.save(route=resources.route("shop-0", prefix="/shop"))
        await stage.answers(port, body, path="/shop")
    assert sent() == (["routes web"] if meanwhile == "nothing" else ["endpoints more, shop-0", "routes web"])
