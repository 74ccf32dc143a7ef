"""A set of names is kept once for a base and its groups; a change wakes those whom it concerns and nobody else."""

import pytest

from rime_core import CLUSTER, Plane
from tests.rime_core.client import reading

NAMES = ["a", "b", "c"]


class Waiting:
    """A client that waits for what it may be sent."""

    def __init__(self, plane, names=NAMES):
        self.wakes = 0
        self.client = reading(plane, names, wake=self.woken)
        self.subscriber = self.client.subscriber
        self.subscriber.poll()

    def woken(self):
        self.wakes += 1


@pytest.fixture
def base():
    base = Plane()
    base.apply(CLUSTER, "a", b"1")
    return base


@pytest.fixture
def groups(base):
    return [Plane(base=base) for _ in range(3)]


def interest(plane):
    return plane.store.indexes[CLUSTER].interest


def test_equal_names_are_one_set_whatever_the_group(base, groups):
    clients = [reading(plane, NAMES) for plane in (base, *groups)]
    (names,) = interest(base)._by_key.values()
    assert names.followers == 4
    for client, group in zip(clients[1:], groups, strict=True):
        assert client.subscriber._names.below is names
        assert client.subscriber._names.names is names.names
        assert list(interest(group).holders("a")) == [client.subscriber._names]


def test_a_change_of_the_base_wakes_all_who_asked_for_it(base, groups):
    clients = [Waiting(plane) for plane in (base, *groups)]
    strangers = [Waiting(plane, ["z"]) for plane in (base, *groups)]
    base.apply(CLUSTER, "a", b"2")
    assert [client.wakes for client in clients] == [1] * 4
    assert [client.wakes for client in strangers] == [0] * 4


@pytest.mark.parametrize("names", [None, NAMES])
def test_a_change_of_a_group_wakes_its_own_clients(base, groups, names):
    clients = [Waiting(plane, names) for plane in (base, *groups)]
    groups[0].apply(CLUSTER, "a", b"own")
    assert [client.wakes for client in clients] == [0, 1, 0, 0]
    base.apply(CLUSTER, "a", b"2")
    assert [client.wakes for client in clients] == [1, 1, 1, 1], "who was woken is not woken again before it polls"


def test_each_set_is_touched_once(base, groups):
    for group in groups:
        reading(group, NAMES)
    index = base.store.indexes[CLUSTER]
    (names,) = index.interest._by_key.values()
    base.apply(CLUSTER, "a", b"2")
    assert dict(names.changed) == {"a": 2}
    assert all(not set_.changed for group in groups for set_ in interest(group).holders("a"))


def test_a_step_that_others_of_another_group_took_leads_to_their_set(base, groups):
    first, second = (reading(group, NAMES).subscriber for group in groups[:2])
    first.add(["d"])
    second.add(["d"])
    assert first._names.below is second._names.below
    assert len(interest(base)._by_key) == 1


def test_who_is_alone_in_all_groups_changes_the_set_in_place(groups):
    subscriber = reading(groups[0], NAMES).subscriber
    before = subscriber._names
    groups[0].apply(CLUSTER, "b", b"own")
    subscriber.discard(["b"])
    assert subscriber._names is before
    assert list(before.tail(0)) == []
    assert subscriber.poll() is None


def test_the_version_of_a_set_that_is_changed_in_place_is_that_of_what_it_is_now(groups):
    group = groups[0]
    for name in "bd":
        group.apply(CLUSTER, name, b"own")
    subscriber = reading(group, NAMES).subscriber
    before = subscriber.version()
    subscriber.discard(["b"])
    subscriber.add(["d"])
    assert subscriber.version() == reading(group, ["a", "c", "d"]).subscriber.version() != before


def test_a_set_with_one_follower_here_and_one_elsewhere_is_left_as_it_is(groups):
    here, elsewhere = (reading(group, NAMES).subscriber for group in groups[:2])
    here.add(["d"])
    assert elsewhere.names == set(NAMES)
    assert here.names == {*NAMES, "d"}
    assert not [names for names in interest(groups[0]).holders("a") if names.names == set(NAMES)]


def test_what_changed_in_the_base_is_known_to_a_follower_however_often_others_cleared_it(base, groups):
    group, other = groups[:2]
    slow = reading(group, NAMES)
    other.apply(CLUSTER, "z", b"own")
    alone = reading(other, [*NAMES, "d"])
    base.apply(CLUSTER, "b", b"1")
    alone.poll()
    slow.subscriber.add(["d"])
    assert slow.poll() == ({"b": b"1"}, {"d"})


@pytest.mark.parametrize("where", ["base", "group"])
def test_who_joins_a_set_behind_its_followers_lacks_nothing(base, groups, where):
    """Neither what changed before its group followed the set, nor what the others of its group have taken already."""
    group, other = groups[:2]
    group.apply(CLUSTER, "z", b"own")
    reading(other, [*NAMES, "d"])
    late = [reading(group, NAMES) for _ in range(2)]
    (base if where == "base" else group).apply(CLUSTER, "b", b"1")
    for client in late:
        client.subscriber.add(["d"])
        assert client.poll() == ({"b": b"1"}, {"d"})


def test_who_comes_to_a_set_by_giving_names_up_lacks_nothing(groups):
    group, other = groups[:2]
    group.apply(CLUSTER, "z", b"own")
    reading(other, ["a", "b"])
    late, _ = (reading(group, NAMES) for _ in range(2))
    group.apply(CLUSTER, "b", b"own")
    late.subscriber.discard(["c"])
    assert late.poll() == ({"b": b"own"}, set())


def test_who_joins_who_was_alone_lacks_nothing_that_was_cleared(groups):
    group = groups[0]
    alone, late = reading(group, [*NAMES, "d"]), reading(group, NAMES)
    group.apply(CLUSTER, "b", b"own")
    assert alone.poll() == ({"b": b"own"}, set())
    assert not alone.subscriber._names.changed
    assert not alone.subscriber._names.below.changed
    late.subscriber.add(["d"])
    assert late.poll() == ({"b": b"own"}, {"d"})


def test_what_the_group_forgot_of_other_names_does_not_make_its_clients_be_sent_again_what_they_have():
    base = Plane()
    base.apply(CLUSTER, "a", b"1")
    group = Plane(base=base, tombstones=0)
    group.apply(CLUSTER, "z", b"own")
    clients = [reading(group, ["a"]) for _ in range(2)]
    group.remove(CLUSTER, "z")
    base.apply(CLUSTER, "a", b"2")
    base.apply(CLUSTER, "a", b"1")
    assert [client.poll() for client in clients] == [None, None]


def test_answers_are_forgotten_with_the_changes_that_they_are_made_of(groups):
    group = groups[0]
    group.apply(CLUSTER, "z", b"own")
    names = reading(group, NAMES).subscriber._names
    for forget in (lambda: names.clear(9), lambda: names.changed_in_place(["b"])):
        names.shared[3] = None
        forget()
        assert 3 not in names.shared


def test_the_sets_that_hold_a_name_are_found_in_the_smaller_of_both(groups):
    group = groups[0]
    for each in range(5):
        reading(group, ["a", f"n{each}"])
    for each in range(20):
        reading(groups[1], ["b", f"m{each}"])
    assert len(list(interest(group).holders("a"))) == 5
    assert len(list(interest(group).holders("n3"))) == 1
    assert list(interest(group).holders("b")) == []
    assert list(interest(groups[1]).holders("a")) == []


def test_a_set_is_kept_for_as_long_as_one_of_the_group_follows_it(groups):
    first, second = (reading(groups[0], NAMES) for _ in range(2))
    first.subscriber.close()
    groups[0].apply(CLUSTER, "b", b"own")
    assert second.poll() == ({"b": b"own"}, set())


def test_nothing_is_kept_of_who_has_gone(base, groups):
    clients = [reading(plane, NAMES).subscriber for plane in (base, *groups)]
    for client in clients:
        client.close()
    assert not interest(base)
    assert not any(group.store.indexes or group.store._views for group in groups)
