"""What rime-grpc adds to rime, through the real registry of plugins."""

import os
import subprocess
import sys

import pytest

from rime_app import plugins
from rime_core import CLUSTER, ENDPOINT
from rime_envoy_api import parse
from rime_grpc import GrpcTransport, plugin


@pytest.fixture
def registered():
    found = plugins.Plugins(plugins.make_registry(), report=lambda fault: pytest.fail(str(fault)))
    found.register(plugin, plugins.Plugin("rime-grpc", "0"))
    return found


def test_it_offers_the_transport_and_the_command(registered):
    assert registered.transports()["grpc"].value is GrpcTransport
    assert registered.commands()["bootstrap"].value.name == "bootstrap"


@pytest.mark.parametrize(("asked", "is_so"), [(None, "NONE"), ("INFO", "INFO")])
def test_grpc_writes_no_lines_of_its_own_amid_the_log_unless_asked_to(registered, monkeypatch, asked, is_so):
    monkeypatch.setenv("GRPC_VERBOSITY", asked or "")
    if asked is None:
        monkeypatch.delenv("GRPC_VERBOSITY")
    registered.transports()
    assert os.environ["GRPC_VERBOSITY"] == is_so


def test_it_tells_the_kernel_what_refers_to_what(registered):
    text = """\
resources:
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: c
  type: EDS
  eds_cluster_config: {service_name: e, eds_config: {ads: {}, resource_api_version: V3}}
"""
    (cluster,) = parse(text, origin="a.yaml").resources
    assert (ENDPOINT, "e") in registered.references()(CLUSTER, cluster.body)


def test_looking_at_the_plugin_loads_neither_grpc_nor_protobuf():
    looked = (
        "import sys, rime_grpc.plugin as p; p.rime_commands(); print(*{'grpc', 'google.protobuf'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
