"""Runtime layers over RTDS: what Envoy looks up while it serves, changed without touching anything else."""

import pytest

from . import resources
from .waiting import eventually

pytestmark = pytest.mark.asyncio

BOOTSTRAP = f"""\
{resources.ADMIN}
layered_runtime:
  layers:
  - name: shop
    rtds_layer: {{name: shop-runtime, rtds_config: {resources.AGGREGATED}}}
"""

ROUTE = f"""\
resources:
- "@type": {resources.TYPE}.config.route.v3.RouteConfiguration
  name: web
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes:
    - match: {{prefix: /, runtime_fraction: {{default_value: {{numerator: 0}}, runtime_key: shop.green}}}}
      route: {{cluster: green}}
    - match: {{prefix: /}}
      route: {{cluster: blue}}
"""
"""So many percent of all requests go to "green" as the runtime says, none where it says nothing."""


def runtime(percent):
    return f"""\
resources:
- "@type": {resources.TYPE}.service.runtime.v3.Runtime
  name: shop-runtime
  layer: {{shop.green: {percent}}}
"""


async def serve(stage, **files):
    for name in ("blue", "green"):
        port = await stage.upstream(name)
        files |= {name: resources.cluster(name), f"{name}-endpoints": resources.endpoints(port, name)}
    stage.save(listener=resources.listener(), route=ROUTE, **files)
    rime = await stage.rime()
    relay = await stage.relay(rime.address)
    return relay, stage.envoy(relay.address, BOOTSTRAP)


async def test_a_runtime_is_changed_and_removed(stage):
    relay, envoy = await serve(stage, runtime=runtime(100))
    port = await envoy.port()
    await stage.answers(port, "green")
    relay.clear()

    stage.save(runtime=runtime(0))
    await stage.answers(port, "blue")
    stage.save(runtime=runtime(100))
    await stage.answers(port, "green")
    assert relay.travelled == [("Runtime", "shop-runtime")] * 2

    stage.save(runtime=None)
    await stage.answers(port, "blue")
    assert relay.removed == [("Runtime", "shop-runtime")]


async def test_envoy_begins_at_once_where_the_runtime_does_not_exist_and_takes_it_when_it_comes(stage):
    relay, envoy = await serve(stage)

    async def listens():
        return await envoy.listeners()

    await eventually(listens, within=5)  # a third of what it waits for by itself
    port = await envoy.port()
    await stage.answers(port, "blue")
    assert relay.removed == [("Runtime", "shop-runtime")]

    stage.save(runtime=runtime(100))
    await stage.answers(port, "green")
