"""One file is edited: what travels, and what Envoy does then."""

import pytest

from . import resources
from .waiting import eventually
from .web import Answer, Load

pytestmark = pytest.mark.asyncio


async def test_an_endpoint_moves_and_exactly_one_resource_travels(stage):
    rime, relay, envoy = await stage.shop()
    green = await stage.upstream("green")
    port = await envoy.port()
    relay.clear()

    async with Load(port) as load:
        stage.save(endpoints=resources.endpoints(green))
        await eventually(lambda: load.answers and load.answers[-1] == Answer(200, "green"))

    assert load.failures == []
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert relay.removed == []
    assert rime.sent() == (5, 0)


async def test_a_file_saved_without_a_change_sends_nothing(stage):
    _, relay, envoy = await stage.shop()
    green = await stage.upstream("green")
    relay.clear()

    stage.save(cluster="# a remark\n" + resources.cluster())
    stage.save(endpoints=resources.endpoints(green))
    await stage.answers(await envoy.port(), "green")

    assert relay.travelled == [("ClusterLoadAssignment", "shop")]


async def test_a_route_changes(stage):
    _, relay, envoy = await stage.shop()
    port = await envoy.port()
    relay.clear()

    stage.save(route=resources.route(prefix="/shop"))
    await stage.answers(port, "blue", path="/shop/shoes")
    await stage.answers(port, "", path="/", status=404)
    assert relay.travelled == [("RouteConfiguration", "web")]


async def test_a_changed_cluster_is_not_left_warming(stage):
    """Envoy does not ask for the assignment of a cluster again that only changed, and waits 15 s for it."""
    _, relay, envoy = await stage.shop()
    port = await envoy.port()
    relay.clear()

    async with Load(port) as load:
        stage.save(cluster=resources.cluster(timeout="7s"))

        async def active():
            return (await envoy.clusters())["shop"]["connect_timeout"] == "7s"

        await eventually(active, within=3)

    assert load.failures == []
    assert relay.travelled == [("Cluster", "shop"), ("ClusterLoadAssignment", "shop")]
    assert await envoy.clusters("warming") == {}


async def test_a_listener_and_a_cluster_are_removed(stage):
    stage.save(
        other_cluster=resources.cluster("other"),
        other_endpoints=resources.endpoints(await stage.upstream("other"), name="other"),
        other_route=resources.route("other", name="other"),
        other_listener=resources.listener("other", route="other"),
    )
    _, relay, envoy = await stage.shop()
    await stage.answers(await envoy.port("other"), "other")
    relay.clear()

    stage.save(other_listener=None, other_route=None, other_cluster=None, other_endpoints=None)

    async def removed():
        return list(await envoy.listeners()) == ["web"] and list(await envoy.clusters()) == ["shop"]

    await eventually(removed)
    await stage.answers(await envoy.port(), "blue")
    assert relay.travelled == []
    assert {("Listener", "other"), ("Cluster", "other")} <= set(relay.removed)


async def test_traffic_moves_to_a_new_cluster_without_a_failed_request(stage):
    _, relay, envoy = await stage.shop()
    green = await stage.upstream("green")
    port = await envoy.port()
    relay.clear()

    async with Load(port) as load:
        stage.save(green=resources.cluster("green"), green_endpoints=resources.endpoints(green, name="green"))

        async def active():
            return "green" in await envoy.clusters()

        await eventually(active)
        stage.save(route=resources.route("green"))
        await eventually(lambda: load.answers and load.answers[-1] == Answer(200, "green"))

    assert load.failures == []
    assert relay.travelled == [
        ("Cluster", "green"),
        ("ClusterLoadAssignment", "green"),
        ("RouteConfiguration", "web"),
    ]
