"""Make before break, with a real Envoy that drains as long as it does by default: under load nothing fails.

rime is in this process, so that nothing waits for a folder to be watched; but for the last test.
"""

import asyncio
import logging
import signal
import socket
from functools import partial

import pytest
import pytest_asyncio

from rime_core.protocol.order import Patience

from . import resources
from .shop import COLOURS, Shop
from .waiting import eventually
from .web import Load

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def shop(stage):
    return await Shop(stage).open()


@pytest.fixture(autouse=True)
def unsaid(caplog):
    """Nobody is waited for too long, and nothing is rejected: rime has nothing to say of it."""
    caplog.set_level(logging.WARNING, "rime_grpc")
    yield caplog
    assert caplog.messages == []


async def test_200_swaps_of_a_cluster_behind_a_route_and_no_request_fails(shop):
    port = await shop.answers(shop.swap(0, listener=resources.listener()))

    async with Load(port, kept=4, new=2) as load:
        for number in range(1, 201):
            load.right = {*shop.upstreams}
            body = shop.swap(number)
            await load.until(body)
            load.right = {body}
        await shop.has_only("shop-200")

    assert load.failures == []


async def test_200_swaps_that_wait_for_nothing_fail_no_request(shop):
    port = await shop.answers(shop.swap(0, listener=resources.listener()))

    async with Load(port, kept=2, new=2) as load:
        for number in range(1, 201):
            shop.swap(number)
            await asyncio.sleep(0)
        await shop.has_only("shop-200")

    assert load.failures == []


def a_free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_30_renames_of_everything_at_once_and_no_request_fails(shop):
    port = a_free_port()

    def rename(number):
        """Cluster, assignment, route and listener have other names from now on; the port stays."""
        old, new = f"web-{number - 1}", f"web-{number}"
        files = {
            f"{new}-listener": resources.listener(new, new, port=port),
            f"{new}-route": resources.route(f"shop-{number}", name=new),
        }
        return shop.swap(number, **files, **{f"{old}-listener": None, f"{old}-route": None} if number else {})

    await shop.answers(rename(0), listener="web-0")
    async with Load(port, kept=2) as kept, Load(port, kept=0, new=4) as new:
        for number in range(1, 31):
            new.right = {*shop.upstreams}
            body = rename(number)
            await new.until(body)
            new.right = {body}

    assert (kept.failures, new.failures) == ([], [])
    await shop.has_only(*(f"shop-{number}" for number in range(31)))  # those before drain for ten minutes


@pytest.mark.parametrize("api_type", [None, "GRPC"])
@pytest.mark.parametrize("made", [resources.listener_with_routes, resources.tcp_listener])
async def test_30_renames_of_a_listener_that_names_its_cluster_and_no_new_request_fails(stage, made, api_type):
    """The listener has to wait for its cluster, and the one that it takes the port of waits with it."""
    shop = await Shop(stage).open(api_type=api_type)
    port = a_free_port()

    def rename(number):
        old = {f"web-{number - 1}": None} if number else {}
        return shop.swap(number, **{f"web-{number}": made(f"shop-{number}", f"web-{number}", port=port)}, **old)

    await shop.answers(rename(0), listener="web-0")
    async with Load(port, kept=0, new=4) as new:
        for number in range(1, 31):
            new.right = {*shop.upstreams}
            body = rename(number)
            await new.until(body)
            new.right = {body}

    assert new.failures == []


@pytest.mark.parametrize("made", [resources.listener_with_routes, resources.tcp_listener])
async def test_30_swaps_of_a_cluster_that_a_listener_names_and_no_request_fails(shop, made):
    port = await shop.answers(shop.swap(0, listener=made("shop-0")))

    async with Load(port, kept=4) as kept, Load(port, kept=0, new=4) as new:
        for number in range(1, 31):
            new.right = {*shop.upstreams}
            body = shop.swap(number, listener=made(f"shop-{number}"))
            await new.until(body)
            new.right = {body}

    assert (kept.failures, new.failures) == ([], [])
    await shop.has_only(*(f"shop-{number}" for number in range(31)))


async def test_what_a_listener_named_goes_when_it_can_drain_no_longer(stage):
    shop = await Shop(stage).open(patience=Patience(silence=1.5), drain="1")
    port = await shop.answers(shop.swap(0, listener=resources.listener_with_routes("shop-0")))

    # Envoy ends kept connections when it has drained, whatever comes on them
    async with Load(port, kept=0, new=4) as load:
        for number in range(1, 5):
            await load.until(shop.swap(number, listener=resources.listener_with_routes(f"shop-{number}")))
        await shop.has_only("shop-4")

    assert load.failures == []


async def test_a_rejected_cluster_holds_the_route_that_names_it_and_nothing_else(stage, shop, unsaid):
    other = {"other_route": resources.route("shop-0", name="other"), "other": resources.listener("other", "other")}
    port = await shop.answers(shop.swap(0, listener=resources.listener(), **other))
    green = resources.endpoints(shop.upstreams["green"], "green")

    async with Load(port, kept=2, new=2) as load:
        load.right = {"blue"}
        shop.save(bad=resources.cluster_that_envoy_rejects("bad"), route=resources.route("bad"))
        await eventually(lambda: "rejected clusters" in unsaid.text)
        shop.save(
            green=resources.cluster("green"),
            green_endpoints=green,
            other_route=resources.route("green", name="other"),
        )
        await stage.answers(await shop.envoy.port("other"), "green")
        assert set(await shop.envoy.clusters()) == {"shop-0", "green"}

        load.right = {*shop.upstreams}
        shop.save(bad=resources.cluster("bad"), bad_endpoints=resources.endpoints(shop.upstreams["green"], "bad"))
        await load.until("green")

    assert load.failures == []
    assert ["rejected clusters" in message for message in unsaid.messages] == [True]
    unsaid.clear()


async def test_rime_is_killed_in_the_middle_of_swaps_and_no_request_fails(stage):
    """As its users run it, with a folder: each swap is one file that is saved once."""
    upstreams = {colour: await stage.upstream(colour) for colour in COLOURS}

    def swap(number):
        name, colour = f"shop-{number}", COLOURS[number % 3]
        texts = (resources.cluster(name), resources.endpoints(upstreams[colour], name), resources.route(name))
        stage.save(shop="---\n".join((*texts, resources.listener())))
        return colour

    def sends(rime, name):
        assert any(name in record["message"] for record in rime.events("sent"))
        return True

    async def has_only(name):
        assert list(await envoy.clusters()) == [name]
        return True

    colour = swap(0)
    rime = await stage.rime()
    envoy = stage.envoy(rime.address, drain=None)
    port = await envoy.port()
    await stage.answers(port, colour)

    async with Load(port, kept=2, new=2) as load:
        for number in (1, 3, 5):
            # Envoy reads on when rime is gone, and has half of a swap
            envoy.process.send_signal(signal.SIGSTOP)
            swap(number)
            await eventually(partial(sends, rime, f"shop-{number}"))
            rime.kill()
            envoy.process.send_signal(signal.SIGCONT)
            colour = swap(number + 1)
            rime = await stage.rime(at=rime.address)
            await load.until(colour)
            await eventually(partial(has_only, f"shop-{number + 1}"))

    assert load.failures == []
    assert [record["message"] for record in rime.log if record["level"] in {"warning", "error"}] == []
