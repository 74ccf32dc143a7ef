"""A KubernetesSource at a real API server: what objects become, and who has to be allowed what."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rime_core import CLUSTER, ENDPOINT, SECRET
from rime_core.testing import check_source
from rime_k8s_source import KubernetesSource
from rime_k8s_source.api import ApiServer
from rime_k8s_source.errors import UnreachableError
from rime_k8s_source.kinds import SERVICES, Selection
from rime_k8s_source.kubeconfig import load
from rime_k8s_source.reflector import Watch
from tests.integration.waiting import eventually

from .faults import ConnectProxy
from .objects import config_map, endpoint, endpoint_slice, service
from .sourced import role, sourced

pytestmark = pytest.mark.asyncio

DRAINING = 3


def cluster(name, timeout=1):
    return f'resources:\n- "@type": {CLUSTER}\n  name: {name}\n  connect_timeout: {timeout}s\n'


def secret(name, certificate, **labels):
    data = {"tls.crt": certificate, "tls.key": "key"}
    return {
        "metadata": {"name": name, "labels": labels},
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


async def test_it_keeps_what_every_source_promises(kube, namespace):
    namespace.create("services", service("shop"))
    options = {"kubeconfig": str(kube.kubeconfig()), "namespace": namespace.name}
    snapshot = await check_source(KubernetesSource, "test", options)

    assert list(snapshot[CLUSTER]) == [f"{namespace.name}/shop/80"]


async def test_services_and_their_endpoints_come_change_and_go(kube, namespace):
    name = f"{namespace.name}/shop/80"
    async with sourced(kube.kubeconfig(), namespace=namespace.name) as source:
        assert source.names(CLUSTER) == []
        namespace.create("services", service("shop"))
        await source.until(lambda: source.addresses(name) == {})
        namespace.create("endpointslices", endpoint_slice("shop", "10.1.0.1", "10.1.0.2"))
        await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0, "10.1.0.2": 0})
        ends = endpoint("10.1.0.2", ready=False, serving=True, terminating=True)
        namespace.change("endpointslices", "shop-1", {"endpoints": [endpoint("10.1.0.1"), ends]})
        await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0, "10.1.0.2": DRAINING})
        namespace.change("endpointslices", "shop-1", {"endpoints": [endpoint("10.1.0.1")]})
        await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0})
        namespace.delete("services", "shop")
        await source.until(lambda: source.names(CLUSTER) == source.names(ENDPOINT) == [])


async def test_one_pods_readiness_is_one_assignment(kube, namespace):
    """Of 20 Services; that no other is looked at is in tests/rime_k8s_source/test_units.py."""
    for number in range(20):
        namespace.create("services", service(f"s{number}"))
        namespace.create("endpointslices", endpoint_slice(f"s{number}", "10.1.0.1", "10.1.0.2"))
    async with sourced(kube.kubeconfig(), namespace=namespace.name) as source:
        await source.until(lambda: len(source.names(ENDPOINT)) == 20)
        server = source.plane.server()
        with server.subscribe(ENDPOINT) as endpoints, server.subscribe(CLUSTER) as clusters:
            endpoints.initial()
            clusters.initial()
            unready = endpoint("10.1.0.2", ready=False)
            namespace.change("endpointslices", "s7-1", {"endpoints": [endpoint("10.1.0.1"), unready]})
            update = await endpoints.changed()
            # what is in no way an endpoint's is no change
            namespace.change("endpointslices", "s8-1", {"metadata": {"annotations": {"a": "b"}}})
            namespace.change("services", "s9", {"metadata": {"labels": {"a": "b"}}})
            namespace.change("endpointslices", "s10-1", {"endpoints": []})
            later = await endpoints.changed()

            assert [resource.name for resource in update.resources] == [f"{namespace.name}/s7/80"]
            assert [resource.name for resource in later.resources] == [f"{namespace.name}/s10/80"]
            assert clusters.poll() is None


async def test_services_are_chosen_by_label_annotation_and_namespace(kube, namespace):
    for name, labels, annotations in (
        ("a", {"xds": "yes"}, {"chosen": "yes"}),
        ("b", {"xds": "yes"}, {}),
        ("c", {}, {"chosen": "yes"}),
    ):
        namespace.create("services", service(name, labels=labels, annotations=annotations))
    kubeconfig = kube.kubeconfig()

    async def names(**options):
        async with sourced(kubeconfig, names="{service}", **options) as source:
            return source.names(CLUSTER)

    here = namespace.name
    assert await names(namespace=here) == ["a", "b", "c"]
    assert await names(namespace=here, services="xds=yes") == ["a", "b"]
    assert await names(namespace=here, annotation="chosen") == ["a", "c"]
    assert await names(namespace=f"{here},default", services="xds=yes", annotation="chosen=yes") == ["a"]
    assert "a" in await names(services="xds")
    assert "a" not in await names(namespace="default")


async def test_the_controllers_own_slices_of_real_pods(kube, controllers, namespace):
    """A Pod that becomes ready, and one that is not any more, as the endpoint-slice controller says it."""
    name = f"{namespace.name}/shop/http"
    ports = {"name": "http", "port": 80, "targetPort": "web", "appProtocol": "kubernetes.io/h2c"}
    namespace.create("services", service("shop", ports, selector={"app": "shop"}))
    for number in (1, 2):
        namespace.create("pods", pod(f"p{number}", controllers, port=8080 + number))
    async with sourced(kube.kubeconfig(), namespace=namespace.name) as source:
        report(namespace, "p1", "10.1.0.1", ready=True)
        report(namespace, "p2", "10.1.0.2", ready=False)
        await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0})
        report(namespace, "p2", "10.1.0.2", ready=True)
        await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0, "10.1.0.2": 0})
        report(namespace, "p1", "10.1.0.1", ready=False)
        await source.until(lambda: source.addresses(name) == {"10.1.0.2": 0})


def pod(name, node, port):
    containers = [{"name": "c", "image": "none", "ports": [{"name": "web", "containerPort": port}]}]
    return {"metadata": {"name": name, "labels": {"app": "shop"}}, "spec": {"containers": containers, "nodeName": node}}


def report(namespace, name, address, *, ready):
    """What a kubelet reports of a Pod."""
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
    namespace.server.call(
        "PATCH",
        f"{namespace.path('pods', name)}/status",
        {"status": status},
        content_type="application/merge-patch+json",
    )


async def test_secrets_of_the_label_and_type_and_a_rotated_one_alone(kube, namespace):
    here = namespace.name
    namespace.create("secrets", secret("a", "1", xds="yes"))
    namespace.create("secrets", secret("b", "1", xds="yes"))
    namespace.create("secrets", secret("other", "1"))
    namespace.create("secrets", {"metadata": {"name": "opaque", "labels": {"xds": "yes"}}, "type": "Opaque"})
    async with sourced(kube.kubeconfig(), namespace=here, services="none", secrets="xds=yes") as source:
        assert source.names(SECRET) == [f"{here}/a", f"{here}/b"]
        with source.plane.server().subscribe(SECRET, source.names(SECRET)) as secrets:
            secrets.initial()
            rotated = base64.b64encode(b"2").decode()
            namespace.change("secrets", "a", {"data": {"tls.crt": rotated}})
            update = await secrets.changed()
        assert [resource.name for resource in update.resources] == [f"{here}/a"]
        namespace.delete("secrets", "a")
        await source.until(lambda: source.names(SECRET) == [f"{here}/b"])


async def test_config_maps_are_envoys_yaml(kube, namespace):
    namespace.create("configmaps", config_map("envoy", a=cluster("a"), b=cluster("b")))
    namespace.create("configmaps", config_map("other", {"some": "label"}, c=cluster("c")))
    options = {"namespace": namespace.name, "services": "none", "configmaps": "rime.dev/xds"}
    async with sourced(kube.kubeconfig(), **options) as source:
        assert source.names(CLUSTER) == ["a", "b"]
        before = source.plane.snapshot()[CLUSTER]
        wrong = {"a.yaml": cluster("a", "x"), "b.yaml": cluster("b", 2)}
        namespace.change("configmaps", "envoy", {"data": wrong})
        await source.until(lambda: source.plane.snapshot()[CLUSTER]["b"] != before["b"])

        [line] = source.writer.lacks
        assert line.startswith(f"configmap {namespace.name}/envoy: a.yaml:4: clusters 'a': connect_timeout: ")
        assert source.plane.snapshot()[CLUSTER]["a"] == before["a"], "its last good version stays"
        namespace.change("configmaps", "envoy", {"data": {"a.yaml": None}})
        await source.until(lambda: source.names(CLUSTER) == ["b"])
        namespace.delete("configmaps", "envoy")
        await source.until(lambda: source.names(CLUSTER) == [])


async def test_a_resource_that_moves_between_config_maps_is_never_gone(kube, namespace):
    namespace.create("configmaps", config_map("one", a=cluster("a"), b=cluster("b")))
    namespace.create("configmaps", config_map("two", c=cluster("c")))
    options = {"namespace": namespace.name, "services": "none", "configmaps": "rime.dev/xds", "settle": "2s"}
    async with sourced(kube.kubeconfig(), **options) as source:
        with source.plane.server().subscribe(CLUSTER) as clusters:
            clusters.initial()
            namespace.change("configmaps", "one", {"data": {"a.yaml": None}})
            await asyncio.sleep(0.05)  # as long as kubectl takes from one object to the next
            namespace.change("configmaps", "two", {"data": {"a.yaml": cluster("a", 2)}})
            update = await clusters.changed()
            namespace.change("configmaps", "two", {"data": {"c.yaml": cluster("c", 2)}})
            later = await clusters.changed()

        assert ([each.name for each in update.resources], list(update.removed)) == (["a"], [])
        assert ([each.name for each in later.resources], list(later.removed)) == (["c"], [])


async def ending(kubeconfig, namespace, begun):
    """How the API server ends a watch of the namespace's Services, which has `begun`: "whole", or what breaks."""
    async with ApiServer(load([kubeconfig]), idle=60.0) as api:
        try:
            async with api.events(Selection(SERVICES, namespace.name), Watch("", initial=True), seconds=600) as events:
                async for _ in events:
                    begun.set()
        except UnreachableError as error:
            return str(error)
    return "whole"


async def test_an_api_server_that_is_ended_and_started_again_has_nothing_lost_and_nothing_sent_again(kube, namespace):
    """SIGTERM, as at an upgrade: it ends its watches in order."""
    for each in ("a", "b", "c"):
        namespace.create("services", service(each))
        namespace.create("endpointslices", endpoint_slice(each, "10.1.0.1"))
    names = [f"{namespace.name}/{each}/80" for each in ("a", "b", "c")]
    async with sourced(kube.kubeconfig(), namespace=namespace.name, xdsresources="none") as source:
        server = source.plane.server()
        with server.subscribe(ENDPOINT) as endpoints, server.subscribe(CLUSTER) as clusters:
            endpoints.initial()
            clusters.initial()
            begun = asyncio.Event()
            ended = asyncio.ensure_future(ending(kube.kubeconfig(), namespace, begun))
            await begun.wait()
            try:
                await asyncio.to_thread(kube.end, "kube-apiserver")
                assert await ended == "whole"
                await eventually(lambda: any("Connection refused" in line for line in source.writer.lacks))
                assert source.names(CLUSTER) == names
            finally:
                await asyncio.to_thread(kube.start_api)
            namespace.change("endpointslices", "a-1", {"endpoints": [endpoint("10.1.0.2")]})
            namespace.delete("services", "b")
            await source.until(lambda: source.names(CLUSTER) == [names[0], names[2]] and source.plane.complete)
            update, gone = endpoints.poll(), clusters.poll()

        assert ([each.name for each in update.resources], list(update.removed)) == ([names[0]], [names[1]])
        assert (gone.resources, list(gone.removed)) == ((), [names[1]])


# --- who has to be allowed what --------------------------------------------------------------------------------------

LEAST = (
    ("", "services", "list watch"),
    ("rime.dev", "xdsresources", "list watch"),
    ("discovery.k8s.io", "endpointslices", "list watch"),
)


def account(kube, namespace, name="rime"):
    """A kubeconfig of a ServiceAccount, by a token in a file as a Pod has it."""
    namespace.create("serviceaccounts", {"metadata": {"name": name}})
    path = f"{namespace.path('serviceaccounts', name)}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = kube.folder / f"token-{namespace.name}"

    def renew():
        token.write_text(kube.call("POST", path, asked)["status"]["token"])

    renew()
    return kube.write_kubeconfig(f"kubeconfig-{namespace.name}", {"tokenFile": token.name}), renew


async def test_list_and_watch_are_enough_and_what_is_missing_is_said(kube, namespace):
    kubeconfig, _ = account(kube, namespace)
    namespace.create("services", service("shop"))
    role(namespace, f"{namespace.name}/rime", *LEAST[:2])
    async with sourced(kubeconfig, namespace=namespace.name, ready=False) as source:
        await source.until(lambda: any("endpointslices" in line for line in source.writer.lacks))
        assert not source.writer.is_ready, "nothing is answered without the endpoints"
        [missing] = [line for line in source.writer.lacks if "endpointslices" in line]
        assert f"the verb 'watch' on 'endpointslices.discovery.k8s.io' in the namespace '{namespace.name}'" in missing
        role(namespace, f"{namespace.name}/rime", LEAST[2], name="more")
        await source.until(lambda: source.writer.is_ready)
        assert source.names(CLUSTER) == [f"{namespace.name}/shop/80"]


async def test_a_service_account_that_is_deleted_keeps_the_last_state_and_a_new_token_goes_on(kube, namespace):
    kubeconfig, renew = account(kube, namespace)
    role(namespace, f"{namespace.name}/rime", *LEAST)
    namespace.create("services", service("shop"))
    name = f"{namespace.name}/shop/80"
    async with sourced(kubeconfig, namespace=namespace.name, idle="2s") as source:
        namespace.delete("serviceaccounts", "rime")
        await eventually(lambda: any("(401)" in line for line in source.writer.lacks))
        assert source.names(CLUSTER) == [name]
        assert not source.plane.complete, "nothing is removed from anybody"
        namespace.create("serviceaccounts", {"metadata": {"name": "rime"}})
        renew()
        namespace.create("endpointslices", endpoint_slice("shop", "10.1.0.1"))
        await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0} and source.plane.complete)


def aged(kube, token, seconds):
    """The same token, as it would be had it expired so many seconds ago."""
    head, claims, _ = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(f"{claims}=="))
    older = {"exp": int(time.time()) - seconds, "iat": 0, "nbf": 0}
    signed = f"{head}.{_in_base64(json.dumps(content | older).encode())}"
    key = serialization.load_pem_private_key((kube.folder / "sa.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return f"{signed}.{_in_base64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _in_base64(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def test_a_token_that_expires_is_trouble_until_the_file_has_another(kube, namespace):
    kubeconfig, renew = account(kube, namespace)
    role(namespace, f"{namespace.name}/rime", *LEAST)
    namespace.create("services", service("shop"))
    token = kube.folder / f"token-{namespace.name}"
    # the API server allows for clocks that differ by a minute
    token.write_text(aged(kube, token.read_text(), 57))
    name = f"{namespace.name}/shop/80"
    async with sourced(kubeconfig, namespace=namespace.name, idle="2s") as source:
        assert source.names(CLUSTER) == [name]
        await eventually(lambda: any("(401)" in line for line in source.writer.lacks))
        assert source.names(CLUSTER) == [name]
        renew()
        namespace.create("endpointslices", endpoint_slice("shop", "10.1.0.1"))
        await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0} and source.plane.complete)


async def test_a_permission_that_is_taken_away_keeps_the_last_state(kube, namespace):
    kubeconfig, _ = account(kube, namespace)
    role(namespace, f"{namespace.name}/rime", *LEAST)
    namespace.create("services", service("shop"))
    async with sourced(kubeconfig, namespace=namespace.name, idle="1s") as source:
        namespace.delete("rolebindings", "rime")
        await eventually(lambda: any("the verb 'watch' on 'services'" in line for line in source.writer.lacks))
        assert source.names(CLUSTER) == [f"{namespace.name}/shop/80"]
        assert not source.plane.complete, "nothing is removed from anybody"


PLUGIN = """#!/bin/sh
cd {folder}
echo >> asked
cat << END
{{
  "apiVersion": "client.authentication.k8s.io/v1",
  "kind": "ExecCredential",
  "status": {{"token": "$(cat {token})", "expirationTimestamp": "$(cat expires)"}}
}}
END
"""


class Plugin:
    """A program that gives the token in a file, until a time that a test says, and counts how often it was asked."""

    def __init__(self, folder, token):
        self._folder = folder
        self.path = folder / "get-token"
        self.path.write_text(PLUGIN.format(folder=folder, token=token))
        self.path.chmod(0o755)

    def expires_in(self, seconds):
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        (self._folder / "expires").write_text(at.isoformat())

    @property
    def asked(self):
        return len((self._folder / "asked").read_bytes())


async def test_an_exec_plugin_is_asked_when_it_must_be_and_all_goes_through_the_proxy(kube, namespace, tmp_path):
    """Asked again shortly before what it gave expires, and when the API server has revoked it; else it is not."""
    _, renew = account(kube, namespace)
    role(namespace, f"{namespace.name}/rime", *LEAST)
    namespace.create("services", service("shop"))
    plugin = Plugin(tmp_path, kube.folder / f"token-{namespace.name}")
    name = f"{namespace.name}/shop/80"
    async with ConnectProxy(kube) as proxy:
        user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin.path)}}
        kubeconfig = kube.write_kubeconfig(f"kubeconfig-exec-{namespace.name}", user, **{"proxy-url": proxy.url})
        plugin.expires_in(20)  # soon enough to be asked again for each request
        async with sourced(kubeconfig, namespace=namespace.name, xdsresources="none", idle="2s") as source:
            assert source.names(CLUSTER) == [name]
            assert proxy.targets == {f"127.0.0.1:{kube.port}"}
            before = plugin.asked
            assert before >= 2, "for each of two watches"
            plugin.expires_in(600)
            proxy.cut()
            await eventually(lambda: plugin.asked == before + 1)
            cut = proxy.connections
            proxy.cut()
            await eventually(lambda: proxy.connections >= cut + 2)
            namespace.create("endpointslices", endpoint_slice("shop", "10.1.0.1"))
            await source.until(lambda: source.addresses(name) == {"10.1.0.1": 0})
            assert plugin.asked == before + 1, "once for both watches, as long as it is good"

            await eventually(lambda: not source.writer.lacks)  # what was cut may have been a connection in the making
            namespace.delete("serviceaccounts", "rime")
            namespace.create("serviceaccounts", {"metadata": {"name": "rime"}})
            renew()
            # the API server believes a token for ten seconds after it has seen it
            await eventually(lambda: source.writer.lacks or plugin.asked == before + 2)
            namespace.change("endpointslices", "shop-1", {"endpoints": [endpoint("10.1.0.2")]})
            await source.until(lambda: source.addresses(name) == {"10.1.0.2": 0})
            assert source.writer.lacks == (), "it came with another before anybody had to know"


async def test_a_client_certificate_is_enough(kube, namespace):
    namespace.create("services", service("shop"))
    kubeconfig = kube.write_kubeconfig(
        "kubeconfig-certificate", kube.certificate_user(), **{"tls-server-name": "kubernetes.default.svc"}
    )
    async with sourced(kubeconfig, namespace=namespace.name) as source:
        assert source.names(CLUSTER) == [f"{namespace.name}/shop/80"]
