"""examples/kubernetes: its manifests are what the API server takes, and its permissions are enough and no more."""

from functools import partial
from pathlib import Path

import pytest
import yaml

from rime_app.config import read_config
from rime_core import CLUSTER, LISTENER, ROUTE, SECRET
from rime_k8s_source import access
from tests.integration.waiting import eventually

from .objects import Namespace
from .sourced import running_source
from .test_source import aged, secret
from .test_xds_resources import is_there, sums

EXAMPLE = Path(__file__).parents[3] / "examples" / "kubernetes"

PLACES = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "XdsResources": "/apis/rime.dev/v1alpha1/namespaces/{}/xdsresources",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}


def documents(name):
    return list(yaml.safe_load_all((EXAMPLE / name).read_text()))


def apply(kube, name):
    """As `kubectl apply -f`, with nothing unknown let pass."""
    for document in documents(name):
        metadata = document["metadata"]
        path = PLACES[document["kind"]].format(metadata.get("namespace"))
        query = "?fieldManager=test&force=true&fieldValidation=Strict"
        content_type = "application/apply-patch+yaml"
        kube.call("PATCH", f"{path}/{metadata['name']}{query}", document, content_type=content_type)


@pytest.fixture
def applied(kube):
    """The API server, once it has the example."""
    apply(kube, "xdsresources.yaml")
    kube.until(lambda: is_there(kube))
    apply(kube, "rime.yaml")
    apply(kube, "shop.yaml")
    return kube


def token_of(kube):
    """A token of the ServiceAccount, as kubelet asks for it."""
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    return kube.call("POST", "/api/v1/namespaces/rime/serviceaccounts/rime/token", asked)["status"]["token"]


@pytest.fixture
def _pod(applied, tmp_path, monkeypatch):
    """What the Pods of the Deployment are given, in the environment of this process."""
    authority = (applied.folder / "ca.crt").read_text()
    for name, text in (("token", token_of(applied)), ("namespace", "rime"), ("ca.crt", authority)):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(access, "in_cluster", partial(access.in_cluster, files=tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(applied.port))


@pytest.fixture
def config(tmp_path):
    """The rime.toml in the ConfigMap."""
    [text] = [each["data"]["rime.toml"] for each in documents("rime.yaml") if each["kind"] == "ConfigMap"]
    path = tmp_path / "rime.toml"
    path.write_text(text)
    return read_config(path, sources=(), transports=(), settings={})


@pytest.mark.usefixtures("_pod")
@pytest.mark.asyncio
async def test_in_a_pod_it_serves_what_the_walk_through_says(kube, config):
    labelled = secret("edge-tls", "certificate", **{"rime.dev/xds": "true"})
    kube.call("POST", "/api/v1/namespaces/rime/secrets", labelled)
    [source] = config.sources
    async with running_source(source.place, source.options) as served:
        assert served.writer.lacks == ()
        assert served.names(CLUSTER) == ["shop/shop/http"]
        assert served.names(LISTENER) == ["http"]
        assert served.names(ROUTE) == ["edge"]
        assert served.names(SECRET) == ["rime/edge-tls"]
        assert {str(each.selection) for each in served.source.freshness()} == {
            "services with rime.dev/xds",
            "endpointslices.discovery.k8s.io with kubernetes.io/service-name",
            "configmaps with rime.dev/xds in the namespace rime",
            "secrets with rime.dev/xds and type=kubernetes.io/tls in the namespace rime",
            "xdsresources.rime.dev in the namespace rime",
        }
        await eventually(lambda: sums(Namespace(kube, "rime")) == (2, 0, 0, 0))


@pytest.mark.usefixtures("_pod")
@pytest.mark.asyncio
async def test_in_a_pod_a_token_that_expires_is_trouble_until_kubelet_has_put_another_in_its_place(
    kube, config, tmp_path
):
    token = tmp_path / "token"
    token.write_text(aged(kube, token.read_text(), 55))  # the API server allows for clocks that differ by a minute
    [source] = config.sources
    async with running_source(source.place, {**source.options, "idle": "2s"}) as served:
        await eventually(lambda: any("(401)" in line for line in served.writer.lacks))
        assert served.names(CLUSTER) == ["shop/shop/http"]
        token.write_text(token_of(kube))
        await eventually(lambda: served.writer.lacks == ())
        assert served.names(CLUSTER) == ["shop/shop/http"]


@pytest.mark.parametrize(
    ("verb", "group", "resource", "namespace", "is_allowed"),
    [
        ("list", "", "services", "shop", True),
        ("watch", "discovery.k8s.io", "endpointslices", "shop", True),
        ("list", "", "secrets", "rime", True),
        ("watch", "", "configmaps", "rime", True),
        ("list", "", "secrets", "shop", False),
        ("list", "", "configmaps", "shop", False),
        ("get", "", "secrets", "rime", False),
        ("update", "", "configmaps", "rime", False),
        ("list", "", "pods", "shop", False),
        ("watch", "rime.dev", "xdsresources", "rime", True),
        ("patch", "rime.dev", "xdsresources", "rime", False),
        ("patch", "rime.dev", "xdsresources/status", "rime", True),
        ("patch", "coordination.k8s.io", "leases", "rime", True),
        ("patch", "coordination.k8s.io", "leases", "kube-system", False),
    ],
)
def test_it_is_allowed_that_and_nothing_else(applied, verb, group, resource, namespace, is_allowed):
    resource, _, part = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "subresource": part, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "system:serviceaccount:rime:rime", "resourceAttributes": attributes},
    }
    answer = applied.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)

    assert answer["status"]["allowed"] == is_allowed


def test_it_changes_nothing_but_the_status_of_xds_resources_and_leases():
    rules = [rule for each in documents("rime.yaml") if each["kind"].endswith("Role") for rule in each["rules"]]
    more = {tuple(rule["resources"]): rule["verbs"] for rule in rules if rule["verbs"] != ["list", "watch"]}

    assert more == {
        ("xdsresources/status",): ["patch"],
        ("leases",): ["list", "watch", "create", "patch", "delete"],
    }


def test_every_kind_in_it_is_in_the_walk_through_or_explained():
    kinds = [each["kind"] for each in documents("rime.yaml")]

    assert kinds.count("Deployment") == 1
    [deployment] = [each for each in documents("rime.yaml") if each["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 2
    assert {"ServiceAccount", "PodDisruptionBudget", "Service"} <= set(kinds)
