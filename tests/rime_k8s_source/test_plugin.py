"""What rime sees of this distribution, and what it costs to look at it."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from rime_app import plugin as app
from rime_app.plugins import Plugin, PluginFault, Plugins, make_registry
from rime_k8s_source import KubernetesSource, plugin


@pytest.fixture
def plugins():
    faults: list[PluginFault] = []
    plugins = Plugins(make_registry(), faults.append)
    plugins.register(app, Plugin("rime-app", "0"))
    plugins.register(plugin, Plugin("rime-k8s-source", "0"))
    assert faults == []
    return plugins


def test_it_is_found_by_its_entry_point():
    [found] = entry_points(group="rime", name="kubernetes")
    assert found.load() is plugin


def test_it_offers_the_source(plugins):
    assert {kind: offer.value for kind, offer in plugins.sources().items()} == {"kubernetes": KubernetesSource}


def test_a_kubeconfig_that_is_not_there_ends_rime_with_one_line(tmp_path):
    rime = [sys.executable, "-m", "rime_app", "serve", "--source", "kubernetes:"]
    environment = {"KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)}
    done = subprocess.run(rime, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("rime: --source kubernetes:: kubernetes: there is no kubeconfig: ")


def test_looking_at_it_imports_nothing_heavy():
    code = """
import sys
from rime_k8s_source import plugin
plugin.rime_sources()
heavy = ("aiohttp", "google.protobuf", "yaml", "anyio.to_thread", "ssl", "rime_envoy_api.document")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
