"""What those at one cursor must be sent is worked out once, and equal content is one Update."""

import pytest

from rime_core import CLUSTER, SECRET, Plane
from rime_core.kept import ANSWERS


@pytest.fixture
def plane():
    return Plane()


def put(plane, *names, body=b"x", **options):
    for name in names:
        plane.apply(CLUSTER, name, body, **options)


def view_of(plane, type_url=CLUSTER):
    return plane.store.view(type_url)


def said(update):
    return [(resource.name, resource.body) for resource in update.resources], list(update.removed)


# --- sharing


def test_what_those_at_one_cursor_must_be_sent_is_one_object(plane):
    put(plane, "a")
    view = view_of(plane)
    cursor = view.ordinal
    put(plane, "b")
    assert view.since(cursor) is view.since(cursor)
    assert view.since(0) is not view.since(cursor)


def test_answers_are_kept_for_so_many_cursors_and_no_more(plane):
    put(plane, *(f"n{each}" for each in range(ANSWERS + 2)))
    view = view_of(plane)
    for cursor in range(ANSWERS):
        view.since(cursor)
    assert sorted(view.shared) == list(range(ANSWERS))
    view.since(0)
    assert sorted(view.shared) == list(range(ANSWERS))
    view.since(ANSWERS)
    assert list(view.shared) == [ANSWERS]


def test_what_those_must_be_sent_that_have_nothing_is_one_object(plane):
    put(plane, "a")
    assert view_of(plane).first() is view_of(plane).first()
    assert view_of(plane, SECRET).first() is view_of(plane, SECRET).first(), "nothing, too"


def test_equal_content_at_one_moment_is_one_object(plane):
    put(plane, "a")
    view = view_of(plane)
    assert view.update_of(tuple(view.matches("a")), ()) is view.since(0)
    assert view.update_of((), ()) is None


def test_nothing_of_an_earlier_moment_is_shared_later(plane):
    put(plane, "a")
    view = view_of(plane)
    before = view.since(0)
    put(plane, "a", body=b"y")
    after = view.since(0)
    assert after is not before
    assert after.ordinal == 2
    assert said(after) == ([("a", b"y")], [])


# --- what "*" gives


def test_what_a_wildcard_is_given(plane):
    put(plane, "a")
    put(plane, "b", on_demand=True)
    plane.apply(SECRET, "s", b"")
    assert said(view_of(plane).everything()) == ([("a", b"x")], [])
    assert said(view_of(plane, SECRET).everything()) == ([], [])


def test_what_changed_comes_in_order_of_change_and_what_is_unchanged_does_not(plane):
    put(plane, "a", "b", "c")
    view = view_of(plane)
    cursor = view.observed = view.ordinal
    put(plane, "c", "b", body=b"y")
    put(plane, "c")
    plane.remove(CLUSTER, "a")
    assert said(view.since(cursor)) == ([("b", b"y")], ["a"])


def test_what_goes_out_of_the_wildcard_is_removed(plane):
    put(plane, "a")
    view = view_of(plane)
    cursor = view.observed = view.ordinal
    put(plane, "a", on_demand=True)
    assert said(view.since(cursor)) == ([], ["a"])


def test_below_the_floor_there_is_only_everything():
    plane = Plane(tombstones=0)
    put(plane, "a", "b")
    plane.remove(CLUSTER, "a")
    view = view_of(plane)
    assert view.since(2).full
    assert said(view.since(2)) == ([("b", b"x")], [])
    assert view.since(3) is None


# --- what it is made of


def test_the_view_of_a_plane_is_its_index(plane):
    view = view_of(plane)
    assert view is plane.store.indexes[CLUSTER]
    assert view.feeds == (view,)
