"""Sent, acknowledged and rejected are three facts, kept for whole responses and in bounded space."""

import pytest

from rime_core import CLUSTER, Plane
from rime_core.delivery import FEW, IN_FLIGHT, MANY, Rejected
from rime_core.parties import BEFORE_INITIAL


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


# --- what is on its way is one account for all, until one client says something of it


@pytest.mark.parametrize("said", ["one acknowledged", "rejected", "given up"])
def test_what_one_client_says_of_what_many_were_sent_is_its_own_word(plane, said):
    one, other = (plane.server().subscribe(CLUSTER, ["a", "b"]) for _ in range(2))
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    update = one.initial()
    assert other.initial() is update
    if said == "one acknowledged":
        one.acknowledge("a", version(plane, "a"))
    elif said == "rejected":
        one.reject(update, "no", ["a"])
    else:
        one.discard(["a"])
    assert (other.in_flight, other.rejected, other.acknowledged("a")) == (1, {}, None)
    other.acknowledge_update(update)
    assert other.acknowledged("a") == version(plane, "a")


def test_of_those_that_were_sent_the_same_each_had_its_own_before(plane):
    fast, slow = (plane.server().subscribe(CLUSTER) for _ in range(2))
    for subscriber in (fast, slow):
        subscriber.initial()
    first = sent(plane, fast, a=b"1")
    fast.acknowledge_update(first)
    second = sent(plane, fast, a=b"2")
    assert slow.poll() is second
    assert (fast.acknowledged("a"), slow.acknowledged("a")) == (first.resources[0].version, None)


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


def test_one_that_is_acknowledged_by_name_says_nothing_of_what_was_sent_before_it(plane, subscriber):
    sent(plane, subscriber, a=b"1")
    sent(plane, subscriber, b=b"1")
    subscriber.acknowledge("b", version(plane, "b"))
    assert subscriber.acknowledged("a") is None
    assert subscriber.in_flight == 1


def test_what_was_given_up_and_asked_for_again_is_acknowledged_with_what_was_sent_since(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1")
    subscriber = plane.server().subscribe(CLUSTER, ["a", "b"])
    first = subscriber.initial()
    subscriber.discard(["a"])
    subscriber.add(["a"])
    again = subscriber.poll()
    subscriber.acknowledge_update(first)
    assert (subscriber.acknowledged("a"), subscriber.acknowledged("b")) == (None, version(plane, "b"))
    subscriber.acknowledge_update(again)
    assert subscriber.acknowledged("a") == version(plane, "a")


def test_until_its_first_answer_is_settled_a_client_has_what_it_brought(plane):
    plane.apply(CLUSTER, "a", b"2")
    subscriber = plane.server().subscribe(CLUSTER)
    first = subscriber.initial({"a": "1"})
    assert subscriber.acknowledged("a") == "1"
    subscriber.acknowledge_update(first)
    assert subscriber.acknowledged("a") == version(plane, "a")


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


def test_what_was_sent_before_a_rejection_may_still_be_accepted(plane, subscriber):
    first = sent(plane, subscriber, a=b"1")
    second = sent(plane, subscriber, a=b"2")
    subscriber.reject(second, "no")
    subscriber.acknowledge_update(first)
    assert subscriber.acknowledged("a") == first.resources[0].version
    assert subscriber.rejected == {"a": Rejected(second.resources[0].version, "no")}


def test_of_two_versions_that_were_refused_the_later_stays_refused(plane, subscriber):
    first = sent(plane, subscriber, a=b"1")
    second = sent(plane, subscriber, a=b"2")
    subscriber.reject(second, "two")
    subscriber.reject(first, "one")
    assert subscriber.rejected == {"a": Rejected(second.resources[0].version, "two")}


def test_a_client_may_take_after_all_what_it_refused_or_refuse_it_for_another_reason(plane):
    plane.apply(CLUSTER, "a", b"1")
    subscriber = plane.server().subscribe(CLUSTER, ["a"])
    subscriber.reject(subscriber.initial(), "one")
    subscriber.add(["a"])
    subscriber.reject(subscriber.poll(), "two")
    assert subscriber.rejected == {"a": Rejected(version(plane, "a"), "two")}
    assert subscriber.acknowledged("a") is None
    subscriber.add(["a"])
    subscriber.acknowledge_update(subscriber.poll())
    assert subscriber.rejected == {}
    assert subscriber.acknowledged("a") == version(plane, "a")


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


@pytest.mark.parametrize("names", [1, FEW + 1])
def test_what_was_refused_is_so_no_longer_when_something_else_was_sent_whatever_became_of_that(
    plane, subscriber, names
):
    """The next version of `n0` is refused for the sake of `other`: nothing is known of it, and it may be the first."""
    first = {f"n{each}": b"1" for each in range(names)}
    subscriber.reject(sent(plane, subscriber, **first), "no")
    subscriber.reject(sent(plane, subscriber, n0=b"2", other=b"1"), "not that", ["other"])
    assert subscriber.refusal("n0") is None
    assert subscriber.rejected.keys() == {*first, "other"} - {"n0"}
    assert subscriber.acknowledged("n0") is None
    assert [resource.name for resource in sent(plane, subscriber, n0=b"1").resources] == ["n0"]


def test_of_two_large_responses_that_were_refused_the_first_does_not_count_again(plane, subscriber):
    for body in (b"1", b"2"):
        subscriber.reject(sent(plane, subscriber, **large(body)), "no")
    subscriber.reject(sent(plane, subscriber, n0=b"1", other=b"1"), "not that", ["other"])
    assert subscriber.refusal("n0") is None
    assert subscriber.refusal("n1") == Rejected(version(plane, "n1"), "no")


def test_what_is_sent_once_more_and_refused_for_the_sake_of_others_stays_refused(plane, subscriber):
    subscriber.reject(sent(plane, subscriber, **large(b"1")), "no")
    subscriber.add(["n0", "other"])
    subscriber.reject(subscriber.poll(), "not that", [])
    assert subscriber.refusal("n0") == Rejected(version(plane, "n0"), "no")


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


@pytest.mark.parametrize("refused", [None, ["n0"]])
@pytest.mark.parametrize(("names", "kept_as_one"), [(FEW, 0), (FEW + 1, 1)])
def test_a_rejection_of_few_is_kept_by_name_and_that_of_more_as_one(plane, subscriber, names, kept_as_one, refused):
    bodies = {f"n{each}": b"1" for each in range(names)}
    subscriber.reject(sent(plane, subscriber, **bodies), "no", refused)
    assert subscriber.rejected == dict.fromkeys(refused or bodies, Rejected(version(plane, "n0"), "no"))
    assert len(subscriber._flights) == kept_as_one


@pytest.mark.parametrize("names", [2, FEW, FEW + 1])
def test_of_what_was_rejected_for_some_of_its_resources_nothing_is_known_of_the_others(plane, subscriber, names):
    before, after = ({f"n{each}": body for each in range(names)} for body in (b"1", b"2"))
    subscriber.acknowledge_update(sent(plane, subscriber, **before))
    first = version(plane, "n0")
    subscriber.reject(sent(plane, subscriber, **after), "no", ["n0"])
    assert subscriber.in_flight == 0
    assert subscriber.rejected == {"n0": Rejected(version(plane, "n0"), "no")}
    assert [subscriber.acknowledged(name) for name in after] == [first] * names
    again = subscriber.repeat({name: version(plane, name) for name in after})
    assert {resource.name for resource in again.resources} == after.keys() - {"n0"}
    subscriber.acknowledge_update(again)
    assert [subscriber.acknowledged(name) for name in after] == [first, *[version(plane, "n0")] * (names - 1)]


def test_of_a_large_response_only_what_was_refused_is_kept_by_name(plane, subscriber):
    subscriber.reject(sent(plane, subscriber, **large(b"1")), "no", ["n0"])
    assert set(subscriber._behind) == {"n0"}


def test_of_a_change_in_parts_each_part_is_acknowledged_for_itself(plane):
    subscriber = plane.server().subscribe(CLUSTER, max_bytes=500)
    subscriber.initial()
    first = sent(plane, subscriber, a=bytes(400), b=bytes(400))
    second = subscriber.poll()
    subscriber.acknowledge_update(first)
    assert (subscriber.acknowledged("a"), subscriber.acknowledged("b")) == (version(plane, "a"), None)
    subscriber.acknowledge_update(second)
    assert subscriber.acknowledged("b") == version(plane, "b")


def test_it_is_known_up_to_which_change_everything_was_answered(plane, subscriber):
    assert plane.server().subscribe(CLUSTER).answered == BEFORE_INITIAL
    start = subscriber.answered
    first, second, third = (sent(plane, subscriber, **{name: b"1"}) for name in "xyz")
    assert [each.ordinal - start for each in (first, second, third)] == [1, 2, 3]
    assert subscriber.answered == start
    subscriber.acknowledge_update(second)
    assert subscriber.answered == start
    subscriber.reject(first, "no")
    assert subscriber.answered == second.ordinal
    subscriber.acknowledge_update(third)
    assert subscriber.answered == third.ordinal


def test_a_rejection_of_many_is_an_answer_as_well(plane, subscriber):
    update = sent(plane, subscriber, **large(b"1"))
    subscriber.reject(update, "no")
    later = sent(plane, subscriber, later=b"1")
    assert subscriber.answered == update.ordinal
    subscriber.acknowledge_update(later)
    assert subscriber.answered == later.ordinal


# --- bounds


def test_a_client_that_never_acknowledges_costs_a_bounded_number_of_manifests(plane, subscriber):
    start = subscriber.answered
    for each in range(3 * IN_FLIGHT):
        sent(plane, subscriber, **{f"n{each}": b"1"})
    assert subscriber.in_flight == IN_FLIGHT
    assert [subscriber.acknowledged(f"n{each}") for each in range(3 * IN_FLIGHT)] == [None] * 3 * IN_FLIGHT
    assert subscriber.answered == start


def test_what_is_not_told_apart_any_more_is_acknowledged_with_anything_that_was_sent_later(plane, subscriber):
    subscriber.acknowledge_update(sent(plane, subscriber, refused=b"1"))
    first = version(plane, "refused")
    subscriber.reject(sent(plane, subscriber, refused=b"2"), "no")
    subscriber.reject(sent(plane, subscriber, **large(b"1")), "no")
    subscriber.reject(sent(plane, subscriber, **{f"m{each}": b"1" for each in range(FEW + 1)}), "no")
    sent(plane, subscriber, n0=b"2", m0=b"2", other=b"1")
    updates = [sent(plane, subscriber, **{f"later {each}": b"1"}) for each in range(IN_FLIGHT)]
    assert [subscriber.acknowledged(name) for name in ("n0", "m0", "other", "refused")] == [None] * 3 + [first]
    subscriber.acknowledge_update(updates[1])
    assert [subscriber.acknowledged(name) for name in ("n0", "m0", "other")] == [
        version(plane, name) for name in ("n0", "m0", "other")
    ]
    assert subscriber.acknowledged("refused") == first
    assert (subscriber.acknowledged("n1"), subscriber.acknowledged("later 5")) == (None, None)


@pytest.mark.parametrize("refused", [FEW, FEW + 1])
def test_what_is_sent_beyond_the_bound_can_be_acknowledged_and_rejected_whatever_was_refused(
    plane, subscriber, refused
):
    subscriber.reject(sent(plane, subscriber, **{f"n{each}": b"1" for each in range(refused)}), "no")
    updates = [sent(plane, subscriber, **{f"later {each}": b"1"}) for each in range(IN_FLIGHT + 2)]
    assert subscriber.in_flight == IN_FLIGHT
    subscriber.reject(updates[-1], "bad")
    assert subscriber.refusal(f"later {IN_FLIGHT + 1}") == Rejected(version(plane, f"later {IN_FLIGHT + 1}"), "bad")
    subscriber.acknowledge_update(updates[-2])
    assert subscriber.acknowledged(f"later {IN_FLIGHT}") == version(plane, f"later {IN_FLIGHT}")
    assert subscriber.acknowledged(f"later {IN_FLIGHT + 1}") is None


def test_what_was_acknowledged_stays_so_when_what_was_sent_before_it_is_not_told_apart_any_more(plane, subscriber):
    sent(plane, subscriber, a=b"1")
    subscriber.acknowledge_update(sent(plane, subscriber, b=b"1"))
    for each in range(IN_FLIGHT):
        sent(plane, subscriber, **{f"later {each}": b"1"})
    assert subscriber.in_flight == IN_FLIGHT
    assert subscriber.acknowledged("b") == version(plane, "b")
    assert subscriber.acknowledged("a") == version(plane, "a"), "something later was accepted"
    assert subscriber.acknowledged("later 0") is None


def test_a_client_has_what_it_brought_until_its_first_answer_is_settled_though_it_is_not_told_apart_any_more(plane):
    plane.apply(CLUSTER, "a", b"2")
    subscriber = plane.server().subscribe(CLUSTER)
    subscriber.initial({"a": "1"})
    updates = [sent(plane, subscriber, **{f"later {each}": b"1"}) for each in range(IN_FLIGHT)]
    subscriber.reject(updates[-1], "no")
    assert subscriber.acknowledged("a") == "1"
    subscriber.acknowledge_update(updates[0])
    assert subscriber.acknowledged("a") == version(plane, "a")


class Holding:
    """A gate that holds the second version of `a`."""

    def passes(self, update):
        return False

    def holds(self, name, resource, had):
        return name == "a" and resource.body == b"2"

    def forget(self, name, *, given_up):
        pass


def test_what_is_held_is_acknowledged_no_sooner_because_what_was_sent_of_it_is_not_told_apart(plane):
    subscriber = plane.server().subscribe(CLUSTER, gate=Holding())
    subscriber.initial()
    first = sent(plane, subscriber, a=b"1", b=b"1")
    updates = [sent(plane, subscriber, a=b"2", **{"later 0": b"1"})]
    updates += [sent(plane, subscriber, **{f"later {each}": b"1"}) for each in range(1, IN_FLIGHT)]
    assert subscriber.held == {"a": first.resources[0].version}
    assert (subscriber.acknowledged("a"), subscriber.acknowledged("b")) == (None, None)
    subscriber.acknowledge_update(updates[0])
    assert subscriber.acknowledged("a") == first.resources[0].version
    assert subscriber.acknowledged("b") == first.resources[1].version


def test_of_a_name_that_is_given_up_nothing_counts_any_more(plane):
    plane.apply(CLUSTER, "a", b"1")
    subscriber = plane.server().subscribe(CLUSTER, ["a", "b"])
    subscriber.acknowledge_update(subscriber.initial())
    subscriber.reject(sent(plane, subscriber, a=b"2"), "no")
    subscriber.discard(["a"])
    assert subscriber.rejected == {}
    subscriber.add(["a"])
    assert subscriber.acknowledged("a") is None
    subscriber.acknowledge_update(subscriber.poll())
    assert subscriber.acknowledged("a") == version(plane, "a")


def test_what_is_in_flight_keeps_no_body(plane, subscriber):
    update = sent(plane, subscriber, a=b"1")
    assert [flight.manifest for flight in subscriber._flights] == [update.manifest]
    assert update.manifest.versions == {"a": version(plane, "a")}


def test_a_full_set_that_is_accepted_makes_good_for_all_that_was_refused(plane, subscriber):
    many = {f"n{number}": b"1" for number in range(100)}
    subscriber.reject(sent(plane, subscriber, a=b"1"), "no")
    subscriber.reject(sent(plane, subscriber, **many), "no")
    sent(plane, subscriber, b=b"1")
    assert set(subscriber.forgive()) == {"a", *many}
    assert subscriber.rejected == {}
    assert not subscriber.has_rejected
    assert [subscriber.acknowledged(name) for name in ("a", "n0")] == [version(plane, name) for name in ("a", "n0")]
    assert (subscriber.in_flight, subscriber.acknowledged("b")) == (1, None)
    assert set(subscriber.forgive()) == set()
