"""Clients: who is connected, and whose state has changed, at the cost of who looks."""

import weakref

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, Clients, Connected, Plane
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Acknowledged
from rime_core.protocol.messages import DeltaResponse
from rime_core.update import Update


@pytest.fixture
def clients():
    return Clients()


def stream(since=0.0, of=None):
    return Connected(of or DeltaStream(Plane().server()), "grpc", since)


def test_streams_are_there_from_when_they_are_entered_until_they_leave(clients):
    one, other = stream(), stream()
    clients.enter(one)
    clients.enter(other)
    assert (list(clients), len(clients)) == ([one, other], 2)
    clients.leave(one)
    clients.leave(one)
    assert (list(clients), one in clients, other in clients) == ([other], False, True)


def test_one_was_last_heard_when_it_came():
    protocol = DeltaStream(Plane().server())
    made = stream(since=5.0, of=protocol)
    assert (made.stream, made.since, made.heard, made.transport) == (protocol, 5.0, 5.0, "grpc")


def test_who_follows_is_woken_once_until_it_takes_what_changed(clients):
    woken = []
    before, one, other = stream(), stream(), stream()
    clients.enter(before)
    follower = clients.follow(lambda: woken.append(len(clients)))
    clients.enter(one)
    clients.enter(other)
    clients.changed(one)
    assert (woken, follower.take(), follower.take()) == ([2], [one, other], [])
    clients.changed(before)
    clients.changed(before)
    assert (woken, follower.take()) == ([2, 3], [before])


def test_one_that_leaves_is_told_once_and_is_gone_by_then(clients):
    one = stream()
    clients.enter(one)
    gone = []
    follower = clients.follow(lambda: gone.append(one not in clients))
    clients.leave(one)
    assert (gone, follower.take()) == ([True], [one])
    clients.leave(one)
    assert (gone, follower.take()) == ([True], [])


def test_each_follower_takes_for_itself_until_it_is_closed(clients):
    one = stream()
    with clients.follow(lambda: None) as first, clients.follow(lambda: None) as second:
        clients.enter(one)
        assert first.take() == second.take() == [one]
        first.close()
        first.close()
        clients.changed(one)
        assert (first.take(), second.take()) == ([], [one])
    clients.changed(one)
    assert second.take() == []


def test_one_wake_up_that_raises_keeps_no_other_from_being_called(clients):
    woken = []

    def fail():
        raise RuntimeError("the page is gone")

    clients.follow(fail)
    clients.follow(lambda: woken.append(True))
    with pytest.raises(RuntimeError, match="the page is gone"):
        clients.enter(stream())
    assert woken == [True]


def test_all_servers_of_a_plane_have_the_same():
    plane = Plane()
    one = stream()
    plane.server().clients.enter(one)
    assert list(plane.server().clients) == [one]
    assert list(Plane(base=plane).server().clients) == []


class Noted:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.told = []

    def committed(self, source, changed, label):
        self.told.append((source, {type_url: sorted(names) for type_url, names in changed.items()}, label))

    def wrote(self, *what):
        self.told.append(what)

    def happened(self, *what):
        self.told.append(what)


def test_who_observes_is_told_of_each_response_and_each_event_in_order(clients):
    one, other, connected = Noted(), Noted(), stream()
    response = DeltaResponse(CLUSTER, Update((), (), ordinal=1), "1", shared=True)
    clients.wrote(connected, response, 7)
    clients.observe(one)
    clients.wrote(connected, response, 8)
    clients.observe(other)
    events = [Acknowledged(CLUSTER, "1"), Acknowledged(CLUSTER, "2")]
    clients.happened(connected, events)
    assert one.told == [(connected, response, 8), *((connected, event) for event in events)]
    assert other.told == [(connected, event) for event in events]
    assert clients.observers == (one, other)
    clients.ignore(one)
    clients.ignore(one)
    assert clients.observers == (other,)


@pytest.mark.parametrize("references", [None, lambda _, __: [(ENDPOINT, "x")]], ids=["unasked", "asked for"])
def test_who_observes_is_told_of_each_change_also_where_nobody_waits_for_it(references):
    plane, noted = Plane(references=references), Noted()
    plane.server().clients.observe(noted)
    for body in (b"1", b"2", b"3", b"3"):
        plane.apply(CLUSTER, "a", body)
    assert noted.told == [(plane.name, {CLUSTER: ["a"]}, None)] * 3


def test_nothing_is_counted_until_somebody_asks_and_then_once_for_all_who_do(clients):
    assert clients.observers == ()
    traffic = clients.traffic()
    assert clients.traffic() is traffic
    assert clients.observers == (traffic,)


@pytest.fixture
def observed():
    plane, noted = Plane(), Noted()
    plane.server().clients.observe(noted)
    return plane, noted


def test_who_observes_is_told_what_a_commit_changed_before_anybody_is_woken(observed):
    plane, noted = observed
    writer = plane.writer("file:conf")
    writer.ready()
    woken = []
    with plane.server().subscribe(CLUSTER, wake=lambda: woken.append(len(noted.told))) as subscriber:
        subscriber.initial()
        with writer.transaction("abc123") as change:
            change.apply(CLUSTER, "b", b"1")
            change.apply(CLUSTER, "a", b"1")
            change.apply(LISTENER, "l", b"1")
    assert noted.told == [("file:conf", {CLUSTER: ["a", "b"], LISTENER: ["l"]}, "abc123")]
    assert woken == [1]


def test_a_commit_that_changes_nothing_is_not_told(observed):
    plane, noted = observed
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "a", b"1")
    with plane.transaction() as change:
        change.apply(CLUSTER, "a", b"1")
        change.apply(LISTENER, "l", b"1")
    with plane.transaction() as change:
        change.apply(CLUSTER, "a", b"1")
    assert noted.told == [("the program", {CLUSTER: ["a"]}, None), ("the program", {LISTENER: ["l"]}, None)]


def test_so_is_another_body_for_one_name(observed):
    plane, noted = observed
    plane.apply(CLUSTER, "a", b"1")
    noted.told.clear()
    woken = []
    with plane.server().subscribe(CLUSTER, wake=lambda: woken.append(len(noted.told))) as subscriber:
        subscriber.initial()
        plane.apply(CLUSTER, "a", b"3")
    assert noted.told == [("the program", {CLUSTER: ["a"]}, None)]
    assert woken == [1]


def test_one_can_be_referred_to_without_being_kept():
    connected = stream()
    assert weakref.ref(connected)() is connected
