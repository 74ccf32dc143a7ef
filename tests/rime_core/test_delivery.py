"""Sent, acknowledged and rejected are three facts, kept for whole responses and in bounded space."""

import pytest

from rime_core import CLUSTER, Plane
from rime_core.delivery import FEW, IN_FLIGHT, MANY, Rejected


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def subscriber(plane):
    subscriber = plane.server().subscribe(CLUSTER)
    subscriber.initial()
    return subscriber


def sent(plane, subscriber, **bodies):
    """What is sent after `bodies` were applied in one transaction; None removes."""
    with plane.transaction() as change:
        for name, body in bodies.items():
            if body is None:
                change.remove(CLUSTER, name)
            else:
                change.apply(CLUSTER, name, body)
    return subscriber.poll()


def version(plane, name):
    return plane.snapshot()[CLUSTER][name].version


# --- acknowledging


def test_nothing_is_acknowledged_because_it_was_sent(plane, subscriber):
    sent(plane, subscriber, a=b"1")
    assert subscriber.in_flight == 1
    assert subscriber.acknowledged("a") is None


def test_a_whole_update_is_acknowledged_at_once(plane, subscriber):
    update = sent(plane, subscriber, a=b"1", b=b"1")
    subscriber.acknowledge_update(update)
    assert subscriber.in_flight == 0
    assert subscriber.acknowledged("a") == version(plane, "a")
    assert subscriber.acknowledged("b") == version(plane, "b")


def test_resources_are_acknowledged_one_by_one(plane, subscriber):
    sent(plane, subscriber, a=b"1", b=b"1")
    subscriber.acknowledge("a", version(plane, "a"))
    assert subscriber.acknowledged("a") == version(plane, "a")
    assert subscriber.acknowledged("b") is None
    assert subscriber.in_flight == 1
    subscriber.acknowledge("b", version(plane, "b"))
    assert subscriber.in_flight == 0


def test_while_the_next_is_in_flight_the_last_one_stands(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, a=b"1"))
    first = version(plane, "a")
    second = sent(plane, subscriber, a=b"2")
    third = sent(plane, subscriber, a=b"3")
    assert subscriber.acknowledged("a") == first
    subscriber.acknowledge_update(second)
    assert subscriber.acknowledged("a") == second.resources[0].version
    subscriber.acknowledge_update(third)
    assert subscriber.acknowledged("a") == version(plane, "a")


def test_updates_may_be_acknowledged_out_of_order(plane, subscriber):
    first = sent(plane, subscriber, a=b"1")
    second = sent(plane, subscriber, b=b"1")
    subscriber.acknowledge_update(second)
    assert subscriber.acknowledged("a") is None
    assert subscriber.acknowledged("b") == version(plane, "b")
    subscriber.acknowledge_update(first)
    assert subscriber.acknowledged("a") == version(plane, "a")


def test_a_removal_is_acknowledged_with_its_update(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, a=b"1"))
    first = version(plane, "a")
    update = sent(plane, subscriber, a=None)
    assert subscriber.acknowledged("a") == first
    subscriber.acknowledge_update(update)
    assert subscriber.acknowledged("a") is None


def test_a_removal_counts_as_acknowledged_with_what_came_after_it(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, a=b"1"))
    sent(plane, subscriber, a=None)
    sent(plane, subscriber, a=b"2")
    subscriber.acknowledge("a", version(plane, "a"))
    assert subscriber.acknowledged("a") == version(plane, "a")
    assert subscriber.in_flight == 0


@pytest.mark.parametrize("how", ["twice", "never sent", "another version", "another name"])
def test_what_is_not_in_flight_is_ignored(plane, subscriber, how):
    update = sent(plane, subscriber, a=b"1")
    if how == "twice":
        subscriber.acknowledge_update(update)
        subscriber.acknowledge_update(update)
        subscriber.reject(update, "too late")
        assert subscriber.acknowledged("a") == version(plane, "a")
        assert not subscriber.rejected
        return
    if how == "never sent":
        plane.apply(CLUSTER, "b", b"1")
        subscriber.acknowledge_update(plane.server().subscribe(CLUSTER).initial())
    elif how == "another version":
        subscriber.acknowledge("a", "other")
    else:
        subscriber.acknowledge("b", version(plane, "a"))
    assert subscriber.in_flight == 1
    assert subscriber.acknowledged("a") is None


# --- rejecting


def test_a_rejection_is_kept_with_its_reason(plane, subscriber):
    update = sent(plane, subscriber, a=b"1")
    subscriber.reject(update, "no such host")
    assert subscriber.rejected == {"a": Rejected(version(plane, "a"), "no such host")}
    assert subscriber.in_flight == 0


def test_what_was_applied_before_a_rejection_still_is(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, a=b"1"))
    first = version(plane, "a")
    subscriber.reject(sent(plane, subscriber, a=b"2"), "no")
    assert subscriber.acknowledged("a") == first


def test_the_next_version_ends_a_rejection(plane, subscriber):
    subscriber.reject(sent(plane, subscriber, a=b"1", b=b"1"), "no")
    update = sent(plane, subscriber, a=b"2")
    assert set(subscriber.rejected) == {"b"}
    subscriber.acknowledge_update(update)
    assert subscriber.acknowledged("a") == version(plane, "a")
    sent(plane, subscriber, b=None)
    assert subscriber.rejected == {}


def test_a_rejected_removal_is_recorded_and_not_repeated(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, a=b"1"))
    first = version(plane, "a")
    subscriber.reject(sent(plane, subscriber, a=None), "no", nonce="n", at=3.0)
    assert subscriber.rejected == {"a": Rejected(None, "no", "n", 3.0)}
    assert subscriber.acknowledged("a") == first
    assert sent(plane, subscriber, b=b"1").removed == ()
    assert sent(plane, subscriber, a=b"1").resources[0].name == "a"
    assert subscriber.rejected == {}


def test_each_rejection_has_its_own_reason(plane, subscriber):
    subscriber.reject(sent(plane, subscriber, a=b"1"), "one")
    subscriber.reject(sent(plane, subscriber, b=b"1"), "two")
    assert {name: rejected.why for name, rejected in subscriber.rejected.items()} == {"a": "one", "b": "two"}


# --- rejecting a large response


def large(body):
    return {f"n{each}": body for each in range(FEW + 1)}


def test_a_large_response_is_refused_as_each_of_it_would_be(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, **large(b"1")))
    first = version(plane, "n0")
    subscriber.reject(sent(plane, subscriber, **large(b"2")), "no")
    assert subscriber.has_rejected
    assert subscriber.rejected == dict.fromkeys(large(b""), Rejected(version(plane, "n0"), "no"))
    assert subscriber.refusal("n7") == Rejected(version(plane, "n7"), "no")
    assert subscriber.refusal("other") is None
    assert subscriber.acknowledged("n7") == first


def test_of_a_large_response_too_each_next_version_ends_its_rejection(plane, subscriber):
    subscriber.reject(sent(plane, subscriber, **large(b"1")), "no")
    subscriber.acknowledge_update(sent(plane, subscriber, n0=b"2"))
    assert subscriber.refusal("n0") is None
    assert set(subscriber.rejected) == large(b"").keys() - {"n0"}
    assert subscriber.acknowledged("n0") == version(plane, "n0")


def test_one_and_many_that_were_refused_are_told_apart(plane, subscriber):
    subscriber.reject(sent(plane, subscriber, a=b"1"), "one")
    subscriber.reject(sent(plane, subscriber, **large(b"1")), "many")
    assert subscriber.refusal("a") == Rejected(version(plane, "a"), "one")
    assert subscriber.refusal("n0") == Rejected(version(plane, "n0"), "many")


@pytest.mark.parametrize("responses", [MANY, MANY + 1, MANY + 3])
def test_however_many_large_responses_are_refused_each_keeps_its_reason(plane, subscriber, responses):
    for each in range(responses):
        bodies = {f"{each} {name}": body for name, body in large(b"1").items()}
        subscriber.reject(sent(plane, subscriber, **bodies), f"reason {each}")
    assert len(subscriber.rejected) == responses * (FEW + 1)
    for each in range(responses):
        name = f"{each} n0"
        assert subscriber.refusal(name) == Rejected(version(plane, name), f"reason {each}")
    assert len(subscriber._flights) == MANY


def test_a_late_rejection_of_many_says_nothing_of_what_was_sent_since_nor_of_others(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, gone=b"1"))
    many = sent(plane, subscriber, **large(b"1"), gone=None)
    sent(plane, subscriber, n0=b"2")
    subscriber.reject(many, "no")
    assert subscriber.rejected == {
        **{name: Rejected(version(plane, "n1"), "no") for name in large(b"") if name != "n0"},
        "gone": Rejected(None, "no"),
    }
    assert subscriber.refusal("n0") is None


def test_of_a_change_in_parts_each_part_is_acknowledged_for_itself(plane):
    subscriber = plane.server().subscribe(CLUSTER, max_bytes=500)
    subscriber.initial()
    first = sent(plane, subscriber, a=bytes(400), b=bytes(400))
    second = subscriber.poll()
    subscriber.acknowledge_update(first)
    assert (subscriber.acknowledged("a"), subscriber.acknowledged("b")) == (version(plane, "a"), None)
    subscriber.acknowledge_update(second)
    assert subscriber.acknowledged("b") == version(plane, "b")


# --- bounds


def test_a_client_that_never_acknowledges_costs_a_bounded_number_of_manifests(plane, subscriber):
    for each in range(3 * IN_FLIGHT):
        sent(plane, subscriber, **{f"n{each}": b"1"})
    assert subscriber.in_flight == IN_FLIGHT
    assert [subscriber.acknowledged(f"n{each}") for each in range(3 * IN_FLIGHT)] == [None] * 3 * IN_FLIGHT


def test_what_is_in_flight_keeps_no_body(plane, subscriber):
    update = sent(plane, subscriber, a=b"1")
    assert [flight.manifest for flight in subscriber._flights] == [update.manifest]
    assert update.manifest.versions == {"a": version(plane, "a")}


def test_a_full_set_that_is_accepted_makes_good_for_all_that_was_refused(plane, subscriber):
    many = {f"n{number}": b"1" for number in range(100)}
    subscriber.reject(sent(plane, subscriber, a=b"1"), "no")
    subscriber.reject(sent(plane, subscriber, **many), "no")
    assert set(subscriber.forgive()) == {"a", *many}
    assert subscriber.rejected == {}
    assert not subscriber.has_rejected
    assert subscriber.acknowledged("a") == version(plane, "a")
    assert set(subscriber.forgive()) == set()
