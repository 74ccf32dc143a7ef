"""The Server hands out Subscribers and Snapshots; it has no way to write."""

import pytest

from rime_core import CLUSTER, ENDPOINT, Client, ClosedError, Node, Plane, Server


@pytest.fixture
def plane():
    return Plane()


def test_it_cannot_write(plane):
    public = {name for name in dir(Server) if not name.startswith("_")}
    assert public == {
        "clients", "complete", "count", "groups", "has_references", "knows", "not_when_ready", "permissions",
        "puts_off", "ready", "referrers", "serving", "snapshot", "status", "subscribe", "transports", "when_ready",
    }  # fmt: skip
    with pytest.raises(AttributeError):
        plane.server().anything = 1


def test_it_knows_the_transports_that_it_was_told_of_and_those_that_come_later(plane):
    class Listens:
        name, listens_at = "ws:127.0.0.1:0", None

    transports: list[Listens] = []
    server = plane.server(transports=transports)
    transports.append(Listens())
    assert list(server.transports) == transports
    assert plane.server().transports == ()


def test_it_hands_out_the_planes_snapshot(plane):
    plane.apply(CLUSTER, "a", b"1")
    assert plane.server().snapshot() is plane.snapshot()


def test_how_many_there_are_is_known_once_it_is_ready(plane):
    group = Plane(base=plane)
    writer = plane.writer("late")
    plane.apply(CLUSTER, "a", b"1")
    assert plane.server().count(CLUSTER) is None
    writer.apply(CLUSTER, "b", b"1")
    writer.ready()
    group.apply(CLUSTER, "c", b"1")
    assert [each.server().count(CLUSTER) for each in (plane, group)] == [2, 3]
    plane.remove(CLUSTER, "a")
    assert [each.server().count(CLUSTER) for each in (plane, group)] == [1, 2]
    assert [each.server().count(ENDPOINT) for each in (plane, group)] == [0, 0]


@pytest.mark.parametrize(
    ("names", "wildcard", "held"),
    [
        (None, True, set()),
        ([], False, set()),
        (["a"], False, {"a"}),
        (["*", "a"], True, {"a"}),
        ({"a": 1, "b": 2}.keys(), False, {"a", "b"}),
    ],
)
def test_what_a_subscriber_wants(plane, names, wildcard, held):
    subscriber = plane.server().subscribe(CLUSTER, names)
    assert subscriber.type_url == CLUSTER
    assert subscriber.wildcard is wildcard
    assert subscriber.names == held


def test_names_that_can_be_gone_through_but_once(plane):
    assert plane.server().subscribe(CLUSTER, iter("ab")).names == {"a", "b"}


@pytest.mark.parametrize(("type_url", "error"), [("clusters", ValueError), (5, TypeError)])
def test_a_type_url_that_is_none(plane, type_url, error):
    with pytest.raises(error):
        plane.server().subscribe(type_url)


def test_nobody_subscribes_after_close(plane):
    server = plane.server()
    plane.close()
    with pytest.raises(ClosedError, match=r"^the Plane is closed$"):
        server.subscribe(CLUSTER)


def test_a_type_is_known_that_is_written_or_asked_for(plane):
    server = plane.server()
    assert not server.knows(CLUSTER)
    plane.apply(CLUSTER, "a", b"1")
    plane.remove(CLUSTER, "a")
    assert server.knows(CLUSTER)
    with server.subscribe(ENDPOINT):
        assert server.knows(ENDPOINT)
    assert not server.knows(ENDPOINT)


def test_a_client_is_served_from_where_its_node_belongs(plane):
    canary = Plane().server()
    server = plane.server(group=lambda client: canary if client.node.cluster == "canary" else plane.server())
    assert server.serving(Client(Node(cluster="canary"))) is canary
    assert server.serving(Client(Node())) is not canary
    assert canary.serving(Client(Node(cluster="other"))) is canary


def test_readiness_is_told_once_and_can_be_unasked(plane):
    writer, server, called = plane.writer("source"), plane.server(), []

    def one():
        called.append("one")

    def other():
        called.append("other")

    server.when_ready(one)
    server.when_ready(one)
    server.when_ready(other)
    server.not_when_ready(other)
    assert (server.ready, server.complete, called) == (False, False, [])
    writer.apply(CLUSTER, "a", b"1")
    writer.ready()
    assert (server.ready, server.complete, called) == (True, True, ["one"])
    writer.ready()
    assert called == ["one"]


def test_who_asks_when_it_is_ready_is_told_at_once(plane):
    called = []
    plane.server().when_ready(lambda: called.append(1))
    assert called == [1]


def test_it_tells_the_planes_status_and_the_groups_that_it_was_told_of(plane):
    group = Plane(base=plane).server()
    plane.apply(CLUSTER, "a", b"1")
    assert plane.server().status() == plane.status()
    assert plane.server().groups == {}
    assert plane.server(groups={"edge": group}).groups == {"edge": group}
