"""Clients are answered when every writer has delivered, and what is not here is gone when every writer can read all."""

import pytest

from rime_core import CLUSTER, Notice, Plane


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


def test_a_plane_is_ready_when_every_writer_is(plane):
    one, other = plane.writer("one"), plane.writer("other", allow_empty=True)
    one.apply(CLUSTER, "a", b"1")
    one.ready()
    assert not plane.answering
    other.ready()
    assert plane.answering
    assert plane.complete


def test_opened_it_answers_although_not_everything_is_here(plane, notices):
    plane.writer("slow")
    plane.open()
    assert plane.answering
    assert not plane.complete
    assert notices.of("incomplete") == [
        "removals are held while this lasts: slow has not delivered its first state yet"
    ]


def test_an_empty_first_state_is_ready_and_not_complete_until_something_is_written(plane):
    writer = plane.writer("folder")
    writer.ready()
    assert plane.answering
    assert not plane.complete
    writer.apply(CLUSTER, "a", b"1")
    assert plane.complete
    writer.remove(CLUSTER, "a")
    assert plane.complete, "now it is known that there was something"


def test_an_empty_first_state_is_complete_where_that_was_asked_for(plane):
    plane.writer("folder", allow_empty=True).ready()
    assert plane.complete


def test_a_source_whose_names_are_all_anothers_has_delivered(plane):
    first, second = plane.writer("first"), plane.writer("second")
    for writer in (first, second):
        writer.apply(CLUSTER, "a", writer.name.encode())
        writer.ready()
    assert plane.complete


def test_what_is_lacking_is_reported_once_each(source, notices):
    source.incomplete(["a.yaml"])
    source.incomplete(["a.yaml", "b.yaml"])
    source.incomplete(["b.yaml"])
    source.incomplete([])
    assert notices.of("incomplete") == [
        "removals are held while this lasts: a.yaml",
        "removals are held while this lasts: b.yaml",
    ]
    assert notices[-1] == Notice("complete", "everything can be read")
