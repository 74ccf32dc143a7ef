"""Makes the pictures of the page that the documentation shows: python -m tests.integration.screenshot

A shop of 240 resources, 12 proxies, one of which refuses a cluster, and one save.
"""

import asyncio
import sys
from pathlib import Path

from playwright.async_api import expect

import rime_ws
from rime_core import CLUSTER, ENDPOINT, LISTENER, Node, Plane
from rime_envoy_api import message_class, references, resource
from tests.rime_ws.talk import FakeEnvoy

from .chromium import browser, page_at

DOCS = Path(__file__).parents[2] / "docs"

SERVICES = ("cart", "catalogue", "checkout", "orders", "payments", "prices", "reviews", "search", "stock", "users")
Cluster = message_class("envoy.config.cluster.v3.Cluster")
Assignment = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")
Listener = message_class("envoy.config.listener.v3.Listener")

REFUSAL = (
    "Error adding/updating cluster(s) payments-eu-3: LOGICAL_DNS clusters must have a single locality_lb_endpoint "
    "and a single lb_endpoint"
)


def cluster(name, seconds=1):
    made = Cluster(name=name, type="EDS", connect_timeout={"seconds": seconds})
    made.eds_cluster_config.eds_config.ads.SetInParent()
    return resource(made)


def shop():
    plane = Plane(references=references)
    with plane.transaction() as change:
        for service in SERVICES:
            for number in range(12):
                name = f"{service}-{'eu' if number % 2 else 'us'}-{number}"
                change.apply(*cluster(name))
                change.apply(*resource(Assignment(cluster_name=name)))
        change.apply(LISTENER, "web", Listener(name="web").SerializeToString())
    return plane


async def take(scheme, name, keys):
    """A picture of the page after these keys."""
    plane = shop()
    server, time = plane.server(), asyncio.get_running_loop().time
    envoys = [
        FakeEnvoy(server, Node(id=f"edge-{number}", cluster="edge", region="eu"), time, peer=f"10.0.0.{number}:40123")
        for number in range(1, 13)
    ]
    for envoy in envoys:
        envoy.ask(CLUSTER).ask(LISTENER).catch_up()
        envoy.ask(ENDPOINT, *plane.snapshot()[ENDPOINT]).catch_up()
    async with (
        rime_ws.serve(server, "127.0.0.1:0") as bound,
        browser() as chromium,
        page_at(chromium, bound.address, color_scheme=scheme, viewport={"width": 1180, "height": 560}) as page,
    ):
        await expect(page.locator("#resources-count")).to_have_text("241")
        plane.apply(*cluster("payments-eu-3", 3))
        refusing = envoys[6]
        clusters, *others = refusing.read()
        refusing.answer([clusters], error=REFUSAL).answer(others)
        envoys[2].read()
        for envoy in envoys[3:]:
            if envoy is not refusing:
                envoy.catch_up()
        envoys[0].catch_up()
        await expect(page.locator("#clients-count")).to_have_text("12, 1 rejecting")
        await expect(page.locator("#changes-count")).to_have_text("1")
        await page.keyboard.type(keys[0])
        await page.keyboard.press(keys[1])
        await expect(page.locator("#detail h2")).to_be_visible()
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=DOCS / name)


async def main():
    await take("light", "page-clients.png", ("1", "ArrowDown"))
    await take("dark", "page-changes.png", ("3", "ArrowDown"))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
