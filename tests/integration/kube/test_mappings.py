"""Mappings of one's own in a running source: any kind that the API server has becomes any resources."""

import json

import pytest

from rime_core import CLUSTER, ENDPOINT
from rime_envoy_api import message_class, resource
from rime_k8s_source import Claim, Kind, Made, Wanted
from tests.integration.rime import rime
from tests.integration.waiting import eventually
from tests.rime_k8s_source.test_pages import BACKENDS as PROGRAM
from tests.rime_k8s_source.test_pages import ENTRY_POINT
from tests.rime_k8s_source.test_pages import backends as backends  # noqa: PLC0414 - a fixture

from .objects import custom, install
from .sourced import sourced

pytestmark = pytest.mark.asyncio

BACKENDS = Kind("shop.example", "v1", "backends")
NODES = Kind("", "v1", "nodes", is_namespaced=False)

Cluster = message_class("envoy.config.cluster.v3.Cluster")


@pytest.fixture
def shop(kube, namespace):
    """A namespace of an API server that has Backends."""
    install(kube, BACKENDS)
    return namespace


def create(namespace, name, labels=None, **spec):
    """A Backend, of those that docs/kubernetes.md selects unless its labels are others."""
    body = custom(BACKENDS, name, spec=spec)
    body["metadata"]["labels"] = {"tier": "edge"} if labels is None else labels
    namespace.create("backends", body)


def hosts(source):
    """name → host of the clusters that are served."""
    clusters = source.plane.snapshot().get(CLUSTER, {})
    return {name: host(Cluster.FromString(each.body)) for name, each in clusters.items()}


def host(cluster):
    [locality] = cluster.load_assignment.endpoints
    [endpoint] = locality.lb_endpoints
    return endpoint.endpoint.address.socket_address.address


async def test_objects_of_ones_own_kind_become_resources_which_change_and_go_with_them(kube, shop, backends):
    """The mapping that docs/kubernetes.md shows."""
    create(shop, "a", host="a.example", port=80)
    create(shop, "other", labels={"tier": "back"}, host="other.example", port=80)
    a, b = f"{shop.name}/a", f"{shop.name}/b"
    async with sourced(kube.kubeconfig(), namespace=shop.name, mappers=[backends.Backends()]) as source:
        assert hosts(source) == {a: "a.example"}
        create(shop, "b", host="b.example", port=80)
        await source.until(lambda: hosts(source) == {a: "a.example", b: "b.example"})
        with source.plane.server().subscribe(CLUSTER) as clusters:
            clusters.initial()
            # what the mapping does not keep is no change
            shop.change("backends", "a", {"spec": {"owner": "somebody"}})
            shop.change("backends", "b", {"spec": {"host": "c.example"}})
            update = await clusters.changed()
            assert [each.name for each in update.resources] == [b]
        assert hosts(source) == {a: "a.example", b: "c.example"}
        shop.change("backends", "a", {"spec": {"port": None}})
        await source.until(lambda: hosts(source) == {b: "c.example"})
        shop.change("backends", "a", {"spec": {"port": 80}})
        await source.until(lambda: source.names(CLUSTER) == [a, b])
        shop.change("backends", "a", {"metadata": {"labels": {"tier": None}}})
        await source.until(lambda: source.names(CLUSTER) == [b])
        shop.delete("backends", "b")
        await source.until(lambda: hosts(source) == {})


async def test_what_a_mapping_raises_of_an_object_is_a_line_and_its_last_good_content_stays(kube, shop, backends):
    create(shop, "a", host="a.example", port=80)
    a, b = f"{shop.name}/a", f"{shop.name}/b"
    async with sourced(kube.kubeconfig(), namespace=shop.name, mappers=[backends.Backends()]) as source:
        shop.change("backends", "a", {"spec": {"port": "eighty"}})
        create(shop, "b", host="b.example", port=80)
        await source.until(lambda: b in hosts(source))
        [line] = source.writer.lacks
        assert line.startswith(f"backend {a}: ")
        assert hosts(source)[a] == "a.example"
        assert not source.plane.complete
        shop.change("backends", "a", {"spec": {"host": "c.example", "port": 80}})
        await source.until(lambda: hosts(source)[a] == "c.example")
        assert source.writer.lacks == ()
        assert source.plane.complete


class Placed:
    """An assignment for each Node: the Backends that name it, in its zone."""

    name = "node"
    wanted = (Wanted(NODES), Wanted(BACKENDS))

    def keep(self, kind, body):
        if kind == NODES:
            return (body["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone")
        return body["spec"]["address"], body["spec"]["node"]

    def units(self, kind, key, kept):
        return [key] if kind == NODES else [("", kept[1])]

    def make(self, unit, objects):
        if NODES not in objects:
            return Made()
        made = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")(cluster_name=unit[1])
        locality = made.endpoints.add()
        locality.locality.zone = objects[NODES][unit]
        for _, (address, _) in sorted(objects.get(BACKENDS, {}).items()):
            at = locality.lb_endpoints.add().endpoint.address.socket_address
            at.address, at.port_value = address, 80
        return Made([Claim(*resource(made))])


async def test_a_unit_may_be_of_several_kinds_and_of_one_that_is_in_no_namespace(kube, shop):
    """Backends and the cluster's Nodes: what moves from one to the other changes both, and no third."""
    one, two, three = (f"{shop.name}-{name}" for name in ("one", "two", "three"))

    def zone(name):
        return {"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "a"}}}

    for name in (one, two, three):
        kube.call("POST", NODES.path(), zone(name))
        create(shop, name, address="10.1.0.9", node=name)
    create(shop, "moves", address="10.1.0.1", node=one)
    async with sourced(kube.kubeconfig(), namespace=f"{shop.name},default", mappers=[Placed()]) as source:
        assert list(source.addresses(one)) == ["10.1.0.1", "10.1.0.9"]
        with source.plane.server().subscribe(ENDPOINT) as endpoints:
            endpoints.initial()
            shop.change("backends", "moves", {"spec": {"node": two}})
            update = await endpoints.changed()
            assert sorted(each.name for each in update.resources) == sorted([one, two])
            assert [list(source.addresses(each)) for each in (one, two)] == [["10.1.0.9"], ["10.1.0.1", "10.1.0.9"]]
            label = {"metadata": {"labels": {"topology.kubernetes.io/zone": "b"}}}
            kube.call("PATCH", NODES.path("", three), label, content_type="application/merge-patch+json")
            update = await endpoints.changed()
            assert [each.name for each in update.resources] == [three]
        kube.call("DELETE", NODES.path("", two))
        await source.until(lambda: set(source.names(ENDPOINT)) & {one, two, three} == {one, three})


async def test_a_mapping_that_a_distribution_brings_is_served_by_its_name(kube, shop, stage, tmp_path, monkeypatch):
    """As docs/kubernetes.md says: a module, an entry point, and `mappings=backends` for `rime serve`."""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "backends.py").write_text(PROGRAM)
    described = tmp_path / "installed" / "shop_backends-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-backends\nVersion: 1.0\n")
    # in a distribution's metadata the table of pyproject.toml stands without quotes
    (described / "entry_points.txt").write_text(
        ENTRY_POINT.replace('project.entry-points."rime.kubernetes"', "rime.kubernetes").replace('"', "")
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    create(shop, "a", host="a.example", port=80)
    place = f"kubernetes:?kubeconfig={kube.kubeconfig()}&namespace={shop.name}&services=none&mappings=backends"
    serving = await stage.rime(more=[place], looked_at=True)

    def names():
        listed = json.loads(rime("get", "clusters", "-o", "json", "--at", f"ws://{serving.looked_at}"))
        return [each["name"] for each in listed]

    assert names() == [f"{shop.name}/a"]
    create(shop, "b", host="b.example", port=80)
    await eventually(lambda: names() == [f"{shop.name}/a", f"{shop.name}/b"])
