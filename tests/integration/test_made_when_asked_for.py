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


async def test_a_request_for_a_cluster_that_nobody_had_asked_for_is_answered_at_once(stage):
    upstreams = {name: await stage.upstream(name) for name in ("blue", "green")}
    plane, told = Plane(), []

    def asked(wanted, unwanted):
        told.append((sorted(wanted), sorted(unwanted)))
        with plane.transaction() as change:
            for name in wanted:
                if name in upstreams:
                    applied(change, cluster(name, upstreams[name]), on_demand=True)
            for name in unwanted:
                change.remove(CLUSTER, name)

    plane.watch(CLUSTER, asked)
    applied(plane, LISTENER)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        envoy = stage.envoy(bound.address)
        port = await envoy.port()
        assert CLUSTER not in plane.snapshot()

        assert await get(port, host="blue") == Answer(200, "blue")
        assert list(plane.snapshot()[CLUSTER]) == ["blue"]
        assert (await get(port, host="red")).status == 503
        assert await get(port, host="green") == Answer(200, "green")
        assert told == [(["blue"], []), (["red"], []), (["green"], [])]

        envoy.process.kill()
        await eventually(lambda: CLUSTER not in plane.snapshot())
