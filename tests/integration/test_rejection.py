"""What Envoy refuses harms nothing else, is seen, and is not sent again."""

import pytest

from . import resources
from .waiting import eventually

pytestmark = pytest.mark.asyncio

# Sound by every rule that Envoy's API declares; Envoy itself finds that this type of cluster wants one endpoint.
REFUSED = f"""\
resources:
- "@type": {resources.TYPE}.config.cluster.v3.Cluster
  name: refused
  type: LOGICAL_DNS
  connect_timeout: 1s
  load_assignment:
    cluster_name: refused
    endpoints:
    - lb_endpoints:
      - endpoint: {{address: {{socket_address: {{address: localhost, port_value: 1}}}}}}
      - endpoint: {{address: {{socket_address: {{address: localhost, port_value: 2}}}}}}
"""
ACCEPTED = REFUSED.replace("LOGICAL_DNS", "STRICT_DNS")


async def test_a_refused_resource_beside_good_ones(stage):
    rime, relay, envoy = await stage.shop()
    green = await stage.upstream("green")
    port = await envoy.port()
    relay.clear()

    # in one response: a refused cluster, and a good one
    stage.save(refused=REFUSED, more=resources.cluster("more") + resources.endpoints(green, "more")[11:])
    await eventually(lambda: rime.events("rejected"))
    stage.save(route=resources.route("more"))
    await stage.answers(port, "green")

    (rejection,) = rime.events("rejected")
    assert rejection["level"] == "warning"
    assert "refused" in rejection["message"]
    assert "LOGICAL_DNS clusters must have a single" in rejection["message"]
    assert relay.sent("Cluster").count("refused") == 1
    assert sorted(await envoy.clusters()) == ["more", "shop"]

    relay.clear()
    stage.save(refused=ACCEPTED)

    async def accepted():
        return "refused" in await envoy.clusters()

    await eventually(accepted)
    assert relay.travelled == [("Cluster", "refused")]


async def test_what_came_beside_a_refused_one_is_recorded_and_so_it_can_be_taken_away(stage):
    """Envoy applies the good ones and does not remember them, unless they come once more without the refused one."""
    rime, relay, envoy = await stage.shop()
    relay.clear()
    good = ["good-1", "good-2", "good-3"]
    stage.save(
        refused=REFUSED + "".join(resources.cluster(name)[11:] for name in good),
        endpoints_of_good="resources:\n" + "".join(resources.endpoints(1, name)[11:] for name in good),
    )
    await eventually(lambda: relay.sent("Cluster").count("good-3") == 2)
    assert sorted(relay.sent("Cluster")) == sorted([*good, *good, "refused"])

    async def applied():
        return sorted(await envoy.clusters()) == [*good, "shop"]

    await eventually(applied)

    def recorded():
        last = [each for each in relay.requests if each.type_url.endswith(".Cluster")][-1]
        return last.response_nonce and not last.error_detail.message

    await eventually(recorded)

    rime.end()
    stage.save(refused="resources:\n" + "".join(resources.cluster(name)[11:] for name in good[:2]))
    relay.clear()
    relay.switch((await stage.rime()).address)

    async def taken_away():
        return sorted(await envoy.clusters()) == ["good-1", "good-2", "shop"]

    await eventually(taken_away)
    assert relay.removed == [("Cluster", "good-3")]
    assert "Cluster" not in [type_name for type_name, _ in relay.travelled]
