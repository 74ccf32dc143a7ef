"""A Writer owns what it wrote. A transaction is all or nothing, and one wake-up."""

import array

import pytest

from rime_core import CLUSTER, ENDPOINT, ClosedError, Plane, UsageError


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def writer(plane):
    return plane.writer("source", allow_empty=True)


def content(plane, type_url=CLUSTER):
    return {name: resource.body for name, resource in plane.snapshot()[type_url].items()}


# --- apply and remove


def test_apply_says_whether_the_content_differs(writer):
    assert writer.apply(CLUSTER, "a", b"1") is True
    assert writer.apply(CLUSTER, "a", b"1") is False
    assert writer.apply(CLUSTER, "a", b"2") is True
    assert writer.apply(CLUSTER, "a", b"2", aliases=["x"]) is True
    assert writer.apply(CLUSTER, "a", b"2", aliases=["x"]) is False
    assert writer.apply(CLUSTER, "a", b"2", aliases=["x"], on_demand=True) is True
    assert writer.apply(CLUSTER, "a", b"2", aliases=["x"], on_demand=True, ttl=5) is True
    assert writer.apply(CLUSTER, "a", b"2", aliases=["x"], on_demand=True, ttl=5.0) is False
    assert writer.apply(CLUSTER, "b", b"2") is True
    assert writer.apply(CLUSTER, "b", b"2", ttl=5) is True
    assert writer.apply(CLUSTER, "b", b"2", ttl=5) is False


def test_another_lifetime_or_none_any_more_is_sent_as_a_change(plane, writer):  # R74
    subscriber = plane.server().subscribe(CLUSTER)
    writer.apply(CLUSTER, "a", b"1")
    before = subscriber.initial().resources[0]
    sent = []
    for ttl in (5, 5, 6, None, None):
        writer.apply(CLUSTER, "a", b"1", ttl=ttl)
        sent += [update.resources[0] for update in iter(subscriber.poll, None)]
    assert [resource.ttl for resource in sent] == [5.0, 6.0, None]
    assert len({resource.version for resource in sent}) == 3
    assert sent[-1].version == before.version, "content and nothing else"


def test_a_transaction_gives_lifetimes_too(plane, writer):
    with writer.transaction() as change:
        change.apply(CLUSTER, "a", b"1", ttl=5)
        with pytest.raises(ValueError, match="a lifetime"):
            change.apply(CLUSTER, "b", b"1", ttl=0)
    assert plane.snapshot()[CLUSTER]["a"].ttl == 5.0


@pytest.mark.parametrize("body", [bytearray(b"1"), memoryview(b"1")])
def test_a_body_is_compared_by_its_bytes(plane, writer, body):
    assert writer.apply(CLUSTER, "a", body) is True
    assert writer.apply(CLUSTER, "a", b"1") is False
    assert writer.apply(CLUSTER, "a", body) is False
    assert type(plane.snapshot()[CLUSTER]["a"].body) is bytes


def test_a_view_of_integers_is_its_bytes_and_not_its_numbers(plane, writer):
    writer.apply(CLUSTER, "a", b"\1\2")
    numbers = array.array("I", [1, 2])
    assert writer.apply(CLUSTER, "a", memoryview(numbers)) is True
    assert content(plane) == {"a": numbers.tobytes()}


def test_a_body_may_be_changed_by_its_owner_afterwards(plane, writer):
    body = bytearray(b"1")
    writer.apply(CLUSTER, "a", body)
    body[0] = 0
    assert content(plane) == {"a": b"1"}


def test_remove_says_whether_anything_went(plane, writer):
    writer.apply(CLUSTER, "a", b"1")
    writer.ready()
    assert writer.remove(CLUSTER, "a") is True
    assert writer.remove(CLUSTER, "a") is False
    assert content(plane) == {}


def test_nobody_removes_what_another_wrote(plane, writer):
    writer.apply(CLUSTER, "a", b"1")
    writer.ready()
    assert plane.remove(CLUSTER, "a") is False
    assert content(plane) == {"a": b"1"}


@pytest.mark.parametrize("body", ["text", 5, None])
@pytest.mark.parametrize("there", [True, False])
def test_a_body_that_is_none(plane, writer, body, there):
    if there:
        writer.apply(CLUSTER, "a", b"1")
    before = plane.snapshot()
    with pytest.raises(TypeError, match=r"a body is bytes \(a serialized message\), not"):
        writer.apply(CLUSTER, "a", body)
    assert plane.snapshot() is before


@pytest.mark.parametrize("type_url", ["clusters", "envoy.config.cluster.v3.Cluster", ""])
def test_a_type_url_that_is_none(writer, type_url):
    for call in (
        lambda: writer.apply(type_url, "a", b""),
        lambda: writer.remove(type_url, "a"),
        lambda: writer.replace(type_url, {}),
        lambda: writer.replace(type_url, {"a": b""}),
    ):
        with pytest.raises(ValueError, match="is no type URL: it should look like"):
            call()


@pytest.mark.parametrize(("name", "error"), [(5, TypeError), (None, TypeError), ("", ValueError)])
@pytest.mark.interpreted
def test_a_name_that_is_none(writer, name, error):
    for call in (lambda: writer.apply(CLUSTER, name, b""), lambda: writer.remove(CLUSTER, name)):
        with pytest.raises(error, match="a resource's name"):
            call()


def test_aliases_are_a_collection(writer):
    writer.apply(CLUSTER, "a", b"", aliases=["x"])
    with pytest.raises(TypeError, match="aliases is a collection of names, not one"):
        writer.apply(CLUSTER, "a", b"", aliases="x")


# --- replace


def test_replace_makes_the_mapping_all_that_it_has_of_the_type(plane, writer):
    writer.apply(ENDPOINT, "e", b"1")
    assert writer.replace(CLUSTER, {"a": b"1", "b": b"1"}) is True
    writer.ready()
    assert writer.replace(CLUSTER, {"b": b"2", "c": b"1"}) is True
    assert content(plane) == {"b": b"2", "c": b"1"}
    assert content(plane, ENDPOINT) == {"e": b"1"}
    assert writer.replace(CLUSTER, {"c": b"1", "b": b"2"}) is False


def test_replace_removes_what_this_writer_wrote_and_nothing_else(plane, writer):
    plane.apply(CLUSTER, "programs", b"1")
    writer.replace(CLUSTER, {"a": b"1"})
    writer.ready()
    writer.replace(CLUSTER, {})
    assert content(plane) == {"programs": b"1"}
    plane.replace(CLUSTER, {})
    assert content(plane) == {}


def test_replace_gives_up_what_it_lost_too(plane, writer):
    plane.apply(CLUSTER, "a", b"program")
    writer.replace(CLUSTER, {"a": b"source"})
    writer.ready()
    writer.replace(CLUSTER, {})
    plane.remove(CLUSTER, "a")
    assert content(plane) == {}


def test_replace_is_one_change(plane, writer):
    woken = []
    subscriber = plane.server().subscribe(CLUSTER, wake=lambda: woken.append(plane.snapshot()))
    subscriber.initial()
    sequence = plane.sequence
    writer.replace(CLUSTER, {"a": b"1", "b": b"1"})
    assert plane.sequence == sequence + 1
    assert [set(snapshot[CLUSTER]) for snapshot in woken] == [{"a", "b"}]


def test_replace_with_something_wrong_in_it_changes_nothing(plane, writer):
    writer.replace(CLUSTER, {"a": b"1"})
    with pytest.raises(TypeError):
        writer.replace(CLUSTER, {"b": b"1", "c": "text"})
    assert content(plane) == {"a": b"1"}
    writer.apply(CLUSTER, "a", b"2")


# --- transactions


def test_a_transaction_happens_at_its_end(plane, writer):
    writer.apply(CLUSTER, "old", b"1")
    writer.ready()
    with writer.transaction() as change:
        change.apply(CLUSTER, "a", b"1")
        change.apply(ENDPOINT, "e", b"1")
        change.remove(CLUSTER, "old")
        assert content(plane) == {"old": b"1"}
    assert change.changed is True
    assert content(plane) == {"a": b"1"}
    assert content(plane, ENDPOINT) == {"e": b"1"}


def test_the_last_change_of_a_name_counts(plane, writer):
    writer.apply(CLUSTER, "a", b"1")
    with writer.transaction() as change:
        change.remove(CLUSTER, "a")
        change.apply(CLUSTER, "a", b"2")
        change.apply(CLUSTER, "b", b"1")
        change.remove(CLUSTER, "b")
    assert content(plane) == {"a": b"2"}


def test_a_transaction_that_changes_nothing(plane, writer):
    woken = []
    writer.apply(CLUSTER, "a", b"1")
    plane.server().subscribe(CLUSTER, wake=lambda: woken.append(1)).initial()
    before = plane.snapshot()
    with writer.transaction() as change:
        change.apply(CLUSTER, "a", b"1")
        change.remove(CLUSTER, "phantom")
        assert change.changed is False
    assert change.changed is False
    assert plane.snapshot() is before
    assert woken == []


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_a_transaction_that_raises_leaves_everything_as_it_was(plane, writer, error):
    woken = []
    writer.apply(CLUSTER, "a", b"1")
    plane.server().subscribe(CLUSTER, wake=lambda: woken.append(1)).initial()
    before, status = plane.snapshot(), plane.status()

    def change_and_fail():
        with writer.transaction() as change:
            change.apply(CLUSTER, "a", b"2")
            change.remove(CLUSTER, "a")
            change.apply("type.example/a.B", "x", b"")
            raise error

    with pytest.raises(error):
        change_and_fail()
    assert plane.snapshot() is before
    assert plane.status() == status
    assert list(plane.store.indexes) == [CLUSTER]
    assert woken == []
    writer.apply(CLUSTER, "a", b"3")


def test_what_is_wrong_in_a_transaction_is_raised_at_its_line(plane, writer):
    with writer.transaction() as change:
        change.apply(CLUSTER, "a", b"1")
        for wrong in ((CLUSTER, "a", "text"), ("clusters", "a", b""), (CLUSTER, "", b"")):
            with pytest.raises((TypeError, ValueError)):
                change.apply(*wrong)
        with pytest.raises(ValueError, match="is no type URL"):
            change.remove("clusters", "a")
    assert content(plane) == {"a": b"1"}, "who catches it may go on"


def test_one_transaction_of_a_writer_is_open_and_others_are_not_affected(plane, writer):
    with writer.transaction() as change:
        for call in (
            lambda: writer.apply(CLUSTER, "a", b""),
            lambda: writer.remove(CLUSTER, "a"),
            lambda: writer.replace(CLUSTER, {}),
            writer.transaction,
        ):
            with pytest.raises(UsageError, match="a transaction of source is open: change through it, or after it"):
                call()
        plane.apply(CLUSTER, "programs", b"1")
        with plane.transaction() as others:
            others.apply(CLUSTER, "others", b"1")
        change.apply(CLUSTER, "a", b"1")
        assert set(content(plane)) == {"programs", "others"}
    assert set(content(plane)) == {"programs", "others", "a"}


def test_a_transaction_is_used_once_and_inside_its_block(writer):
    change = writer.transaction()
    with pytest.raises(UsageError, match=r"^this transaction is not open: use it inside its with block$"):
        change.apply(CLUSTER, "a", b"1")
    with change:
        pass
    with pytest.raises(UsageError, match="this transaction is not open"):
        change.remove(CLUSTER, "a")
    with pytest.raises(UsageError, match="each is used once"), change:
        pass


def test_two_transactions_made_at_once_are_not_both_opened(writer):
    first, second = writer.transaction(), writer.transaction()
    with first, pytest.raises(UsageError, match="source has a transaction open"), second:
        pass
    writer.apply(CLUSTER, "a", b"1")


def test_what_is_on_demand_is_so_in_each_of_its_versions(plane):
    for body in (b"1", b"2", b"3"):
        plane.apply(CLUSTER, "a", body, on_demand=True)
        assert plane.snapshot()[CLUSTER]["a"].on_demand
        plane.apply(CLUSTER, "b", body)
        assert not plane.snapshot()[CLUSTER]["b"].on_demand


def test_bytes_are_taken_as_they_are_and_not_copied(plane):
    for body in (bytes(1000), bytes(1001)):
        plane.apply(CLUSTER, "a", body)
        assert plane.snapshot()[CLUSTER]["a"].body is body


# --- version labels


def labels(plane, type_url=CLUSTER):
    """What a client that asks for all of a type now is told."""
    with plane.server().subscribe(type_url) as subscriber:
        return subscriber.initial().label


def test_a_transaction_may_say_what_people_call_the_state_after_it(plane):
    subscriber = plane.server().subscribe(CLUSTER)
    assert subscriber.initial().label is None
    with plane.transaction("e9fc6eb") as change:
        change.apply(CLUSTER, "a", b"1")
        change.apply(CLUSTER, "b", b"1")
    assert change.version == "e9fc6eb"
    update = subscriber.poll()
    assert update is not None
    assert update.label == "e9fc6eb"
    assert labels(plane) == "e9fc6eb"


def test_a_label_counts_for_the_types_that_changed_until_they_change_again(plane):
    with plane.transaction("one") as change:
        change.apply(CLUSTER, "a", b"1")
        change.apply(ENDPOINT, "e", b"1")
    with plane.transaction("two") as change:
        change.apply(CLUSTER, "a", b"1")
        change.apply(ENDPOINT, "e", b"2")
    assert (labels(plane), labels(plane, ENDPOINT)) == ("one", "two")
    plane.apply(CLUSTER, "b", b"1")
    assert (labels(plane), labels(plane, ENDPOINT)) == (None, "two")
    plane.apply(ENDPOINT, "e", b"3")
    assert labels(plane, ENDPOINT) is None


def test_who_missed_several_is_told_the_last(plane):
    subscriber = plane.server().subscribe(CLUSTER)
    subscriber.initial()
    for label in ("one", "two"):
        with plane.transaction(label) as change:
            change.apply(CLUSTER, label, b"1")
    update = subscriber.poll()
    assert update is not None
    assert ([resource.name for resource in update.resources], update.label) == (["one", "two"], "two")


def test_versions_are_of_the_content_whatever_the_label(plane):
    plane.apply(CLUSTER, "a", b"1")
    version = plane.snapshot()[CLUSTER]["a"].version
    with plane.transaction("one") as change:
        change.apply(CLUSTER, "a", b"1")
    assert change.changed is False
    assert plane.snapshot()[CLUSTER]["a"].version == version


def test_who_is_woken_by_a_transaction_sees_its_label(plane):
    seen = []
    plane.server().subscribe(CLUSTER, wake=lambda: seen.append(labels(plane))).initial()
    with plane.transaction("one") as change:
        change.apply(CLUSTER, "a", b"1")
    assert seen == ["one"]


def test_what_was_held_and_is_let_go_leaves_the_label(plane, writer):
    writer.ready()
    writer.apply(CLUSTER, "a", b"1")
    writer.incomplete(["a.yaml"])
    writer.remove(CLUSTER, "a")
    with plane.transaction("one") as change:
        change.apply(CLUSTER, "b", b"1")
    writer.incomplete([])
    assert set(content(plane)) == {"b"}
    assert labels(plane) == "one"


def test_one_who_fell_behind_is_told_the_label_with_everything():
    plane = Plane(tombstones=0)
    star, named = plane.server().subscribe(CLUSTER), plane.server().subscribe(CLUSTER, ["*", "a"])
    for subscriber in (star, named):
        subscriber.initial()
    plane.apply(CLUSTER, "b", b"1")
    with plane.transaction("one") as change:
        change.apply(CLUSTER, "a", b"1")
        change.remove(CLUSTER, "b")
    for subscriber in (star, named):
        update = subscriber.poll()
        assert update is not None
        assert (update.full, update.label) == (True, "one")


@pytest.mark.parametrize(("label", "error"), [("", ValueError), ("x" * 201, ValueError), (7, TypeError)])
@pytest.mark.interpreted
def test_a_label_that_is_none(writer, label, error):
    with pytest.raises(error, match="a version label"):
        writer.transaction(label)
    writer.apply(CLUSTER, "a", b"1")


# --- after close


def test_nothing_is_written_after_close(plane, writer):
    writer.apply(CLUSTER, "a", b"1")
    plane.close()
    for call in (
        lambda: writer.apply(CLUSTER, "a", b"1"),
        lambda: writer.remove(CLUSTER, "a"),
        lambda: writer.replace(CLUSTER, {}),
        writer.transaction,
        writer.ready,
        lambda: writer.incomplete([]),
    ):
        with pytest.raises(ClosedError, match="the Plane is closed"):
            call()


def test_a_transaction_that_was_open_at_close_does_not_happen(plane, writer):
    def close_amidst():
        with writer.transaction() as change:
            change.apply(CLUSTER, "a", b"1")
            plane.close()

    with pytest.raises(ClosedError, match=r"^the Plane was closed while a transaction was open; it did not happen$"):
        close_amidst()
    assert content(plane) == {}


# --- how complete it is


def test_reasons_are_a_collection_of_lines(writer):
    with pytest.raises(TypeError, match=r"reasons is a collection of lines, not one: pass \['a.yaml'\]"):
        writer.incomplete("a.yaml")


def test_to_remove_what_was_never_there_is_not_to_have_written(plane):
    writer = plane.writer("file:conf")
    writer.ready()
    writer.remove(CLUSTER, "a")
    assert writer.lacks == ("file:conf is empty",)


def test_what_a_writer_lacks(plane):
    writer = plane.writer("file:conf")
    assert writer.lacks == ("file:conf has not delivered its first state yet",)
    writer.ready()
    assert writer.lacks == ("file:conf is empty",)
    writer.incomplete(["a.yaml"])
    assert writer.lacks == ("file:conf is empty", "a.yaml")
    writer.apply(CLUSTER, "a", b"")
    assert writer.lacks == ("a.yaml",)
    writer.incomplete([])
    assert writer.lacks == ()
    assert writer.is_ready


def test_a_transaction_that_was_left_open_can_be_abandoned():
    plane = Plane()
    left = plane.transaction()
    left.__enter__()
    left.apply(CLUSTER, "a", b"1")
    plane.abandon()
    plane.apply(CLUSTER, "b", b"1")
    left.__exit__(None, None, None)
    assert set(plane.snapshot()[CLUSTER]) == {"b"}
    with pytest.raises(UsageError):
        left.apply(CLUSTER, "a", b"1")
    plane.abandon()
