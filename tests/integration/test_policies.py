"""What a listener does whose routes do not exist: where Envoy is told so, and where it is told nothing.

Envoy waits for a first answer for 15 s unless its configuration says otherwise; here it does.
"""

import pytest

import rime_grpc
from rime_core import ROUTE, SECRET, Plane, Policy
from rime_envoy_api import parse, references

from . import resources

pytestmark = pytest.mark.asyncio


def source(seconds):
    return f"{{ads: {{}}, resource_api_version: V3, initial_fetch_timeout: {seconds}s}}"


WEB = resources.listener().replace(resources.AGGREGATED, source(1))

LATER = (
    resources.listener_with_routes("shop", "later")
    + f"""\
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": {resources.TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext
        common_tls_context:
          tls_certificate_sds_secret_configs: [{{name: nowhere, sds_config: {source(3)}}}]
"""
)
"""A listener that opens when the other one would have, for nothing is said of its secret."""


async def serve(stage, api_type="DELTA_GRPC", **policies):
    """A Plane with everything but the routes of the listener `web`, and what it tells an Envoy."""
    plane = Plane(references=references, policies={ROUTE: Policy(**policies), SECRET: Policy(missing="unanswered")})
    endpoints = resources.endpoints(await stage.upstream("blue"))
    write(plane, resources.cluster(), endpoints, resources.listener_with_routes("shop", "first"))
    bound = await stage.enter(rime_grpc.serve(plane.server(), "127.0.0.1:0"))
    relay = await stage.relay(bound.address)
    envoy = stage.envoy(relay.address, api_type=api_type)
    await stage.answers(await envoy.port("first"), "blue")
    write(plane, WEB, LATER)
    return plane, relay, envoy


def write(plane, *texts):
    with plane.transaction() as change:
        for text in texts:
            for each in parse(text, origin="test").resources:
                change.apply(each.type_url, each.name, each.body)


@pytest.mark.parametrize("api_type", ["DELTA_GRPC", "GRPC"])
async def test_unanswered_it_opens_when_envoy_has_waited_and_has_the_routes_when_they_come(stage, api_type):
    plane, relay, envoy = await serve(stage, api_type, missing="unanswered")
    port = await envoy.port()
    await stage.answers(port, "", status=404)
    assert relay.removed == []

    write(plane, resources.route())
    await stage.answers(port, "blue")


async def test_told_that_they_do_not_exist_it_does_not_open_until_they_come(stage):
    plane, relay, envoy = await serve(stage, missing="removed")
    await envoy.port("later")
    assert relay.removed == [("RouteConfiguration", "web")]
    assert set(await envoy.listeners()) == {"first", "later"}

    write(plane, resources.route())
    await stage.answers(await envoy.port(), "blue")


async def test_never_removed_a_route_is_there_for_an_envoy_that_comes_later(stage):
    plane, _, envoy = await serve(stage, removal="never")
    write(plane, resources.route())
    await stage.answers(await envoy.port(), "blue")
    assert plane.remove(ROUTE, "web") is False

    bound = await stage.enter(rime_grpc.serve(plane.server(), "127.0.0.1:0"))
    later = stage.envoy(bound.address, name="later")
    await stage.answers(await later.port(), "blue")
