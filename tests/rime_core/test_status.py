"""What a Plane tells people are values, and lines."""

import dataclasses

import pytest

from rime_core import CLUSTER, HeldRemoval, Notice, Plane, WriterStatus


def test_the_status_of_a_plane_at_work():
    plane = Plane()
    first, second = plane.writer("file:conf"), plane.writer("db:x")
    first.apply(CLUSTER, "a", b"1")
    first.apply(CLUSTER, "b", b"1")
    first.ready()
    second.apply(CLUSTER, "b", b"2")
    second.ready()
    first.incomplete(["conf/a.yaml:3: not YAML"])
    first.remove(CLUSTER, "a")
    status = plane.status()
    assert (status.sequence, status.ready, status.complete) == (2, True, False)
    assert status.writers == (
        WriterStatus("the program", True, (), 0),
        WriterStatus("file:conf", True, ("conf/a.yaml:3: not YAML",), 2),
        WriterStatus("db:x", True, (), 0),
    )
    assert status.held == (HeldRemoval(CLUSTER, "a", "file:conf", "complete view", "conf/a.yaml:3: not YAML"),)
    assert status.contested == {(CLUSTER, "b"): ("file:conf", "db:x")}


def test_the_status_of_a_plane_that_waits():
    plane = Plane()
    plane.writer("slow")
    status = plane.status()
    assert not status.ready
    assert status.writers[1:] == (WriterStatus("slow", False, ("slow has not delivered its first state yet",), 0),)


@pytest.mark.parametrize("value", [Notice("complete", "text"), Plane().status(), WriterStatus("w", True, (), 0)])
def test_what_is_told_cannot_be_changed(value):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, "other")


def test_how_old_what_a_writer_wrote_may_be_is_told_where_somebody_knows():
    plane = Plane()
    first, second = plane.writer("file:conf"), plane.writer("db:x")
    first.staleness = lambda: 1.5
    assert {each.name: each.staleness for each in plane.status().writers} == {
        "the program": None, "file:conf": 1.5, "db:x": None,
    }  # fmt: skip
    assert second.staleness() is None


def test_a_status_is_of_its_moment():
    plane = Plane()
    before = plane.status()
    plane.apply(CLUSTER, "a", b"1")
    assert before.sequence == 0
