"""Whatever the order of events between kinds and wherever connections are cut, it ends as a fresh list would.

Of one kind the API server keeps the order; between kinds there is none: each is a watch of its own, and one may be far
behind the other. So Services, their slices and ConfigMaps are changed at will, each watch is moved on at will; in
the end there must be the resources that a source has which lists everything then.
"""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER
from rime_k8s_source.config_maps import ConfigMapMapper
from rime_k8s_source.kinds import CONFIG_MAPS, ENDPOINT_SLICES, SERVICES
from rime_k8s_source.ledger import Ledger
from rime_k8s_source.reflector import Reflector
from rime_k8s_source.services import ServiceMapper
from rime_k8s_source.template import Template
from rime_k8s_source.units import Units

from .api_model import ApiModel, Client
from .objects import endpoint, endpoint_slice, service

KINDS = ((0, SERVICES), (0, ENDPOINT_SLICES), (1, CONFIG_MAPS))
# two Services of one name but another namespace have one cluster: who comes first has it
NAMES = Template("{service}/{port}", option="names", known=("namespace", "service", "port"), needed=("service",))


def mappers():
    return [ServiceMapper(NAMES), ConfigMapMapper(labels="x")]


class Cluster:
    """What a source does, without I/O: a model and a client for each kind, units, a ledger, and what is written."""

    def __init__(self, models):
        self.mappers = mappers()
        self.units = Units(self.mappers)
        self.ledger = Ledger(1.0)
        self.now = 0.0
        self.written: dict[tuple[str, str], bytes] = {}
        self.clients = [
            Client(
                model,
                Reflector(partial(self._keep, self.mappers[rank], kind)),
                tell=partial(self.units.change, rank, kind),
            )
            for model, (rank, kind) in zip(models, KINDS, strict=True)
        ]

    @staticmethod
    def _keep(mapper, kind, item):
        metadata = item["metadata"]
        value = item["data"]
        return mapper.keep(kind, value | {"metadata": value["metadata"] | metadata})

    def write(self, seconds=0.0):
        self.now += seconds
        self.ledger.observe(self.units.make(), self.now)
        delivery = self.ledger.take(self.now)
        self.written.update({(claim.type_url, claim.name): claim.body for claim in delivery.apply})
        for name in delivery.remove:
            del self.written[name]
        self.troubles = delivery.troubles

    def finish(self):
        for client in self.clients:
            client.finish()
        self.write()
        self.write(1)


def changed_service(draw):
    ports = draw(st.sampled_from([(80,), (81,), (80, 81)]))
    return service(*ports, sessionAffinity=draw(st.sampled_from(["", "ClientIP"])))


def changed_slice(draw):
    endpoints = [endpoint(f"10.0.0.{number}", ready=draw(st.booleans())) for number in range(draw(st.integers(0, 2)))]
    return endpoint_slice(*endpoints, service=draw(st.sampled_from("ab")), ports={"": 8080})


def changed_config_map(draw):
    names = sorted(draw(st.sets(st.sampled_from(["a/80", "p", "q"]))))
    lines = [f'- {{"@type": {CLUSTER}, name: {name}, alt_stat_name: {draw(st.sampled_from("st"))}}}' for name in names]
    return {"metadata": {}, "data": {"a.yaml": "\n".join(["resources:", *lines]) if lines else "resources: []"}}


BODIES = (changed_service, changed_slice, changed_config_map)

steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "delete", "step", "step", "step", "cut", "compact", "relist", "write"]),
        st.integers(0, 2),
        st.sampled_from([("prod", "a"), ("prod", "b"), ("test", "a")]),
    ),
    max_size=50,
)


@given(steps, st.data())
def test_it_ends_in_the_same_resources_as_a_fresh_list(steps, data):
    models = [ApiModel() for _ in KINDS]
    cluster = Cluster(models)
    for what, number, key in steps:
        model, client = models[number], cluster.clients[number]
        match what:
            case "put":
                model.put(key, BODIES[number](data.draw))
            case "delete":
                model.put(key, None)
            case "step":
                client.step()
            case "cut":
                client.cut()
            case "compact":
                model.compact()
            case "relist":
                client.cut()
                client.reflector.relist()
            case "write":
                cluster.write(0.4)
    cluster.finish()
    fresh = Cluster(models)
    fresh.finish()

    assert cluster.written == fresh.written
    assert cluster.troubles == fresh.troubles == ()
