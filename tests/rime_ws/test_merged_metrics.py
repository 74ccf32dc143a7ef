"""The metrics of several workers as one answer."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rime_core import CLUSTER, Node, Plane
from rime_ws.merged_metrics import merge
from rime_ws.metrics import Metrics
from tests.rime_ws.talk import Clock, FakeEnvoy


def worker(*clients):
    """The metrics of a worker with these clients, and one cluster as all have it."""
    plane = Plane()
    plane.apply(CLUSTER, "a", b"")
    for port, name in enumerate(clients):
        FakeEnvoy(plane.server(), Node(id=name), Clock(), peer=f"10.0.0.1:{port}").ask(CLUSTER).catch_up()
    return Metrics(plane.server()).text().decode()


def samples(texts, name):
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(merge(texts).decode())
        for sample in family.samples
        if sample.name == name and sample.value
    ]


def test_what_each_counts_is_told_apart():
    found = samples({2: worker("a", "b"), 1: worker("c")}, "rime_streams")

    assert found == [
        ({"transport": "grpc", "state": "synced", "worker": "2"}, 2),
        ({"transport": "grpc", "state": "synced", "worker": "1"}, 1),
    ]


@pytest.mark.parametrize("name", ["rime_changes_total", "rime_ready", "process_resident_memory_bytes"])
def test_so_are_counters_and_what_is_of_a_process(name):
    assert [labels["worker"] for labels, _ in samples({1: worker(), 2: worker()}, name)] == ["1", "2"]


def test_resources_are_the_same_in_each_and_told_once():
    assert samples({2: worker(), 1: worker()}, "rime_resources") == [({"group": "default", "type": "clusters"}, 1)]


def test_a_worker_that_does_not_answer_is_down_and_the_others_are_told():
    texts = {1: worker("a"), 2: None}

    assert samples(texts, "rime_worker_up") == [({"worker": "1"}, 1)]
    assert 'rime_worker_up{worker="2"} 0.0' in merge(texts).decode()
    assert [labels["worker"] for labels, _ in samples(texts, "rime_streams")] == ["1"]


def test_histograms_stay_histograms():
    text = """\
# HELP rime_delay_seconds From here to there.
# TYPE rime_delay_seconds histogram
rime_delay_seconds_bucket{le="0.1"} 1.0
rime_delay_seconds_bucket{le="+Inf"} 3.0
rime_delay_seconds_count 3.0
rime_delay_seconds_sum 4.5
"""
    answer = merge({1: text, 2: text}).decode()

    assert answer.count("# TYPE rime_delay_seconds histogram") == 1
    assert 'rime_delay_seconds_bucket{le="+Inf",worker="2"} 3.0' in answer
    assert 'rime_delay_seconds_sum{worker="1"} 4.5' in answer
