"""Each kind is created, changed, left out by its label, taken in again and deleted while rime runs."""

import base64
from dataclasses import dataclass

import pytest

from rime_core import CLUSTER, ENDPOINT, SECRET

from .objects import config_map, endpoint_slice, service
from .sourced import sourced
from .test_source import cluster, secret
from .test_xds_resources import install

pytestmark = pytest.mark.asyncio

CHOSEN = {"xds": "yes"}

Resources = set[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """An object, a merge patch, and the resources that there are: with it, after the patch, and which of these are
    other ones than before although they have the name of one. `label` is what has it watched; `without`: what there is
    while it is not.
    """

    plural: str
    body: dict[str, object]
    patch: dict[str, object]
    made: Resources
    after: Resources
    changed: Resources
    label: str = "xds"
    without: Resources = frozenset()  # type: ignore[assignment] # a default that nobody changes


def of_port(*ports):
    return {(type_url, f"shop/{port}") for port in ports for type_url in (CLUSTER, ENDPOINT)}


def xds_resources(*names, timeout="1s"):
    listed = [{"@type": CLUSTER, "name": name, "connect_timeout": timeout} for name in names]
    return {"spec": {"resources": listed}}


TWO_PORTS = [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]
HEAD = {"apiVersion": "rime.dev/v1alpha1", "kind": "XdsResources", "metadata": {"name": "it", "labels": CHOSEN}}

CASES = {
    "a Service whose ports change": Case(
        "services",
        service("shop", labels=CHOSEN),
        {"spec": {"ports": TWO_PORTS}},
        made=of_port(80),
        after=of_port("http", "admin"),
        changed=set(),
    ),
    "a Service that becomes sticky": Case(
        "services",
        service("shop", labels=CHOSEN),
        {"spec": {"sessionAffinity": "ClientIP"}},
        made=of_port(80),
        after=of_port(80),
        changed={(CLUSTER, "shop/80")},
    ),
    "an EndpointSlice": Case(
        "endpointslices",
        endpoint_slice("till", "10.1.0.1", name="it"),
        {"ports": [{"name": "", "port": 8081}]},
        made={(CLUSTER, "till/80"), (ENDPOINT, "till/80")},
        after={(CLUSTER, "till/80"), (ENDPOINT, "till/80")},
        changed={(ENDPOINT, "till/80")},
        label="kubernetes.io/service-name",
        without={(CLUSTER, "till/80"), (ENDPOINT, "till/80")},
    ),
    "a Secret": Case(
        "secrets",
        secret("it", "1", **CHOSEN),
        {"data": {"tls.crt": base64.b64encode(b"2").decode(), "ca.crt": base64.b64encode(b"ca").decode()}},
        made={(SECRET, "it")},
        after={(SECRET, "it"), (SECRET, "it/ca")},
        changed={(SECRET, "it")},
    ),
    "a ConfigMap": Case(
        "configmaps",
        config_map("it", CHOSEN, a=cluster("a"), b=cluster("b")),
        {"data": {"a.yaml": None, "b.yaml": cluster("b", 2), "c.yaml": cluster("c")}},
        made={(CLUSTER, "a"), (CLUSTER, "b")},
        after={(CLUSTER, "b"), (CLUSTER, "c")},
        changed={(CLUSTER, "b")},
    ),
    "XdsResources": Case(
        "xdsresources",
        HEAD | xds_resources("a", "b"),
        xds_resources("b", "c", timeout="2s"),
        made={(CLUSTER, "a"), (CLUSTER, "b")},
        after={(CLUSTER, "b"), (CLUSTER, "c")},
        changed={(CLUSTER, "b")},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_it_is_created_changed_left_out_taken_in_and_deleted_while_rime_runs(case, kube, namespace):
    install(kube)
    if case.without:
        namespace.create("services", service("till", labels=CHOSEN))
    name = case.body["metadata"]["name"]
    options = {"names": "{service}/{port}", "secret_names": "{name}", "status": "0"}
    chosen = dict.fromkeys(("services", "secrets", "configmaps", "xdsresources"), "xds")
    async with sourced(kube.kubeconfig(), namespace=namespace.name, **options, **chosen) as source:
        assert set(versions(source)) == case.without
        bare = versions(source)
        namespace.create(case.plural, case.body)
        await source.until(lambda: set(versions(source)) == case.made and versions(source) != bare)
        made = versions(source)
        namespace.change(case.plural, name, case.patch)
        await source.until(lambda: set(versions(source)) == case.after and versions(source) != made)
        after = versions(source)
        assert {each for each in case.made & case.after if made[each] != after[each]} == case.changed
        label = namespace.get(case.plural, name)["metadata"]["labels"][case.label]
        namespace.change(case.plural, name, {"metadata": {"labels": {case.label: None}}})
        await source.until(lambda: versions(source) == bare)
        namespace.change(case.plural, name, {"metadata": {"labels": {case.label: label}}})
        await source.until(lambda: versions(source) == after)
        namespace.delete(case.plural, name)
        await source.until(lambda: versions(source) == bare)
        assert [each.lists for each in source.source.freshness()] == [1] * 5, "by the watches alone"


def versions(source):
    """(type URL, name) → version of all that is served."""
    snapshot = source.plane.snapshot()
    return {(type_url, name): each.version for type_url, found in snapshot.items() for name, each in found.items()}
