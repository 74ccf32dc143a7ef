"""What rime sees of this distribution, and what it costs to look at it."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from rime_app.main import run
from rime_app.plugins import Plugin, PluginFault, Plugins, make_registry
from rime_file_source import FileSource, plugin


@pytest.fixture
def plugins() -> Plugins:
    faults: list[PluginFault] = []
    plugins = Plugins(make_registry(), faults.append)
    plugins.register(plugin, Plugin("rime-file-source", "0"))
    assert faults == []
    return plugins


def test_it_is_found_by_its_entry_point() -> None:
    [found] = entry_points(group="rime", name="file")
    assert found.load() is plugin


def test_it_offers_the_source_and_the_command(plugins: Plugins) -> None:
    assert {kind: offer.value for kind, offer in plugins.sources().items()} == {"file": FileSource}
    assert list(plugins.commands()) == ["check"]


@pytest.mark.parametrize(("text", "status"), [("resources: []", 0), ("resources: }", 1), (None, 2)])
def test_rime_check_ends_with_the_status_that_it_promises(
    text: str | None, status: int, tmp_path: Path, plugins: Plugins, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.yaml"
    if text is not None:
        path.write_text(text)
    assert run(["check", str(path)], plugins) == status
    said = capsys.readouterr()
    assert said.err == ("" if text is not None else f"rime: file: {path}: there is no such folder or file\n")


def test_looking_at_it_imports_nothing_heavy() -> None:
    code = """
import sys
from rime_file_source import plugin
plugin.rime_sources()["file"](".", {})
plugin.rime_commands()["check"].get_short_help_str()
print([name for name in ("google.protobuf", "yaml", "watchfiles", "rime_envoy_api.document") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
