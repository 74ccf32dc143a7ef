"""Whatever the order of events between kinds and wherever connections are cut, it ends as a fresh list would.

Of one kind the API server keeps the order; between kinds there is none: each is a watch of its own, and one may be far
behind the other. So objects of all kinds are created, changed and deleted at will, wrong ones among them; each kind's
list or watch is moved on by a message or a few, cut, forgotten (410) and begun anew at will, as a streaming list in any
order or as pages; and rime is restarted. In the end there must be the resources that a source has which lists
everything then.
"""

import base64
from collections import defaultdict
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rime_core import CLUSTER
from rime_k8s_source.config_maps import ConfigMapMapper
from rime_k8s_source.kinds import CONFIG_MAPS, ENDPOINT_SLICES, SECRETS, SERVICES, XDS_RESOURCES, Kind
from rime_k8s_source.ledger import Ledger
from rime_k8s_source.mapping import Mapper
from rime_k8s_source.reflector import Key, Reflector
from rime_k8s_source.services import ServiceMapper
from rime_k8s_source.template import Template
from rime_k8s_source.tls_secrets import SecretMapper
from rime_k8s_source.units import Units
from rime_k8s_source.xds_resources import XdsResourcesMapper

from .api_model import ApiModel, Client, body
from .objects import endpoint, endpoint_slice, service

KINDS = ((0, SERVICES), (0, ENDPOINT_SLICES), (1, SECRETS), (2, CONFIG_MAPS), (3, XDS_RESOURCES))
"""The rank of the mapper that wants it, and the kind."""

SETTLE = 1.0

# two objects of one name but another namespace have one resource: who comes first has it
CLUSTERS = Template("{service}/{port}", option="names", known=("namespace", "service", "port"), needed=("service",))
CERTIFICATES = Template("{name}", option="secret_names", known=("namespace", "name"), needed=("name",))

MAPPERS: tuple[Mapper, ...] = (
    ServiceMapper(CLUSTERS),
    SecretMapper(CERTIFICATES, labels="x"),
    ConfigMapMapper(labels="x"),
    XdsResourcesMapper(),
)


def kept(keep, item):
    """What is kept of an object, which the model has as the data of another."""
    return keep(item["data"] | {"metadata": item["data"]["metadata"] | item["metadata"]})


class Cluster:
    """What a source does, without I/O: a model and a client for each kind, units, a ledger, and what is written."""

    def __init__(self, models):
        self._models = models
        self._now = 0.0
        self.written: dict[tuple[str, str], bytes] = {}
        self.start()

    def start(self):
        """Begin with full lists; what an earlier run has written is there still."""
        self._units = Units(MAPPERS)
        self._ledger = Ledger(SETTLE, served=self.written)
        self.clients = [
            Client(
                model,
                Reflector(partial(kept, self._units.keep(rank, kind))),
                tell=partial(self._units.change, rank, kind),
            )
            for model, (rank, kind) in zip(self._models, KINDS, strict=True)
        ]

    def write(self, seconds=0.0):
        """What the objects have become by now, once every kind has been listed."""
        self._now += seconds
        if not all(client.reflector.synced for client in self.clients):
            return
        self._ledger.observe(self._units.make(), self._now)
        delivery = self._ledger.take(self._now)
        self.written.update({(claim.type_url, claim.name): claim.body for claim in delivery.apply})
        for name in delivery.remove:
            del self.written[name]
        self.troubles = delivery.troubles
        self.warnings = delivery.warnings

    def finish(self):
        """Everything that the API server has to say."""
        for client in self.clients:
            client.finish()
        self.write()
        self.write(SETTLE)


# --- objects as they may be, and as they may not --------------------------------------------------------------------


def changed_service(draw, *, is_wrong):
    ports = ("eighty",) if is_wrong else draw(st.sampled_from([(80,), (81,), (80, 81)]))
    listed = [{"port": port, "name": str(port) * (len(ports) > 1)} for port in ports]
    return service(*listed, sessionAffinity=draw(st.sampled_from(["", "ClientIP"])))


def changed_slice(draw, *, is_wrong):
    endpoints = [endpoint(f"10.0.0.{number}", ready=draw(st.booleans())) for number in range(draw(st.integers(0, 2)))]
    return endpoint_slice(*endpoints, service=draw(st.sampled_from("ab")), ports={"": "eighty" if is_wrong else 8080})


def changed_secret(draw, *, is_wrong):
    content = {"tls.crt": draw(st.sampled_from("st")), "tls.key": "key", "ca.crt": draw(st.sampled_from(["", "ca"]))}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in content.items()}
    return {"metadata": {}, "data": data | ({"tls.crt": "?"} if is_wrong else {})}


def changed_config_map(draw, *, is_wrong):
    lines = [f"- {each}" for each in clusters(draw, is_wrong=is_wrong)]
    return {"metadata": {}, "data": {"a.yaml": "\n".join(["resources:", *lines]) if lines else "resources: []"}}


def changed_xds_resources(draw, *, is_wrong):
    return {"metadata": {}, "spec": {"resources": clusters(draw, is_wrong=is_wrong)}}


def clusters(draw, *, is_wrong):
    """Some of the names that ConfigMaps, XdsResources and a Service have in common."""
    names = sorted(draw(st.sets(st.sampled_from(["a/80", "p", "q"]), min_size=is_wrong)))
    wrong = {"connect_timeout": "soon"} if is_wrong else {}
    stat_names = st.sampled_from("st")
    return [{"@type": CLUSTER, "name": name, "alt_stat_name": draw(stat_names), **wrong} for name in names]


BODIES = (changed_service, changed_slice, changed_secret, changed_config_map, changed_xds_resources)

KEYS = [("prod", "a"), ("prod", "b"), ("prod", "c"), ("test", "a"), ("test", "b")]

numbers = st.integers(0, len(KINDS) - 1)
keys = st.sampled_from(KEYS)


class Machine(RuleBasedStateMachine):
    """What happens to the objects, to the requests, and to rime; `number` is that of a kind."""

    @initialize(order=st.permutations(KEYS), streams=st.sets(numbers), refusals=st.sets(numbers), data=st.data())
    def begin(self, order, streams, refusals, data):
        """Some of the kinds are of an API server that has streaming lists, some of one that refuses by its status."""
        self.models = [
            ApiModel(streams=number in streams, disorder=partial(sorted, key=order.index), page=1 + number % 2)
            for number in range(len(KINDS))
        ]
        for number, model in enumerate(self.models):
            model.as_status = number in refusals
            for key in data.draw(st.sets(keys)):
                model.put(key, BODIES[number](data.draw, is_wrong=False))
        self.cluster = Cluster(self.models)
        self.amends: dict[tuple[int, Key], object] = {}
        """What is to be in the place of each wrong object; None: it is to go."""

    @rule(number=numbers, key=keys, data=st.data())
    def put(self, number, key, data):
        self.models[number].put(key, BODIES[number](data.draw, is_wrong=False))
        self.amends.pop((number, key), None)

    @rule(number=numbers, key=keys, data=st.data(), is_mended=st.booleans())
    def put_wrong(self, number, key, data, is_mended):
        self.models[number].put(key, BODIES[number](data.draw, is_wrong=True))
        self.amends[number, key] = BODIES[number](data.draw, is_wrong=False) if is_mended else None

    @rule(number=numbers, key=keys)
    def delete(self, number, key):
        self.models[number].put(key, None)
        self.amends.pop((number, key), None)

    @rule(number=numbers, count=st.integers(1, 4))
    def messages(self, number, count):
        for _ in range(count):
            self.cluster.clients[number].step()

    @rule(number=numbers)
    def cut(self, number):
        self.cluster.clients[number].cut()

    @rule(
        number=numbers,
        count=st.integers(0, 4),
        key=keys,
        data=st.data(),
        is_deleted=st.booleans(),
        then=st.sampled_from(["goes on", "breaks", "is forgotten"]),
    )
    def list_anew(self, number, count, key, data, is_deleted, then):
        """After so many messages, in the middle of the list or after it, an object is changed or deleted."""
        self.cut(number)
        self.cluster.clients[number].reflector.relist()
        self.messages(number, count)
        self.change(number, key, data, is_deleted, then)

    @rule(
        number=numbers,
        key=keys,
        data=st.data(),
        is_deleted=st.booleans(),
        then=st.sampled_from(["breaks", "is forgotten"]),
    )
    def change(self, number, key, data, is_deleted, then):
        """Then the list or watch goes on, or its connection breaks, or the API server forgets that it was so."""
        if then != "goes on":
            self.cut(number)
        if is_deleted:
            self.delete(number, key)
        else:
            self.put(number, key, data)
        if then == "is forgotten":
            self.models[number].compact()

    @rule(seconds=st.sampled_from([0.0, 0.4 * SETTLE]))
    def write(self, seconds):
        self.cluster.write(seconds)

    @rule()
    def restart(self):
        self.cluster.start()

    @rule()
    def settle(self):
        """Everything is taken in. What is wrong is said as by one who lists it now; then it is put right."""
        self.cluster.finish()
        assert self.cluster.troubles == listed(self.models).troubles
        for (number, key), right in self.amends.items():
            self.models[number].put(key, right)
        self.amends.clear()
        self.cluster.finish()
        fresh = listed(self.models)
        assert self.cluster.written == fresh.written == expected(self.models)
        assert self.cluster.warnings == fresh.warnings
        assert self.cluster.troubles == fresh.troubles == ()

    def teardown(self):
        self.settle()


def listed(models):
    """One that lists everything now."""
    fresh = Cluster(models)
    fresh.finish()
    return fresh


def expected(models):
    """What the mappers alone make of the objects: of what has one name, the first in order."""
    found: dict[tuple[str, str], bytes] = {}
    for rank, mapper in enumerate(MAPPERS):
        units: dict[Key, dict[Kind, dict[Key, object]]] = defaultdict(lambda: defaultdict(dict))
        for (wants, kind), model in zip(KINDS, models, strict=True):
            for key, value in model.objects.items() if wants == rank else ():
                remembered = kept(partial(mapper.keep, kind), body(key, value, 1))
                for unit in mapper.units(kind, key, remembered):
                    units[unit][kind][key] = remembered
        for unit, objects in sorted(units.items()):
            for claim in mapper.make(unit, objects).claims:
                found.setdefault((claim.type_url, claim.name), claim.body)
    return found


TestItEndsInTheSameResourcesAsAFreshList = Machine.TestCase
TestItEndsInTheSameResourcesAsAFreshList.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
