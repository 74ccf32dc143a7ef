"""A Plane may stand on another: it is ready and complete when both are, and what it writes and holds is its own."""

import pytest

from rime_core import CLUSTER, ENDPOINT, ClosedError, Debounce, Plane, UsageError
from tests.rime_core.client import Client, reading
from tests.rime_core.timer import VirtualTimer


@pytest.fixture
def base():
    return Plane()


@pytest.fixture
def group(base):
    return Plane(base=base)


# --- what it is made with


def test_it_has_the_digest_and_the_references_of_its_base():
    base = Plane(digest=lambda body: f"d{len(body)}", references=lambda *_: [(ENDPOINT, "e")])
    group = Plane(base=base)
    group.apply(CLUSTER, "a", b"123")
    resource = group.snapshot()[CLUSTER]["a"]
    assert (resource.version, resource.references) == ("d3", ((ENDPOINT, "e"),))


@pytest.mark.parametrize(
    "option",
    [
        {"digest": str},
        {"references": lambda *_: []},
        {"policies": {}},
        {"debounce": Debounce(0, 0)},
        {"timer": VirtualTimer()},
    ],
)
def test_it_cannot_have_others(base, option):
    with pytest.raises(
        UsageError,
        match=r"^a group has digest, references, policies, debounce and timer of its base: give them to that$",
    ):
        Plane(base=base, **option)


def test_a_group_stands_on_no_group(group):
    with pytest.raises(UsageError, match=r"^a group cannot stand on a group: give it the same base$"):
        Plane(base=group)


# --- readiness and completeness


def test_it_is_ready_when_both_are(base, group):
    ours, theirs = group.writer("ours"), base.writer("theirs")
    server, called = group.server(), []
    server.when_ready(lambda: called.append(server.ready))
    ours.ready()
    assert (group.answering, called) == (False, [])
    theirs.ready()
    assert (group.answering, called) == (True, [True])


def test_the_base_does_not_wait_for_its_groups(base, group):
    group.writer("ours")
    assert not group.answering
    assert base.answering


def test_a_wait_that_is_over_in_the_base_is_over_in_its_groups(base, group):
    base.writer("theirs")
    base.open()
    assert group.answering


def test_it_is_complete_when_both_are(base, group):
    for plane in (base, group):
        plane.incomplete(["a file"])
        assert not group.complete
        plane.incomplete([])
        assert group.complete
    group.incomplete(["a file"])
    assert base.complete


def test_its_removals_wait_for_the_base_to_be_complete(base, group):
    group.apply(CLUSTER, "a", b"own")
    base.incomplete(["a file of the base", "another"])
    assert group.remove(CLUSTER, "a") is False
    (held,) = group.status().held
    assert held.why == "a file of the base (and 1 more)"
    base.incomplete([])
    assert CLUSTER not in group.snapshot()


def test_the_bases_removals_do_not_wait_for_a_group(base, group):
    base.apply(CLUSTER, "a", b"1")
    group.incomplete(["a file"])
    assert base.remove(CLUSTER, "a") is True


def test_what_a_client_knows_is_kept_until_both_are_complete(base, group):
    base.incomplete(["a file"])
    client = Client(group)
    assert client.begin({"a": "v"}) == ({}, set())
    assert client.subscriber.kept == {"a"}
    base.incomplete([])
    assert client.poll() == ({}, {"a"})


def test_each_says_itself_what_it_lacks():
    told: dict[str, list[str]] = {"base": [], "group": []}
    base = Plane(report=lambda notice: told["base"].append(notice.kind))
    group = Plane(base=base, report=lambda notice: told["group"].append(notice.kind))
    base.incomplete(["a file"])
    base.incomplete([])
    assert told == {"base": ["incomplete", "complete"], "group": []}
    group.incomplete(["a file"])
    group.incomplete([])
    assert told["group"] == ["incomplete", "complete"]


# --- reading


def test_its_snapshot_is_of_both_and_made_anew_when_either_changes(base, group):
    base.apply(CLUSTER, "a", b"base")
    base.apply(CLUSTER, "b", b"base")
    base.apply(ENDPOINT, "e", b"base")
    group.apply(CLUSTER, "a", b"own")
    snapshot = group.snapshot()
    assert group.snapshot() is snapshot
    assert set(snapshot) == {CLUSTER, ENDPOINT}
    clusters = snapshot[CLUSTER]
    assert {name: resource.body for name, resource in clusters.items()} == {"a": b"own", "b": b"base"}
    assert (len(clusters), "a" in clusters, "b" in clusters, "c" in clusters) == (2, True, True, False)
    base.apply(CLUSTER, "c", b"base")
    assert len(group.snapshot()[CLUSTER]) == 3
    assert len(clusters) == 2, "it is immutable"


def test_commits_of_both_count(base, group):
    base.apply(CLUSTER, "a", b"1")
    group.apply(CLUSTER, "a", b"1")
    assert (base.sequence, group.sequence, group.status().sequence) == (1, 2, 2)


def test_a_type_that_the_base_knows_is_known(base, group):
    assert not group.server().knows(CLUSTER)
    base.apply(CLUSTER, "a", b"1")
    assert group.server().knows(CLUSTER)


# --- life


def test_a_closed_group_leaves_its_base(base, group):
    base.apply(CLUSTER, "a", b"1")
    group.apply(CLUSTER, "a", b"own")
    group.apply(ENDPOINT, "e", b"own")
    client = reading(group)
    group.close()
    assert base.store.indexes[CLUSTER].groups == 0
    group.close()
    assert base.store.indexes[CLUSTER].groups == 0
    assert client.subscriber.closed
    assert not base.store.groups
    assert not base.store.indexes[CLUSTER].subscribers
    assert ENDPOINT not in base.store.indexes, "it was there for the group alone"
    with pytest.raises(ClosedError):
        group.apply(CLUSTER, "a", b"2")
    assert base.apply(CLUSTER, "a", b"2")


def test_a_writer_of_a_closed_group_that_watched_can_be_given_up(base, group):
    writer = group.writer("source")
    writer.watch(CLUSTER, lambda *_: None)
    group.close()
    writer.abandon()
    assert CLUSTER not in base.store.indexes


def test_closing_the_base_closes_what_stands_on_it(base, group):
    client = reading(group)
    group.apply(CLUSTER, "a", b"1")
    base.close()
    assert client.subscriber.closed
    with pytest.raises(ClosedError):
        group.apply(CLUSTER, "a", b"2")
    with pytest.raises(ClosedError):
        group.server().subscribe(CLUSTER)
    with pytest.raises(ClosedError):
        Plane(base=base)


def test_the_base_counts_the_groups_that_stand_on_it(base, group):
    other = Plane(base=base)
    group.apply(CLUSTER, "a", b"1")
    other.apply(CLUSTER, "a", b"2")
    group.close()
    assert base.store.indexes[CLUSTER].groups == 1
    other.close()
    assert CLUSTER not in base.store.indexes


def test_the_bases_order_of_change_is_kept_for_as_long_as_a_group_stands_on_it(base, group):
    base.apply(CLUSTER, "a", b"1")
    group.apply(CLUSTER, "b", b"1")
    for index in (base.store.indexes[CLUSTER], group.store.indexes[CLUSTER]):
        assert index.tombstone_limit > 0
    client = reading(base)
    base.remove(CLUSTER, "a")
    client.subscriber.close()
    late = reading(group)
    base.apply(CLUSTER, "a", b"2")
    assert late.poll() == ({"a": b"2"}, set())


# --- what refers to what


def test_what_the_base_refers_to_with_what_is_covered_it_refers_to_no_more():
    base = Plane(references=lambda _, body: [(ENDPOINT, body.decode())])
    group = Plane(base=base)
    cluster = (CLUSTER, "a")
    base.apply(CLUSTER, "a", b"e")
    server = group.server()
    assert list(server.referrers(ENDPOINT, "e")) == [(cluster, None)]
    group.apply(CLUSTER, "a", b"f")
    assert list(server.referrers(ENDPOINT, "e")) == [(cluster, 2)]
    assert list(server.referrers(ENDPOINT, "f")) == [(cluster, None)]
    group.remove(CLUSTER, "a")
    assert list(server.referrers(ENDPOINT, "e")) == [(cluster, None)]
    assert list(server.referrers(ENDPOINT, "f")) == [(cluster, 3)]


def test_what_ended_in_the_base_ended_then_whatever_covers_it_since():
    base = Plane(references=lambda _, body: [(ENDPOINT, body.decode())])
    group = Plane(base=base)
    base.apply(CLUSTER, "a", b"e")
    base.apply(CLUSTER, "a", b"f")
    group.apply(CLUSTER, "a", b"g")
    assert list(group.server().referrers(ENDPOINT, "e")) == [((CLUSTER, "a"), 2)]
