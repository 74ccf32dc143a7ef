"""What a client must be sent: nothing twice, nothing lost, whatever happens between."""

from types import SimpleNamespace

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, SECRET, VIRTUAL_HOST, Plane, Policy
from rime_core.delivery import IN_FLIGHT
from rime_core.index import Index
from rime_core.resource import content_digest
from tests.rime_core.client import Client, reading, said

STAR = "*"


@pytest.fixture
def plane():
    return Plane()


# --- the first answer


def test_the_first_answer_is_all_there_is_of_what_it_wants(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1")
    assert Client(plane).begin() == ({"a": b"1", "b": b"1"}, set())
    assert Client(plane, ["b"]).begin() == ({"b": b"1"}, set())
    assert Client(plane, [STAR]).begin() == ({"a": b"1", "b": b"1"}, set())
    assert Client(plane, []).begin() == ({}, set())
    assert Client(plane, [STAR, "b"]).begin() == ({"a": b"1", "b": b"1"}, set())
    assert Client(plane, ["b"]).begin() == ({"b": b"1"}, set()), "whoever else named the same"


def test_what_is_asked_for_by_name_and_missing_is_reported_as_removed(plane):
    assert Client(plane, ["phantom"]).begin() == ({}, {"phantom"})


def test_the_first_answer_may_be_empty(plane):
    update = plane.server().subscribe(CLUSTER).initial()
    assert not update
    assert said(update) == ({}, set())


def test_a_client_that_comes_back_is_sent_the_difference(plane):
    for name in ("same", "changed", "new"):
        plane.apply(CLUSTER, name, b"1")
    known = {"same": plane.snapshot()[CLUSTER]["same"].version, "changed": "old", "gone": "v"}
    assert Client(plane).begin(known) == ({"changed": b"1", "new": b"1"}, {"gone"})
    assert Client(plane, ["same", "gone"]).begin(known) == ({}, {"gone"})


def test_what_it_brought_counts_as_sent(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = Client(plane)
    client.begin({"a": plane.snapshot()[CLUSTER]["a"].version})
    assert client.poll() is None
    plane.remove(CLUSTER, "a")
    assert client.poll() == ({}, {"a"})


def test_all_secrets_cannot_be_had_by_asking_for_all(plane):
    plane.apply(SECRET, "key", b"1")
    assert said(plane.server().subscribe(SECRET).initial()) == ({}, set())
    assert said(plane.server().subscribe(SECRET, ["key"]).initial()) == ({"key": b"1"}, set())


# --- what comes after it


@pytest.mark.parametrize("names", [None, ["a", "b"], [STAR, "a"]])
def test_each_change_is_sent_once(plane, names):
    client = reading(plane, names)
    client.poll()
    plane.apply(CLUSTER, "a", b"1")
    assert client.poll() == ({"a": b"1"}, set())
    assert client.poll() is None
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "b", b"1")
    assert client.poll() == ({"a": b"2", "b": b"1"}, set())
    plane.remove(CLUSTER, "a")
    assert client.poll() == ({}, {"a"})
    assert client.poll() is None


def test_what_it_did_not_ask_for_is_not_sent(plane):
    client = reading(plane, ["a"])
    client.poll()
    plane.apply(CLUSTER, "b", b"1")
    assert client.poll() is None


def test_what_a_slow_client_missed_merges(plane):
    client = reading(plane)
    for each in range(10):
        plane.apply(CLUSTER, "a", b"%d" % each)
    plane.apply(CLUSTER, "b", b"1")
    plane.remove(CLUSTER, "b")
    assert client.poll() == ({"a": b"9"}, set())


def test_changes_come_in_their_order(plane):
    client = reading(plane)
    for name in "cab":
        plane.apply(CLUSTER, name, b"1")
    plane.apply(CLUSTER, "c", b"2")
    assert [resource.name for resource in client.subscriber.poll().resources] == ["a", "b", "c"]


def test_all_who_need_the_same_are_given_the_same_object(plane):
    plane.apply(CLUSTER, "a", b"1")
    for names in (None, ["a"]):
        clients = [plane.server().subscribe(CLUSTER, names) for _ in range(3)]
        assert len({id(client.initial()) for client in clients}) == 1
        plane.apply(CLUSTER, "a", plane.snapshot()[CLUSTER]["a"].body + b"!")
        assert len({id(client.poll()) for client in clients}) == 1


def test_who_has_an_exception_is_given_the_same_object_as_all_others(plane):
    plain, rejecting = plane.server().subscribe(CLUSTER), plane.server().subscribe(CLUSTER)
    plain.initial()
    rejecting.initial()
    plane.apply(CLUSTER, "bad", b"1")
    plain.poll()
    rejecting.reject(rejecting.poll(), "no")
    plane.apply(CLUSTER, "good", b"1")
    assert rejecting.poll() is plain.poll()


# --- what knowing only the acknowledged gets wrong (each was seen to fail elsewhere)


def test_what_is_removed_before_its_first_acknowledgement_is_reported_as_removed(plane):
    client = reading(plane)
    plane.apply(CLUSTER, "a", b"1")
    client.poll()
    plane.remove(CLUSTER, "a")
    assert client.poll() == ({}, {"a"})


def test_an_acknowledgement_that_arrives_after_the_removal_does_not_lose_the_removal(plane):
    client = reading(plane)
    plane.apply(CLUSTER, "a", b"1")
    update = client.subscriber.poll()
    plane.remove(CLUSTER, "a")
    client.subscriber.acknowledge_update(update)
    assert client.poll() == ({}, {"a"})


def test_back_to_the_old_content_while_the_new_is_in_flight_is_sent(plane):
    plane.apply(CLUSTER, "a", b"old")
    client = reading(plane)
    plane.apply(CLUSTER, "a", b"new")
    update = client.subscriber.poll()
    plane.apply(CLUSTER, "a", b"old")
    assert client.poll() == ({"a": b"old"}, set())
    client.subscriber.acknowledge_update(update)
    assert client.poll() is None


def test_removed_and_added_again_with_the_same_bytes_is_sent(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane)
    plane.remove(CLUSTER, "a")
    client.poll()
    plane.apply(CLUSTER, "a", b"1")
    assert client.poll() == ({"a": b"1"}, set())


def test_equal_hash_of_other_bytes_is_sent():
    plane = Plane(digest=lambda _: "same")
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane)
    for body in (b"2", b"1", b"3"):
        plane.apply(CLUSTER, "a", body)
        assert client.poll() == ({"a": body}, set())


def test_what_is_unacknowledged_is_not_sent_again_at_each_wake_up(plane):
    woken = []
    client = reading(plane, wake=lambda: woken.append(1))
    plane.apply(CLUSTER, "a", b"1")
    client.poll()
    plane.apply(CLUSTER, "b", b"1")
    assert client.poll() == ({"b": b"1"}, set())
    assert len(woken) == 2


def test_a_rejected_version_is_never_sent_again_and_the_next_one_is(plane):
    client = reading(plane)
    plane.apply(CLUSTER, "bad", b"1")
    client.subscriber.reject(client.subscriber.poll(), "no")
    for each in range(5):
        plane.apply(CLUSTER, "other", b"%d" % each)
        assert client.poll() == ({"other": b"%d" % each}, set())
    plane.apply(CLUSTER, "bad", b"2")
    assert client.poll() == ({"bad": b"2"}, set())


def test_a_rejected_version_is_not_sent_again_by_a_detour_that_nobody_saw(plane):
    client = reading(plane)
    plane.apply(CLUSTER, "bad", b"1")
    client.subscriber.reject(client.subscriber.poll(), "no")
    plane.apply(CLUSTER, "bad", b"2")
    plane.apply(CLUSTER, "bad", b"1")
    assert client.poll() is None


def test_an_update_is_never_empty(plane):
    client = reading(plane)
    plane.apply(CLUSTER, "a", b"1")
    plane.remove(CLUSTER, "a")
    assert client.poll() is None


def test_away_and_back_while_it_was_slow_is_nothing(plane):
    plane.apply(CLUSTER, "a", b"1")
    wildcard, named = reading(plane), reading(plane, ["a"])
    plane.apply(CLUSTER, "a", b"2")
    plane.remove(CLUSTER, "a")
    plane.apply(CLUSTER, "a", b"1")
    assert wildcard.poll() is None
    assert named.poll() is None


def test_acknowledging_never_causes_sending(plane):
    client = reading(plane)
    plane.apply(CLUSTER, "a", b"1")
    first = client.subscriber.poll()
    client.subscriber.acknowledge_update(first)
    assert client.poll() is None
    client.subscriber.acknowledge_update(first)
    assert client.poll() is None


# --- changing what it wants


def test_what_is_added_is_answered_by_the_next_poll(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane, [])
    client.subscriber.add(["a", "phantom"])
    assert client.subscriber.names == {"a", "phantom"}
    assert client.poll() == ({"a": b"1"}, {"phantom"})
    assert client.poll() is None


def test_what_is_asked_for_again_is_sent_again(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane, ["a"])
    client.subscriber.add(["a"])
    assert client.poll() == ({"a": b"1"}, set())


def test_what_is_asked_for_again_is_sent_even_where_it_was_rejected(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = Client(plane, ["a"])
    client.subscriber.reject(client.subscriber.initial(), "no")
    client.subscriber.add(["a"])
    assert client.poll() == ({"a": b"1"}, set())


def test_what_is_sent_once_more_for_others_sake_is_not_where_it_was_rejected(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1")
    client = Client(plane, ["a"])
    client.subscriber.reject(client.subscriber.initial(), "no")
    assert client.subscriber.resend(["a"])
    assert client.poll() is None
    client.subscriber.add(["b"])
    client.poll()
    assert client.subscriber.resend(["b", "unwanted"])
    assert client.poll() == ({"b": b"1"}, set())
    assert not client.subscriber.resend(["unwanted"])


def test_of_several_with_one_alias_what_was_not_rejected_is_sent_once_more(plane):
    for name in "abc":
        plane.apply(CLUSTER, name, b"1", aliases=["x"])
    client = Client(plane, ["x"])
    client.subscriber.reject(client.subscriber.initial(), "no", ["a"])
    client.subscriber.resend(["x"])
    assert client.poll() == ({"b": b"1", "c": b"1"}, set())


def test_a_missing_name_is_told_once_more_for_others_sake_unless_its_removal_waits(plane):
    plane.apply(CLUSTER, "goes", b"1")
    gate = Waiting()
    client = reading(plane, ["goes", "missing"], gate=gate)
    gate.names = {"goes"}
    plane.remove(CLUSTER, "goes")
    client.subscriber.resend(["goes", "missing"])
    assert client.poll() == ({}, {"missing"})
    assert client.subscriber.held == {"goes": content_digest(b"1")}


def test_what_is_sent_once_more_is_what_it_was_and_need_not_wait(plane):
    """What a rejected response carried besides the reason is looked at again."""
    names = ["changed", "refused", "gone", "waits", "comes already", "good"]
    plane.replace(CLUSTER, dict.fromkeys(names, b"1"))
    gate = Waiting()
    subscriber = plane.server().subscribe(CLUSTER, gate=gate)
    first = subscriber.initial()
    subscriber.reject(first, "no", ["refused"])
    plane.apply(CLUSTER, "changed", b"2")
    plane.apply(CLUSTER, "waits", b"2")
    plane.remove(CLUSTER, "gone")
    subscriber.acknowledge_update(subscriber.poll())
    gate.names = {"waits"}
    plane.apply(CLUSTER, "waits", b"1")
    assert subscriber.poll() is None
    assert subscriber.held == {"waits": content_digest(b"2")}
    subscriber.resend(["comes already"])
    assert said(subscriber.poll()) == ({"comes already": b"1"}, set())
    assert said(subscriber.repeat(first.manifest.versions)) == ({"good": b"1"}, set())
    assert subscriber.repeat(first.manifest.versions) is None, "that comes already"


def test_what_was_asked_for_before_the_first_answer_is_answered_although_it_is_known(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = Client(plane)
    client.subscriber.add(["a"])
    client.begin({"a": plane.snapshot()[CLUSTER]["a"].version})
    assert client.poll() == ({"a": b"1"}, set())


def test_what_was_asked_for_before_the_first_answer_is_answered_once(plane):
    plane.apply(CLUSTER, "old", b"1")
    comes_back = Client(plane)
    comes_back.subscriber.add(["old"])
    assert comes_back.begin({"old": "another version"}) == ({"old": b"1"}, set())
    assert comes_back.poll() is None
    plane.apply(CLUSTER, "a", b"1")
    client = Client(plane, [])
    client.subscriber.add(["a", "phantom"])
    assert client.begin() == ({"a": b"1"}, {"phantom"})
    assert client.poll() is None
    plane.apply(CLUSTER, "b", b"1", aliases=["x"])
    by_alias = Client(plane, [])
    by_alias.subscriber.add(["x"])
    assert by_alias.begin() == ({"b": b"1"}, set())
    assert by_alias.poll() is None


def test_what_changed_under_the_wildcard_is_not_lost_when_a_name_is_added(plane):
    client = reading(plane, [STAR, "a"])
    client.poll()
    plane.apply(CLUSTER, "b", b"1")
    client.subscriber.add(["c"])
    assert client.poll() == ({"b": b"1"}, {"c"})


def test_what_is_discarded_is_no_longer_sent(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane, ["a", "b"])
    client.poll()
    client.subscriber.discard(["a", "phantom"])
    plane.apply(CLUSTER, "a", b"2")
    assert client.poll() is None
    assert client.subscriber.names == {"b"}


def test_discarded_and_wanted_again_is_sent_whatever_it_was_sent_before(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane, ["a"])
    client.subscriber.discard(["a"])
    assert client.poll() is None
    client.subscriber.add(["a"])
    assert client.poll() == ({"a": b"1"}, set())


def test_a_name_given_up_beside_the_wildcard_is_answered(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "rare", b"1", on_demand=True)
    client = reading(plane, [STAR, "a", "rare"])
    client.subscriber.discard(["a", "rare"])
    assert client.poll() == ({"a": b"1"}, {"rare"})


def test_a_name_given_up_beside_the_wildcard_is_answered_even_where_it_was_rejected(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = Client(plane, [STAR, "a"])
    client.subscriber.reject(client.subscriber.initial(), "no")
    client.subscriber.discard(["a"])
    assert client.poll() == ({"a": b"1"}, set())


def test_the_wildcard_can_be_added_and_given_up(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1")
    client = reading(plane, ["a"])
    client.subscriber.add([STAR])
    assert client.subscriber.wildcard
    assert client.subscriber.names == {"a"}
    assert client.poll() == ({"a": b"1", "b": b"1"}, set())
    assert client.poll() is None
    client.subscriber.discard([STAR])
    plane.apply(CLUSTER, "b", b"2")
    assert client.poll() is None
    plane.apply(CLUSTER, "a", b"2")
    assert client.poll() == ({"a": b"2"}, set())


def test_what_is_on_demand_is_given_to_who_names_it_alone(plane):
    plane.apply(CLUSTER, "rare", b"1", on_demand=True)
    wildcard, named, both = reading(plane), reading(plane, ["rare"]), reading(plane, [STAR, "rare"])
    other = reading(plane, [STAR, "other"])
    assert (wildcard.has, named.has, both.has, other.has) == ({}, {"rare": b"1"}, {"rare": b"1"}, {})
    plane.apply(CLUSTER, "rare", b"1")
    assert wildcard.poll() == ({"rare": b"1"}, set())
    assert other.poll() == ({"rare": b"1"}, set())
    plane.apply(CLUSTER, "rare", b"1", on_demand=True)
    assert wildcard.poll() == ({}, {"rare"})
    assert named.poll() is None
    plane.remove(CLUSTER, "rare")
    assert wildcard.poll() is None
    assert (named.poll(), both.poll()) == (({}, {"rare"}), ({}, {"rare"}))


@pytest.mark.parametrize("names", [["x"], [STAR, "x"]])
def test_a_resource_is_given_by_its_alias_and_taken_by_its_name(plane, names):
    plane.apply(VIRTUAL_HOST, "host", b"1", aliases=["x"], on_demand=True)
    subscriber = plane.server().subscribe(VIRTUAL_HOST, names)
    assert said(subscriber.initial()) == ({"host": b"1"}, set())
    plane.apply(VIRTUAL_HOST, "host", b"2", aliases=["x"], on_demand=True)
    assert said(subscriber.poll()) == ({"host": b"2"}, set())
    plane.remove(VIRTUAL_HOST, "host")
    assert said(subscriber.poll()) == ({}, {"host"})


def test_a_resource_that_loses_the_alias_is_taken(plane):
    plane.apply(VIRTUAL_HOST, "host", b"1", aliases=["x"])
    subscriber = plane.server().subscribe(VIRTUAL_HOST, ["x"])
    subscriber.initial()
    plane.apply(VIRTUAL_HOST, "host", b"1", aliases=["y"])
    assert said(subscriber.poll()) == ({}, {"host"})


def test_who_asks_for_more_while_others_are_changed_is_sent_both_and_nothing_else(plane):
    plane.replace(CLUSTER, {"a": b"1", "b": b"1", "c": b"1"})
    clients = [reading(plane, ["a", "b"]) for _ in range(2)]
    plane.apply(CLUSTER, "a", b"2")
    for client in clients:
        client.subscriber.add(["c"])
        assert client.poll() == ({"a": b"2", "c": b"1"}, set())


# --- a view that is not complete


def test_what_a_client_knows_and_the_plane_lacks_is_kept_until_the_view_is_complete(plane):
    woken = []
    writer = plane.writer("files", allow_empty=True)
    writer.ready()
    writer.incomplete(["a.yaml cannot be read"])
    client = Client(plane, [STAR, "named"], wake=lambda: woken.append(1))
    assert client.begin({"in a.yaml": "v", "named": "v"}) == ({}, set())
    assert client.subscriber.kept == {"in a.yaml", "named"}
    assert client.subscriber.acknowledged("in a.yaml") == "v"
    assert client.poll() is None
    writer.incomplete([])
    assert woken == [1]
    assert client.poll() == ({}, {"in a.yaml", "named"})
    assert client.subscriber.kept == frozenset()


def test_what_is_kept_and_comes_back_equal_is_not_sent(plane):
    plane.apply(CLUSTER, "a", b"1")
    version = plane.snapshot()[CLUSTER]["a"].version
    plane.remove(CLUSTER, "a")
    writer = plane.writer("files")
    writer.incomplete(["a.yaml cannot be read"])
    client = Client(plane)
    client.begin({"a": version, "b": version})
    writer.apply(CLUSTER, "a", b"1")
    writer.apply(CLUSTER, "b", b"2")
    assert client.poll() == ({"b": b"2"}, set())


def test_what_is_there_outside_the_wildcard_is_not_kept(plane):
    writer = plane.writer("files")
    writer.apply(CLUSTER, "rare", b"1", on_demand=True)
    assert Client(plane).begin({"rare": "v", "unreadable": "v"}) == ({}, {"rare"})


def test_what_is_kept_and_comes_back_outside_the_wildcard_is_kept_all_the_same(plane):
    writer = plane.writer("files")
    client = Client(plane)
    client.begin({"a": "v"})
    writer.apply(CLUSTER, "a", b"1", on_demand=True)
    assert client.poll() is None
    writer.ready()
    assert client.poll() == ({}, {"a"})


def test_what_changes_beside_what_is_kept_is_sent(plane):
    writer = plane.writer("files")
    client = Client(plane)
    client.begin({"a": "v"})
    writer.apply(CLUSTER, "a", b"1", on_demand=True)
    writer.apply(CLUSTER, "b", b"1")
    assert client.poll() == ({"b": b"1"}, set())
    assert client.subscriber.kept == {"a"}


def test_giving_up_the_name_of_what_is_kept_beside_the_wildcard_takes_nothing_away(plane):
    writer = plane.writer("files")
    client = Client(plane, [STAR, "a"])
    client.begin({"a": "v"})
    client.subscriber.discard(["a"])
    assert client.poll() is None
    writer.apply(CLUSTER, "b", b"1")
    writer.ready()
    assert client.poll() == ({"b": b"1"}, {"a"})


def test_giving_up_what_is_kept_is_the_end_of_it(plane):
    writer = plane.writer("files", allow_empty=True)
    named, wildcard = Client(plane, ["a"]), Client(plane)
    named.begin({"a": "v"})
    wildcard.begin({"a": "v"})
    named.subscriber.discard(["a"])
    wildcard.subscriber.discard([STAR])
    writer.ready()
    assert named.poll() is None
    assert wildcard.poll() is None


# --- falling behind what is remembered


def test_what_it_rejected_is_not_sent_again_where_it_is_forgotten_that_it_was_sent():
    plane = Plane(tombstones=0)
    client, _other = reading(plane, ["a"]), reading(plane, ["a"])
    plane.apply(CLUSTER, "a", b"1")
    update = client.subscriber.poll()
    client.subscriber.reject(update, "no")
    plane.remove(CLUSTER, "a")
    plane.apply(CLUSTER, "a", b"1")
    assert client.poll() is None


def test_who_is_behind_what_is_remembered_is_sent_everything():
    plane = Plane(tombstones=1)
    plane.replace(CLUSTER, {"a": b"1", "b": b"1", "c": b"1"})
    client = reading(plane)
    plane.replace(CLUSTER, {"c": b"1"})
    update = client.subscriber.poll()
    assert update.full
    assert said(update) == ({"c": b"1"}, set())
    assert client.poll() is None


def test_who_is_behind_by_no_more_than_is_remembered_is_not():
    plane = Plane(tombstones=2)
    plane.replace(CLUSTER, {"a": b"1", "b": b"1", "c": b"1"})
    client = reading(plane)
    plane.replace(CLUSTER, {"c": b"1"})
    assert client.poll() == ({}, {"a", "b"})


def test_who_names_what_it_wants_cannot_fall_behind():
    plane = Plane(tombstones=1)
    plane.replace(CLUSTER, {"a": b"1", "b": b"1", "c": b"1"})
    client = reading(plane, ["a", "c", "phantom"])
    plane.replace(CLUSTER, {"c": b"1"})
    plane.apply(CLUSTER, "d", b"")
    plane.remove(CLUSTER, "d")
    plane.apply(CLUSTER, "a", b"1")
    plane.remove(CLUSTER, "a")
    assert client.poll() == ({}, {"a"})
    assert client.has == {"c": b"1"}


def test_what_came_and_went_is_not_told_to_who_is_not_behind():
    plane = Plane(tombstones=1)
    plane.apply(CLUSTER, "b", b"1")
    plane.remove(CLUSTER, "b")
    client = reading(plane, ["a"])
    plane.apply(CLUSTER, "a", b"1")
    plane.remove(CLUSTER, "a")
    assert client.poll() is None, "what is forgotten went before it read last"


def test_a_rejected_version_is_not_sent_again_where_its_removal_is_forgotten():
    plane = Plane(tombstones=0)
    plane.apply(CLUSTER, "a", b"1")
    gate = Waiting()
    client = Client(plane, ["a"], gate=gate)
    client.subscriber.reject(client.subscriber.initial(), "no")
    plane.remove(CLUSTER, "a")
    plane.apply(CLUSTER, "a", b"1")
    assert client.poll() is None
    plane.remove(CLUSTER, "a")
    plane.apply(CLUSTER, "a", b"1")
    gate.names = {"a"}
    for again in (["a"], [STAR]):
        client.subscriber.add(again)
        assert client.poll() is None
    gate.names = set()
    client.subscriber.let_go(["a"])
    assert client.poll() == ({"a": b"1"}, set()), "it was asked for again"


def test_what_was_given_up_with_the_wildcard_is_not_answered(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane, [STAR, "a"])
    client.subscriber.discard(["a"])
    client.subscriber.discard([STAR])
    assert client.poll() is None


def test_what_was_removed_before_the_wildcard_was_given_up_and_asked_for_again_is_not_told(plane):
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    client = reading(plane)
    plane.remove(CLUSTER, "a")
    client.subscriber.discard([STAR])
    client.subscriber.add([STAR])
    assert client.poll() == ({"b": b"1"}, set())


def test_a_late_rejection_is_of_no_account_for_what_something_else_was_sent_for(plane):
    for changes in (["a"], ["a", "b", "c", "d"]):
        plane.apply(CLUSTER, "a", b"old")
        client = reading(plane)
        plane.apply(CLUSTER, "a", b"1")
        plane.apply(CLUSTER, "x", b"%d" % len(changes))
        first = client.subscriber.poll()
        for name in changes:
            plane.apply(CLUSTER, name, b"2")
        client.poll()
        client.subscriber.reject(first, "no")
        assert set(client.subscriber.rejected) == {"x"}


# --- what has to wait


class Waiting:
    """A gate that holds the names it is told."""

    def __init__(self, *names):
        self.names = set(names)
        self.asked = []
        self.had = []
        self.forgotten = []

    def passes(self, update):
        return not self.names & update.manifest.versions.keys()

    def holds(self, name, resource, had):
        self.asked.append((name, resource is None))
        self.had.append((name, had))
        return name in self.names

    def forget(self, name, *, given_up):
        self.forgotten.append((name, given_up))


@pytest.mark.parametrize("names", [None, ["a", "b"], ["*", "a"]])
def test_a_first_answer_at_once_waits_for_no_gate(plane, names):
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    subscriber = plane.server().subscribe(CLUSTER, names, gate=Waiting("a", "b"))
    assert said(subscriber.initial(at_once=True)) == ({"a": b"1", "b": b"1"}, set())
    assert subscriber.held == {}


@pytest.mark.parametrize("names", [None, ["a", "b", "c"], ["*", "a"]])
def test_a_full_set_is_what_the_client_is_to_have(plane, names):
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    gate = Waiting()
    subscriber = plane.server().subscribe(CLUSTER, names, gate=gate)
    subscriber.initial()
    last = subscriber.full_set(())
    assert said(last)[0] == {"a": b"1", "b": b"1"}
    gate.names = {"a", "b", "c"}
    plane.apply(CLUSTER, "a", b"2")
    plane.remove(CLUSTER, "b")
    plane.apply(CLUSTER, "c", b"1")
    assert subscriber.poll() is None
    assert said(subscriber.full_set(last.resources))[0] == {"a": b"1", "b": b"1"}
    assert subscriber.version() == plane_version({"a": b"1", "b": b"1"})
    gate.names = set()
    subscriber.let_go(["a", "b", "c"])
    subscriber.poll()
    assert said(subscriber.full_set(last.resources))[0] == {"a": b"2", "c": b"1"}


def test_what_the_client_had_is_not_kept_where_it_is_not_known_any_more():
    plane = Plane(tombstones=0)
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    subscriber = plane.server().subscribe(CLUSTER, ["a", "b"], gate=Waiting("a"))
    last = subscriber.initial(at_once=True)
    plane.remove(CLUSTER, "a")
    assert subscriber.poll() is None
    assert said(subscriber.full_set(last.resources))[0] == {"b": b"1"}
    assert subscriber.version() == plane_version({"b": b"1"})


def plane_version(bodies):
    """The version of all in a Plane that has only these."""
    plane = Plane()
    plane.replace(CLUSTER, bodies)
    return plane.server().subscribe(CLUSTER).version()


@pytest.fixture(params=["one of several with these names", "alone with them", "wildcard"])
def holding(plane, request):
    """A client that has `a` and `b`, and its gate."""
    names = None if request.param == "wildcard" else ["a", "b", "c"]
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    others = [reading(plane, names)] if request.param.startswith("one") else []
    gate = Waiting()
    client = reading(plane, names, gate=gate)
    client.gate, client.others = gate, others
    return client


def test_what_was_sent_late_is_what_it_accepted_however_late_the_next_is_sent(plane, holding):
    updates = []
    for body in (b"2", b"3"):
        holding.gate.names = {"a"}
        plane.apply(CLUSTER, "a", body)
        assert holding.poll() is None
        holding.gate.names = set()
        holding.subscriber.let_go(["a"])
        updates.append(holding.subscriber.poll())
    holding.subscriber.acknowledge_update(updates[0])
    assert holding.subscriber.acknowledged("a") == updates[0].resources[0].version


def test_what_has_to_wait_holds_nothing_else_up(plane, holding):
    holding.gate.names = {"a"}
    plane.replace(CLUSTER, {"a": b"2", "b": b"2"})
    assert holding.poll() == ({"b": b"2"}, set())
    assert holding.subscriber.held == {"a": content_digest(b"1")}
    assert holding.poll() is None
    for other in holding.others:
        assert other.poll() == ({"a": b"2", "b": b"2"}, set())


def test_what_need_not_wait_any_more_is_sent_as_it_is_now(plane, holding):
    holding.gate.names = {"a", "b", "c"}
    plane.replace(CLUSTER, {"a": b"2", "c": b"1"})
    plane.apply(CLUSTER, "a", b"3")
    assert holding.poll() is None
    holding.gate.names = {"c"}
    holding.subscriber.let_go(["a", "b", "c", "never held"])
    assert holding.poll() == ({"a": b"3"}, {"b"})
    assert holding.subscriber.held == {"c": None}


def test_to_let_go_wakes_once(plane):
    woken = []
    plane.apply(CLUSTER, "a", b"1")
    gate = Waiting("a")
    client = Client(plane, gate=gate, wake=lambda: woken.append(1))
    assert client.begin() == ({}, set())
    client.subscriber.let_go(["b"])
    assert woken == []
    gate.names = set()
    client.subscriber.let_go(["a"])
    client.subscriber.let_go(["a"])
    assert woken == [1]
    assert client.poll() == ({"a": b"1"}, set())


@pytest.mark.parametrize("back", [b"1", b"2"])
def test_a_removal_that_waits_is_cancelled_by_the_name_coming_back(plane, holding, back):
    holding.gate.names = {"a"}
    plane.remove(CLUSTER, "a")
    assert holding.poll() is None
    holding.gate.names = set()
    plane.apply(CLUSTER, "a", back)
    assert holding.poll() == (None if back == b"1" else ({"a": back}, set()))
    assert holding.subscriber.held == {}
    holding.subscriber.let_go(["a"])
    assert holding.poll() is None


def test_what_waits_is_acknowledged_as_it_was(plane, holding):
    before = content_digest(b"1")
    holding.gate.names = {"a"}
    plane.apply(CLUSTER, "a", b"2")
    holding.poll()
    assert holding.subscriber.acknowledged("a") is None, "the first answer is in flight"
    holding.subscriber.acknowledge("a", before)
    holding.subscriber.acknowledge("b", before)
    assert holding.subscriber.acknowledged("a") == before


def test_to_ask_for_a_name_whose_removal_waits_tells_that_it_is_gone(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane, gate=Waiting("a"))
    plane.remove(CLUSTER, "a")
    assert client.poll() is None
    client.subscriber.add(["a"])
    assert client.poll() == ({}, {"a"})
    assert client.subscriber.held == {}


@pytest.mark.parametrize("names", [["a"], [STAR]])
def test_to_ask_for_what_has_to_wait_is_answered_when_it_need_not(plane, names):
    plane.apply(CLUSTER, "a", b"1")
    gate = Waiting("a")
    client = reading(plane, [], gate=gate)
    client.subscriber.add(names)
    assert client.poll() is None
    assert client.subscriber.held == {"a": None}
    gate.names = set()
    client.subscriber.let_go(["a"])
    assert client.poll() == ({"a": b"1"}, set())
    assert client.poll() is None


@pytest.mark.parametrize("names", [["a"], [STAR]])
@pytest.mark.parametrize("again", [["a"], [STAR], ["a", STAR]])
def test_to_ask_again_for_what_the_client_was_sent_need_not_wait(plane, names, again):
    plane.apply(CLUSTER, "a", b"1")
    client = reading(plane, names, gate=Waiting("a"))
    client.subscriber.let_go(["a"])
    client.subscriber._gate.names = set()
    client.poll()
    client.subscriber._gate.names = {"a"}
    client.subscriber.add(again)
    assert client.poll() == ({"a": b"1"}, set())
    assert client.subscriber.held == {}


@pytest.mark.parametrize("names", [["a"], [STAR]])
def test_to_ask_again_for_what_waits_changes_nothing_of_what_the_client_has(plane, names):
    before = content_digest(b"1")
    plane.apply(CLUSTER, "a", b"1")
    gate = Waiting()
    client = reading(plane, names, gate=gate)
    gate.names = {"a"}
    plane.apply(CLUSTER, "a", b"2")
    assert client.poll() is None
    client.subscriber.add(names)
    assert client.poll() is None
    assert client.subscriber.held == {"a": before}
    assert set(gate.had) == {("a", before)}
    gate.names = set()
    plane.apply(CLUSTER, "a", b"1")
    assert client.poll() == ({"a": b"1"}, set()), "it was asked for"


def test_to_ask_again_for_what_need_not_wait_any_more_sends_it(plane):
    plane.apply(CLUSTER, "a", b"1")
    gate = Waiting()
    subscriber = plane.server().subscribe(CLUSTER, gate=gate)
    subscriber.acknowledge_update(subscriber.initial())
    gate.names = {"a"}
    plane.apply(CLUSTER, "a", b"2")
    assert subscriber.poll() is None
    gate.names = set()
    subscriber.add(["a"])
    update = subscriber.poll()
    assert said(update) == ({"a": b"2"}, set())
    assert (subscriber.held, gate.forgotten) == ({}, [("a", False)])
    assert subscriber.acknowledged("a") == content_digest(b"1")
    subscriber.acknowledge_update(update)
    assert subscriber.acknowledged("a") == content_digest(b"2")


def test_what_waits_was_not_accepted_where_what_was_sent_before_it_was_not(plane):
    """However long ago that was."""
    plane.apply(CLUSTER, "a", b"1")
    gate = Waiting()
    subscriber = plane.server().subscribe(CLUSTER, gate=gate)
    subscriber.acknowledge_update(subscriber.initial())
    plane.apply(CLUSTER, "a", b"2")
    subscriber.poll()
    for number in range(IN_FLIGHT):
        plane.apply(CLUSTER, "other", b"%d" % number)
        subscriber.poll()
    gate.names = {"a"}
    plane.apply(CLUSTER, "a", b"3")
    assert subscriber.poll() is None
    assert subscriber.held == {"a": content_digest(b"2")}
    assert subscriber.acknowledged("a") == content_digest(b"1")


def test_of_several_that_answer_to_a_name_those_that_need_not_wait_are_sent_once(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1", aliases=["a"])
    gate = Waiting("a")
    client = reading(plane, [], gate=gate)
    client.subscriber.add(["a"])
    assert client.poll() == ({"b": b"1"}, set())
    assert client.poll() is None
    gate.names = set()
    client.subscriber.let_go(["a"])
    assert client.poll() == ({"a": b"1"}, set())
    assert client.poll() is None


def test_giving_up_what_waits_is_the_end_of_it(plane):
    plane.apply(CLUSTER, "a", b"1")
    named, wildcard = reading(plane, ["a"], gate=Waiting("a")), reading(plane, gate=Waiting("a"))
    plane.apply(CLUSTER, "a", b"2")
    assert named.poll() is wildcard.poll() is None
    named.subscriber.discard(["a"])
    wildcard.subscriber.discard([STAR])
    for client in (named, wildcard):
        assert client.subscriber.held == {}
        client.subscriber.let_go(["a"])
        assert client.poll() is None


def test_a_first_answer_leaves_out_what_has_to_wait(plane):
    plane.replace(CLUSTER, {"a": b"2", "b": b"2"})
    for names in (None, ["a", "b", "gone", "missing"]):
        gate = Waiting("a", "gone")
        client = Client(plane, names, gate=gate)
        missing = set() if names is None else {"missing"}
        assert client.begin({"a": "v", "gone": "v"}) == ({"b": b"2"}, missing)
        assert client.subscriber.held == {"a": "v", "gone": "v"}
        gate.names = set()
        assert {("a", "v"), ("gone", "v")} <= set(gate.had)
        client.subscriber.let_go(["a", "gone"])
        assert client.poll() == ({"a": b"2"}, {"gone"})


def test_the_gate_is_asked_name_by_name_only_where_something_may_wait(plane, holding):
    holding.gate.asked.clear()
    plane.replace(CLUSTER, {"a": b"2", "b": b"2", "d": b"2"})
    if holding.subscriber.wildcard or holding.others:
        assert holding.poll() is not None
        assert holding.gate.asked == []


def test_of_listeners_the_gate_is_asked_first_of_those_that_are_there(plane):
    """Whether those that go have to wait depends on that, whatever came first."""
    plane.apply(LISTENER, "goes", b"1")
    gate = Waiting("goes", "comes")
    subscriber = plane.server().subscribe(LISTENER, gate=gate)
    subscriber.initial(at_once=True)
    plane.remove(LISTENER, "goes")
    plane.apply(LISTENER, "comes", b"1")
    assert subscriber.poll() is None
    assert gate.asked == [("comes", False), ("goes", True)]


@pytest.mark.parametrize("again", ["a", "alias"])
def test_what_was_asked_for_again_while_it_was_held_and_went_back_is_what_the_client_has(plane, again):
    gate = Waiting()
    plane.apply(CLUSTER, "a", b"1", aliases=["alias"])
    subscriber = plane.server().subscribe(CLUSTER, [again], gate=gate)
    subscriber.initial()
    before = subscriber.version()
    gate.names.add("a")
    plane.apply(CLUSTER, "a", b"2", aliases=["alias"])
    assert subscriber.poll() is None
    subscriber.add([again])
    plane.apply(CLUSTER, "a", b"1", aliases=["alias"])
    assert said(subscriber.poll()) == ({"a": b"1"}, set())
    assert subscriber.held == {}
    assert subscriber.version() == before


@pytest.mark.parametrize("names", [None, ["a"]])
def test_the_gate_is_told_when_the_client_has_what_there_is(plane, names):
    gate = Waiting("a")
    plane.apply(CLUSTER, "a", b"1")
    subscriber = plane.server().subscribe(CLUSTER, names, gate=gate)
    subscriber.initial(at_once=True)
    plane.apply(CLUSTER, "a", b"2")
    assert subscriber.poll() is None
    assert gate.forgotten == []
    plane.apply(CLUSTER, "a", b"1")
    assert subscriber.poll() is None
    assert gate.forgotten == [("a", False)]


@pytest.mark.parametrize(("names", "gone"), [(None, ["*"]), (["a"], ["a"])])
def test_the_gate_is_told_when_what_is_held_is_given_up(plane, names, gone):
    gate = Waiting("a")
    plane.apply(CLUSTER, "a", b"1")
    subscriber = plane.server().subscribe(CLUSTER, names, gate=gate)
    subscriber.initial()
    subscriber.discard(gone)
    assert gate.forgotten == [("a", True)]
    subscriber.add(gone)
    subscriber.discard(gone)
    assert gate.forgotten == [("a", True)], "nothing was held"


# --- who comes back


@pytest.fixture(params=["removed", "unanswered"])
def returning(request):
    """What a client is sent that comes back, of three assignments that others name too; one of them is missing."""
    plane = Plane(policies={ENDPOINT: Policy(missing=request.param)})
    plane.replace(ENDPOINT, {"a": b"1", "b": b"1"})
    server = plane.server()
    other = server.subscribe(ENDPOINT, ["a", "b", "missing"])

    def come(known: dict[str, str]) -> tuple[set[str], set[str]]:
        update = server.subscribe(ENDPOINT, ["a", "b", "missing"]).initial(known)
        return {resource.name for resource in update.resources}, set(update.removed)

    version = plane.snapshot()[ENDPOINT]["a"].version
    yield SimpleNamespace(come=come, version=version, told={"missing"} if request.param == "removed" else set())
    other.close()


def test_it_is_sent_what_differs_and_told_what_is_gone_of_what_it_brings(returning):
    assert returning.come({"a": returning.version, "b": "old", "missing": "old"}) == ({"b"}, {"missing"})


def test_of_what_it_neither_brings_nor_finds_it_is_told_by_the_policy(returning):
    assert returning.come({"a": returning.version}) == ({"b"}, returning.told)


def test_of_what_it_brings_and_does_not_ask_for_nothing_is_said(returning):
    assert returning.come({"a": returning.version, "another": "old"}) == ({"b"}, returning.told)


@pytest.mark.interpreted
def test_names_that_others_have_too_are_looked_up_once_for_all_who_come_back(returning, monkeypatch):
    returning.come({"a": returning.version})
    looked_up = []
    matches = Index.matches

    def noting(index, name):
        looked_up.append(name)
        return matches(index, name)

    monkeypatch.setattr(Index, "matches", noting)
    returning.come({"a": returning.version, "b": "old"})
    assert looked_up == []


def test_who_is_alone_in_asking_for_names_leaves_nothing_that_is_kept_for_others():
    plane = Plane()
    plane.apply(ENDPOINT, "a", b"1")
    alone = plane.server().subscribe(ENDPOINT, ["a"])
    alone.initial({"a": "old"})
    assert alone._names is not None
    assert not alone._names.shared


def test_what_is_on_demand_and_named_is_not_gone_because_star_does_not_give_it(plane):
    plane.apply(CLUSTER, "rare", b"1", on_demand=True)
    known = {"rare": plane.snapshot()[CLUSTER]["rare"].version, "gone": "v"}
    assert Client(plane, ["*", "rare"]).begin(known) == ({}, {"gone"})


def test_what_went_before_others_asked_for_these_names_too_is_told_as_removed():
    plane = Plane()
    plane.replace(ENDPOINT, {"a": b"1", "b": b"1"})
    one, other = (plane.server().subscribe(ENDPOINT, ["a", "b"]) for _ in range(2))
    one.initial()
    other.initial()
    plane.remove(ENDPOINT, "b")
    one.add(["c"])
    update = one.poll()
    assert update is not None
    assert set(update.removed) == {"b", "c"}
