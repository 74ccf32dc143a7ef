"""The dashboard asks for metrics that there are, with labels that they have."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from rime_core import CLUSTER, Node, Plane
from rime_ws.metrics import Metrics
from tests.rime_ws.talk import Clock, FakeEnvoy
from tests.rime_ws.test_pages import Running

EXAMPLE = Path(__file__).parents[2] / "examples" / "grafana"
DASHBOARD = json.loads((EXAMPLE / "dashboard.json").read_text(encoding="utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

SET_BY_PROMETHEUS = {"instance"}
OF_PROMQL = {"sum", "min", "max", "by", "rate", "bool", "histogram_quantile"}


@pytest.fixture(scope="module")
def labels():
    """The labels of each metric, by its name."""
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    plane.writer("file:conf").staleness = lambda: 1.0
    plane.open()
    server = plane.server(transports=[Running("grpc:127.0.0.1:18000")])
    metrics = Metrics(server)
    FakeEnvoy(server, Node(id="n"), Clock()).ask(CLUSTER).catch_up()
    families = text_string_to_metric_families(metrics.text().decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_is_about_what_there_is(labels, expression):
    bare = re.sub(r'"[^"]*"|\[\w+\]', "", expression)
    metrics = [name for name in re.findall(r"[a-z]+_[a-z_]+", bare) if name not in OF_PROMQL]
    known = set.union(SET_BY_PROMETHEUS, *(labels.get(name, set()) for name in metrics))

    assert metrics
    assert [name for name in metrics if name not in labels] == []
    used = {name for group in re.findall(r"by \(([^)]*)\)", bare) for name in re.split(r",\s*", group)}
    used |= set(re.findall(r"(\w+)\s*(?:=~|!=|=)", bare))
    assert used <= known


def test_every_metric_of_rimes_own_is_shown(labels):
    shown = " ".join(EXPRESSIONS)

    assert [name for name in labels if name.startswith("rime_") and name not in shown and "created" not in name] == []


def test_no_panel_covers_another():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_what_prometheus_is_told_is_yaml():
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)

    [job] = yaml.safe_load(block)["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:18080"]}]
