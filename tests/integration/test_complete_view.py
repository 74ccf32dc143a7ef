"""Removals only from a complete view: what rime cannot read at the moment is not taken from an Envoy that has it."""

import pytest

from . import resources
from .waiting import eventually

pytestmark = pytest.mark.asyncio

BROKEN = "resources: [ this is not\n"


async def test_a_file_breaks_while_rime_runs(stage):
    rime, relay, envoy = await stage.shop()
    port = await envoy.port()
    relay.clear()

    stage.save(cluster=BROKEN)
    await eventually(lambda: "cluster.yaml:" in _errors(rime))
    stage.save(endpoints=resources.endpoints(await stage.upstream("green")))
    await stage.answers(port, "green")
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert relay.removed == []

    relay.clear()
    stage.save(cluster=resources.cluster(timeout="7s"))
    await eventually(_timeout_is(envoy, "7s"))
    assert relay.removed == []


async def test_rime_is_restarted_while_a_file_is_broken(stage):
    rime, relay, envoy = await stage.shop()
    port = await envoy.port()
    relay.clear()

    rime.end()
    stage.save(cluster=BROKEN)
    again = await stage.rime()
    relay.switch(again.address)
    await eventually(lambda: again.events("opened"))

    stage.save(endpoints=resources.endpoints(await stage.upstream("green")))
    await stage.answers(port, "green")
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert relay.removed == []
    assert "cluster.yaml:" in _errors(again)

    stage.save(cluster=resources.cluster(timeout="7s"))
    await eventually(_timeout_is(envoy, "7s"))
    assert relay.removed == []


async def test_rime_is_restarted_while_a_file_is_broken_that_is_then_deleted(stage):
    stage.save(more=resources.cluster("more"), more_endpoints=resources.endpoints(1, "more"))
    rime, relay, envoy = await stage.shop()
    relay.clear()

    rime.end()
    stage.save(more=BROKEN)
    again = await stage.rime()
    relay.switch(again.address)
    await eventually(lambda: again.events("opened"))
    stage.save(endpoints=resources.endpoints(await stage.upstream("green")))
    await stage.answers(await envoy.port(), "green")
    assert relay.removed == []

    stage.save(more=None, more_endpoints=None)

    async def converged():
        return list(await envoy.clusters()) == ["shop"]

    await eventually(converged)
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]


async def test_rime_is_restarted_while_the_folder_is_empty(stage):
    rime, relay, envoy = await stage.shop()
    port = await envoy.port()
    relay.clear()

    rime.end()
    before = {path.stem: path.read_text() for path in stage.conf.iterdir()}
    stage.save(**dict.fromkeys(before))
    again = await stage.rime()
    relay.switch(again.address)
    await eventually(lambda: again.events("opened"))
    await eventually(lambda: len(relay.requests) >= 4)  # one of each type
    await stage.answers(port, "blue")
    assert (relay.travelled, relay.removed) == ([], [])

    stage.save(**before | {"endpoints": resources.endpoints(await stage.upstream("green"))})
    await stage.answers(port, "green")
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert relay.removed == []


async def test_envoy_is_moved_to_a_second_rime_that_cannot_read_everything(stage):
    rime, relay, envoy = await stage.shop()
    port = await envoy.port()
    relay.clear()

    stage.save(cluster=BROKEN, route=BROKEN)
    await eventually(lambda: "route.yaml:" in _errors(rime))
    second = await stage.rime()
    relay.switch(second.address)
    await eventually(lambda: second.events("opened"))

    stage.save(endpoints=resources.endpoints(await stage.upstream("green")))
    await stage.answers(port, "green")
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert relay.removed == []

    stage.save(cluster=resources.cluster(), route=resources.route(prefix="/shop"))
    await stage.answers(port, "", path="/", status=404)
    await stage.answers(port, "green", path="/shop")
    assert relay.travelled[1:] == [("RouteConfiguration", "web")]
    assert relay.removed == []


def _errors(rime):
    return "\n".join(record["message"] for record in rime.log if record["level"] == "error")


def _timeout_is(envoy, timeout):
    async def changed():
        return (await envoy.clusters())["shop"]["connect_timeout"] == timeout

    return changed
