"""`XdsResources` at a real API server: what they become, and what their status says of it."""

import asyncio
import json
import logging
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from rime_core import CLUSTER
from rime_k8s_source import replicas as liveness
from rime_k8s_source.report import ENTRIES, ENTRY
from tests.integration import resources
from tests.integration.waiting import eventually

from .objects import Namespace
from .sourced import role, sourced
from .test_source import account

pytestmark = pytest.mark.asyncio

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DEFINITION = yaml.safe_load(
    (Path(__file__).parents[3] / "examples" / "kubernetes" / "xdsresources.yaml").read_text(encoding="utf-8")
)
NAME = DEFINITION["metadata"]["name"]

ETCD = 1.5 * (1 << 20)
"""Bytes of an object that etcd takes where it is told nothing else."""


def is_there(kube):
    try:
        kube.call("GET", "/apis/rime.dev/v1alpha1/xdsresources")
    except AssertionError:
        return False
    return True


def install(kube):
    query = "?fieldManager=test&force=true&fieldValidation=Strict"
    kube.call("PATCH", f"{PATH}/{NAME}{query}", DEFINITION, content_type="application/apply-patch+yaml")
    kube.until(lambda: is_there(kube))


def uninstall(kube):
    if is_there(kube):
        kube.call("DELETE", f"{PATH}/{NAME}")
        kube.until(lambda: not is_there(kube))


@pytest.fixture
def shop(kube, namespace):
    """A namespace of an API server that has the kind."""
    install(kube)
    return namespace


def cluster(name, timeout="1s"):
    return {"@type": CLUSTER, "name": name, "connect_timeout": timeout}


def create(namespace, name, *resources):
    body = {"apiVersion": "rime.dev/v1alpha1", "kind": "XdsResources", "metadata": {"name": name}}
    return namespace.create("xdsresources", {**body, "spec": {"resources": list(resources)}})


def change(namespace, name, *resources):
    return namespace.change("xdsresources", name, {"spec": {"resources": list(resources)}})


def serving(namespace, kubeconfig=None, **options):
    """A source of nothing else; its Lease is in the namespace as well."""
    chosen = {"namespace": namespace.name, "services": "none", "status": "50ms", **options}
    return sourced(of_namespace(namespace, kubeconfig or namespace.server.kubeconfig()), **chosen)


def of_namespace(namespace, path):
    """A kubeconfig, with the namespace as that of its context."""
    config = yaml.safe_load(path.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace.name
    own = path.with_name(f"{path.name}-of-{namespace.name}")
    own.write_text(yaml.safe_dump(config))
    return own


def status(namespace, name="edge"):
    return namespace.get("xdsresources", name).get("status") or {}


def columns(namespace, name="edge"):
    """What `kubectl get -o wide` shows of it: title → cell."""
    request = urllib.request.Request(  # noqa: S310 - the server of this test
        f"{namespace.server.url}{namespace.path('xdsresources', name)}",
        headers={"Authorization": "Bearer admin-token", "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
    )
    with urllib.request.urlopen(request, context=namespace.server.tls(), timeout=20) as answer:  # noqa: S310
        table = json.loads(answer.read())
    titles = [each["name"] for each in table["columnDefinitions"]]
    return dict(zip(titles, table["rows"][0]["cells"], strict=True))


def sums(namespace, name="edge"):
    shown = columns(namespace, name)
    return tuple(shown[title] for title in ("Resources", "Clients", "Acknowledged", "Rejected"))


def client(source, why=None):
    """One who takes all clusters, and accepts them or refuses them."""
    subscriber = source.plane.server().subscribe(CLUSTER)
    update = subscriber.initial()
    if why is None:
        subscriber.acknowledge_update(update)
    else:
        subscriber.reject(update, why)
    return subscriber


async def test_what_they_hold_is_served_and_comes_changes_and_goes(shop):
    create(shop, "edge", cluster("a"), cluster("b"))
    async with serving(shop, status="0") as source:
        assert source.names(CLUSTER) == ["a", "b"]
        change(shop, "edge", cluster("b"), cluster("c"))
        await source.until(lambda: source.names(CLUSTER) == ["b", "c"])
        shop.delete("xdsresources", "edge")
        await source.until(lambda: source.names(CLUSTER) == [])


async def test_the_columns_are_what_clients_made_of_it(shop):
    create(shop, "edge", cluster("a"), cluster("b"))
    async with serving(shop) as source:
        client(source)
        refusing = client(source, "no such filter")
        await eventually(lambda: sums(shop) == (2, 4, 2, 2))
        shown = columns(shop)
        assert (shown["Valid"], shown["Message"]) == (True, "no such filter")
        refusing.close()
        await eventually(lambda: sums(shop) == (2, 2, 2, 0))
        assert columns(shop)["Message"] == ""
        [entry] = status(shop)["replicas"].values()
        versions = {name: each.version for name, each in source.plane.snapshot()[CLUSTER].items()}
        assert {each["name"]: each["version"] for each in entry["listed"]} == versions


async def test_what_cannot_be_read_is_told_with_its_path_and_the_last_good_version(shop):
    create(shop, "edge", cluster("a"), cluster("b"))
    async with serving(shop) as source:
        client(source)
        await eventually(lambda: sums(shop) == (2, 2, 2, 0))
        before = source.plane.snapshot()[CLUSTER]["a"].version
        change(shop, "edge", cluster("a", "soon"), cluster("b"))
        await eventually(lambda: columns(shop)["Valid"] is False)
        assert columns(shop)["Message"].startswith("clusters 'a': connect_timeout: wants a duration, not the text ")
        [entry] = status(shop)["replicas"].values()
        assert (entry["observedGeneration"], status(shop)["observedGeneration"]) == (2, 2)
        assert {each["name"]: each["version"] for each in entry["listed"]}["a"] == before
        assert sums(shop) == (2, 2, 2, 0), "the last good version is what clients have"
        change(shop, "edge", cluster("a"), cluster("b"))
        await eventually(lambda: (columns(shop)["Valid"], columns(shop)["Message"]) == (True, ""))


async def test_the_sums_are_over_the_replicas_and_one_that_ends_is_taken_out_at_once(shop):
    create(shop, "edge", cluster("a"))
    async with serving(shop) as one:
        client(one)
        async with serving(shop) as two:
            client(two)
            client(two, "no")
            await eventually(lambda: sums(shop) == (1, 3, 2, 1))
            assert len(status(shop)["replicas"]) == 2
            assert set(status(shop)["replicas"]) == managers(shop), "each applies its own, as a manager of its own"
        await eventually(lambda: sums(shop) == (1, 1, 1, 0))
        await eventually(lambda: len(status(shop)["replicas"]) == 1)
        assert managers(shop) == set(status(shop)["replicas"]), "nothing is left of the other"


def replicas(namespace):
    """Who has a Lease."""
    leases = namespace.server.call("GET", f"{namespace.path('leases')}?labelSelector=rime.dev/replica")["items"]
    return [each["spec"]["holderIdentity"] for each in leases]


def managers(namespace, name="edge"):
    """Who manages fields of the status."""
    fields = namespace.get("xdsresources", name)["metadata"]["managedFields"]
    return {each["manager"] for each in fields if each.get("subresource") == "status"}


def leave(namespace, replica, *others, name="edge", **more):
    """Apply the entry of another replica, which has five clients, and of others that have as many."""
    entry = {"observedGeneration": 1, "valid": True, "resources": 1, "clients": 5, "acknowledged": 5, "rejected": 0}
    body = {
        "apiVersion": "rime.dev/v1alpha1",
        "kind": "XdsResources",
        "metadata": {"name": name},
        "status": {"clients": 5, "valid": True, "replicas": dict.fromkeys([replica, *others], entry | more)},
    }
    path = f"{namespace.path('xdsresources', name)}/status?fieldManager={replica}&force=true"
    namespace.server.call("PATCH", path, body, content_type="application/apply-patch+yaml")


async def test_one_of_another_namespace_is_taken_out_when_its_entry_is_not_written_any_more(kube, shop, monkeypatch):
    create(shop, "edge", cluster("a"))
    monkeypatch.setattr(liveness, "ENTRY_RENEW", 0.3)
    monkeypatch.setattr(liveness, "ENTRY_PATIENCE", 3.0)
    leave(shop, "elsewhere/dead")
    kubeconfig, _ = account(kube, shop)
    role(shop, f"{shop.name}/rime", *LEAST_FOR_STATUS)
    async with serving(shop, kubeconfig) as source:
        client(source)
        await eventually(lambda: sums(shop) == (1, 6, 6, 0))
        await eventually(lambda: sums(shop) == (1, 1, 1, 0))
        assert "elsewhere/dead" not in {*status(shop)["replicas"], *managers(shop)}


async def test_an_object_with_very_much_in_it_and_very_many_replicas_has_room_in_etcd(shop):
    create(shop, "edge", *(cluster(f"{'c' * 200}-{number}") for number in range(400)))
    async with serving(shop) as source:
        client(source, '"<no such filter>"' * 1000)
        await eventually(lambda: sums(shop) == (400, 400, 0, 400))
        [alone] = status(shop)["replicas"].values()
        assert len(alone["listed"]) >= 5
        assert len(alone["listed"]) + alone["unlisted"] == 400
        assert len(json.dumps(alone)) <= ENTRY
        leave(shop, *(f"elsewhere/{number}" for number in range(65)), **(alone | {"clients": 1}))
        await eventually(lambda: sums(shop)[1] == 465)
        entries = status(shop)["replicas"]
        [shorter] = [each for name, each in entries.items() if "elsewhere" not in name]
        assert len(json.dumps(shorter)) <= ENTRY / 2, "each makes room for the others"
        assert len(shop.server.call("GET", shop.path("xdsresources", "edge"), raw=True)) < ETCD
        assert len(json.dumps(entries)) <= ENTRIES


async def test_replicas_that_live_in_several_namespaces_take_no_other_out(kube, shop, monkeypatch):
    create(shop, "edge", cluster("a"))
    monkeypatch.setattr(liveness, "ENTRY_RENEW", 0.3)
    monkeypatch.setattr(liveness, "ENTRY_PATIENCE", 3.0)
    elsewhere = of_namespace(Namespace(kube, "default"), kube.kubeconfig())
    options = {"namespace": shop.name, "services": "none", "status": "50ms"}
    async with serving(shop) as here, sourced(elsewhere, **options) as there:
        client(here)
        client(there)
        await eventually(lambda: sums(shop) == (1, 2, 2, 0))
        first = status(shop)["replicas"]
        assert {each.partition("/")[0] for each in first} == {shop.name, "default"}

        def renewed():
            """Whether both have written their entries anew for longer than one may be silent."""
            now = status(shop)["replicas"]
            times = [[datetime.fromisoformat(each[who]["renewTime"]) for each in (first, now)] for who in first]
            return min(last - began for began, last in times) > timedelta(seconds=4)

        await eventually(renewed)  # a KeyError says that one has been taken out
        assert sums(shop) == (1, 2, 2, 0)


async def test_one_that_dies_is_taken_out_when_it_has_not_renewed_its_lease(shop, monkeypatch):
    create(shop, "edge", cluster("a"))
    monkeypatch.setattr(liveness, "PATIENCE", 2.0)
    monkeypatch.setattr("rime_k8s_source.reporting.RENEW", 0.3)
    lease = {"renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 60}
    dead = {"metadata": {"name": "dead", "labels": {"rime.dev/replica": "true"}}, "spec": lease}
    shop.create("leases", dead)
    leave(shop, f"{shop.name}/dead")
    async with serving(shop) as source:
        client(source)
        await eventually(lambda: sums(shop) == (1, 6, 6, 0))
        await eventually(lambda: sums(shop) == (1, 1, 1, 0))
        await eventually(lambda: f"{shop.name}/dead" not in {*status(shop)["replicas"], *managers(shop)})
        await eventually(lambda: "dead" not in str(shop.server.call("GET", shop.path("leases"))))


async def test_a_lease_that_somebody_else_has_taken_over_is_left_to_them(shop):
    create(shop, "edge", cluster("a"))
    async with serving(shop):
        await eventually(lambda: len(replicas(shop)) == 1)
        [own] = replicas(shop)
        shop.change("leases", own.partition("/")[2], {"spec": {"holderIdentity": "somebody"}})
    assert replicas(shop) == ["somebody"]


async def test_what_an_envoy_accepts_and_what_it_rejects_and_why(shop, stage):
    [wrong] = yaml.safe_load(resources.cluster_that_envoy_rejects("wrong"))["resources"]
    create(shop, "edge", cluster("right"), wrong)
    stage.save(cluster=resources.cluster("of-the-folder"))
    where = f"kubeconfig={of_namespace(shop, shop.server.kubeconfig())}&namespace={shop.name}"
    rime = await stage.rime(more=[f"kubernetes:?{where}&services=none&status=50ms"])
    stage.envoy(rime.address)

    await eventually(lambda: sums(shop) == (2, 2, 1, 1))
    assert columns(shop)["Message"].startswith("Error adding/updating cluster(s) wrong: ")
    [entry] = status(shop)["replicas"].values()
    [of_wrong] = [each for each in entry["listed"] if each["name"] == "wrong"]
    assert of_wrong["rejection"] == columns(shop)["Message"]
    assert len(replicas(shop)) == 1
    await asyncio.to_thread(rime.end)
    assert replicas(shop) == []


async def test_where_nothing_happens_nothing_is_written(shop):
    create(shop, "edge", cluster("a"))
    async with serving(shop) as one, serving(shop) as two:
        client(one)
        client(two)
        await eventually(lambda: sums(shop) == (1, 2, 2, 0))
        before = shop.get("xdsresources", "edge")["metadata"]["resourceVersion"]
        await eventually(lambda: is_later(shop, before))
        assert shop.get("xdsresources", "edge")["metadata"]["resourceVersion"] == before


def is_later(shop, since):
    """Something else has been written since then, some time later."""
    shop.create("configmaps", {"metadata": {"generateName": "tick-"}})
    ticks = shop.server.call("GET", shop.path("configmaps"))["items"]
    return len([each for each in ticks if int(each["metadata"]["resourceVersion"]) > int(since)]) > 50


async def test_the_kind_may_be_installed_later_removed_and_installed_anew(kube, namespace):
    uninstall(kube)
    async with serving(namespace) as source:
        assert source.writer.is_ready, "without the kind there is nothing to wait for"
        assert source.writer.lacks == ()
        install(kube)
        create(namespace, "edge", cluster("a"))
        await source.until(lambda: source.names(CLUSTER) == ["a"])
        await eventually(lambda: sums(namespace) == (1, 0, 0, 0))
        uninstall(kube)
        await source.until(lambda: source.names(CLUSTER) == [])
        install(kube)
        create(namespace, "edge", cluster("b"))
        await source.until(lambda: source.names(CLUSTER) == ["b"])
        client(source)
        await eventually(lambda: sums(namespace) == (1, 1, 1, 0), within=60)


async def test_without_the_kind_no_permission_for_it_is_needed(kube, namespace):
    uninstall(kube)
    kubeconfig, _ = account(kube, namespace)
    role(namespace, f"{namespace.name}/rime", ("", "configmaps", "list watch"))
    async with serving(namespace, kubeconfig, configmaps="x") as source:
        assert source.writer.lacks == ()


LEAST_FOR_STATUS = (
    ("rime.dev", "xdsresources", "list watch"),
    ("rime.dev", "xdsresources/status", "patch"),
    ("coordination.k8s.io", "leases", "list watch create patch delete"),
)
"""What examples/kubernetes grants."""


async def test_what_may_not_be_written_is_said_and_it_is_served_all_the_same(kube, shop, caplog):
    create(shop, "edge", cluster("a"))
    kubeconfig, _ = account(kube, shop)
    role(shop, f"{shop.name}/rime", ("rime.dev", "xdsresources", "list watch"))
    async with serving(shop, kubeconfig) as source:
        assert source.names(CLUSTER) == ["a"]
        await eventually(lambda: "the verb 'patch' on 'leases.coordination.k8s.io'" in caplog.text)
        assert source.writer.lacks == ()
        own_lease = ("coordination.k8s.io", "leases", "list watch create patch delete")
        role(shop, f"{shop.name}/rime", own_lease, name="more")
        await eventually(lambda: "the verb 'patch' on 'xdsresources.rime.dev/status'" in caplog.text)
        role(shop, f"{shop.name}/rime", ("rime.dev", "xdsresources/status", "patch"), name="most")
        await eventually(lambda: sums(shop) == (1, 0, 0, 0), within=60)


async def test_a_permission_to_write_that_is_taken_away_is_said_and_what_happened_meanwhile_is_told_later(
    kube, shop, caplog
):
    caplog.set_level(logging.INFO)
    create(shop, "edge", cluster("a"))
    kubeconfig, _ = account(kube, shop)
    role(shop, f"{shop.name}/rime", *(each for each in LEAST_FOR_STATUS if each[2] != "patch"))
    role(shop, f"{shop.name}/rime", ("rime.dev", "xdsresources/status", "patch"), name="status")
    async with serving(shop, kubeconfig) as source:
        client(source)
        await eventually(lambda: sums(shop) == (1, 1, 1, 0))
        shop.delete("rolebindings", "status")
        missing = "the verb 'patch' on 'xdsresources.rime.dev/status'"
        # the API server itself notices a while later
        await eventually(lambda: client(source) and missing in caplog.text)
        assert source.names(CLUSTER) == ["a"]
        assert source.writer.lacks == ()
        shop.delete("roles", "status")
        role(shop, f"{shop.name}/rime", ("rime.dev", "xdsresources/status", "patch"), name="status")
        await eventually(lambda: f"no longer: the status of xdsresources cannot be told: {missing}" in caplog.text)
        await eventually(lambda: sums(shop)[1] == source.writer.reception(CLUSTER, "a").clients > 1)


async def test_what_is_no_list_of_objects_is_refused_by_the_schema(shop):
    with pytest.raises(AssertionError, match=r"spec\.resources.*must be of type array"):
        shop.create("xdsresources", {**_head("edge"), "spec": {"resources": {"a": 1}}})
    with pytest.raises(AssertionError, match="spec: Required"):
        shop.create("xdsresources", _head("edge"))


def _head(name):
    return {"apiVersion": "rime.dev/v1alpha1", "kind": "XdsResources", "metadata": {"name": name}}
