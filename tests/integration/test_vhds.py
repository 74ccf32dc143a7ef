"""Virtual hosts on demand (VHDS): Envoy asks for a host when somebody asks it for that host."""

import asyncio

import pytest

from . import resources
from .waiting import eventually
from .web import Answer, get

pytestmark = pytest.mark.asyncio

AT_ONCE = 5.0
"""Seconds; a third of what Envoy waits for by itself before it opens a listener, or gives up a request."""

UNKNOWN = Answer(404, "")


def listener(name="web", route="web", source=resources.AGGREGATED):
    """A listener whose routes' virtual hosts may come on demand."""
    on_demand = f"""\
        - name: envoy.filters.http.on_demand
          typed_config: {{"@type": {resources.TYPE}.extensions.filters.http.on_demand.v3.OnDemand}}
"""
    filters = "        http_filters:\n"
    return resources.listener(name, route).replace(filters, filters + on_demand).replace(resources.AGGREGATED, source)


def route(name="web", source=resources.AGGREGATED, more=""):
    return f"""\
resources:
- "@type": {resources.TYPE}.config.route.v3.RouteConfiguration
  name: {name}
  vhds: {{config_source: {source}}}
{more}"""


def host(cluster, name="web/known.example", domain="known.example", aliases=()):
    return f"""\
resources:
- "@type": type.googleapis.com/envoy.service.discovery.v3.Resource
  aliases: [{", ".join(aliases)}]
  resource:
    "@type": {resources.TYPE}.config.route.v3.VirtualHost
    name: {name}
    domains: [{domain}]
    routes: [{{match: {{prefix: /}}, route: {{cluster: {cluster}}}}}]
"""


def beside(route):
    """By what an Envoy is told that there is nothing that it has not asked for."""
    return "VirtualHost", f"{route}/*"


class Hosts:
    """What a listener with virtual hosts on demand is made of, in a folder; what travels to its Envoy."""

    def __init__(self, stage):
        self.stage = stage

    async def open(self, **files):
        for name in ("blue", "green"):
            port = await self.stage.upstream(name)
            files |= {name: resources.cluster(name), f"{name}-endpoints": resources.endpoints(port, name)}
        self.save(**{"listener": listener(), "route": route(), "known": host("blue")} | files)
        self.rime = await self.stage.rime()
        self.relay = await self.stage.relay(self.rime.address)
        self.envoy = self.stage.envoy(self.relay.address)
        await eventually(self.envoy.listeners)  # it runs
        return self

    def save(self, **files):
        self.stage.save(**files)

    async def answers(self, host, expected, *, at="web"):
        """Wait until a listener, which may have to open first, gives this answer to a request for a host."""

        async def answered():
            port = (await self.envoy.listeners()).get(at)
            async with asyncio.timeout(AT_ONCE):  # a request for a host that Envoy waits to hear of hangs
                return port and await get(port, host=host) == expected

        await eventually(answered, within=AT_ONCE)

    def asked(self):
        """The hosts that Envoy asked for, as often as it did."""
        return [
            name
            for request in self.relay.requests
            if request.type_url.endswith(".VirtualHost")
            for name in request.resource_names_subscribe
        ]

    async def again(self):
        """rime ends, another one begins, and Envoy is with that."""
        self.rime.end()
        self.relay.clear()
        self.rime = await self.stage.rime()
        self.relay.switch(self.rime.address)
        await eventually(lambda: self.rime.events("opened"))


@pytest.fixture
def hosts(stage):
    return Hosts(stage)


async def test_a_listener_opens_at_once_and_is_told_of_a_host_when_somebody_asks_for_it(hosts):
    await hosts.open()
    await hosts.answers("known.example", Answer(200, "blue"))
    await hosts.answers("known.example", Answer(200, "blue"))
    assert hosts.asked() == ["web/known.example"]
    assert hosts.relay.removed == [beside("web")]


async def test_an_unknown_host_is_answered_at_once_and_is_there_when_it_comes(hosts):
    await hosts.open()
    await hosts.answers("later.example", UNKNOWN)
    hosts.save(later=host("green", "web/later.example", "later.example"))
    await hosts.answers("later.example", Answer(200, "green"))
    assert hosts.asked() == ["web/later.example"]


async def test_a_host_is_changed_and_removed(hosts):
    await hosts.open()
    await hosts.answers("known.example", Answer(200, "blue"))
    hosts.save(known=host("green"))
    await hosts.answers("known.example", Answer(200, "green"))
    hosts.save(known=None)
    await hosts.answers("known.example", UNKNOWN)
    assert ("VirtualHost", "web/known.example") in hosts.relay.removed


async def test_a_host_is_found_by_an_alias(hosts):
    aliases = ["web/one.example", "web/two.example"]
    await hosts.open(both=host("green", "web/both", '"*.example"', aliases))
    await hosts.answers("two.example", Answer(200, "green"))
    await hosts.answers("one.example", Answer(200, "green"))
    assert hosts.relay.sent("VirtualHost").count("web/both") == 1


@pytest.mark.parametrize(
    "changed",
    [
        route(more="  response_headers_to_add: [{header: {key: x-shop, value: open}}]\n"),
        # with another source of its hosts Envoy keeps those that it has, and gives up their names
        route(source="{ads: {}, resource_api_version: V3, initial_fetch_timeout: 14s}"),
    ],
    ids=["it", "where its hosts come from"],
)
async def test_when_the_route_configuration_changes_its_hosts_stay(hosts, changed):
    await hosts.open()
    await hosts.answers("known.example", Answer(200, "blue"))
    hosts.relay.clear()

    hosts.save(route=changed)
    await eventually(lambda: hosts.relay.sent("VirtualHost"), within=AT_ONCE)
    await hosts.answers("known.example", Answer(200, "blue"))
    assert hosts.relay.travelled == [("RouteConfiguration", "web"), ("VirtualHost", "web/known.example")]
    assert hosts.asked() == []


async def test_a_listener_that_comes_later_opens_at_once_too(hosts):
    await hosts.open()
    await hosts.answers("known.example", Answer(200, "blue"))

    hosts.save(
        second=listener("second", "second"),
        second_route=route("second"),
        second_host=host("green", "second/known.example"),
    )
    await hosts.answers("known.example", Answer(200, "green"), at="second")
    await hosts.answers("known.example", Answer(200, "blue"))


async def test_a_listener_that_is_removed_and_comes_again_opens_at_once(hosts):
    await hosts.open()
    await hosts.answers("known.example", Answer(200, "blue"))
    await hosts.answers("unknown.example", UNKNOWN)

    async def gone():
        return await hosts.envoy.listeners() == {}

    hosts.save(listener=None)
    await eventually(gone)
    await eventually(lambda: any("web" in request.resource_names_unsubscribe for request in hosts.relay.requests))
    hosts.save(listener=listener())
    await hosts.answers("known.example", Answer(200, "blue"))
    await hosts.answers("unknown.example", UNKNOWN)


async def test_over_streams_of_virtual_hosts_alone_they_open_at_once(hosts):
    def own(text):
        return resources.by_stream_of_its_own(text, "DELTA_GRPC")

    await hosts.open(route=own(route()))
    await hosts.answers("known.example", Answer(200, "blue"))
    hosts.save(
        second=listener("second", "second"),
        second_route=own(route("second")),
        second_host=host("green", "second/known.example"),
    )
    await hosts.answers("known.example", Answer(200, "green"), at="second")


async def test_after_a_restart_of_rime_nothing_that_is_current_is_sent(hosts):
    await hosts.open(second=listener("unused", "unused"), second_route=route("unused"))
    await hosts.answers("known.example", Answer(200, "blue"))
    await hosts.answers("unknown.example", UNKNOWN)
    await hosts.answers("unknown.example", UNKNOWN, at="unused")

    await hosts.again()
    hosts.save(known=host("green"))
    await hosts.answers("known.example", Answer(200, "green"))
    # what does not exist has no version to bring
    unknown = {"web/unknown.example", "unused/unknown.example"}
    assert [each for each in hosts.relay.travelled if each[1] not in unknown] == [("VirtualHost", "web/known.example")]
    assert hosts.relay.removed == []


async def test_after_a_restart_before_anybody_asked_for_a_host_no_resource_is_sent(hosts):
    await hosts.open()
    await eventually(lambda: hosts.relay.removed == [beside("web")])

    await hosts.again()
    await hosts.answers("known.example", Answer(200, "blue"))
    assert hosts.relay.travelled == [("VirtualHost", "web/known.example")]
    assert hosts.relay.removed == [beside("web")]
