"""What rime-ws adds to rime, through the real registry of plugins."""

import subprocess
import sys

import pytest

from rime_app import plugins
from rime_ws import WsTransport, plugin


@pytest.fixture
def registered():
    found = plugins.Plugins(plugins.make_registry(), report=lambda fault: pytest.fail(str(fault)))
    found.register(plugin, plugins.Plugin("rime-ws", "0"))
    return found


def test_it_offers_the_transport_and_the_commands(registered):
    assert registered.transports()["ws"].value is WsTransport
    assert set(registered.commands()) == {"status", "clients", "get", "watch", "diff"}


def test_looking_at_the_plugin_loads_nothing_heavy():
    heavy = "{'websockets', 'google.protobuf', 'asyncio', 'rich'}"
    looked = f"import sys, rime_ws.plugin as p; p.rime_commands(); print(*{heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
