"""A source makes clusters when Envoy asks for them, by its filter for clusters on demand, and unmakes them."""

import pytest

import rime_grpc
from rime_core import CLUSTER, Plane
from rime_envoy_api import parse

from . import resources
from .waiting import eventually
from .web import Answer, get

pytestmark = pytest.mark.asyncio

LISTENER = f"""\
resources:
- "@type": {resources.TYPE}.config.listener.v3.Listener
  name: web
  address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": {resources.TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: web
        route_config:
          virtual_hosts:
          - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster_header: ":authority"}}}}]}}
        http_filters:
        - name: envoy.filters.http.on_demand
          typed_config:
            "@type": {resources.TYPE}.extensions.filters.http.on_demand.v3.OnDemand
            odcds: {{source: {resources.AGGREGATED}, timeout: 5s}}
        - name: envoy.filters.http.router
          typed_config: {{"@type": {resources.TYPE}.extensions.filters.http.router.v3.Router}}
"""


def cluster(name, port):
    return f"""\
resources:
- "@type": {resources.TYPE}.config.cluster.v3.Cluster
  name: {name}
  type: STATIC
  connect_timeout: 1s
  load_assignment:
    cluster_name: {name}
    endpoints:
    - lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]
"""


def applied(change, text, **options):
    (found,) = parse(text, origin="test.yaml").resources
    change.apply(found.type_url, found.name, found.body, **options)


class OnDemand:
    """A source that makes the clusters "blue" and "green" for as long as somebody asks for them, and its Envoy."""

    async def open(self, stage):
        self._upstreams = {name: await stage.upstream(name) for name in ("blue", "green")}
        self.plane = Plane()
        self.told = []
        self.plane.watch(CLUSTER, self._asked)
        applied(self.plane, LISTENER)
        self.bound = await stage.enter(rime_grpc.serve(self.plane.server(), "127.0.0.1:0"))
        self.relay = await stage.relay(self.bound.address)
        self.envoy = stage.envoy(self.relay.address)
        self.port = await self.envoy.port()
        return self

    def _asked(self, wanted, unwanted):
        self.told.append((sorted(wanted), sorted(unwanted)))
        with self.plane.transaction() as change:
            for name in wanted:
                if name in self._upstreams:
                    applied(change, cluster(name, self._upstreams[name]), on_demand=True)
            for name in unwanted:
                change.remove(CLUSTER, name)


async def test_a_request_for_a_cluster_that_nobody_had_asked_for_is_answered_at_once(stage):
    made = await OnDemand().open(stage)
    assert CLUSTER not in made.plane.snapshot()

    assert await get(made.port, host="blue") == Answer(200, "blue")
    assert list(made.plane.snapshot()[CLUSTER]) == ["blue"]
    assert (await get(made.port, host="red")).status == 503
    assert await get(made.port, host="green") == Answer(200, "green")
    assert made.told == [(["blue"], []), (["red"], []), (["green"], [])]

    made.envoy.process.kill()
    await eventually(lambda: CLUSTER not in made.plane.snapshot())


async def test_after_a_reconnect_it_asks_for_everything_and_for_what_it_had_on_demand(stage):
    made = await OnDemand().open(stage)
    applied(made.plane, cluster("for all", 1))
    assert await get(made.port, host="blue") == Answer(200, "blue")
    await eventually(lambda: set(made.relay.sent("Cluster")) == {"for all", "blue"})
    made.relay.clear()

    made.relay.switch(made.bound.address)
    first = await eventually(lambda: [each for each in made.relay.requests if each.HasField("node")])
    assert [(each.type_url, set(each.resource_names_subscribe)) for each in first] == [(CLUSTER, {"*", "blue"})]

    assert await get(made.port, host="blue") == Answer(200, "blue")
    assert await get(made.port, host="green") == Answer(200, "green")
    assert (await get(made.port, host="red")).status == 503
    # neither what everybody has nor what it had asked for came again
    assert made.relay.travelled == [("Cluster", "green")]
    assert made.relay.removed == [("Cluster", "red")]
