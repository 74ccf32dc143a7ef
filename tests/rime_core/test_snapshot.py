"""A Snapshot is everything at one moment, for good; it costs what changed, and only when somebody asks."""

import threading

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, Plane


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ENDPOINT, "e", b"1")
    return plane


def test_it_maps_type_and_name_to_resource(plane):
    snapshot = plane.snapshot()
    assert snapshot[CLUSTER]["a"].body == b"1"
    assert set(snapshot) == {CLUSTER, ENDPOINT}
    assert len(snapshot) == 2
    assert CLUSTER in snapshot


def test_a_type_without_resources_is_empty_and_not_an_error(plane):
    plane.server().subscribe(LISTENER)
    snapshot = plane.snapshot()
    assert snapshot[LISTENER] == {}
    assert LISTENER not in snapshot


def test_it_stays_as_it_is(plane):
    before = plane.snapshot()
    plane.apply(CLUSTER, "a", b"2")
    plane.remove(ENDPOINT, "e")
    assert before[CLUSTER]["a"].body == b"1"
    assert "e" in before[ENDPOINT]
    after = plane.snapshot()
    assert after[CLUSTER]["a"].body == b"2"
    assert ENDPOINT not in after
    assert after.sequence == before.sequence + 2


def test_a_group_counts_its_own_and_what_it_does_not_hide(plane):
    group = Plane(base=plane)
    group.apply(CLUSTER, "a", b"own")
    group.apply(CLUSTER, "b", b"own")
    assert len(group.snapshot()[CLUSTER]) == 2


def test_nobody_can_write_into_it(plane):
    snapshot = plane.snapshot()
    with pytest.raises(TypeError):
        snapshot[CLUSTER] = {}
    with pytest.raises(TypeError):
        snapshot[CLUSTER]["b"] = snapshot[CLUSTER]["a"]
    with pytest.raises(TypeError):
        snapshot[LISTENER]["b"] = snapshot[CLUSTER]["a"]


def test_without_a_change_it_is_the_same_one(plane):
    first = plane.snapshot()
    plane.apply(CLUSTER, "a", b"1")
    plane.remove(CLUSTER, "nothing")
    assert plane.snapshot() is first
    assert plane.server().snapshot() is first


def test_only_the_types_that_changed_are_copied(plane):
    first = plane.snapshot()
    plane.apply(CLUSTER, "b", b"1")
    second = plane.snapshot()
    assert second[ENDPOINT] is first[ENDPOINT]
    assert second[CLUSTER] is not first[CLUSTER]


def test_half_a_transaction_is_never_in_it(plane):
    with plane.transaction() as change:
        change.apply(CLUSTER, "a", b"2")
        assert plane.snapshot()[CLUSTER]["a"].body == b"1"
        change.apply(ENDPOINT, "e", b"2")
    snapshot = plane.snapshot()
    assert (snapshot[CLUSTER]["a"].body, snapshot[ENDPOINT]["e"].body) == (b"2", b"2")


def test_another_thread_reads_one_moment_while_this_one_writes(plane):
    server = plane.server()
    snapshot, go_on, seen = server.snapshot(), threading.Event(), []

    def read():
        for name, resource in snapshot[CLUSTER].items():
            go_on.wait(10)
            seen.append((name, resource.body))

    reader = threading.Thread(target=read)
    reader.start()
    for each in range(100):
        plane.apply(CLUSTER, f"more{each}", b"")
    plane.remove(CLUSTER, "a")
    go_on.set()
    reader.join(10)
    assert seen == [("a", b"1")]


def test_it_shows_its_size(plane):
    assert repr(plane.snapshot()) == "Snapshot(sequence=2, 2 resources)"
