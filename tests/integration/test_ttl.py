"""Lifetimes: what has one is renewed for as long as rime is there, and Envoy drops it when rime is gone."""

import textwrap

import pytest

from . import resources
from .waiting import eventually
from .web import Answer, Load, get

pytestmark = pytest.mark.asyncio

TTL = "xds.config.supports-resource-ttl"

UNDERSTANDS_ALL = resources.ADMIN + "node: {client_features: [xds.config.resource-in-sotw]}\n"
"""A bootstrap whose Envoy says of itself that it reads lifetimes in state-of-the-world too, which it does."""

HEARTBEATS = 10
"""One comes every 0.4 s to what has a lifetime of a second."""


def living(text, ttl="1s"):
    """The same resource with a lifetime."""
    head, _, body = text.partition("\n- ")
    return f"""\
{head}
- "@type": type.googleapis.com/envoy.service.discovery.v3.Resource
  ttl: {ttl}
  resource:
{textwrap.indent("  " + body, "  ")}"""


async def serve(stage, **how):
    stage.save(
        cluster=living(resources.cluster()),
        endpoints=resources.endpoints(await stage.upstream("blue")),
        route=resources.route(),
        listener=resources.listener(),
    )
    rime = await stage.rime()
    relay = await stage.relay(rime.address)
    envoy = stage.envoy(relay.address, **how)
    port = await envoy.port()
    await stage.answers(port, "blue")
    return rime, relay, envoy, port


def features(relay):
    """What Envoy announces in the first request that passed the relay."""
    return list(relay.requests[0].node.client_features)


async def test_heartbeats_keep_a_cluster_and_without_them_it_is_dropped(stage):
    rime, relay, envoy, port = await serve(stage)
    assert TTL in features(relay)

    def heartbeats():
        clusters = [each for response in relay.responses for each in response.resources if each.name == "shop"]
        return [each for each in clusters if each.HasField("ttl") and not each.HasField("resource")]

    async with Load(port, new=1) as load:
        await eventually(lambda: len(heartbeats()) >= HEARTBEATS, within=3 * HEARTBEATS * 0.4)
    assert load.answers
    assert load.failures == []
    # Envoy had it all the time: nobody sent it again
    assert relay.sent("Cluster") == ["shop"] * (1 + len(heartbeats()))
    assert rime.events("rejected") == []

    rime.kill()

    async def dropped():
        return await envoy.clusters() == {}

    await eventually(dropped, within=5)
    assert (await get(port)).status == 503


@pytest.mark.parametrize("api_type", ["DELTA_GRPC", "GRPC"])
@pytest.mark.parametrize("what", ["rejects what replaces it", "still has a route to it"])
async def test_a_cluster_that_envoy_keeps_is_renewed_as_it_is(stage, api_type, what):
    rime, relay, envoy, port = await serve(stage, api_type=api_type, bootstrap=UNDERSTANDS_ALL)
    stage.save(other=living(resources.cluster("other")))

    async def has_both():
        return set(await envoy.clusters()) == {"shop", "other"}

    await eventually(has_both)
    relay.clear()
    if what == "still has a route to it":
        stage.save(cluster=None)
    else:
        stage.save(cluster=living(resources.cluster_that_envoy_rejects("shop")))
        await eventually(lambda: rime.events("rejected"))

    def renewed():
        return len([each for each in relay.responses if each.type_url.endswith(".Cluster")]) >= HEARTBEATS

    async with Load(port, new=1) as load:
        await eventually(renewed, within=3 * HEARTBEATS * 0.4)
    assert load.answers
    assert load.failures == []
    assert await has_both()
    assert len(rime.events("rejected")) == (what == "rejects what replaces it")

    stage.save(cluster=living(resources.cluster(timeout="3s")))

    async def is_replaced():
        return (await envoy.clusters())["shop"]["connect_timeout"] == "3s"

    await eventually(is_replaced)


async def test_in_state_of_the_world_envoy_is_told_none_for_it_does_not_say_that_it_reads_wrapped_ones(stage):
    _, relay, _, port = await serve(stage, api_type="GRPC")
    assert [each for each in features(relay) if each.startswith("xds.config.")] == [TTL]
    assert {each.type_url for response in relay.responses for each in response.resources} == {
        response.type_url for response in relay.responses
    }
    assert await get(port) == Answer(200, "blue")
