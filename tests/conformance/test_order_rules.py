"""The rules of order, each by its number: what comes first, what waits, and what goes last. `pytest -k R71`.

`route r` names a cluster, which waits for the assignment of the same name, and `listener l` names the route: what a
client has is whole when each of these is there that another one names.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rime_core import CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SCOPED_ROUTE, VIRTUAL_HOST
from rime_core.type_urls import describe
from tests.conformance.bodies import refers, to, via, waiting_for

if TYPE_CHECKING:
    from tests.conformance.clients import Response

pytestmark = pytest.mark.asyncio

both = pytest.mark.variants("delta", "sotw")


async def batch(plane, client, *type_urls: str) -> list[str]:
    """The types of the responses to one change of all of `type_urls`, which the client asks for the other way round."""
    for type_url in reversed(type_urls):
        await client.ask(type_url, ["r/x"])
    await client.rest()
    with plane.transaction() as change:
        for type_url in reversed(type_urls):
            change.apply(type_url, "r/x", b"1")
    return [response.type_url for response in await client.rest()]


class Proxy:
    """What a client has by what it was sent, and what of that it has not acknowledged yet."""

    def __init__(self, client) -> None:
        self.client = client
        self.has: dict[tuple[str, str], bytes] = {}
        self.unanswered: dict[str, list[Response]] = {}

    async def take(self) -> list[str]:
        """What comes, as `cluster c` or `- cluster c`; each time, all that the client has must be whole."""
        said = []
        for response in await self.client.rest():
            described = describe(response.type_url)
            kind = described.singular
            gone = list(response.removed)
            if described.full_set and self.client.variant == "sotw":
                gone = [name for url, name in self.has if url == described.url and name not in response.resources]
            for name, (_, content) in response.resources.items():
                if self.has.get((described.url, name)) != content:
                    said.append(f"{kind} {name}")
                self.has[described.url, name] = content
            for name in gone:
                self.has.pop((described.url, name), None)
                said.append(f"- {kind} {name}")
            self.unanswered.setdefault(described.url, []).append(response)
            self.check()
        return said

    async def accept(self, *type_urls: str) -> list[str]:
        """Acknowledge all of these types; what comes then."""
        for type_url in type_urls:
            for response in self.unanswered.pop(type_url, ()):
                await self.client.ack(response)
        return await self.take()

    def check(self) -> None:
        """No route that it has names a cluster that it has not."""
        for (url, name), content in self.has.items():
            if url != CLUSTER:
                for reference in refers(url, content):
                    assert reference[0] != CLUSTER or reference in self.has, f"{name} names {reference[1]}"


def put(plane, clusters: Sequence[str], gone: Sequence[str] = (), **route: str) -> None:
    """These clusters with their assignments are there, those are gone, and routes name one each, in one change."""
    with plane.transaction() as change:
        for name in clusters:
            change.apply(CLUSTER, name, waiting_for(name))
            change.apply(ENDPOINT, name, b"1")
        for name, cluster in route.items():
            change.apply(ROUTE, name, to(cluster))
        for name in gone:
            change.remove(CLUSTER, name)
            change.remove(ENDPOINT, name)


@pytest_asyncio.fixture
async def proxy(plane, client):
    """A client that has listener l, route r, and the cluster `old` with its assignment."""
    put(plane, ["old"], r="old")
    plane.apply(LISTENER, "l", via("r"))
    proxy = Proxy(client)
    for type_url, names in ((CLUSTER, []), (ENDPOINT, ["old"]), (LISTENER, []), (ROUTE, ["r"])):
        await client.ask(type_url, names)
        await proxy.take()
        await proxy.accept(type_url)
    return proxy


# --- what comes first


@both
async def test_R65_clusters_come_first(plane, client):
    types = await batch(plane, client, CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, SCOPED_ROUTE, ROUTE)
    assert types[0] == CLUSTER


@both
async def test_R66_assignments_come_after_their_clusters(plane, client):
    assert await batch(plane, client, CLUSTER, ENDPOINT, LISTENER) == [CLUSTER, ENDPOINT, LISTENER]


@both
async def test_R67_listeners_come_after_clusters_and_assignments(plane, client):
    assert await batch(plane, client, CLUSTER, ENDPOINT, LISTENER, ROUTE) == [CLUSTER, ENDPOINT, LISTENER, ROUTE]


@both
async def test_R68_routes_come_after_their_listeners(plane, client):
    types = await batch(plane, client, CLUSTER, ENDPOINT, LISTENER, SCOPED_ROUTE, ROUTE)
    assert types == [CLUSTER, ENDPOINT, LISTENER, SCOPED_ROUTE, ROUTE]


async def test_R69_virtual_hosts_come_after_their_routes(plane, client):
    assert await batch(plane, client, CLUSTER, LISTENER, ROUTE, VIRTUAL_HOST) == [
        CLUSTER,
        LISTENER,
        ROUTE,
        VIRTUAL_HOST,
    ]


# --- what goes last, and what waits


@both
async def test_R70_what_something_refers_to_goes_last(plane, client, proxy):
    put(plane, ["new"], gone=["old"], r="new")
    await proxy.take()
    await client.ask(ENDPOINT, ["new"])
    await proxy.take()
    await proxy.accept(CLUSTER, ENDPOINT)
    assert (CLUSTER, "old") in proxy.has
    assert proxy.has[ROUTE, "r"] == to("new"), "it was sent, but not accepted"
    said = await proxy.accept(ROUTE)
    assert said == ["- cluster old"]
    # a state-of-the-world client drops the assignment by itself
    assert await proxy.accept(CLUSTER) == (["- endpoint old"] if client.variant == "delta" else [])


@both
async def test_R70_a_rejected_route_keeps_what_it_would_have_given_up(plane, client, proxy):
    put(plane, ["new"], gone=["old"], r="new")
    await proxy.take()
    await client.ask(ENDPOINT, ["new"])
    await proxy.take()
    await proxy.accept(CLUSTER, ENDPOINT)
    (route,) = proxy.unanswered.pop(ROUTE)
    await client.nack(route)
    assert await proxy.take() == []
    assert (CLUSTER, "old") in proxy.has


@both
async def test_R71_a_route_waits_for_the_clusters_that_it_names(plane, client, proxy):
    put(plane, ["new"], r="new")
    assert await proxy.take() == ["cluster new"]
    await client.ask(ENDPOINT, ["new"])
    assert await proxy.take() == ["endpoint new"]
    assert await proxy.accept(ENDPOINT) == ["route r"]


@both
async def test_R71_other_routes_do_not_wait(plane, client, proxy):
    put(plane, ["new"], r="new", other="old")
    await client.ask(ROUTE, ["other"])
    assert await proxy.take() == ["cluster new", "route other"]


# --- what is supplied while something warms


async def test_R72_a_changed_cluster_brings_its_assignment_again(plane, client):
    plane.apply(CLUSTER, "c", waiting_for("e", "1"))
    plane.apply(CLUSTER, "static", b"1")
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.ask(ENDPOINT, ["e"])
    for response in await client.rest():
        await client.ack(response)
    plane.apply(CLUSTER, "c", waiting_for("e", "2"))
    clusters, endpoints = await client.rest()
    assert (clusters.type_url, set(clusters.resources)) == (CLUSTER, {"c"})
    assert (endpoints.type_url, endpoints.resources["e"][1]) == (ENDPOINT, b"1")
    plane.apply(CLUSTER, "static", b"2")
    assert (await client.only()).type_url == CLUSTER


async def test_R72_a_missing_assignment_is_reported_again(plane, client):
    plane.apply(CLUSTER, "c", waiting_for("missing", "1"))
    await client.ask(CLUSTER)
    await client.ask(ENDPOINT, ["missing"])
    await client.rest()
    plane.apply(CLUSTER, "c", waiting_for("missing", "2"))
    _, endpoints = await client.rest()
    assert endpoints.removed == ["missing"]


async def test_R72_an_assignment_that_changed_too_is_sent_once(plane, client):
    plane.apply(CLUSTER, "c", waiting_for("e", "1"))
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.ask(ENDPOINT, ["e"])
    await client.rest()
    with plane.transaction() as change:
        change.apply(ENDPOINT, "e", b"2")
        change.apply(CLUSTER, "c", waiting_for("e", "2"))
    clusters, endpoints = await client.rest()
    assert clusters.type_url == CLUSTER
    assert endpoints.resources["e"][1] == b"2"
