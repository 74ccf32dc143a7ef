"""What a deployment waits for: that each client has acknowledged what there was when it began."""

import pytest

from rime_core import CLUSTER, ENDPOINT, ROUTE, Node, Plane
from rime_ws.pace import LEAST
from rime_ws.settled import Settled
from tests.rime_ws.talk import FakeEnvoy, Talk


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return plane


class Deployment:
    """Waits for the clients of a plane, by what is really said of them."""

    def __init__(self, plane):
        self.server = plane.server()
        self.talk = Talk(self.server)
        self.settled = Settled()

    def client(self, name="n"):
        return FakeEnvoy(self.server, Node(id=name), self.talk.clock)

    def begin(self):
        for message in self.talk.ask(id="who", feed="clients"):
            self.settled.take(message)
        return self

    @property
    def done(self):
        self.talk.clock.time += LEAST
        for message in self.talk.heard():
            self.settled.take(message)
        return self.settled.is_done


@pytest.fixture
def deployment(plane):
    return Deployment(plane)


def test_nothing_is_known_before_the_first_state_is_whole():
    settled = Settled()
    assert not settled.is_done
    settled.take({"clients": [], "removed": [], "more": True})
    assert not settled.is_done
    settled.take({"clients": [], "removed": [], "more": False})
    assert settled.is_done


def test_without_clients_there_is_nothing_to_wait_for(deployment):
    assert deployment.begin().done


def test_one_that_has_everything_is_not_waited_for(deployment):
    deployment.client().ask(CLUSTER).catch_up()
    assert deployment.begin().done
    assert deployment.settled.clients == 1


def test_what_is_on_its_way_has_to_be_acknowledged(deployment):
    client = deployment.client().ask(CLUSTER)
    batch = client.read()
    assert not deployment.begin().done
    assert list(deployment.settled.left()) == ["n@10.0.0.1:4000: clusters: has not acknowledged 1 of what it was sent"]
    client.answer(batch)
    assert deployment.done
    assert list(deployment.settled.left()) == []


def test_what_was_not_sent_has_to_be_sent_and_acknowledged(deployment):
    client = deployment.client().ask(CLUSTER)
    assert not deployment.begin().done
    assert list(deployment.settled.left()) == ["n@10.0.0.1:4000: clusters: was not sent everything yet"]
    batch = client.read()
    assert not deployment.done
    client.answer(batch)
    assert deployment.done


def test_what_changes_later_is_not_waited_for(plane, deployment):
    client = deployment.client().ask(CLUSTER)
    batch = client.read()
    deployment.begin()
    plane.apply(CLUSTER, "a", b"2")
    later = client.read()
    client.answer(batch)
    plane.apply(CLUSTER, "a", b"3")
    client._changed()
    assert deployment.done
    client.answer(later)
    assert deployment.done


def test_of_one_that_is_never_up_to_date_it_is_known_what_it_has_acknowledged(plane, deployment):
    client = deployment.client().ask(CLUSTER)
    batches = [client.read()]
    plane.apply(CLUSTER, "a", b"2")
    deployment.begin()
    for number in range(3, 9):
        batches.append(client.read())
        plane.apply(CLUSTER, "a", bytes([number]))
        client._changed()
        client.answer(batches.pop(0))
        if number == 3:
            assert not deployment.done
    assert deployment.done


def test_names_are_waited_for_as_well(plane, deployment):
    plane.apply(ENDPOINT, "e", b"1")
    client = deployment.client().ask(CLUSTER).ask(ENDPOINT, "e").catch_up()
    for number in range(5):
        plane.apply(ENDPOINT, f"another {number}", b"1")
    assert deployment.begin().done
    plane.apply(ENDPOINT, "e", b"2")
    client._changed()
    late = Deployment(plane)
    assert not late.begin().done
    client.catch_up()
    assert late.done


def test_what_a_client_refuses_is_not_settled_and_hopeless_until_something_changes(plane, deployment):
    client = deployment.client().ask(CLUSTER)
    patient = deployment.client("other").ask(CLUSTER)
    client.answer(client.read(), error="Error adding/updating cluster(s) a: no\nmore")
    assert not deployment.begin().done
    assert not deployment.settled.is_hopeless
    patient.catch_up()
    assert not deployment.done
    assert deployment.settled.is_hopeless
    assert list(deployment.settled.left()) == [
        "n@10.0.0.1:4000: clusters: rejected a: Error adding/updating cluster(s) a: no more"
    ]
    plane.apply(CLUSTER, "a", b"2")
    client.catch_up()
    assert deployment.done


def test_what_is_held_back_is_waited_for():
    plane = Plane(references=lambda type_url, body: [(CLUSTER, body.decode())] if type_url == ROUTE else [])
    plane.apply(CLUSTER, "old", b"1")
    plane.apply(ROUTE, "r", b"old")
    deployment = Deployment(plane)
    client = deployment.client().ask(CLUSTER).ask(ROUTE, "r").catch_up()
    with plane.transaction() as change:
        change.apply(CLUSTER, "new", b"1")
        change.apply(ROUTE, "r", b"new")
    batch = client.read()
    assert not deployment.begin().done
    assert "n@10.0.0.1:4000: routes: route 'r' waits for cluster 'new' (warming)" in deployment.settled.left()
    client.answer(batch).catch_up()
    assert deployment.done


def test_one_that_goes_is_not_waited_for_and_one_that_comes_is(deployment):
    client = deployment.client().ask(CLUSTER)
    assert not deployment.begin().done
    client.go()
    assert deployment.done
    other = deployment.client("other").ask(CLUSTER)
    assert not deployment.done
    other.catch_up()
    assert deployment.done
