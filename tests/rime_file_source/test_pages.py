"""The README and docs/file-source.md: what they show is run, what they state is compared with the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rime_core import CLUSTER
from rime_core.resource import LEAST_TTL, MOST_TTL
from rime_envoy_api import message_class, parse
from rime_file_source.check import check
from rime_file_source.config import FileOptions, read_options

ROOT = Path(__file__).parents[2]
README = (ROOT / "packages/rime-file-source/README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/file-source.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def shown_after(command: str, text: str) -> str:
    """What a console block shows as the output of a command."""
    [console] = [block for block in blocks(text, "console") if f"$ {command}\n" in block]
    return console.partition(f"$ {command}\n")[2].partition("$ ")[0]


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    return tmp_path / "conf"


def test_the_readmes_folder_gives_what_the_readme_shows(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [yaml] = blocks(README, "yaml")
    (conf / "backend.yaml").write_text(yaml)
    check.main(["conf"], standalone_mode=False)
    assert capsys.readouterr().out == shown_after("rime check conf", README)


def test_the_pages_faults_are_what_rime_check_prints(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [yaml] = blocks(README, "yaml")
    (conf / "backend.yaml").write_text(yaml.replace("connect_timeout", "conect_timeout").replace("  type: EDS\n", ""))
    (conf / "routes.yaml").write_text(
        'resources:\n- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration\n  name: main\n'
        '  virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: backed}}]}]\n'
        f'- {{"@type": {CLUSTER}, name: other}}\n'
    )
    check.main(["conf"], standalone_mode=False)
    printed = capsys.readouterr().out
    assert printed == shown_after("rime check conf", PAGE)
    [fault] = blocks(PAGE, "text")
    assert printed.startswith(fault)


def test_the_pages_wrapper_says_what_the_page_says() -> None:
    [yaml, _] = blocks(PAGE, "yaml")
    document = parse(yaml, origin="a.yaml")
    assert document.faults == ()
    [found] = document.resources
    assert (found.name, found.aliases, found.ttl, found.on_demand) == ("canary", ("canary.example",), 30.0, True)
    assert f"from `{LEAST_TTL:g}s` to `{MOST_TTL:g}s`" in PAGE


def test_the_pages_virtual_host_answers_to_each_of_its_domains() -> None:
    [_, yaml] = blocks(PAGE, "yaml")
    document = parse(yaml, origin="a.yaml")
    assert document.faults == ()
    [found] = document.resources
    host = message_class("envoy.config.route.v3.VirtualHost").FromString(found.body)
    assert host.name == found.name
    assert {found.name, *found.aliases} == {f"web/{domain}" for domain in host.domains}


def test_the_readmes_program_prints_what_the_readme_shows(conf: Path) -> None:
    [yaml], [code], [printed] = (blocks(README, language) for language in ("yaml", "python", "text"))
    (conf / "backend.yaml").write_text(yaml)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == (printed, "")


def test_the_options_and_their_defaults_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", README, re.MULTILINE))
    assert read_options(rows) == FileOptions()
    assert rows.keys() == set(FileOptions.__slots__)
    for key, value in re.findall(r"`(quiet|settle)=(\w+)`", PAGE):
        assert rows[key] == value
