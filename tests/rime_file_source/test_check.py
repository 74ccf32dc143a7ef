"""`rime check PATH`: its lines and its exit status."""

import json
from pathlib import Path

import pytest

from rime_core import UsageError
from rime_file_source.check import Findings, check

TYPES = "type.googleapis.com/envoy.config"
CLUSTER = f'"@type": {TYPES}.cluster.v3.Cluster, connect_timeout: 1s'
ADS = "config_source: {ads: {}, resource_api_version: V3}"
EDS = "eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}"

GOOD = f"""
resources:
- {{{CLUSTER}, name: backend}}
- "@type": {TYPES}.route.v3.RouteConfiguration
  name: main
  virtual_hosts:
  - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: backend}}}}]}}
- "@type": {TYPES}.listener.v3.Listener
  name: ingress
  address: {{socket_address: {{address: 127.0.0.1, port_value: 10000}}}}
  filter_chains:
  - filters:
    - name: hcm
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: ingress
        rds: {{route_config_name: main, {ADS}}}
        http_filters:
        - name: router
          typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `conf` below the working directory, with nothing wrong in it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "good.yaml").write_text(GOOD)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> "Run":
    return Run(capsys)


class Run:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, list[str]]:
        """The exit status and what was printed, in lines."""
        status = check.main(list(arguments), standalone_mode=False)
        return status, self.capsys.readouterr().out.splitlines()


def test_nothing_wrong(folder: Path, run: Run) -> None:
    assert run("conf") == (0, ["3 resources in 1 file: 0 faults, 0 warnings"])
    assert run("conf/good.yaml") == (0, ["3 resources in 1 file: 0 faults, 0 warnings"])
    assert folder.exists()


def test_faults_are_listed_as_serving_reports_them(folder: Path, run: Run) -> None:
    (folder / "bad.yaml").write_text(
        f"resources:\n- {{{CLUSTER}, name: other}}\n- {{{CLUSTER}, name: wrong, conect_timeout: 2s}}\n"
    )
    (folder / "empty.json").touch()
    (folder / "folder.yml").mkdir()
    status, lines = run("conf")
    assert status == 1
    assert [line.partition(": ")[0] for line in lines[:3]] == [
        "conf/bad.yaml:3",
        "conf/empty.json:1",
        "conf/folder.yml",
    ]
    assert lines[0].startswith("conf/bad.yaml:3: clusters 'wrong': conect_timeout: ")
    assert lines[3:] == ["4 resources in 4 files: 3 faults, 0 warnings"]


def test_virtual_hosts_on_demand_need_not_be_there(folder: Path, run: Run) -> None:
    (folder / "good.yaml").write_text(GOOD.replace("  name: main\n", f"  name: main\n  vhds: {{{ADS}}}\n"))
    assert run("conf") == (0, ["3 resources in 1 file: 0 faults, 0 warnings"])


def test_references_to_what_is_not_there_are_warnings(folder: Path, run: Run) -> None:
    text = GOOD.replace("cluster: backend", "cluster: backed").replace("config_name: main", "config_name: other")
    (folder / "good.yaml").write_text(f"{text}- {{{CLUSTER}, name: eds, type: EDS, {EDS}}}\n")
    status, lines = run("conf")
    assert status == 0
    assert lines == [
        "warning: conf/good.yaml:4: routes 'main': refers to clusters 'backed', which is not here",
        "warning: conf/good.yaml:8: listeners 'ingress': refers to routes 'other', which is not here",
        "warning: conf/good.yaml:21: clusters 'eds': refers to endpoints 'eds', which is not here",
        "4 resources in 1 file: 0 faults, 3 warnings",
    ]


def test_what_is_there_with_a_fault_is_not_missing(folder: Path, run: Run) -> None:
    (folder / "good.yaml").write_text(GOOD.replace("connect_timeout: 1s", "connect_timeout: soon"))
    status, lines = run("conf")
    assert status == 1
    assert lines[1:] == ["2 resources in 1 file: 1 fault, 0 warnings"]


def test_a_name_in_two_files_is_a_warning(folder: Path, run: Run) -> None:
    (folder / "more.yaml").write_text(f"resources: [{{{CLUSTER}, name: backend}}]")
    status, [warning, summary] = run("conf")
    assert (status, summary) == (0, "3 resources in 2 files: 0 faults, 1 warning")
    assert warning.startswith("warning: conf/good.yaml:3 and conf/more.yaml:1 hold the same clusters 'backend'; ")


def test_a_folder_without_any_file_is_a_warning(tmp_path: Path, run: Run) -> None:
    status, [warning, summary] = run(str(tmp_path))
    assert (status, summary) == (0, "0 resources in 0 files: 0 faults, 1 warning")
    assert warning == f"warning: {tmp_path}: no file here ends in .yaml, .yml, .json"


@pytest.mark.parametrize(("cluster", "status"), [("backend", 0), ("nobody", 1)])
def test_strict_counts_warnings(cluster: str, status: int, folder: Path, run: Run) -> None:
    (folder / "good.yaml").write_text(GOOD.replace("cluster: backend", f"cluster: {cluster}"))
    assert run("conf", "--strict")[0] == status


def test_for_scripts_there_is_json(folder: Path, run: Run) -> None:
    (folder / "empty.yaml").touch()
    status, lines = run("conf", "-o", "json")
    assert status == 1
    [fault] = json.loads("".join(lines))["faults"]
    assert fault.startswith("conf/empty.yaml:1: ")
    assert json.loads("".join(lines)) == {"resources": 3, "files": 2, "faults": [fault], "warnings": []}


def test_a_place_that_is_not_there_is_a_usage_error(run: Run) -> None:
    with pytest.raises(UsageError, match=r"^file: nowhere: there is no such folder or file$"):
        run("nowhere")


def test_the_summary_counts_in_words() -> None:
    assert Findings(1, 1, ("a",), ("b", "c")).summary == "1 resource in 1 file: 1 fault, 2 warnings"
