"""examples/quickstart.py: a real gRPC client sees the cluster that it changes."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from rime_core import CLUSTER
from rime_envoy_api import message_class

EXAMPLE = Path(__file__).parents[2] / "examples" / "quickstart.py"

Request: Any = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
Response: Any = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")
Cluster: Any = message_class("envoy.config.cluster.v3.Cluster")


def hear_ctrl_c():
    """As in a terminal, wherever the tests run: what a shell starts in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def quickstart():
    started = []

    def start(address):
        process = subprocess.Popen(
            [sys.executable, EXAMPLE, address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - it takes no lock that another thread could hold
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def changes(address):
    """(timeout in seconds, version) of the cluster `backend`, each time that a client is sent it."""
    requests: SimpleQueue[Any] = SimpleQueue()
    requests.put(Request(type_url=CLUSTER))
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
            Request.SerializeToString,
            Response.FromString,
        )
        try:
            for response in call(iter(requests.get, None), timeout=30, wait_for_ready=True):
                [resource] = response.resources
                assert resource.name == "backend"
                cluster = Cluster.FromString(resource.resource.value)
                yield cluster.connect_timeout.seconds, resource.version
                requests.put(Request(type_url=CLUSTER, response_nonce=response.nonce))
        finally:
            requests.put(None)


def test_a_client_is_sent_each_change(quickstart):
    process = quickstart("127.0.0.1:0")
    [address] = re.findall(r"^serving clusters on (127\.0\.0\.1:\d+), until Ctrl-C$", process.stdout.readline())

    seen = changes(address)
    first, second = next(seen), next(seen)
    seen.close()

    printed = [process.stdout.readline() for _ in range(3)]
    for seconds, version in (first, second):
        assert f"backend: connect_timeout {seconds} s, version {version}\n" in printed
    assert first != second

    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0
    assert process.stderr.read() == ""


def test_what_is_no_address_is_one_line(quickstart):
    process = quickstart("nowhere")
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (1, "")
    assert err == "grpc: 'nowhere' is no address: it should look like 127.0.0.1:18000 or [::1]:18000\n"
