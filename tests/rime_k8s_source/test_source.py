"""A KubernetesSource as rime runs it, before a small server that answers as it is told.

What a real API server does is in tests/integration/kube; here is when it is ready, what it says, and what it leaves.
"""

import asyncio
import json
import logging
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
import yaml

from rime_core import CLUSTER, ENDPOINT, Dated, Plane, UsageError
from rime_core.testing import check_source
from rime_k8s_source import KubernetesSource
from rime_k8s_source.source import find_access

from .api_model import bookmark
from .fake_api import FakeApi, status
from .objects import endpoint_slice, service


class Cluster:
    """What the server has: plural → objects, or an answer in place of them. It has no XdsResources."""

    def __init__(self):
        self.version = 10
        self.objects = {"services": [service(80)], "endpointslices": [endpoint_slice("10.0.0.1")], "configmaps": []}
        self.answers = {}

    def answer(self, request):
        plural = request.path.rpartition("/")[2]
        if plural in self.answers:
            return self.answers[plural]
        if plural == "v1":
            return 200, {"resources": [{"name": each} for each in self.objects]}
        if plural not in self.objects:
            return status(404, "the server could not find the requested resource")
        if "sendInitialEvents" not in request.query:
            return [bookmark(self.version)]
        added = [{"type": "ADDED", "object": self.versioned(body)} for body in self.objects[plural]]
        return [*added, bookmark(self.version, ends_initial=True)]

    def versioned(self, body):
        return body | {"metadata": body["metadata"] | {"resourceVersion": str(self.version)}}


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    """Makes the kubeconfig that the environment names."""

    def write(url):
        path = tmp_path / "config"
        path.write_text(
            yaml.safe_dump(
                {
                    "current-context": "dev",
                    "clusters": [{"name": "c", "cluster": {"server": url}}],
                    "contexts": [{"name": "dev", "context": {"cluster": "c"}}],
                }
            )
        )
        monkeypatch.setenv("KUBECONFIG", str(path))

    return write


@asynccontextmanager
async def serving(kubeconfig, cluster, *, plane=None, writer=None, **options):
    """A source that runs; gives its plane, writer, the server, and itself."""
    async with FakeApi(cluster.answer) as fake:
        kubeconfig(fake.url)
        plane = plane or Plane()
        writer = writer or plane.writer("kubernetes:")
        source = KubernetesSource("", options)
        running = asyncio.ensure_future(source.run(writer))
        try:
            yield plane, writer, fake, source
            assert not running.done(), running.exception()
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a Plane has no event for what it holds
            await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_it_keeps_what_every_source_promises(cluster, kubeconfig):
    async with FakeApi(cluster.answer) as fake:
        kubeconfig(fake.url)
        snapshot = await check_source(KubernetesSource, "", {})

    assert {type_url: list(names) for type_url, names in snapshot.items()} == {
        CLUSTER: ["prod/shop/80"],
        ENDPOINT: ["prod/shop/80"],
    }


@pytest.mark.asyncio
async def test_it_is_ready_when_every_kind_was_listed_once(cluster, kubeconfig):
    cluster.answers["configmaps"] = status(500, "etcd is slow")
    async with serving(kubeconfig, cluster, configmaps="x") as (plane, writer, _, source):
        await until(lambda: len([each for each in source.freshness() if each.lists]) == 2 and len(writer.lacks) == 2)
        assert writer.lacks == (
            "kubernetes: has not delivered its first state yet",
            "configmaps with x: the API server answers 500: etcd is slow",
        )
        assert not writer.is_ready
        del cluster.answers["configmaps"]
        await until(lambda: writer.is_ready)
        await until(lambda: plane.complete)


@pytest.mark.asyncio
async def test_an_object_that_a_mapper_does_not_understand_is_a_line_and_keeps_nothing_from_being_served(
    cluster, kubeconfig, caplog
):
    bad = service(80, name="bad")
    bad["spec"]["ports"][0]["port"] = "eighty"
    cluster.objects["services"].append(bad)
    async with serving(kubeconfig, cluster) as (plane, writer, _, _):
        await until(lambda: writer.is_ready)
        assert list(plane.snapshot()[CLUSTER]) == ["prod/shop/80"]
        [line] = writer.lacks
        assert line.startswith("service: services prod/bad: ValueError: invalid literal")
        assert line in caplog.messages


@pytest.mark.asyncio
async def test_each_namespace_is_watched_by_itself(cluster, kubeconfig):
    async with serving(kubeconfig, cluster, namespace="prod,test", services="xds=yes") as (_, writer, fake, _):
        await until(lambda: writer.is_ready)
        asked = {(request.path, request.query.get("labelSelector")) for request in fake.requests}

    assert asked - {("/apis/rime.dev/v1alpha1", None)} == {
        (f"{root}/namespaces/{namespace}/{plural}", labels)
        for namespace in ("prod", "test")
        for root, plural, labels in (
            ("/api/v1", "services", "xds=yes"),
            ("/apis/discovery.k8s.io/v1", "endpointslices", "kubernetes.io/service-name"),
            ("/apis/rime.dev/v1alpha1", "xdsresources", None),
        )
    }


@pytest.mark.asyncio
async def test_config_maps_may_be_watched_in_a_namespace_of_their_own(cluster, kubeconfig):
    options = {"namespace": "prod", "configmaps": "x", "config_namespace": "rime"}
    async with serving(kubeconfig, cluster, **options) as (_, writer, fake, _):
        await until(lambda: writer.is_ready)
        asked = {request.path for request in fake.requests}

    assert "/api/v1/namespaces/rime/configmaps" in asked
    assert "/api/v1/namespaces/prod/services" in asked
    assert "/api/v1/namespaces/prod/configmaps" not in asked


@pytest.mark.asyncio
async def test_what_is_wrong_is_said_once_and_once_more_when_it_is_over(cluster, kubeconfig, caplog):
    caplog.set_level(logging.INFO)
    wrong = {"metadata": {"namespace": "prod", "name": "envoy"}, "data": {"a.yaml": "resources: }"}}
    cluster.objects["configmaps"] = [wrong]
    async with serving(kubeconfig, cluster, configmaps="x") as (plane, writer, fake, _):
        await until(lambda: writer.is_ready)
        [line] = writer.lacks
        assert line.startswith("configmap prod/envoy: a.yaml:1: not YAML")
        cluster.version = 11
        right = wrong | {"data": {"a.yaml": "resources: []"}}
        event = {"type": "MODIFIED", "object": cluster.versioned(right)}
        await fake.send(json.dumps(event).encode() + b"\n", "configmaps")
        await until(lambda: plane.complete)

    about = [record for record in caplog.records if line in record.getMessage()]
    assert [(record.levelname, record.getMessage()) for record in about] == [
        ("ERROR", line),
        ("INFO", f"no longer: {line}"),
    ]


@pytest.mark.asyncio
async def test_how_fresh_each_selection_is_can_be_asked(cluster, kubeconfig):
    cluster.answers["configmaps"] = status(403, "forbidden")
    async with serving(kubeconfig, cluster, configmaps="x") as (_, _, _, source):
        await until(lambda: len([each for each in source.freshness() if each.lists or each.trouble]) == 3)
        services, slices, config_maps, xds_resources = source.freshness()

    assert (services.selection, services.objects, services.lists, services.trouble) == ("services", 1, 1, "")
    assert services.silent is not None
    assert 0 <= services.silent < 20
    assert slices.selection == "endpointslices.discovery.k8s.io with kubernetes.io/service-name"
    assert config_maps.objects == 0
    assert (xds_resources.objects, xds_resources.trouble) == (0, ""), "a kind that there is not is no trouble"
    assert config_maps.trouble.startswith("the verb 'watch' on 'configmaps' in all namespaces is not granted (403)")


@pytest.mark.asyncio
async def test_how_old_it_may_be_is_that_of_the_oldest_selection(cluster, kubeconfig, monkeypatch):
    cluster.answers["configmaps"] = status(500, "etcd is slow")
    async with serving(kubeconfig, cluster, configmaps="x") as (_, writer, _, source):
        await until(lambda: len([each for each in source.freshness() if each.lists]) == 2)
        assert source.staleness() is None, "one has never been listed"
        del cluster.answers["configmaps"]
        await until(lambda: writer.is_ready)
        known = [1000.0, 990.0, None, 995.0]
        for follower, at in zip(source._followers, known, strict=True):
            follower.known = at
        monkeypatch.setattr(anyio, "current_time", lambda: 1001.0)
        assert source.staleness() is None
        source._followers[2].known = 1000.0
        assert source.staleness() == 11.0


@pytest.mark.asyncio
async def test_how_old_it_is_nobody_knows_before_it_has_run(kubeconfig):
    kubeconfig("http://127.0.0.1:1")
    source = KubernetesSource("", {})
    assert isinstance(source, Dated), "so that metrics ask for it"
    assert source.staleness() is None


@pytest.mark.asyncio
async def test_run_again_with_the_same_writer_it_removes_what_is_gone_since(cluster, kubeconfig):
    async with FakeApi(cluster.answer) as fake:
        kubeconfig(fake.url)
        plane = Plane()
        writer = plane.writer("kubernetes:")
        source = KubernetesSource("", {})
        for expected in (["prod/shop/80"], ["prod/till/80"]):
            running = asyncio.ensure_future(source.run(writer))
            await until(lambda expected=expected: list(plane.snapshot()[CLUSTER]) == expected)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            cluster.objects["services"] = [service(80, name="till")]


def test_it_is_the_kubeconfig_or_else_the_cluster_that_it_runs_in(tmp_path):
    with pytest.raises(UsageError) as caught:
        find_access("", "", {}, tmp_path)
    assert str(caught.value) == (
        f"kubernetes: there is no kubeconfig: not in KUBECONFIG, nor {tmp_path}/.kube/config; nor is this a Pod"
    )
    config = "clusters: [{name: c, cluster: {server: 'https://%s'}}]\ncontexts: [{name: x, context: {cluster: c}}]"
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text(config % "home")
    (tmp_path / "other").write_text(config % "other")
    (tmp_path / "named").write_text(config % "named")
    named = {"KUBECONFIG": str(tmp_path / "named")}

    assert find_access("x", "", {}, tmp_path).server == "https://home"
    assert find_access("x", "", named, tmp_path).server == "https://named"
    assert find_access("x", str(tmp_path / "other"), named, tmp_path).server == "https://other"
