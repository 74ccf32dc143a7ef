"""The Plane: a program puts one into itself and writes; it is a Writer, and where Writers and Servers come from."""

import pytest

from rime_core import CLUSTER, LISTENER, ClosedError, ConflictError, Plane, Policy, Writer


@pytest.fixture
def plane():
    return Plane()


def test_it_is_the_writer_that_comes_before_all_others(plane):
    assert issubclass(Plane, Writer)
    assert [writer.rank for writer in (plane, plane.writer("one"), plane.writer("two"))] == [0, 1, 2]


def test_a_plane_without_writers_is_ready_and_complete(plane):
    assert plane.answering
    assert plane.complete
    assert plane.apply(CLUSTER, "a", b"1") is True
    assert plane.remove(CLUSTER, "a") is True
    assert plane.snapshot()[CLUSTER] == {}


def test_it_is_read_while_somebody_subscribes_here_or_in_a_group(plane):
    group, other = (Plane(base=plane) for _ in range(2))
    with group.server().subscribe(CLUSTER):
        assert [each.is_read for each in (plane, group, other)] == [True, True, False]
    assert not plane.is_read
    assert not group.is_read


def test_each_commit_that_changes_something_is_counted(plane):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "a", b"1")
    plane.remove(CLUSTER, "b")
    assert plane.sequence == 1


def test_another_digest():
    plane = Plane(digest=lambda body: f"sha:{len(body)}")
    plane.apply(CLUSTER, "a", b"123")
    assert plane.snapshot()[CLUSTER]["a"].version == "sha:3"


def test_two_writers_of_one_name(plane):
    plane.writer("file:conf")
    with pytest.raises(ConflictError, match="two writers are called 'file:conf'; each needs a name of its own"):
        plane.writer("file:conf")


def test_closing_closes_every_subscriber_and_twice_is_fine(plane):
    subscribers = [plane.server().subscribe(type_url) for type_url in (CLUSTER, LISTENER, CLUSTER)]
    plane.close()
    plane.close()
    assert all(subscriber.closed for subscriber in subscribers)
    with pytest.raises(ClosedError):
        plane.writer("late")
    assert plane.snapshot()[CLUSTER] == {}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"references": lambda _, __: [[CLUSTER, "x"], "abc"]}, "pairs"),
        ({"references": lambda _, __: ["abc"]}, "pairs"),
        ({"digest": len}, "^a digest gives text, not int$"),
    ],
)
@pytest.mark.interpreted
def test_what_a_callable_of_the_users_gives_is_checked_before_anything_changes(bad, said):
    plane = Plane(**bad)
    with pytest.raises(TypeError, match=said):
        plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    assert plane.snapshot() == {}
    assert plane.sequence == 0


def test_a_share_of_nothing_holds_every_removal():
    plane = Plane(max_removal=0)
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    assert plane.remove(CLUSTER, "a") is False
    assert [(each.name, each.waits_for) for each in plane.status().held] == [("a", "release")]


@pytest.mark.parametrize("bad", [{"max_removal": 1.1}, {"max_removal": float("nan")}, {"tombstones": -1}])
def test_what_makes_no_sense_is_refused_when_it_is_made(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Plane(**bad)


def test_a_policy_is_that_of_a_type():
    with pytest.raises(ValueError, match="is no type URL"):
        Plane(policies={"routes": Policy()})


def test_nothing_can_be_called_star():
    with pytest.raises(ValueError, match="means every resource"):
        Plane().apply(CLUSTER, "*", b"1")
    with pytest.raises(ValueError, match="means every resource"):
        Plane().apply(CLUSTER, "a", b"1", aliases=["*"])
