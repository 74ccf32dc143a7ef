"""A Subscriber: what it wants, and what it must be sent now. Nothing twice, nothing lost, whatever happens between."""

import gc

import pytest

from rime_core import CLUSTER, SECRET, VIRTUAL_HOST, ClosedError, Plane, Resource, UsageError

STAR = "*"


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def server(plane):
    return plane.server()


class Client:
    """A subscriber, and what its client has by now."""

    def __init__(self, plane, names=None, **options):
        self.subscriber = plane.server().subscribe(CLUSTER, names, **options)
        self.has = {}

    def begin(self, known=None):
        return self.take(self.subscriber.initial(known))

    def poll(self):
        return self.take(self.subscriber.poll())

    def take(self, update):
        if update is None:
            return None
        for resource in update.resources:
            self.has[resource.name] = resource.body
        for name in update.removed:
            self.has.pop(name, None)
        return said(update)


def said(update):
    """An update as (name → body, removed names)."""
    if update is None:
        return None
    return {resource.name: resource.body for resource in update.resources}, set(update.removed)


def reading(plane, names=None, **options):
    client = Client(plane, names, **options)
    client.begin()
    return client


# --- the first answer


def test_the_first_answer_is_all_there_is_of_what_it_wants(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1")
    assert Client(plane).begin() == ({"a": b"1", "b": b"1"}, set())
    assert Client(plane, ["b"]).begin() == ({"b": b"1"}, set())
    assert Client(plane, [STAR]).begin() == ({"a": b"1", "b": b"1"}, set())
    assert Client(plane, []).begin() == ({}, set())


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


def test_what_was_asked_for_before_the_first_answer_is_answered_although_it_is_known(plane):
    plane.apply(CLUSTER, "a", b"1")
    client = Client(plane)
    client.subscriber.add(["a"])
    client.begin({"a": plane.snapshot()[CLUSTER]["a"].version})
    assert client.poll() == ({"a": b"1"}, set())


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


def test_the_wildcard_can_be_added_and_given_up(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1")
    client = reading(plane, ["a"])
    client.subscriber.add([STAR])
    assert client.subscriber.wildcard
    assert client.subscriber.names == {"a"}
    assert client.poll() == ({"a": b"1", "b": b"1"}, set())
    client.subscriber.discard([STAR])
    plane.apply(CLUSTER, "b", b"2")
    assert client.poll() is None
    plane.apply(CLUSTER, "a", b"2")
    assert client.poll() == ({"a": b"2"}, set())


def test_what_is_on_demand_is_given_to_who_names_it_alone(plane):
    plane.apply(CLUSTER, "rare", b"1", on_demand=True)
    wildcard, named, both = reading(plane), reading(plane, ["rare"]), reading(plane, [STAR, "rare"])
    assert (wildcard.has, named.has, both.has) == ({}, {"rare": b"1"}, {"rare": b"1"})
    plane.apply(CLUSTER, "rare", b"1")
    assert wildcard.poll() == ({"rare": b"1"}, set())
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


# --- being woken


@pytest.mark.parametrize("names", [None, ["a", "b"], [STAR, "a"]])
def test_it_is_woken_at_most_once_between_two_polls(plane, names):
    woken = []
    client = reading(plane, names, wake=lambda: woken.append(1))
    client.poll()
    for each in range(3):
        plane.apply(CLUSTER, "a", b"%d" % each)
    client.subscriber.add(["b"])
    assert len(woken) == 1
    client.poll()
    plane.apply(CLUSTER, "a", b"again")
    assert len(woken) == 2


def test_a_transaction_wakes_once(plane):
    woken = []
    reading(plane, wake=lambda: woken.append(1))
    with plane.transaction() as change:
        for each in range(5):
            change.apply(CLUSTER, f"n{each}", b"")
        assert woken == []
    assert woken == [1]


def test_nobody_is_woken_for_what_they_did_not_ask_for_or_what_did_not_change(plane):
    woken = []
    reading(plane, ["a"], wake=lambda: woken.append("a"))
    plane.apply(CLUSTER, "b", b"1")
    plane.apply(SECRET, "a", b"1")
    wildcard = reading(plane, wake=lambda: woken.append("*"))
    plane.apply(CLUSTER, "b", b"1")
    assert woken == []
    assert wildcard.poll() is None


def test_nobody_is_woken_before_the_first_answer(plane):
    woken = []
    Client(plane, wake=lambda: woken.append(1))
    plane.apply(CLUSTER, "a", b"1")
    assert woken == []


def test_asking_for_more_wakes_whoever_waits(plane):
    woken = []
    client = reading(plane, ["a"], wake=lambda: woken.append(1))
    client.subscriber.add(["b"])
    assert woken == [1]
    client.poll()
    client.subscriber.discard(["b"])
    assert woken == [1], "nothing is to be answered"


def test_who_changes_what_it_wants_is_woken_for_that_and_no_longer_for_the_old(plane):
    woken = []
    client = reading(plane, ["old"], wake=lambda: woken.append(1))
    client.subscriber.discard(["old"])
    client.subscriber.add(["new"])
    client.poll()
    woken.clear()
    plane.apply(CLUSTER, "old", b"1")
    assert woken == []
    plane.apply(CLUSTER, "new", b"1")
    assert woken == [1]


def test_a_callback_may_poll_subscribe_and_write(plane):
    seen = []

    def wake():
        seen.append(said(client.subscriber.poll()))
        if len(seen) == 1:
            plane.apply(CLUSTER, "b", b"from the callback")
            reading(plane)

    client = Client(plane, wake=wake)
    client.begin()
    plane.apply(CLUSTER, "a", b"1")
    assert seen == [({"a": b"1"}, set()), ({"b": b"from the callback"}, set())]


def test_who_was_polled_by_anothers_callback_is_woken_at_most_once_more(plane):
    woken = []
    first = Client(plane, wake=lambda: second.poll())
    second = Client(plane, wake=lambda: woken.append(1))
    first.begin()
    second.begin()
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "a", b"3")
    assert len(woken) == 1


def test_who_was_closed_by_anothers_callback_is_not_woken(plane):
    woken = []
    first = Client(plane, wake=lambda: second.subscriber.close())
    second = Client(plane, wake=lambda: woken.append(1))
    first.begin()
    second.begin()
    plane.apply(CLUSTER, "a", b"1")
    assert woken == []


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


# --- parts


def test_what_is_too_large_comes_in_parts(plane):
    plane.replace(CLUSTER, {f"n{each}": bytes(100) for each in range(5)})
    client = Client(plane, max_bytes=600)
    sizes = [len(client.begin()[0])]
    while (more := client.poll()) is not None:
        sizes.append(len(more[0]))
    assert sum(sizes) == 5
    assert len(sizes) > 1
    assert client.has == {f"n{each}": bytes(100) for each in range(5)}


def test_what_changed_between_two_parts_comes_after_the_last(plane):
    plane.replace(CLUSTER, {f"n{each}": bytes(100) for each in range(5)})
    client = Client(plane, max_bytes=600)
    client.begin()
    plane.apply(CLUSTER, "n0", b"new")
    while client.poll() is not None:
        pass
    assert client.has["n0"] == b"new"


def test_a_part_can_be_rejected_alone(plane):
    plane.replace(CLUSTER, {"a": bytes(400), "b": bytes(400)})
    subscriber = plane.server().subscribe(CLUSTER, max_bytes=500)
    subscriber.reject(subscriber.initial(), "no")
    subscriber.acknowledge_update(subscriber.poll())
    assert set(subscriber.rejected) == {"a"}
    assert subscriber.acknowledged("b") == plane.snapshot()[CLUSTER]["b"].version


# --- misuse


@pytest.mark.parametrize("names", ["backend", b"backend"])
def test_one_name_is_not_a_collection_of_names(plane, names):
    subscriber = plane.server().subscribe(CLUSTER)
    for call in (subscriber.add, subscriber.discard, lambda names: plane.server().subscribe(CLUSTER, names)):
        with pytest.raises(TypeError, match=r"names is a collection of names, not one: pass \[b?'backend'\]"):
            call(names)


@pytest.mark.parametrize(("name", "error"), [(5, TypeError), (None, TypeError), ("", ValueError), ("\ud800", ValueError)])
def test_what_names_nothing(plane, name, error):
    subscriber = plane.server().subscribe(CLUSTER)
    for call in (subscriber.add, subscriber.discard):
        with pytest.raises(error):
            call(["a", name])
    assert subscriber.names == frozenset(), "nothing of it was taken"


def test_a_subscription_that_is_refused_leaves_nothing(plane, server):
    with pytest.raises(TypeError):
        server.subscribe(CLUSTER, "backend")
    with pytest.raises(ValueError, match="must not be empty"):
        server.subscribe(CLUSTER, ["a", ""])
    assert plane.store.indexes == {}


def test_polling_before_the_first_answer(server):
    with pytest.raises(UsageError, match=r"call initial\(\) before poll\(\)"):
        server.subscribe(CLUSTER).poll()


def test_the_first_answer_comes_once(server):
    subscriber = server.subscribe(CLUSTER)
    subscriber.initial()
    with pytest.raises(UsageError, match=r"initial\(\) was called before; poll\(\) gives what came since"):
        subscriber.initial()


@pytest.mark.parametrize(
    "call",
    [
        lambda subscriber: subscriber.initial(),
        lambda subscriber: subscriber.poll(),
        lambda subscriber: subscriber.add(["a"]),
        lambda subscriber: subscriber.discard(["a"]),
    ],
)
def test_use_after_close(server, call):
    with server.subscribe(CLUSTER) as subscriber:
        pass
    assert subscriber.closed
    with pytest.raises(ClosedError, match="this subscriber of clusters is closed"):
        call(subscriber)


def test_closing_twice_and_answering_late_are_fine(plane, server):
    plane.apply(CLUSTER, "a", b"1")
    subscriber = server.subscribe(CLUSTER)
    update = subscriber.initial()
    subscriber.close()
    subscriber.close()
    subscriber.acknowledge_update(update)
    subscriber.reject(update, "late")


def test_what_is_closed_is_forgotten_and_not_woken(plane, server):
    woken = []
    plane.apply(CLUSTER, "a", b"1")
    for names in (None, ["a"]):
        subscriber = server.subscribe(CLUSTER, names, wake=lambda: woken.append(1))
        subscriber.initial()
        subscriber.close()
    plane.apply(CLUSTER, "a", b"2")
    assert woken == []
    index = plane.store.indexes[CLUSTER]
    assert not index.subscribers
    assert not index.interest


def test_old_content_is_let_go(plane):
    """Neither a cursor, nor what is in flight or rejected, keeps a body."""
    plane.apply(CLUSTER, "a", b"let go: first")
    clients = [reading(plane), reading(plane, ["a"]), reading(plane, [STAR, "a"]), reading(plane)]
    plane.apply(CLUSTER, "a", b"let go: second")
    clients[3].subscriber.reject(clients[3].subscriber.poll(), "no")
    plane.apply(CLUSTER, "a", b"let go: third")
    for client in clients[:3]:
        client.poll()
        client.has.clear()
    gc.collect()
    bodies = {each.body for each in gc.get_objects() if type(each) is Resource and each.body.startswith(b"let go")}
    assert bodies == {b"let go: third"}
