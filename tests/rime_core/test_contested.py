"""Who comes first in the configuration has a contested name, whoever came first in time."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER, ROUTE, Notice, Plane, Resource
from rime_core.contested import Contested
from rime_core.policy import Policy

KEY = (CLUSTER, "a")


def body(plane):
    resource = plane.snapshot()[CLUSTER].get("a")
    return resource.body if resource is not None else None


def made(order=("first", "second", "third"), **options):
    plane = Plane(**options)
    writers = {name: plane.writer(name, allow_empty=True) for name in order}
    for writer in writers.values():
        writer.ready()
    return plane, writers


# --- who has it


@pytest.mark.parametrize("order", list(itertools.permutations(["first", "second", "third"])))
def test_the_first_in_the_configuration_has_it_whoever_came_first_in_time(order):
    plane, writers = made()
    for name in order:
        writers[name].apply(CLUSTER, "a", name.encode())
    assert body(plane) == b"first"


def test_the_program_comes_before_every_source():
    plane, writers = made()
    writers["first"].apply(CLUSTER, "a", b"first")
    plane.apply(CLUSTER, "a", b"program")
    assert body(plane) == b"program"


def test_who_lost_takes_over_when_the_winner_gives_the_name_up():
    plane, writers = made()
    for name, writer in writers.items():
        writer.apply(CLUSTER, "a", name.encode())
    writers["third"].apply(CLUSTER, "a", b"third, newer")
    assert writers["first"].remove(CLUSTER, "a") is True
    assert body(plane) == b"second"
    writers["second"].remove(CLUSTER, "a")
    assert body(plane) == b"third, newer"
    writers["third"].remove(CLUSTER, "a")
    assert body(plane) is None


def test_what_is_taken_over_counts_beside_what_is_there():
    plane, writers = made()

    def counts():
        return {each.name: each.resources for each in plane.status().writers if each.resources}

    for name in ("first", "second"):
        writers[name].apply(CLUSTER, f"of the {name}", b"")
    for name in ("second", "first"):
        writers[name].apply(CLUSTER, "a", name.encode())
    assert counts() == {"first": 2, "second": 1}
    writers["first"].remove(CLUSTER, "a")
    assert counts() == {"first": 1, "second": 2}


def test_what_is_taken_over_refers_to_its_own_and_no_longer_to_the_others():
    _, writers = made(
        references=lambda _, body: [(CLUSTER, body.decode())] if body else [],
        policies={CLUSTER: Policy(removal="when unreferenced")},
    )
    for name in ("first", "second"):
        writers["third"].apply(CLUSTER, name, b"")
        writers[name].apply(ROUTE, "r", name.encode())
    writers["first"].remove(ROUTE, "r")
    assert [writers["third"].remove(CLUSTER, name) for name in ("first", "second")] == [True, False]


def test_who_lost_may_give_up():
    plane, writers = made()
    writers["first"].apply(CLUSTER, "a", b"first")
    writers["second"].apply(CLUSTER, "a", b"second")
    assert writers["second"].remove(CLUSTER, "a") is False
    assert not plane.status().contested
    writers["first"].remove(CLUSTER, "a")
    assert body(plane) is None


def test_what_is_written_and_lost_changes_nothing_for_clients():
    plane, writers = made()
    writers["first"].apply(CLUSTER, "a", b"first")
    before = plane.snapshot()
    assert writers["second"].apply(CLUSTER, "a", b"second") is False
    assert plane.snapshot() is before


def test_taking_over_the_same_content_sends_nothing():
    plane, writers = made()
    subscriber = plane.server().subscribe(CLUSTER)
    writers["first"].apply(CLUSTER, "a", b"same")
    writers["second"].apply(CLUSTER, "a", b"same")
    subscriber.initial()
    assert writers["first"].remove(CLUSTER, "a") is False
    assert subscriber.poll() is None
    assert body(plane) == b"same"
    assert [each.resources for each in plane.status().writers] == [0, 0, 1, 0]


def test_a_name_that_its_owner_would_remove_is_free():
    plane, writers = made()
    writers["first"].apply(CLUSTER, "a", b"first")
    writers["third"].incomplete(["cannot be read"])
    writers["first"].remove(CLUSTER, "a")
    assert writers["second"].apply(CLUSTER, "a", b"second") is True
    assert body(plane) == b"second"
    assert not plane.status().held


def test_a_name_taken_over_does_not_wait_for_a_complete_view():
    plane, writers = made()
    writers["first"].apply(CLUSTER, "a", b"first")
    writers["second"].apply(CLUSTER, "a", b"second")
    writers["third"].incomplete(["cannot be read"])
    writers["first"].remove(CLUSTER, "a")
    assert body(plane) == b"second"
    assert not plane.status().held


# --- what is said


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_a_double_claim_is_reported_once_naming_both(order):
    notices: list[Notice] = []
    _, writers = made(("first", "second"), report=notices.append)
    notices.clear()
    for each in range(3):
        for name in order:
            writers[name].apply(CLUSTER, "a", name.encode() + b"%d" % each)
    assert [(notice.kind, notice.text) for notice in notices] == [
        (
            "conflict",
            "cluster 'a' is claimed by first and by second; first has it, as it comes first in the configuration",
        )
    ]


def test_status_names_all_claimants_the_winner_first():
    plane, writers = made()
    for name in ("third", "first", "second"):
        writers[name].apply(CLUSTER, "a", name.encode())
    assert plane.status().contested[KEY][0] == "first"
    assert set(plane.status().contested[KEY]) == {"first", "second", "third"}


# --- the same result in every order

WRITERS = ("first", "second", "third")
ACTS = st.lists(st.tuples(st.sampled_from(WRITERS), st.none() | st.sampled_from([b"1", b"2"])), max_size=8)


@given(ACTS, st.randoms(use_true_random=False))
def test_the_order_of_different_writers_does_not_matter(acts, random):
    """Each writer does its own acts in their order; how those of different writers interleave makes no difference."""

    def result(interleaved):
        plane, writers = made()
        for name, content in interleaved:
            if content is None:
                writers[name].remove(CLUSTER, "a")
            else:
                writers[name].apply(CLUSTER, "a", content)
        owned = [status.resources for status in plane.status().writers]
        return body(plane), owned, {key: set(names) for key, names in plane.status().contested.items()}

    queues = {name: [act for act in acts if act[0] == name] for name in WRITERS}
    order = [act[0] for act in acts]
    random.shuffle(order)
    shuffled = [queues[name].pop(0) for name in order]
    assert result(shuffled) == result(acts)


# --- the room itself


def test_nothing_is_kept_of_a_name_that_nobody_waits_for():
    plane, writers = made(("first",))
    contested, resource = Contested(), Resource(CLUSTER, "a", "v", b"")
    writer = writers["first"]
    assert contested.heir(KEY) is None
    assert contested.wait(KEY, writer, resource)
    assert not contested.wait(KEY, writer, resource)
    assert list(contested) == [KEY]
    assert KEY in contested
    assert contested.heir(KEY) == (writer, resource)
    assert list(contested.names(writer, CLUSTER)) == ["a"]
    assert list(contested.names(plane, CLUSTER)) == []
    contested.withdraw(KEY, plane)
    assert contested
    contested.withdraw(KEY, writer)
    assert not contested
    assert contested.claimants(KEY) == {}
