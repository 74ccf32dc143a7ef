"""examples/kubernetes: the Deployment's command, asked by its probes as kubelet asks them."""

import socket
import subprocess
import sys
from contextlib import contextmanager

import grpc
import pytest
import yaml
from google.protobuf.wrappers_pb2 import StringValue, UInt32Value

from rime_grpc.health import CHECK
from tests.integration.waiting import eventually

from .server import free_ports
from .test_example import PLACES, apply, documents, token_of
from .test_xds_resources import is_there

pytestmark = pytest.mark.asyncio

SERVING, NOT_SERVING = 1, 2

MOUNTED = "/etc/rime/rime.toml"
LISTENS = "0.0.0.0:18000"


def only(kind):
    [found] = [each for each in documents("rime.yaml") if each["kind"] == kind]
    return found


def container():
    [found] = only("Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def port_of(probe):
    """The number of the port that a probe asks."""
    [how] = {"grpc", "tcpSocket"} & set(probe)
    named = {each["name"]: each["containerPort"] for each in container()["ports"]}
    return named.get(probe[how]["port"], probe[how]["port"])


class Replica:
    """What the Deployment runs, on a port of the loopback address, in place of its own, and with a kubeconfig."""

    def __init__(self, kube, folder):
        [self.port] = free_ports(1)
        kubeconfig = kube.write_kubeconfig("kubeconfig-replica", {"token": token_of(kube)})
        config = yaml.safe_load(kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = "rime"
        kubeconfig.write_text(yaml.safe_dump(config))
        text = only("ConfigMap")["data"]["rime.toml"]
        assert LISTENS in text
        file = folder / "rime.toml"
        file.write_text(text.replace(LISTENS, f"127.0.0.1:{self.port}"))
        self.log = folder / "log"
        arguments = container()["args"]
        assert MOUNTED in arguments
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rime_app", *(str(file) if each == MOUNTED else each for each in arguments)],
                env={"KUBECONFIG": str(kubeconfig), "HOME": "/"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def passes(self, probe):
        """What kubelet makes of a probe, as it asks once."""
        assert self.process.poll() is None, self.log.read_text()
        seconds = probe.get("timeoutSeconds", 1)
        if "tcpSocket" in probe:
            with socket.create_connection(("127.0.0.1", self.port), timeout=seconds):
                return True
        return await self.health(probe["grpc"].get("service", ""), seconds) == SERVING

    async def health(self, service, seconds):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
            try:
                answer = await ask(StringValue(value=service).SerializeToString(), timeout=seconds)
            except grpc.aio.AioRpcError as error:
                return error.code().name
        return UInt32Value.FromString(answer).value


@contextmanager
def replica(kube, folder):
    started = Replica(kube, folder)
    try:
        yield started
    finally:
        started.process.terminate()
        started.process.wait(timeout=10)


@pytest.fixture
def _applied(kube):
    apply(kube, "xdsresources.yaml")
    kube.until(lambda: is_there(kube))
    apply(kube, "rime.yaml")
    apply(kube, "shop.yaml")


async def test_each_probe_asks_the_port_on_which_the_configuration_listens():
    probes = {name: each for name, each in container().items() if name.endswith("Probe")}
    assert set(probes) == {"startupProbe", "readinessProbe", "livenessProbe"}
    assert {port_of(each) for each in probes.values()} == {int(LISTENS.rpartition(":")[2])}
    [port] = only("Service")["spec"]["ports"]
    assert port["targetPort"] in {each["name"] for each in container()["ports"]}


@pytest.mark.usefixtures("_applied")
async def test_it_is_alive_before_it_is_ready_and_ready_once_it_may_list_everything(kube, tmp_path):
    binding = only("ClusterRoleBinding")
    path = PLACES["ClusterRoleBinding"]
    kube.call("DELETE", f"{path}/{binding['metadata']['name']}")
    with replica(kube, tmp_path) as started:
        await eventually(lambda: started.passes(container()["startupProbe"]))
        await eventually(lambda: "the verb 'watch' on 'services' in all namespaces" in started.log.read_text())
        assert await started.passes(container()["livenessProbe"])
        assert not await started.passes(container()["readinessProbe"])
        assert await started.health("", 1) == NOT_SERVING, "it answers, and says that it is not"
        kube.call("POST", path, binding)
        await eventually(lambda: started.passes(container()["readinessProbe"]))
        assert await started.passes(container()["livenessProbe"])


@pytest.mark.usefixtures("_applied")
async def test_while_the_api_server_is_away_it_stays_ready(kube, tmp_path):
    with replica(kube, tmp_path) as started:
        await eventually(lambda: started.passes(container()["readinessProbe"]))
        kube.end("kube-apiserver", kill=True)
        try:
            await eventually(lambda: "Connection refused" in started.log.read_text())
            assert await started.passes(container()["readinessProbe"])
            assert await started.passes(container()["livenessProbe"])
        finally:
            kube.start_api()
