"""The Store behind a Plane: who may, whether now, and then one change and one wake-up."""

import pytest

from rime_core import CLUSTER, EXTENSION_CONFIG, LISTENER, SECRET, Notice, Plane


class Notices(list[Notice]):
    """What was reported, by kind."""

    def of(self, kind):
        return [notice.text for notice in self if notice.kind == kind]


@pytest.fixture
def notices():
    return Notices()


@pytest.fixture
def plane(notices):
    return Plane(report=notices.append)


@pytest.fixture
def source(plane):
    """A writer that has delivered a to f."""
    source = plane.writer("source")
    source.replace(CLUSTER, dict.fromkeys("abcdef", b"1"))
    source.ready()
    return source


def names(plane, type_url=CLUSTER):
    return set(plane.snapshot()[type_url])


# --- removals only from a complete view


def test_removals_are_held_while_something_cannot_be_read_and_happen_when_it_can(plane, source, notices):
    source.incomplete(["conf/a.yaml:3: not YAML"])
    assert source.remove(CLUSTER, "a") is False
    assert "a" in names(plane)
    assert [(held.name, held.waits_for, held.why) for held in plane.status().held] == [
        ("a", "complete view", "conf/a.yaml:3: not YAML")
    ]
    source.incomplete([])
    assert "a" not in names(plane)
    assert plane.status().held == ()
    assert notices.of("removal-held") == ["the removal of cluster 'a' is held: conf/a.yaml:3: not YAML"]
    assert notices.of("removal-released") == ["1 held removals of source have happened"]


def test_what_anybody_cannot_read_holds_everybodys_removals(plane, source):
    other = plane.writer("other", allow_empty=True)
    assert not plane.complete, "it has not delivered its first state"
    other.ready()
    other.incomplete(["one", "two", "three"])
    source.remove(CLUSTER, "a")
    plane.apply(CLUSTER, "programs", b"1")
    plane.remove(CLUSTER, "programs")
    assert {"a", "programs"} <= names(plane)
    assert plane.status().held[0].why == "one (and 2 more)"
    other.incomplete([])
    assert not {"a", "programs"} & names(plane)


def test_the_program_may_lack_something_too(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.incomplete(["the database does not answer"])
    assert not plane.complete
    plane.remove(CLUSTER, "a")
    assert names(plane) == {"a"}
    plane.incomplete([])
    assert names(plane) == set()


def test_additions_and_changes_are_never_held(source):
    source.incomplete(["x"])
    assert source.apply(CLUSTER, "a", b"2") is True
    assert source.apply(CLUSTER, "new", b"1") is True


def test_what_is_written_again_is_no_longer_to_be_removed(plane, source):
    source.incomplete(["x"])
    source.remove(CLUSTER, "a")
    source.apply(CLUSTER, "a", b"1")
    assert plane.status().held == ()
    source.incomplete([])
    assert "a" in names(plane)


def test_a_removal_is_held_and_reported_once(plane, source, notices):
    source.incomplete(["x"])
    for _ in range(3):
        source.replace(CLUSTER, dict.fromkeys("bcdef", b"1"))
    assert len(plane.status().held) == 1
    assert len(notices.of("removal-held")) == 1


def test_nothing_is_held_before_anybody_was_answered(plane):
    writer = plane.writer("source")
    writer.apply(CLUSTER, "a", b"1")
    assert writer.remove(CLUSTER, "a") is True


def test_clients_are_told_of_the_held_removals_in_one_update(plane, source):
    woken = []
    subscriber = plane.server().subscribe(CLUSTER, wake=lambda: woken.append(1))
    subscriber.initial()
    source.incomplete(["x"])
    source.remove(CLUSTER, "a")
    source.remove(CLUSTER, "b")
    assert subscriber.poll() is None
    source.incomplete([])
    assert woken == [1]
    assert set(subscriber.poll().removed) == {"a", "b"}


# --- too many at once


@pytest.fixture
def guarded(notices):
    plane = Plane(max_removal=0.5, report=notices.append)
    source = plane.writer("source")
    source.replace(CLUSTER, dict.fromkeys("abcdef", b"1"))
    source.ready()
    return plane


def writer_of(plane):
    return plane.store.writers["source"]


def test_as_many_as_are_allowed_may_go(guarded):
    writer_of(guarded).replace(CLUSTER, dict.fromkeys("abc", b"1"))
    assert names(guarded) == set("abc")


def test_more_are_held_until_they_are_released(guarded, notices):
    writer_of(guarded).replace(CLUSTER, dict.fromkeys("ab", b"2"))
    assert names(guarded) == set("abcdef")
    assert guarded.snapshot()[CLUSTER]["a"].body == b"2", "what is not a removal happens"
    assert {held.waits_for for held in guarded.status().held} == {"release"}
    assert guarded.status().held[0].why == "source would lose 4 of 6 resources at once, more than allowed"
    guarded.release()
    assert names(guarded) == set("ab")
    assert notices.of("removal-released") == ["4 held removals of source have happened"]


def test_they_stay_held_although_the_view_becomes_complete(guarded):
    source = writer_of(guarded)
    source.replace(CLUSTER, {})
    source.incomplete(["x"])
    source.incomplete([])
    assert names(guarded) == set("abcdef")


def test_what_waited_for_a_complete_view_may_be_too_many(guarded):
    source = writer_of(guarded)
    source.incomplete(["x"])
    source.replace(CLUSTER, {})
    assert {held.waits_for for held in guarded.status().held} == {"complete view"}
    guarded.release()
    assert names(guarded) == set("abcdef")
    source.incomplete([])
    assert {held.waits_for for held in guarded.status().held} == {"release"}
    guarded.release()
    assert names(guarded) == set()


def test_what_another_writer_takes_over_is_not_gone(guarded):
    other = guarded.writer("other")
    other.replace(CLUSTER, dict.fromkeys("abcd", b"other"))
    other.ready()
    writer_of(guarded).replace(CLUSTER, {})
    assert names(guarded) == set("abcd")


def test_without_a_guard_everything_may_go_at_once(plane, source):
    source.replace(CLUSTER, {})
    assert names(plane) == set()


# --- what something refers to


@pytest.fixture
def referring(notices):
    """A listener `l` that refers to the secret `s`."""
    plane = Plane(references=lambda _, body: [(SECRET, body.decode())] if body else [], report=notices.append)
    plane.apply(SECRET, "s", b"")
    plane.apply(LISTENER, "l", b"s")
    return plane


def test_a_secret_stays_while_something_refers_to_it(referring, notices):
    assert referring.remove(SECRET, "s") is False
    assert names(referring, SECRET) == {"s"}
    assert [(held.name, held.waits_for) for held in referring.status().held] == [("s", "referrers")]
    assert notices.of("removal-held") == ["the removal of secret 's' is held: something still refers to it"]


@pytest.mark.parametrize("how", ["removed", "changed", "removed with it", "removed with it, the secret first"])
def test_it_goes_with_the_last_that_refers_to_it(referring, how):
    if how == "removed":
        referring.remove(SECRET, "s")
        referring.remove(LISTENER, "l")
    elif how == "changed":
        referring.remove(SECRET, "s")
        referring.apply(LISTENER, "l", b"other")
    else:
        with referring.transaction() as change:
            order = [(LISTENER, "l"), (SECRET, "s")]
            for what in order if how == "removed with it" else reversed(order):
                change.remove(*what)
    assert names(referring, SECRET) == set()
    assert referring.status().held == ()


def test_it_stays_while_another_refers_to_it(referring):
    referring.apply(LISTENER, "m", b"s")
    referring.remove(SECRET, "s")
    referring.remove(LISTENER, "l")
    assert names(referring, SECRET) == {"s"}
    referring.remove(LISTENER, "m")
    assert names(referring, SECRET) == set()


def test_it_stays_when_one_takes_the_place_of_another_in_one_transaction(referring):
    referring.remove(SECRET, "s")
    with referring.transaction() as change:
        change.remove(LISTENER, "l")
        change.apply(LISTENER, "m", b"s")
    assert names(referring, SECRET) == {"s"}


def test_it_goes_when_one_that_refers_to_others_takes_the_place_of_the_last(referring):
    referring.remove(SECRET, "s")
    with referring.transaction() as change:
        change.remove(LISTENER, "l")
        change.apply(LISTENER, "m", b"other")
    assert names(referring, SECRET) == set()


def test_it_does_not_stay_before_anybody_was_answered(referring):
    referring.writer("slow")
    assert referring.remove(SECRET, "s") is True


def test_an_extension_stays_for_the_same_reason_and_a_cluster_does_not():
    plane = Plane(references=lambda _, body: [(url, body.decode()) for url in (EXTENSION_CONFIG, CLUSTER) if body])
    for url in (EXTENSION_CONFIG, CLUSTER):
        plane.apply(url, "x", b"")
    plane.apply(LISTENER, "l", b"x")
    assert plane.remove(EXTENSION_CONFIG, "x") is False
    assert plane.remove(CLUSTER, "x") is True


# --- whose is what


def test_a_writer_claims_what_it_has_and_what_it_lost_and_nothing_else(plane, source):
    plane.apply(CLUSTER, "g", b"the program's")
    plane.apply(CLUSTER, "gone", b"the program's")
    plane.remove(CLUSTER, "gone")
    source.apply(CLUSTER, "g", b"lost")
    source.remove(CLUSTER, "a")
    assert plane.store.names_of(source, CLUSTER) == ["b", "c", "d", "e", "f", "g"]
    assert plane.store.names_of(plane, CLUSTER) == ["g"]
    assert plane.store.names_of(plane, SECRET) == []


# --- whom it calls


def test_a_report_that_raises_reaches_the_writer_with_all_of_it_done():
    def report(notice):
        raise RuntimeError(notice.text)

    plane, woken = Plane(report=report), []
    loser = plane.writer("source", allow_empty=True)
    plane.apply(CLUSTER, "contested", b"1")
    plane.server().subscribe(CLUSTER, wake=lambda: woken.append(names(plane))).initial()
    with pytest.raises(RuntimeError, match="is claimed by"):
        loser.replace(CLUSTER, dict.fromkeys(["a", "contested", "z"], b"2"))
    assert woken == [{"a", "contested", "z"}]


def test_a_wake_that_raises_reaches_the_writer_with_all_others_woken():
    plane, woken = Plane(), []

    def fail():
        raise RuntimeError("on purpose")

    for type_url, wake in (
        (CLUSTER, fail),
        (CLUSTER, lambda: woken.append("same")),
        (LISTENER, lambda: woken.append("other")),
    ):
        plane.server().subscribe(type_url, wake=wake).initial()
    writer = plane.writer("source")
    writer.ready()

    def write():
        with writer.transaction() as change:
            change.apply(CLUSTER, "a", b"1")
            change.apply(LISTENER, "a", b"1")

    with pytest.raises(RuntimeError, match="on purpose"):
        write()
    assert sorted(woken) == ["other", "same"]
    assert plane.complete, "and what was written counts"


def test_a_wake_that_raises_does_not_keep_held_removals():
    plane = Plane()
    writers = [plane.writer(name) for name in ("one", "two")]
    for writer in writers:
        writer.apply(CLUSTER, writer.name, b"1")
        writer.ready()

    def fail():
        raise RuntimeError("on purpose")

    writers[0].incomplete(["x"])
    for writer in writers:
        writer.remove(CLUSTER, writer.name)
    plane.server().subscribe(CLUSTER, wake=fail).initial()
    with pytest.raises(RuntimeError, match="on purpose"):
        writers[0].incomplete([])
    assert names(plane) == set()
    assert plane.status().held == ()


def test_a_report_sees_the_change_done_and_may_write():
    seen = []

    def report(notice):
        seen.append((notice.kind, names(watched)))
        watched.apply(CLUSTER, "from the report", b"1")

    watched = Plane(report=report)
    source = watched.writer("source", allow_empty=True)
    watched.apply(CLUSTER, "a", b"1")
    with source.transaction() as change:
        change.apply(CLUSTER, "a", b"2")
        change.apply(CLUSTER, "b", b"2")
    assert seen == [("conflict", {"a", "b"})]
    assert names(watched) == {"a", "b", "from the report"}
