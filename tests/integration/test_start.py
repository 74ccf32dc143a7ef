"""From nothing to the first answer."""

import pytest

from . import resources
from .rime import rime as run_rime

pytestmark = pytest.mark.asyncio

# What somebody has before they have heard of rime.
ENVOY_YAML = """\
node: {{id: mine, cluster: edge}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          codec_type: AUTO
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: shop}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typedConfig: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: shop
    connect_timeout: 0.25s
    type: STRICT_DNS
    dns_lookup_family: V4_ONLY
    load_assignment:
      cluster_name: shop
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: localhost, port_value: {port}}}}}}}
"""


async def test_from_an_empty_machine_to_the_first_answer(stage):
    port = await stage.upstream("blue")
    stage.save(
        cluster=resources.cluster(),
        endpoints=resources.endpoints(port),
        route=resources.route(),
        listener=resources.listener(),
    )
    rime = await stage.rime()
    relay = await stage.relay(rime.address)
    envoy = stage.envoy(relay.address)

    await stage.answers(await envoy.port(), "blue")
    assert sorted(relay.travelled) == [
        ("Cluster", "shop"),
        ("ClusterLoadAssignment", "shop"),
        ("Listener", "web"),
        ("RouteConfiguration", "web"),
    ]
    assert rime.sent() == (4, 0)


async def test_the_bootstrap_that_somebody_has_is_served_and_made_dynamic(stage):
    mine = stage.conf / "envoy.yaml"
    mine.write_text(ENVOY_YAML.format(port=await stage.upstream("blue")))
    rime = await stage.rime(source=mine)
    relay = await stage.relay(rime.address)
    envoy = stage.envoy(relay.address, bootstrap=mine.read_text())

    await stage.answers(await envoy.port(), "blue")
    assert sorted(relay.travelled) == [("Cluster", "shop"), ("Listener", "web")]
    assert list(await envoy.clusters()) == ["shop"]
    assert relay.requests[0].node.id == "mine"

    mine.write_text(ENVOY_YAML.format(port=await stage.upstream("green")))
    await stage.answers(await envoy.port(), "green")
    assert relay.travelled[2:] == [("Cluster", "shop")]


async def test_rime_check_says_that_what_is_served_here_is_sound(stage):
    stage.save(cluster=resources.cluster(), endpoints=resources.endpoints(80), route=resources.route())
    assert run_rime("check", str(stage.conf)) == "3 resources in 3 files: 0 faults, 0 warnings\n"
