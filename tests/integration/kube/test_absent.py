"""What a real API server says of a kind that it does not have, and of one that it has and cannot serve.

Only the first counts as empty, and keeps nothing from being served.
"""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from rime_core import CLUSTER
from rime_core.errors import SourceError
from rime_k8s_source.api import ApiServer
from rime_k8s_source.errors import ApiError
from rime_k8s_source.kinds import XDS_RESOURCES, Kind
from rime_k8s_source.kubeconfig import load
from tests.integration.waiting import eventually

from .sourced import role
from .test_list_and_watch import following, until
from .test_source import account
from .test_xds_resources import PATH, cluster, create, install, serving

pytestmark = pytest.mark.asyncio

THINGS = Kind("away.example", "v1", "things")


def code_of(kube, path):
    """The status of an error; 0 where it is none."""
    try:
        kube.call("GET", path)
    except AssertionError as error:
        return int(str(error).split(": ")[1])
    return 0


@pytest.fixture
def aggregated(kube):
    """The kind is of an API that another server is to serve, which is not there."""
    services = "/apis/apiregistration.k8s.io/v1/apiservices"
    spec = {
        "group": THINGS.group,
        "version": THINGS.version,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "nobody"},
    }
    name = f"{THINGS.version}.{THINGS.group}"
    kube.call("POST", services, {"metadata": {"name": name}, "spec": spec})
    kube.until(lambda: code_of(kube, THINGS.api) == 503)
    yield lambda: kube.call("DELETE", f"{services}/{name}")
    with suppress(AssertionError):
        kube.call("DELETE", f"{services}/{name}")


@pytest.mark.parametrize(("user", "said"), [("admin", "answers 503"), ("nobody", "(403)")])
async def test_an_api_whose_own_server_is_away_is_trouble_until_there_is_no_such_api(
    kube, namespace, aggregated, user, said
):
    async with following(namespace, kubeconfig=kube.kubeconfig(user), kind=THINGS) as follower:
        await eventually(lambda: follower.trouble is not None)
        assert said in str(follower.trouble)
        assert not follower.is_settled
        assert not follower.is_absent
        aggregated()
        await eventually(lambda: follower.is_absent)
        assert follower.is_settled
        assert follower.trouble is None


def definition(plural):
    """Of a kind that is always called Gizmo; two of one group cannot both be."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": f"{plural}.gizmos.example"},
        "spec": {
            "group": "gizmos.example",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": "Gizmo"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def conditions(kube, plural):
    found = kube.call("GET", f"{PATH}/{plural}.gizmos.example").get("status", {}).get("conditions")
    return {each["type"]: each["status"] for each in found or ()}  # null before there is one


async def test_a_definition_that_is_not_established_has_no_objects_and_is_found_once_it_is(kube, namespace):
    kube.call("POST", PATH, definition("first"))
    kube.until(lambda: conditions(kube, "first").get("Established") == "True")
    kube.call("POST", PATH, definition("second"))
    kube.until(lambda: conditions(kube, "second").get("NamesAccepted") == "False")
    assert conditions(kube, "second")["Established"] == "False"
    async with following(namespace, kind=Kind("gizmos.example", "v1", "second")) as follower:
        await eventually(lambda: follower.is_absent)
        assert follower.is_settled
        gizmo = {"apiVersion": "gizmos.example/v1", "kind": "Gizmo", "metadata": {"name": "g"}, "data": {"text": "1"}}
        path = f"/apis/gizmos.example/v1/namespaces/{namespace.name}/second"
        with pytest.raises(AssertionError, match="404"):
            kube.call("POST", path, gizmo)
        kube.call("DELETE", f"{PATH}/first.gizmos.example")
        await eventually(lambda: kube.call("POST", path, gizmo))
        await until(follower, g="1")
        assert not follower.is_absent


@asynccontextmanager
async def asking(kubeconfig):
    """What discovery says of XdsResources, asked without pause: whether it has it, or why it does not say."""
    said = []

    async def ask(api):
        while True:
            try:
                said.append(await api.has(XDS_RESOURCES))
            except SourceError as error:
                said.append(error.code if isinstance(error, ApiError) else type(error).__name__)
            await asyncio.sleep(0)

    async with ApiServer(load([kubeconfig]), idle=20.0) as api:
        task = asyncio.ensure_future(ask(api))
        try:
            yield said
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_an_api_server_that_is_coming_up_denies_no_kind_that_it_has(kube, namespace):
    install(kube)
    create(namespace, "edge", cluster("a"))
    kubeconfig, _ = account(kube, namespace)
    role(namespace, f"{namespace.name}/rime", ("rime.dev", "xdsresources", "list watch"))
    kube.end("kube-apiserver", kill=True)
    async with asking(kubeconfig) as said, serving(namespace, kubeconfig, ready=False, status="0") as source:
        await asyncio.to_thread(kube.start_api)
        await eventually(lambda: source.writer.is_ready)
        assert source.names(CLUSTER) == ["a"], "it was not ready before"
        await eventually(lambda: True in said)
    assert "UnreachableError" in said
    assert False not in said
