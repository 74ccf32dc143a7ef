"""Reception: what clients made of a resource, as the source that wrote it is told."""

from math import inf

import pytest

from rime_core import CLUSTER, ENDPOINT, Plane, Reception


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def writer(plane):
    writer = plane.writer("source", allow_empty=True)
    writer.apply(CLUSTER, "a", b"1")
    writer.ready()
    return writer


def client(plane, names=None, **options):
    """One who was sent all that it asks for, and the update that brought it."""
    subscriber = plane.server().subscribe(CLUSTER, names, **options)
    return subscriber, subscriber.initial()


def accepting(plane, names=None, **options):
    subscriber, update = client(plane, names, **options)
    subscriber.acknowledge_update(update)
    return subscriber


def refusing(plane, why, at=None):
    subscriber, update = client(plane)
    subscriber.reject(update, why, at=at)
    return subscriber


def counts(reception):
    return reception.clients, reception.acknowledged, reception.rejected


def version_of(plane, name="a"):
    return plane.snapshot()[CLUSTER][name].version


def test_nobody_asks_for_it_yet(plane, writer):
    assert writer.reception(CLUSTER, "a") == Reception(version_of(plane), 0, 0, 0, "")


def test_clients_ask_for_it_and_accept_it_or_refuse_it(plane, writer):
    accepting(plane)
    accepting(plane, ["a"])
    client(plane)
    refusing(plane, "no such filter")

    assert writer.reception(CLUSTER, "a") == Reception(version_of(plane), 4, 2, 1, "no such filter")


def test_the_last_refusal_is_told_and_one_without_a_time_is_older_than_any(plane, writer):
    refusing(plane, "untimed")
    refusing(plane, "first", at=-5.0)
    refusing(plane, "last", at=7.0)
    refusing(plane, "second", at=6.0)
    assert writer.reception(CLUSTER, "a").reason == "last"
    assert writer.reception(CLUSTER, "a").rejected_at == 7.0


def test_of_two_without_a_time_one_is_told(plane, writer):
    refusing(plane, "untimed")
    timed = refusing(plane, "timed", at=-5.0)
    assert writer.reception(CLUSTER, "a").reason == "timed"
    timed.close()
    assert writer.reception(CLUSTER, "a").reason == "untimed"
    assert writer.reception(CLUSTER, "a").rejected_at == -inf


def test_of_several_of_one_time_the_first_that_came_is_told(plane, writer):
    refusing(plane, "a", at=1.0)
    refusing(plane, "z", at=1.0)
    assert writer.reception(CLUSTER, "a").reason == "a"


def test_what_clients_made_of_another_version_does_not_count(plane, writer):
    accepted = accepting(plane)
    refused = refusing(plane, "bad")
    writer.apply(CLUSTER, "a", b"2")
    assert writer.reception(CLUSTER, "a") == Reception(version_of(plane), 2, 0, 0, "")
    accepted.acknowledge_update(accepted.poll())
    refused.acknowledge_update(refused.poll())
    assert counts(writer.reception(CLUSTER, "a")) == (2, 2, 0)


def test_who_accepted_the_version_before_and_refuses_this_one_has_refused_it(plane, writer):
    subscriber = accepting(plane)
    writer.apply(CLUSTER, "a", b"2")
    subscriber.reject(subscriber.poll(), "bad")
    assert counts(writer.reception(CLUSTER, "a")) == (1, 0, 1)
    writer.apply(CLUSTER, "a", b"1")
    assert counts(writer.reception(CLUSTER, "a")) == (1, 1, 0), "it is back at what this client has"


def test_a_refusal_of_something_else_is_none_of_this(plane, writer):
    writer.apply(CLUSTER, "b", b"1")
    subscriber, update = client(plane)
    subscriber.reject(update, "b is bad", ["b"])
    assert counts(writer.reception(CLUSTER, "a")) == (1, 0, 0)
    assert writer.reception(CLUSTER, "b").reason == "b is bad"


def test_who_does_not_ask_for_it_does_not_count(plane, writer):
    writer.apply(CLUSTER, "b", b"1")
    writer.apply(CLUSTER, "secret", b"1", on_demand=True)
    writer.apply(CLUSTER, "named", b"1", aliases=["other"])
    accepting(plane)
    accepting(plane, ["b"])
    accepting(plane, ["other"])
    plane.server().subscribe(ENDPOINT)

    assert counts(writer.reception(CLUSTER, "a")) == (1, 1, 0)
    assert counts(writer.reception(CLUSTER, "b")) == (2, 2, 0)
    assert counts(writer.reception(CLUSTER, "secret")) == (0, 0, 0)
    assert counts(writer.reception(CLUSTER, "named")) == (2, 2, 0)


def test_who_only_looks_or_has_gone_does_not_count(plane, writer):
    accepting(plane, is_client=False)
    accepting(plane).close()
    assert counts(writer.reception(CLUSTER, "a")) == (0, 0, 0)


def test_there_is_none_of_what_the_writer_does_not_have_in_service(plane, writer):
    other = plane.writer("another source", allow_empty=True)
    other.ready()
    other.apply(CLUSTER, "a", b"hidden")
    other.apply(CLUSTER, "b", b"its own")
    writer.apply(CLUSTER, "gone", b"1")
    writer.remove(CLUSTER, "gone")

    assert writer.reception(ENDPOINT, "a") is None
    assert writer.reception(CLUSTER, "never") is None
    assert writer.reception(CLUSTER, "gone") is None
    assert writer.reception(CLUSTER, "b") is None
    assert other.reception(CLUSTER, "a") is None
    assert other.reception(CLUSTER, "b").clients == 0


def test_clients_of_groups_count_where_they_see_it(plane, writer):
    plain, covering = Plane(base=plane), Plane(base=plane)
    covering.apply(CLUSTER, "a", b"the group's own")
    accepting(plain)
    accepting(covering)

    assert counts(writer.reception(CLUSTER, "a")) == (1, 1, 0)
    assert counts(covering.reception(CLUSTER, "a")) == (1, 1, 0)
