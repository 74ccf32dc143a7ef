"""The commands `serve` and `plugins`; what `serve` does once it runs is in test_process.py."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rime_app import hookimpl
from rime_app import plugin as own
from rime_app.commands import serve
from rime_app.config import Settings
from rime_app.main import run
from rime_app.plugins import Plugin
from tests.rime_app.plugin_fakes import Fakes, plugins_with

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture
def served(monkeypatch):
    """What `rime serve` would run."""
    runs = []
    monkeypatch.setattr("rime_app.process.run_process", lambda config, *_: runs.append(config))

    def of(*arguments):
        plugins = plugins_with(own, Fakes())
        assert run(["serve", *arguments], plugins) == 0
        return runs.pop()

    return of


def test_flags_become_the_configuration(served):
    config = served(
        "--source", "file:a", "--source", "file:b", "--transport", "grpc:x", "--ready-timeout", "1s",
        "--max-removal", "10%", "--log", "json", "--log-level", "error",
    )  # fmt: skip

    assert [spec.name for spec in config.sources] == ["file:a", "file:b"]
    assert [spec.name for spec in config.transports] == ["grpc:x"]
    assert config.settings == Settings(ready_timeout=1.0, max_removal=0.1, log="json", log_level="error")


def test_a_file_becomes_the_configuration(served, tmp_path):
    path = tmp_path / "rime.toml"
    path.write_text('[serve]\nlog = "json"\n')

    assert served("--config", str(path)).settings.log == "json"
    assert served("--config", str(path), "--log", "text").settings.log == "text"


@pytest.fixture
def shared(monkeypatch):
    """How many workers `rime serve` would start, or that it would be one process alone."""
    runs = []
    monkeypatch.setattr("rime_app.process.run_process", lambda *_: runs.append("alone"))
    monkeypatch.setattr("rime_app.workers.run_workers", lambda _config, count, _announce: runs.append(count))
    monkeypatch.setattr("rime_app.commands.usable_cpus", lambda: 3)
    return runs


@pytest.mark.parametrize(
    ("arguments", "run_as"),
    [((), "alone"), (("--workers", "1"), "alone"), (("--workers", "2"), 2), (("--workers", "auto"), 3)],
)
def test_with_workers_it_is_several_processes(shared, arguments, run_as):
    assert run(["serve", *arguments], plugins_with(own)) == 0
    assert shared == [run_as]


def test_where_there_is_one_cpu_auto_is_one_process_alone(shared, monkeypatch):
    monkeypatch.setattr("rime_app.commands.usable_cpus", lambda: 1)

    assert run(["serve", "--workers", "auto"], plugins_with(own)) == 0
    assert shared == ["alone"]


def test_where_processes_cannot_share_a_port_it_says_so(shared, monkeypatch, capsys):
    monkeypatch.delattr("socket.SO_REUSEPORT")

    assert run(["serve", "--workers", "2"], plugins_with(own)) == 2
    assert capsys.readouterr().err.startswith("rime: workers: this system has no SO_REUSEPORT")
    assert shared == []


def test_alone_it_loads_nothing_that_only_workers_need():
    program = "import rime_app.commands, rime_app.process, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert {"rime_app.process", "rime_app.serve"} <= set(loaded)
    assert not {"rime_app.workers", "rime_app.siblings", "rime_app.ports", "multiprocessing"} & set(loaded)


def test_plugins_lists_who_offers_what(capsys):
    plugins = plugins_with(Fakes())
    plugins.register(own, Plugin("rime-app", "0.1.0"))

    assert run(["plugins"], plugins) == 0
    assert capsys.readouterr().out.splitlines() == [
        (
            "rime-fakes 1.0  source broken, source buggy, source exiting, source fake, source leaving, source never, "
            "source picky, transport buggy, transport dying, transport exiting, transport fake, "
            "transport silent, transport taken"
        ),
        "rime-app 0.1.0  command plugins, command serve",
    ]


def test_plugins_ends_with_1_when_one_of_them_cannot_be_used(capsys):
    class Failing:
        @hookimpl
        def rime_sources(self):
            raise ImportError("no libpq")

    assert run(["plugins"], plugins_with(own, Failing())) == 1
    assert "Failing 1.0" in capsys.readouterr().out


def flags():
    return {option for parameter in serve.params for option in parameter.opts}


def test_every_key_of_serve_has_a_flag_of_its_name():
    for key in Settings.__dataclass_fields__:
        assert f"--{key.replace('_', '-')}" in flags()


def test_the_page_on_configuration_lists_every_flag_and_key_with_its_default():
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `--[\w-]+` \| `([^`]+)` \|", page, re.MULTILINE))

    assert rows == {
        "ready_timeout": "30s",
        "max_removal": "50%",
        "unmatched": "default",
        "log": "text",
        "log_level": "info",
        "workers": "1",
    }
    assert "| `base` | `--base` | none |" in page
    assert set(re.findall(r"(--[a-z-]+)", page)) >= flags()
    assert Settings() == Settings(
        ready_timeout=30.0, max_removal=0.5, log="text", log_level="info", base="", unmatched="default", workers=1
    )


@pytest.mark.parametrize("word", ["kind", "place", "group", "allow_empty"])
def test_the_page_on_configuration_explains_what_every_entry_may_have(word):
    assert f"| `{word}` |" in PAGE.read_text(encoding="utf-8")
