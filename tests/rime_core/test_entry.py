"""A name's past is known as far as a cursor stands on it, and content that only looks equal is told apart."""

import pytest

from rime_core import CLUSTER, Plane
from rime_core.entry import Entry
from rime_core.resource import Resource

WRITER = Plane()


def resource(version, body=b"", **options):
    return Resource(CLUSTER, "a", version, body, **options)


# --- the past


def test_the_state_at_a_cursor():
    entry = Entry("a", resource("v5"), 5, WRITER)
    entry.past = (Entry("a", resource("v2"), 2, WRITER).state(), Entry("a", None, 4, WRITER).state())
    versions = [state.version if (state := entry.state_at(cursor)) else "unborn" for cursor in range(1, 7)]
    assert versions == ["unborn", "v2", "v2", None, "v5", "v5"]


def test_the_aliases_are_those_that_it_has_or_had_last():
    entry = Entry("a", resource("v", aliases=("x",)), 1, WRITER)
    assert entry.aliases == ("x",)
    entry.past, entry.resource = (entry.state(),), None
    assert entry.aliases == ("x",)
    assert Entry("a", None, 1, WRITER).aliases == ()


def test_a_state_is_all_that_a_client_can_tell_apart():
    present = resource("v", b"body", aliases=("x",), on_demand=True)
    assert Entry("a", present, 3, WRITER).state() == (3, "v", ("x",), True, present.ttl, hash(b"body"))


# --- equal hashes


@pytest.fixture
def colliding():
    return Plane(digest=lambda _: "same")


def put(plane, body):
    plane.apply(CLUSTER, "a", body)


def version(plane):
    return plane.snapshot()[CLUSTER]["a"].version


def test_equal_hash_of_other_content_is_another_version(colliding):
    put(colliding, b"one")
    assert version(colliding) == "same"
    put(colliding, b"two")
    assert version(colliding) == "same~2"


def test_what_is_told_apart_already_is_told_apart_from_what_comes_next(colliding):
    put(colliding, b"one")
    put(colliding, b"two")
    put(colliding, b"three")
    assert version(colliding) == "same~3"


def test_content_that_some_client_still_has_keeps_its_own_version(colliding):
    put(colliding, b"one")
    reader = colliding.server().subscribe(CLUSTER)
    reader.initial()
    put(colliding, b"two")
    reader.poll()
    colliding.remove(CLUSTER, "a")
    put(colliding, b"three")
    assert version(colliding) not in {"same", "same~2"}


def test_who_takes_a_name_over_is_told_apart_from_what_it_replaces():
    plane = Plane(digest=lambda body: chr(body[0]))
    first, second = plane.writer("first"), plane.writer("second")
    first.apply(CLUSTER, "a", b"x1")
    second.apply(CLUSTER, "a", b"y1")
    first.apply(CLUSTER, "a", b"y2")
    subscriber = plane.server().subscribe(CLUSTER)
    subscriber.initial()
    first.ready()
    second.ready()
    first.remove(CLUSTER, "a")
    update = subscriber.poll()
    assert update is not None
    assert [resource.body for resource in update.resources] == [b"y1"]


def test_a_change_staged_before_another_writers_is_told_apart_from_that():
    plane = Plane(digest=lambda body: chr(body[0]))
    other = plane.writer("other")
    subscriber = plane.server().subscribe(CLUSTER)
    with plane.transaction() as change:
        change.apply(CLUSTER, "a", b"y1")
        other.apply(CLUSTER, "a", b"y2")
        subscriber.initial()
    update = subscriber.poll()
    assert update is not None
    assert [resource.body for resource in update.resources] == [b"y1"]
