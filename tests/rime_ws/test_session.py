"""The conversation: what is said first, what is understood, and that nothing a client says ends it."""

import json

import pytest

from rime_core import CLUSTER, ENDPOINT, SECRET, PeerError, Plane
from rime_ws.session import MAX_SUBSCRIPTIONS
from tests.rime_ws.talk import Talk


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def talk(plane):
    return Talk(plane.server())


def test_the_first_message_says_what_is_spoken_and_what_there_is_to_ask_for(plane):
    plane.apply("type.googleapis.com/acme.v1.Shop", "a", b"1")
    hello = Talk(plane.server()).hello
    assert (hello["message"], hello["protocol"], hello["groups"]) == ("hello", 1, ["default"])
    assert {"type": "clusters", "singular": "cluster", "short": "cds", "type_url": CLUSTER} in hello["types"]
    assert hello["types"][-1]["type"] == "acme.v1.Shop"


def test_a_subscription_is_answered_and_then_told_what_changes(plane, talk):
    plane.apply(CLUSTER, "a", b"")
    assert [each["message"] for each in talk.ask(id="c", type="cds")] == ["resources"]
    assert not talk.session.owes_an_answer
    talk.woken = False
    plane.apply(CLUSTER, "b", b"")
    assert talk.woken
    (message,) = talk.heard()
    assert (message["id"], [each["name"] for each in message["resources"]]) == ("c", ["b"])


def test_what_was_unsubscribed_is_told_no_more(plane, talk):
    talk.ask(id="c", type="clusters")
    talk.say(message="unsubscribe", id="c")
    plane.apply(CLUSTER, "a", b"")
    assert talk.heard() == []
    assert talk.ask(id="c", type="clusters")[0]["first"] is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this is not JSON: "),
        ("[1]", "a message is a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"message": "subscribe", "id": "x", "type": ' + "[" * 500_000, "nested too deeply"),
        ("{}", 'it has no "message"'),
        ('{"message": "shutdown"}', 'there is no message "shutdown"'),
        ('{"message": "subscribe", "feed": "logs"}', 'there is no feed "logs"'),
    ],
)
def test_what_makes_no_sense_is_an_error_and_the_rest_goes_on(plane, talk, text, said):
    talk.ask(id="c", type="clusters")
    error, _ = talk.error(text)
    assert said in error
    assert "\n" not in error
    plane.apply(CLUSTER, "a", b"")
    assert [each["message"] for each in talk.heard()] == ["resources"]


def test_bytes_are_refused(talk):
    talk.session.receive_binary()
    assert talk.session.owes_an_answer
    assert talk.next() == {
        "message": "error",
        "error": "binary is not understood here: a message is JSON, as text",
    }


def test_an_error_says_which_subscription_it_is_about(talk):
    assert talk.error('{"message": "subscribe", "id": "x", "type": "pods"}')[1] == "x"
    assert talk.error('{"message": "unsubscribe", "id": "x"}') == ('there is no subscription "x"', "x")
    talk.ask(id="x", type="clusters")
    error, name = talk.error('{"message": "subscribe", "id": "x", "type": "clusters"}')
    assert (error, name) == ('there is a subscription "x": unsubscribe first, or give another id', "x")


def test_subscriptions_are_bounded(plane):
    talk = Talk(plane.server(), max_subscriptions=2)
    talk.ask(id="1", type="clusters")
    talk.ask(id="2", type="clusters")
    assert "there are 2 subscriptions" in talk.error('{"message": "subscribe", "id": "3", "type": "clusters"}')[0]
    talk.say(message="unsubscribe", id="1")
    assert talk.ask(id="3", type="clusters")[0]["message"] == "resources"
    assert MAX_SUBSCRIPTIONS > 14


def test_names_are_bounded(plane):
    talk = Talk(plane.server(), max_names=2)
    many = json.dumps({"message": "subscribe", "type": "clusters", "names": ["a", "b", "c"]})
    assert talk.error(many)[0] == '"names" has 3 names; here there may be 2'


def test_each_feed_has_its_turn(plane, talk):
    for number in range(3):
        plane.apply(CLUSTER, f"c{number}", b"\xff" * 50_000)
        plane.apply(ENDPOINT, f"e{number}", b"\xff" * 50_000)
    talk.say(message="subscribe", id="c", type="clusters")
    talk.say(message="subscribe", id="e", type="endpoints")
    assert [each["id"] for each in talk.heard()] == ["c", "e"] * 3


def test_nothing_is_told_before_the_plane_is_ready(plane, talk):
    writer = plane.writer("file:conf")
    assert talk.ask(id="c", type="clusters") == []
    writer.apply(CLUSTER, "a", b"")
    assert talk.heard() == []
    talk.woken = False
    writer.ready()
    assert talk.woken
    assert [each["name"] for each in talk.next()["resources"]] == ["a"]


def test_a_group_is_looked_at_by_name_or_as_one_of_its_clients_sees_it(plane):
    edge = Plane(base=plane)
    groups = {"default": plane.server(), "edge": edge.server()}
    plane.apply(CLUSTER, "a", b"")
    edge.apply(CLUSTER, "b", b"")

    def group_of(client):
        if client.node.cluster == "nobody":
            raise PeerError("this client is of no group that is served here")
        return groups[client.node.cluster]

    talk = Talk(plane.server(group_of, groups=groups))
    assert talk.hello["groups"] == ["default", "edge"]

    def names(**where):
        (message,) = talk.ask(id=json.dumps(where), type="clusters", **where)
        return sorted(each["name"] for each in message["resources"])

    assert names() == ["a"]
    assert names(group="edge") == ["a", "b"]
    assert names(node={"cluster": "edge"}) == ["a", "b"]
    assert talk.error('{"message": "subscribe", "type": "cds", "group": "edg"}')[0] == (
        'there is no group "edg": there are default, edge'
    )
    assert talk.error('{"message": "subscribe", "type": "cds", "node": {"cluster": "nobody"}}')[0] == (
        "this client is of no group that is served here"
    )


def test_a_group_that_goes_ends_what_looks_at_it(plane, talk):
    edge = Plane(base=plane)
    talk = Talk(plane.server(groups={"default": plane.server(), "edge": edge.server()}))
    talk.ask(id="e", type="clusters", group="edge")
    talk.ask(id="d", type="clusters")
    edge.close()
    assert talk.heard() == [{"message": "error", "error": "the group that was looked at has gone", "id": "e"}]
    plane.apply(CLUSTER, "a", b"")
    assert [each["id"] for each in talk.heard()] == ["d"]


def test_closing_leaves_nothing_behind(plane, talk):
    talk.ask(id="c", type="clusters")
    talk.ask(id="s", type="secrets")
    talk.ask(id="who", feed="clients")
    talk.session.close()
    talk.session.close()
    assert not plane.is_read
    talk.woken = False
    plane.apply(CLUSTER, "a", b"")
    plane.apply(SECRET, "a", b"")
    assert (talk.woken, talk.heard()) == (False, [])


def test_only_what_has_to_be_looked_at_has_a_time(talk):
    assert talk.session.due is None
    talk.ask(id="c", type="clusters")
    assert talk.session.due is None
    talk.ask(id="s", feed="status")
    assert talk.session.due == pytest.approx(talk.clock() + 0.25)
