"""What rime-app itself brings."""

from rime_app import plugin
from rime_app.commands import list_plugins, serve


def test_the_commands_that_need_no_other_distribution():
    assert plugin.rime_commands() == {"plugins": list_plugins, "serve": serve}
