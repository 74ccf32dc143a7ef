"""What is answered to plain HTTP requests."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rime_core import CLUSTER, Node, Plane
from rime_ws.access import Refusal
from rime_ws.pages import FILES, POLICY, Pages
from tests.rime_ws.talk import Clock, FakeEnvoy


@pytest.fixture
def plane():
    return Plane()


def answer(plane, path, refusal=None):
    return Pages(plane.server()).answer(path, lambda: refusal)


@pytest.mark.parametrize("path", FILES)
def test_the_page_loads_what_this_port_serves_and_nothing_else(plane, path):
    found = answer(plane, path, Refusal(401, "a token is needed"))
    assert found.status_code == 200
    assert found.headers["Content-Security-Policy"] == POLICY
    assert "'unsafe" not in POLICY
    assert "default-src 'none'" in POLICY
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Content-Length"] == str(len(found.body))
    assert b"http://" not in found.body.replace(b"http://www.w3.org/", b"")
    assert b"https://" not in found.body


def test_that_it_lives_is_told_to_everybody(plane):
    found = answer(plane, "/healthz", Refusal(401, "a token is needed"))
    assert (found.status_code, found.body) == (200, b"ok\n")


def test_whether_it_is_ready_and_which_source_is_not(plane):
    writer, other = plane.writer("file:conf"), plane.writer("vault:secrets")
    other.apply(CLUSTER, "a", b"")
    other.ready()
    other.incomplete(["vault: token hush has expired"])
    found = answer(plane, "/readyz", Refusal(401, "a token is needed"))
    assert found.status_code == 503
    assert found.body.decode().splitlines() == [
        "not ready",
        "file:conf has not delivered its first state",
        "vault:secrets lacks something",
    ]
    writer.apply(CLUSTER, "b", b"")
    writer.ready()
    found = answer(plane, "/readyz")
    assert (found.status_code, found.body.decode().splitlines()[0]) == (200, "ready")


def test_every_group_has_to_be_ready(plane):
    edge = Plane(base=plane)
    edge.writer("file:edge")
    server = plane.server(groups={"default": plane.server(), "edge": edge.server()})
    found = Pages(server).answer("/readyz", lambda: None)
    assert found.status_code == 503
    assert "edge: file:edge has not delivered its first state" in found.body.decode()


class Running:
    """A transport that runs, as the app tells of it."""

    def __init__(self, name, listens_at=None):
        self.name, self.listens_at = name, listens_at


def test_every_transport_has_to_listen(plane):
    grpc, ws = Running("grpc:127.0.0.1:18000", "127.0.0.1:18000"), Running("ws:127.0.0.1:0")
    pages = Pages(plane.server(transports=[grpc, ws]))
    found = pages.answer("/readyz", lambda: None)
    assert (found.status_code, found.body.decode().splitlines()) == (
        503,
        [
            "not ready",
            "grpc:127.0.0.1:18000 listens at 127.0.0.1:18000",
            "ws:127.0.0.1:0 does not listen",
        ],
    )
    ws.listens_at = "127.0.0.1:4711"
    assert pages.answer("/readyz", lambda: None).status_code == 200


def test_metrics_are_for_who_may_look(plane):
    found = answer(plane, "/metrics", Refusal(401, "a token is needed"))
    assert (found.status_code, found.body) == (401, b"a token is needed\n")
    assert found.headers["WWW-Authenticate"] == "Bearer"
    assert answer(plane, "/metrics").status_code == 200


def test_metrics_are_what_prometheus_reads(plane):
    plane.apply(CLUSTER, "a", b"1")
    FakeEnvoy(plane.server(), Node(id="n"), Clock()).ask(CLUSTER)
    found = answer(plane, "/metrics")
    assert found.headers["Content-Type"].startswith("text/plain")
    samples = {
        (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
        for family in text_string_to_metric_families(found.body.decode())
        for sample in family.samples
    }
    assert samples["rime_resources", '{"group": "default", "type": "clusters"}'] == 1
    assert samples["rime_streams", '{"state": "pending", "transport": "grpc"}'] == 1


@pytest.mark.parametrize("path", ["/nothing", "/page", "/page/index.html", "//", "/../page.js"])
def test_there_is_nothing_else(plane, path):
    assert answer(plane, path).status_code == 404
