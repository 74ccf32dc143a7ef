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


def test_it_offers_the_transport(registered):
    assert registered.transports()["ws"].value is WsTransport


def test_looking_at_the_plugin_loads_nothing_heavy():
    looked = (
        "import sys, rime_ws.plugin; print(*{'websockets', 'google.protobuf', 'asyncio', 'rich'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
