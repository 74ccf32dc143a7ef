"""rime ends, in whatever way, and comes back: Envoy neither suffers nor is told again what it has."""

import pytest

from . import resources
from .waiting import eventually
from .web import Answer, Load

pytestmark = pytest.mark.asyncio


async def test_after_a_restart_nothing_is_sent_again(stage):
    rime, relay, envoy = await stage.shop()
    port = await envoy.port()
    relay.clear()

    assert rime.end() == 0
    again = await stage.rime()
    relay.switch(again.address)
    await eventually(lambda: again.events("opened"))

    # one change, so that it can be told that all there is to come has come
    stage.save(endpoints=resources.endpoints(await stage.upstream("green")))
    await stage.answers(port, "green")
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert relay.removed == []
    assert again.sent() == (1, 0)


async def test_what_changed_while_rime_was_away_is_all_that_is_sent(stage):
    rime, relay, envoy = await stage.shop()
    port = await envoy.port()
    green = await stage.upstream("green")
    relay.clear()

    rime.end()
    stage.save(endpoints=resources.endpoints(green))
    relay.switch((await stage.rime()).address)

    await stage.answers(port, "green")
    assert relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert relay.removed == []


async def test_what_was_deleted_while_rime_was_away_is_taken_from_envoy(stage):
    stage.save(more=resources.cluster("more"), more_endpoints=resources.endpoints(1, "more"))
    rime, relay, envoy = await stage.shop()

    async def more():
        return "more" in await envoy.clusters()

    async def no_more():
        return not await more()

    await eventually(more)
    relay.clear()
    rime.end()
    stage.save(more=None, more_endpoints=None)
    relay.switch((await stage.rime()).address)

    await eventually(no_more)
    assert relay.travelled == []
    assert ("Cluster", "more") in relay.removed


async def test_rime_is_killed_under_load_and_no_request_fails(stage):
    """Without a relay: Envoy's own connection breaks, and Envoy's own retries find the next rime."""
    blue, green = await stage.upstream("blue"), await stage.upstream("green")
    stage.save(
        cluster=resources.cluster(),
        endpoints=resources.endpoints(blue),
        route=resources.route(),
        listener=resources.listener(),
    )
    rime = await stage.rime()
    envoy = stage.envoy(rime.address)
    await stage.answers(await envoy.port(), "blue")

    async with Load(await envoy.port()) as load:
        rime.kill()

        async def noticed():
            return "control_plane.connected_state: 0" in await envoy.admin("/stats?filter=control_plane")

        await eventually(noticed)
        served = len(load.answers)
        await eventually(lambda: len(load.answers) > served + 100)

        again = await stage.rime(at=rime.address)
        await eventually(lambda: again.events("opened"))
        assert load.answers[-1] == Answer(200, "blue")
        stage.save(endpoints=resources.endpoints(green))
        await eventually(lambda: load.answers[-1] == Answer(200, "green"))

    assert load.failures == []
    assert again.sent() == (1, 0)


async def test_a_rime_that_is_told_to_end_does_so_within_a_second_with_envoy_connected(stage):
    rime, _, _ = await stage.shop()

    assert rime.end() == 0
    assert [record for record in rime.log if record["level"] in {"warning", "error"}] == []
