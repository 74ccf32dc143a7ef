"""Clients: who is there, where each stands, and of one of them how far it has got with each resource, as changes."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, Node, Plane
from rime_ws.client_feeds import MOST_CLIENTS, MOST_RESOURCES
from rime_ws.pace import LEAST
from tests.rime_ws.talk import Clock, FakeEnvoy, Talk

EDGE = Node(id="edge-1", cluster="edge", region="eu", metadata={"token": "hush"})


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ENDPOINT, "e", b"1")
    return plane


@pytest.fixture
def server(plane):
    return plane.server()


@pytest.fixture
def talk(server, clock):
    return Talk(server, clock)


def changes(talk):
    """What is heard when the feed may speak again."""
    talk.clock.time += LEAST
    return talk.heard()


# --- all of them


def test_nobody_is_connected(talk):
    (message,) = talk.ask(id="who", feed="clients")
    assert (message["first"], message["more"], message["clients"], message["removed"]) == (True, False, [], [])


def test_a_client_is_who_it_says_it_is_and_where_it_is_connected(server, clock, talk):
    envoy = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).catch_up()
    clock.time += 60
    envoy.connected.heard = clock.time
    (message,) = talk.ask(id="who", feed="clients")
    (client,) = message["clients"]
    types = client.pop("types")
    assert client == {
        "client": "edge-1@10.0.0.1:4000",
        "node": {"id": "edge-1", "cluster": "edge", "region": "eu"},
        "address": "10.0.0.1:4000",
        "transport": "grpc",
        "since": "2023-11-14T22:30:00.000Z",
        "heard": "2023-11-14T22:31:00.000Z",
        "state": "synced",
        "group": "default",
    }
    assert [(each["type"], each["state"]) for each in types] == [("clusters", "synced")]
    assert "hush" not in str(message)


def test_one_that_has_not_said_who_it_is_is_nobody_yet(server, clock, talk):
    envoy = FakeEnvoy(server, EDGE, clock)
    assert talk.ask(id="who", feed="clients")[0]["clients"] == []
    envoy.ask(CLUSTER)
    assert [each["client"] for each in changes(talk)[0]["clients"]] == ["edge-1@10.0.0.1:4000"]


def test_streams_of_one_client_are_one_client(server, clock, talk):
    one = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).catch_up()
    other = FakeEnvoy(server, EDGE, clock).ask(ENDPOINT, "e")
    (client,) = talk.ask(id="who", feed="clients")[0]["clients"]
    assert [(each["type"], each["state"]) for each in client["types"]] == [
        ("clusters", "synced"),
        ("endpoints", "pending"),
    ]
    assert client["state"] == "pending"
    one.go()
    (message,) = changes(talk)
    assert ([len(each["types"]) for each in message["clients"]], message["removed"]) == ([1], [])
    other.go()
    (message,) = changes(talk)
    assert (message["clients"], message["removed"]) == ([], ["edge-1@10.0.0.1:4000"])


def test_what_changes_of_a_client_is_told_each_time_with_a_number(server, plane, clock, talk):
    envoy = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).catch_up()
    talk.ask(id="who", feed="clients")
    plane.apply(CLUSTER, "a", b"2")
    envoy._changed()  # as its transport does when it is woken
    seen = changes(talk)
    batch = envoy.read()
    seen += changes(talk)
    envoy.answer(batch)
    seen += changes(talk)
    assert [message["sequence"] for message in seen] == [2, 3, 4]
    stands = [message["clients"][0]["types"][0] for message in seen]
    assert [(each["state"], each["behind"], each["unacknowledged"]) for each in stands] == [
        ("pending", True, 0),
        ("pending", False, 1),
        ("synced", False, 0),
    ]


def test_between_two_messages_there_is_a_pause_in_which_changes_merge(server, plane, clock, talk):
    envoys = [FakeEnvoy(server, Node(id=f"n{number}"), clock).ask(CLUSTER) for number in range(3)]
    talk.ask(id="who", feed="clients")
    for number in range(10):
        plane.apply(CLUSTER, "a", bytes([number]))
        for envoy in envoys:
            envoy.catch_up()
        assert talk.heard() == []
    assert talk.session.due == clock.time + LEAST
    (message,) = changes(talk)
    assert {each["client"]: each["state"] for each in message["clients"]} == {
        f"n{number}@10.0.0.1:4000": "synced" for number in range(3)
    }
    assert talk.session.due is None


def test_many_clients_come_in_parts_the_first_time_without_pauses(server, clock, talk):
    most = 2 * MOST_CLIENTS + 1
    envoys = [FakeEnvoy(server, Node(id=f"n{number}"), clock).ask(CLUSTER) for number in range(most)]
    messages = talk.ask(id="who", feed="clients")
    assert [len(each["clients"]) for each in messages] == [MOST_CLIENTS, MOST_CLIENTS, 1]
    assert [(each["first"], each["more"]) for each in messages] == [(True, True), (True, True), (True, False)]
    for envoy in envoys:
        envoy.catch_up()
    counts = [len(message["clients"]) for _ in range(4) for message in changes(talk)]
    assert counts == [MOST_CLIENTS, MOST_CLIENTS, 1]


def test_a_client_is_of_the_group_that_it_is_served_from(plane, clock):
    edge = Plane(base=plane)
    groups = {"default": plane.server(), "edge": edge.server()}
    server = plane.server(lambda client: groups[client.node.cluster], groups=groups)
    FakeEnvoy(server, EDGE, clock).ask(CLUSTER)
    (message,) = Talk(server, clock).ask(id="who", feed="clients")
    assert message["clients"][0]["group"] == "edge"


# --- one of them


def rows(messages):
    return {
        (each["type"], each["name"]): (each["state"], each["version"], each["has"])
        for message in messages
        for each in message["resources"]
    }


def version(plane, type_url, name):
    return plane.snapshot()[type_url][name].version


def test_of_one_client_each_resource_is_told_with_what_it_has_of_it(server, plane, clock, talk):
    envoy = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).ask(ENDPOINT, "e", "x").catch_up()
    messages = talk.ask(id="one", feed="client", client="edge-1@10.0.0.1:4000")
    old = version(plane, CLUSTER, "a")
    present = version(plane, ENDPOINT, "e")
    assert rows(messages) == {
        ("clusters", "a"): ("synced", old, old),
        ("endpoints", "e"): ("synced", present, present),
        ("endpoints", "x"): ("missing", None, None),
    }
    plane.apply(CLUSTER, "a", b"2")
    new = version(plane, CLUSTER, "a")
    envoy._changed()
    assert rows(changes(talk)) == {("clusters", "a"): ("not sent", new, old)}
    batch = envoy.read()
    assert rows(changes(talk)) == {("clusters", "a"): ("sent", new, old)}
    envoy.answer(batch)
    assert rows(changes(talk)) == {("clusters", "a"): ("synced", new, new)}


def test_what_it_refused_is_told_with_its_words_less_what_is_secret_in_them(server, plane, clock, talk):
    envoy = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).catch_up()
    old = version(plane, CLUSTER, "a")
    talk.ask(id="one", feed="client", client="edge-1@10.0.0.1:4000")
    plane.apply(CLUSTER, "a", b"2")
    envoy.answer(envoy.read(), error="Error adding/updating cluster(s) a: password: hush")
    (message,) = changes(talk)
    (told,) = message["resources"]
    assert (told["state"], told["has"]) == ("rejected", old)
    assert told["error"] == "Error adding/updating cluster(s) a: password: [redacted]"


def test_what_it_asks_for_no_more_is_gone_and_what_goes_with_it_too(server, plane, clock, talk):
    envoy = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).catch_up()
    talk.ask(id="one", feed="client", client="edge-1@10.0.0.1:4000")
    plane.remove(CLUSTER, "a")
    envoy.catch_up()
    (message,) = changes(talk)
    assert (message["removed"], message["connected"]) == ([["clusters", "a"]], True)


def test_a_client_that_is_not_there_may_come_and_go(server, clock, talk):
    (message,) = talk.ask(id="one", feed="client", client="edge-1@10.0.0.1:4000")
    assert (message["connected"], message["first"], message["resources"]) == (False, True, [])
    envoy = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).catch_up()
    (message,) = changes(talk)
    assert (message["connected"], [each["name"] for each in message["resources"]]) == (True, ["a"])
    FakeEnvoy(server, Node(id="other"), clock).ask(CLUSTER).catch_up()
    assert changes(talk) == []
    envoy.go()
    (message,) = changes(talk)
    assert (message["connected"], message["removed"]) == (False, [["clusters", "a"]])


def test_one_that_goes_without_having_asked_for_anything_is_gone_as_well(server, clock, talk):
    envoy = FakeEnvoy(server, EDGE, clock).ask(ENDPOINT)
    assert talk.ask(id="one", feed="client", client="edge-1@10.0.0.1:4000")[0]["connected"] is True
    envoy.go()
    assert [message["connected"] for message in changes(talk)] == [False]


def test_many_resources_come_in_parts(plane, server, clock, talk):
    for number in range(MOST_RESOURCES):
        plane.apply(CLUSTER, f"c{number}", b"1")
    FakeEnvoy(server, EDGE, clock).ask(CLUSTER).catch_up()
    messages = talk.ask(id="one", feed="client", client="edge-1@10.0.0.1:4000")
    assert [(len(each["resources"]), each["first"], each["more"]) for each in messages] == [
        (MOST_RESOURCES, True, True),
        (1, True, False),
    ]


def test_what_is_held_back_says_what_it_waits_for(clock):
    plane = Plane(references=lambda type_url, body: [(CLUSTER, body.decode())] if type_url == ROUTE else [])
    server, talk = plane.server(), None
    plane.apply(CLUSTER, "old", b"1")
    plane.apply(ROUTE, "r", b"old")
    envoy = FakeEnvoy(server, EDGE, clock).ask(CLUSTER).ask(LISTENER).ask(ROUTE, "r").catch_up()
    with plane.transaction() as change:
        change.apply(CLUSTER, "new", b"1")
        change.apply(ROUTE, "r", b"new")
    envoy.read()
    talk = Talk(server, clock)
    (message,) = talk.ask(id="one", feed="client", client="edge-1@10.0.0.1:4000")
    assert {each["name"]: each.get("waits") for each in message["resources"]} == {
        "old": None,
        "new": None,
        "r": "route 'r' waits for cluster 'new' (warming)",
    }
    (message,) = talk.ask(id="who", feed="clients")
    stands = {each["type"]: each for each in message["clients"][0]["types"]}
    assert stands["routes"]["held"] == [{"name": "r", "why": "route 'r' waits for cluster 'new' (warming)"}]
