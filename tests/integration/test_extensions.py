"""Filters over ECDS: their configuration changes, and no listener with them."""

import pytest

import rime_grpc
from rime_core import EXTENSION_CONFIG

from . import resources
from .shop import Shop
from .waiting import eventually
from .web import get

pytestmark = pytest.mark.asyncio

FAULT = f"{resources.TYPE}.extensions.filters.http.fault.v3.HTTPFault"

LISTENER = resources.listener().replace(
    "        http_filters:\n",
    f"""\
        http_filters:
        - name: shop-filter
          config_discovery: {{config_source: {resources.AGGREGATED}, type_urls: [{FAULT}]}}
""",
)


def aborting(status):
    """A filter that answers every request itself."""
    return f"""\
resources:
- "@type": {resources.TYPE}.config.core.v3.TypedExtensionConfig
  name: shop-filter
  typed_config: {{"@type": {FAULT}, abort: {{http_status: {status}, percentage: {{numerator: 100}}}}}}
"""


class Filtered:
    """A shop whose listener has its filter from the control plane."""

    async def open(self, stage):
        self.shop = await Shop(stage).stock()
        bound = await stage.enter(rime_grpc.serve(self.shop.plane.server(), "127.0.0.1:0"))
        self.relay = await stage.relay(bound.address)
        self.envoy = stage.envoy(self.relay.address)
        self.shop.swap(0, listener=LISTENER, filter=aborting(418))
        self.port = await self.envoy.port()
        await self.answers(418)
        self.relay.clear()
        return self

    async def answers(self, status):
        async def answered():
            return (await get(self.port)).status == status

        await eventually(answered)

    async def is_up_to_date(self):
        """Wait until Envoy has all that was saved before: it is told of one more cluster, which comes first."""
        self.shop.save(fence=resources.cluster("fence"), fence_endpoints=resources.endpoints(1, "fence"))

        async def has():
            return "fence" in await self.envoy.clusters()

        await eventually(has)


async def test_a_filter_is_changed_alone(stage):
    filtered = await Filtered().open(stage)
    for status in (451, 418, 503):
        filtered.shop.save(filter=aborting(status))
        await filtered.answers(status)
    assert filtered.relay.travelled == [("TypedExtensionConfig", "shop-filter")] * 3


async def test_a_filter_that_is_removed_stays_while_a_listener_refers_to_it(stage):
    filtered = await Filtered().open(stage)
    plane = filtered.shop.plane

    filtered.shop.save(filter=None)
    await filtered.is_up_to_date()
    assert filtered.relay.removed == []
    assert list(plane.snapshot()[EXTENSION_CONFIG]) == ["shop-filter"]
    await filtered.answers(418)

    filtered.shop.save(listener=resources.listener())
    await filtered.answers(200)
    assert EXTENSION_CONFIG not in plane.snapshot()
