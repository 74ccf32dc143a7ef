"""The page in a real Chromium, with a real rime and a real Envoy behind it; and one that is asked to show much."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import expect

import rime_ws
from rime_core import CLUSTER, ENDPOINT, Node, Plane
from rime_envoy_api import message_class, references, resource
from rime_ws import Config
from tests.integration.chromium import browser, page_at
from tests.rime_ws.talk import FakeEnvoy

from . import resources
from .test_rejection import REFUSED

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]

Cluster = message_class("envoy.config.cluster.v3.Cluster")
Assignment = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")


@pytest_asyncio.fixture
async def chromium():
    async with browser() as found:
        yield found


async def test_an_edit_and_a_rejection_show_up_without_a_reload(stage, chromium):
    rime, _, _ = await stage.shop(looked_at=True)
    async with page_at(chromium, rime.looked_at) as page:
        client = page.locator("#list .row")
        await expect(client).to_contain_text("envoy")
        await expect(client).to_contain_text("synced")

        await page.keyboard.press("2")
        await page.locator("#type").select_option("clusters")
        await page.locator("#list .row", has_text="shop").click()
        await expect(page.locator("#detail pre")).to_contain_text("connect_timeout: 1s")
        await expect(page.locator("#detail")).to_contain_text("endpoints shop")
        await expect(page.locator("#detail")).to_contain_text("routes")
        stage.save(cluster=resources.cluster().replace("connect_timeout: 1s", "connect_timeout: 7s"))
        await expect(page.locator("#detail pre")).to_contain_text("connect_timeout: 7s")

        await page.keyboard.press("3")
        await page.keyboard.press("ArrowDown")  # at once: the latest change, whatever was shown before
        await expect(page.locator("#detail .minus")).to_have_text("- connect_timeout: 1s")
        await expect(page.locator("#detail .plus")).to_have_text("+ connect_timeout: 7s")

        stage.save(refused=REFUSED)
        await page.keyboard.press("1")
        await expect(client.first).to_contain_text("clusters rejected")
        await expect(page.locator("#clients-count")).to_have_text("1, 1 rejecting")
        await client.first.click()
        await expect(page.locator("#detail")).to_contain_text("LOGICAL_DNS clusters must have a single")
        await expect(page.locator("#detail")).to_contain_text("What it has against what it should have")

        stage.save(broken="resources: [{")
        await expect(page.locator("#notices")).to_contain_text("broken.yaml")
        stage.save(broken=None, refused=None)
        await expect(page.locator("#notices")).to_be_hidden()
        await expect(client.first).to_contain_text("synced")


async def test_it_goes_on_where_it_was_when_rime_comes_back(stage, chromium):
    stage.save(cluster=resources.cluster())
    rime = await stage.rime(looked_at=True)
    async with AsyncExitStack() as stack:
        page = await chromium.new_page()
        stack.push_async_callback(page.close)
        await page.goto(f"http://{rime.looked_at}/")
        await expect(page.locator("#resources-count")).to_have_text("1")
        rime.kill()
        await expect(page.locator("#connection")).to_have_text("not connected")
        stage.save(more=resources.cluster("more"))
        plane = Plane()
        plane.apply(CLUSTER, "more", b"")
        async with rime_ws.serve(plane.server(), rime.looked_at):
            await expect(page.locator("#connection")).to_contain_text("connected · rime")
            await expect(page.locator("#resources-count")).to_have_text("1")
            await page.keyboard.press("2")
            await expect(page.locator("#list .row")).to_contain_text("more")


def cluster(name, seconds=1):
    made = Cluster(name=name, type="EDS", connect_timeout={"seconds": seconds})
    made.eds_cluster_config.eds_config.ads.SetInParent()
    return resource(made)


@pytest_asyncio.fixture
async def crowd():
    plane = Plane(references=references)
    with plane.transaction() as change:
        for number in range(5000):
            change.apply(*cluster(f"shop-{number:04}"))
            change.apply(*resource(Assignment(cluster_name=f"shop-{number:04}")))
    server, time = plane.server(), asyncio.get_running_loop().time
    envoys = [
        FakeEnvoy(server, Node(id=f"edge-{number:03}"), time, peer=f"10.0.0.1:{number}").ask(CLUSTER).catch_up()
        for number in range(1000)
    ]
    async with rime_ws.serve(server, "127.0.0.1:0") as bound:
        yield plane, envoys, bound.address


async def test_10_000_resources_and_1_000_clients(crowd, chromium):
    plane, envoys, address = crowd
    async with page_at(chromium, address) as page:
        await expect(page.locator("#resources-count")).to_have_text("10000")
        await expect(page.locator("#clients-count")).to_have_text("1000")
        assert await page.locator("#list .row").count() < 100  # of the others nothing is drawn

        plane.apply(*cluster("shop-4999", 2))
        batch = envoys[700].read()
        envoys[700].answer(batch, error="Error adding/updating cluster(s) shop-4999: no")
        await expect(page.locator("#list .row").first).to_contain_text("edge-700")
        await expect(page.locator("#clients-count")).to_have_text("1000, 1 rejecting")

        await page.keyboard.press("2")
        await page.keyboard.press("/")
        await page.keyboard.type("4999")
        await expect(page.locator("#list .row")).to_have_count(1)
        await page.keyboard.press("Escape")
        await page.keyboard.press("End")
        await expect(page.locator("#detail h2")).to_have_text("shop-4999")
        await expect(page.locator("#detail pre")).to_contain_text("connect_timeout: 2s")


async def test_it_asks_for_a_token_where_one_is_needed(chromium, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("0123456789abcdef")
    plane = Plane()
    plane.apply(ENDPOINT, "e", b"")
    async with rime_ws.serve(plane.server(), "127.0.0.1:0", Config(token_file=token_file)) as bound:
        page = await chromium.new_page()
        await page.goto(f"http://{bound.address}/")
        await page.locator("#token").fill("this is not the token")
        await page.keyboard.press("Enter")
        await expect(page.locator("#refused")).to_have_text("This is not the token.")
        await page.locator("#token").fill("0123456789abcdef")
        await page.keyboard.press("Enter")
        await expect(page.locator("#connection")).to_contain_text("connected · rime")
        await expect(page.locator("#resources-count")).to_have_text("1")
        await page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_can_be_read_in_both_themes(chromium, scheme):
    """By the contrast that WCAG asks for, 4.5 to 1, of every colour of text on every ground that it stands on."""
    async with (
        rime_ws.serve(Plane().server(), "127.0.0.1:0") as bound,
        page_at(chromium, bound.address, color_scheme=scheme) as page,
    ):
        found = await page.evaluate(
            """() => {
              const style = getComputedStyle(document.documentElement);
              const names = ["text", "faint", "accent", "good", "wait", "bad", "held", "ground", "panel", "chosen"];
              return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
            }"""
        )
    grounds = [found.pop(name) for name in ("ground", "panel", "chosen")]
    assert len({found["text"], *grounds}) == 4
    for name, colour in found.items():
        for ground in grounds:
            assert contrast(colour, ground) >= 4.5, (scheme, name, ground)


def contrast(one, other):
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
