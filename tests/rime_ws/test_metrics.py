"""Metrics: what there is and how clients stand, counted when it is asked for."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rime_core import CLUSTER, ENDPOINT, Debounce, Node, Plane
from rime_ws.metrics import Metrics
from tests.rime_core.timer import VirtualTimer
from tests.rime_ws.talk import Clock, FakeEnvoy
from tests.rime_ws.test_pages import Running


@pytest.fixture
def plane():
    return Plane()


def samples(server, name, metrics=None):
    """The values of one metric, by the values of its labels in the order of their names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families((metrics or Metrics(server)).text().decode())
        for sample in family.samples
        if sample.name == name
    }


def test_what_there_is_and_where_it_comes_from(plane):
    writer = plane.writer("file:conf")
    writer.apply(CLUSTER, "a", b"")
    writer.apply(ENDPOINT, "e", b"")
    server = plane.server()
    assert samples(server, "rime_ready") == {("default",): 0}
    assert samples(server, "rime_source_ready")["default", "file:conf"] == 0
    writer.ready()
    writer.incomplete(["a.yaml: not YAML"])
    assert samples(server, "rime_resources") == {("default", "clusters"): 1, ("default", "endpoints"): 1}
    assert samples(server, "rime_changes_total") == {("default",): 2}
    assert samples(server, "rime_ready") == {("default",): 1}
    assert samples(server, "rime_source_incomplete")["default", "file:conf"] == 1
    assert samples(server, "rime_source_resources")["default", "file:conf"] == 2
    writer.remove(CLUSTER, "a")
    assert samples(server, "rime_held_removals") == {("default",): 1}


def test_how_old_what_a_source_wrote_may_be_where_it_can_tell(plane):
    writer = plane.writer("file:conf")
    assert samples(plane.server(), "rime_source_staleness_seconds") == {}
    writer.staleness = lambda: 2.5
    assert samples(plane.server(), "rime_source_staleness_seconds") == {("default", "file:conf"): 2.5}


def test_how_long_changes_were_put_off():
    timer = VirtualTimer()
    plane = Plane(debounce=Debounce(quiet=0.5, max_wait=2.0), timer=timer)
    plane.server().subscribe(CLUSTER, wake=lambda: None).initial()
    plane.apply(CLUSTER, "a", b"")
    timer.pass_by(1)
    assert samples(plane.server(), "rime_debounce_seconds_count") == {("default", "clusters"): 1}
    assert samples(plane.server(), "rime_debounce_seconds_sum") == {("default", "clusters"): 0.5}


def test_whether_each_transport_listens(plane):
    server = plane.server(transports=[Running("grpc:a", "a"), Running("ws:b")])
    assert samples(server, "rime_transport_listening") == {("grpc:a",): 1, ("ws:b",): 0}


def test_each_group_has_its_own(plane):
    edge = Plane(base=plane)
    edge.apply(CLUSTER, "a", b"")
    server = plane.server(groups={"default": plane.server(), "edge": edge.server()})
    assert samples(server, "rime_resources") == {("edge", "clusters"): 1}


def test_how_clients_stand(plane):
    plane.apply(CLUSTER, "a", b"1")
    server, clock = plane.server(), Clock()
    FakeEnvoy(server, Node(id="nobody yet"), clock)
    synced, behind, refusing = (FakeEnvoy(server, Node(id=name), clock).ask(CLUSTER) for name in "abc")
    synced.catch_up()
    behind.read()
    refusing.answer(refusing.read(), error="clusters a: no")
    assert samples(server, "rime_clients") == {(): 3}
    FakeEnvoy(server, Node(id="a"), clock).ask(ENDPOINT, "e").catch_up()
    assert samples(server, "rime_clients") == {(): 3}, "another stream of the first"
    states = {state: value for (state, _), value in samples(server, "rime_streams").items()}
    assert states == {"synced": 2, "held": 0, "pending": 1, "rejected": 1}
    assert samples(server, "rime_subscriptions")["rejected", "clusters"] == 1
    assert samples(server, "rime_unacknowledged")["clusters",] == 1
    assert samples(server, "rime_rejected")["clusters",] == 1
    assert samples(server, "rime_held")["clusters",] == 0


def test_what_clients_were_sent_and_what_became_of_it(plane):
    plane.apply(CLUSTER, "a", b"1")
    server, clock = plane.server(), Clock()
    metrics = Metrics(server)
    envoy = FakeEnvoy(server, Node(id="n"), clock).ask(CLUSTER).catch_up()
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "b", b"1")
    batch = envoy.read()
    clock.time += 0.2
    envoy.answer(batch)
    plane.apply(CLUSTER, "b", b"2")
    envoy.answer(envoy.read(), error="no")
    of = ("grpc", "clusters")
    assert samples(server, "rime_sent_total", metrics) == {of: 3}
    assert samples(server, "rime_sent_resources_total", metrics) == {of: 4}
    assert samples(server, "rime_sent_bytes_total", metrics) == {of: 3 * envoy.SIZE}
    assert samples(server, "rime_acknowledgements_total", metrics) == {of: 2}
    assert samples(server, "rime_rejections_total", metrics) == {of: 1}
    buckets = samples(server, "rime_propagation_seconds_bucket", metrics)
    assert {bound: count for (bound, *_), count in buckets.items() if 0.01 < float(bound) < 1} == {
        "0.025": 0, "0.05": 0, "0.1": 0, "0.25": 1, "0.5": 1,
    }  # fmt: skip
    assert buckets["+Inf", *of] == 1
    assert samples(server, "rime_propagation_seconds_count", metrics) == {of: 1}
    assert samples(server, "rime_propagation_seconds_sum", metrics)[of] == pytest.approx(0.2)


def test_whoever_asks_for_metrics_is_told_the_same_sums(plane):
    plane.apply(CLUSTER, "a", b"1")
    server = plane.server()
    one, other = Metrics(server), Metrics(plane.server())
    FakeEnvoy(server, Node(id="n"), Clock()).ask(CLUSTER).catch_up()
    told = [samples(server, "rime_sent_total", each) for each in (one, other)]
    assert told == [{("grpc", "clusters"): 1}] * 2


def test_the_process_is_told_too(plane):
    assert samples(plane.server(), "process_resident_memory_bytes")[()] > 1_000_000
