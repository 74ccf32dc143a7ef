"""What one change costs among many objects, counted; how long it takes is measured by `measure`."""

import pytest

from rime_core import CLUSTER, ENDPOINT
from rime_k8s_source.config import KubernetesOptions
from rime_k8s_source.kinds import ENDPOINT_SLICES, SERVICES
from rime_k8s_source.services import ServiceMapper

from .faults import FaultyRelay
from .objects import endpoint, fill
from .sourced import sourced

pytestmark = pytest.mark.asyncio

MANY = 1000


class Counted(ServiceMapper):
    """Notes what it is asked to look at: objects that came, and units that are made, with the objects of each."""

    def __init__(self):
        super().__init__(KubernetesOptions().service_template())
        self.came: list[str] = []
        self.made: list[tuple[tuple[str, str], int]] = []

    def keep(self, kind, body):
        self.came.append(f"{kind.plural} {body['metadata']['name']}")
        return super().keep(kind, body)

    def make(self, unit, objects):
        self.made.append((unit, sum(len(each) for each in objects.values())))
        return super().make(unit, objects)


async def test_one_pods_readiness_among_a_thousand_services_of_ten(kube, namespace):
    """Two requests for all of it, ever; then one object comes, one unit is made of two, and one resource travels."""
    fill(namespace, MANY, 10)
    mapper = Counted()
    async with FaultyRelay(kube) as relay:
        kubeconfig = kube.kubeconfig(server=relay.url)
        async with sourced(kubeconfig, namespace=namespace.name, mappers=[mapper]) as source:
            server = source.plane.server()
            with server.subscribe(ENDPOINT) as endpoints, server.subscribe(CLUSTER) as clusters:
                assert len(endpoints.initial().resources) == len(clusters.initial().resources) == MANY
                assert (len(mapper.came), len(mapper.made)) == (2 * MANY, MANY)
                mapper.came.clear()
                mapper.made.clear()
                ready = [endpoint(f"10.1.7.{each}") for each in range(2, 11)]
                patch = {"endpoints": [endpoint("10.1.7.1", ready=False), *ready]}
                namespace.change("endpointslices", "s7-1", patch)
                update = await endpoints.changed()

                assert [each.name for each in update.resources] == [f"{namespace.name}/s7/80"]
                assert len(source.addresses(f"{namespace.name}/s7/80")) == 9
                assert clusters.poll() is None
        assert (mapper.came, mapper.made) == (["endpointslices s7-1"], [((namespace.name, "s7"), 2)])
        asked = [request.partition("?")[0] for request in relay.requests]
        assert sorted(asked) == sorted(f"GET {kind.path(namespace.name)}" for kind in (SERVICES, ENDPOINT_SLICES))
        assert all("sendInitialEvents=true" in request for request in relay.requests)
