"""Resources: first the state, then only what changed, with what may be seen of each."""

import pytest

from rime_core import CLUSTER, ENDPOINT, ROUTE, SECRET, Plane
from rime_envoy_api import message_class, references, resource
from rime_ws.resource_feed import LARGEST, MOST_BYTES
from tests.rime_ws.talk import Talk

Cluster = message_class("envoy.config.cluster.v3.Cluster")
Secret = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")


@pytest.fixture
def plane():
    return Plane(references=references)


@pytest.fixture
def talk(plane):
    return Talk(plane.server())


def cluster(name, seconds=1, **more):
    return resource(Cluster(name=name, connect_timeout={"seconds": seconds}, **more))


def secret(name, key="hush"):
    made = Secret(name=name)
    made.generic_secret.secret.inline_string = key
    return resource(made)


def told(messages):
    """What these messages bring: name → whether with a body, and the names removed."""
    resources = {each["name"]: "body" in each for message in messages for each in message["resources"]}
    return resources, [name for message in messages for name in message["removed"]]


def test_first_the_state_then_what_changed(plane, talk):
    plane.apply(*cluster("a"))
    plane.apply(*cluster("b"))
    (first,) = talk.ask(id="c", type="clusters")
    assert {key: first[key] for key in ("message", "id", "type", "type_url", "sequence", "first", "more")} == {
        "message": "resources", "id": "c", "type": "clusters", "type_url": CLUSTER, "sequence": 2, "first": True,
        "more": False,
    }  # fmt: skip
    assert told([first]) == ({"a": True, "b": True}, [])
    plane.apply(*cluster("a", 2))
    plane.remove(CLUSTER, "b")
    (change,) = talk.heard()
    assert (change["first"], change["sequence"]) == (False, 4)
    assert told([change]) == ({"a": True}, ["b"])
    assert change["resources"][0]["body"]["connect_timeout"] == "2s"


def test_who_looks_is_no_client_whose_answer_a_source_is_told(plane, talk):
    plane.apply(*cluster("a"))
    talk.ask(id="c", type="clusters")
    assert plane.reception(CLUSTER, "a").clients == 0


def test_what_there_is_is_told_also_where_that_is_nothing(talk):
    (first,) = talk.ask(id="c", type="clusters")
    assert (first["first"], first["resources"], first["removed"]) == (True, [], [])


def test_a_resource_is_its_body_and_what_rime_knows_of_it(plane, talk):
    body = cluster("a", eds_cluster_config={"service_name": "e", "eds_config": {"ads": {}}}, type="EDS").body
    plane.apply(CLUSTER, "a", body, aliases=["alias"], ttl=30)
    (first,) = talk.ask(id="c", type="clusters", names=["a"])
    (found,) = first["resources"]
    assert found["version"] == plane.snapshot()[CLUSTER]["a"].version
    assert (found["size"], found["aliases"], found["ttl"]) == (len(body), ["alias"], 30)
    assert found["refers_to"] == [["endpoints", "e"]]
    assert found["body"]["@type"] == CLUSTER
    plane.apply(ROUTE, "on-demand", b"", on_demand=True)
    assert talk.ask(id="r", type="routes", names=["on-demand"])[0]["resources"][0]["on_demand"] is True


def test_names_are_told_alone_and_the_missing_as_removed(plane, talk):
    plane.apply(*cluster("a"))
    plane.apply(*cluster("b"))
    assert told(talk.ask(id="c", type="clusters", names=["a", "x"])) == ({"a": True}, ["x"])
    plane.apply(*cluster("b", 2))
    assert talk.heard() == []
    assert told(talk.ask(id="all", type="clusters", names=["a", "*"])) == ({"a": True, "b": True}, [])


def test_who_comes_back_is_told_what_differs(plane, talk):
    for name in "abc":
        plane.apply(*cluster(name))
    known = {each["name"]: each["version"] for each in talk.ask(id="1", type="clusters")[0]["resources"]}
    plane.apply(*cluster("a", 2))
    plane.remove(CLUSTER, "b")
    assert told(Talk(plane.server()).ask(id="2", type="clusters", known=known)) == ({"a": True}, ["b"])


def test_bodies_may_be_left_out(plane, talk):
    plane.apply(*cluster("a"))
    assert told(talk.ask(id="n", type="clusters", bodies="none")) == ({"a": False}, [])
    assert told(talk.ask(id="c", type="clusters", bodies="changes")) == ({"a": False}, [])
    plane.apply(*cluster("a", 2))
    assert [("body" in each["resources"][0]) for each in talk.heard()] == [False, True]


def test_what_was_before_a_change_is_told_to_who_asks_for_it(plane, talk):
    plane.apply(*cluster("a", 1))
    plane.apply(*cluster("b", 1))
    (first,) = talk.ask(id="c", type="clusters", bodies="changes", previous=True)
    assert "previous" not in first
    plane.apply(*cluster("a", 2))
    plane.apply(*cluster("a", 3))
    plane.apply(*cluster("new"))
    plane.remove(CLUSTER, "b")
    (change,) = talk.heard()
    assert {name: each["body"]["connect_timeout"] for name, each in change["previous"].items()} == {
        "a": "1s",
        "b": "1s",
    }
    plane.apply(*cluster("a", 4))
    (change,) = talk.heard()
    assert {name: each["body"]["connect_timeout"] for name, each in change["previous"].items()} == {"a": "3s"}


def test_what_was_before_is_the_same_for_all_parts_of_a_change():
    plane = Plane()
    talk = Talk(plane.server())
    names = [f"c{number}" for number in range(5)]
    for name in names:
        plane.apply(CLUSTER, name, b"\xff" + bytes(MOST_BYTES // 2))
    talk.ask(id="c", type="clusters", bodies="none", previous=True)
    with plane.transaction() as change:
        for name in names:
            change.apply(CLUSTER, name, b"\xfe" + bytes(MOST_BYTES // 2))
    before = []
    while message := talk.next():
        before += message["previous"]
        plane.apply(*cluster("meanwhile", len(before) + 1))
    assert before[:5] == names


def test_a_large_state_comes_in_parts_of_which_the_last_says_so():
    plane = Plane()
    talk = Talk(plane.server())
    for number in range(4):
        plane.apply(CLUSTER, f"c{number}", b"\xff" + bytes(MOST_BYTES // 2))
    messages = talk.ask(id="c", type="clusters")
    assert [each["first"] for each in messages] == [True] * len(messages)
    assert [each["more"] for each in messages] == [*[True] * (len(messages) - 1), False]
    assert len(messages) > 1
    assert sorted(told(messages)[0]) == ["c0", "c1", "c2", "c3"]


def test_what_a_slow_client_misses_merges(plane, talk):
    plane.apply(*cluster("a", 1))
    talk.ask(id="c", type="clusters")
    for seconds in range(2, 500):
        plane.apply(*cluster("a", seconds))
    (change,) = talk.heard()
    assert change["resources"][0]["body"]["connect_timeout"] == "499s"
    plane.apply(*cluster("a", 1))
    plane.apply(*cluster("a", 499))
    assert talk.heard() == []


def test_what_is_not_known_to_be_harmless_is_not_shown():
    plane = Plane()
    talk = Talk(plane.server())
    plane.apply(CLUSTER, "broken", b"hush\xff")
    plane.apply(CLUSTER, "large", bytes(LARGEST + 1))
    plane.apply("type.googleapis.com/acme.v1.Key", "own", b"hush")
    messages = [*talk.ask(id="c", type="clusters"), *talk.ask(id="o", type="type.googleapis.com/acme.v1.Key")]
    found = {each["name"]: each for message in messages for each in message["resources"]}
    assert found.keys() == {"broken", "large", "own"}
    assert {tuple(sorted(each)) for each in found.values()} == {("name", "size", "version", "withheld")}
    assert "hush" not in str(found)


def test_all_secrets_are_told_although_everything_gives_none_and_without_asking_for_them(plane, talk):
    asked = []
    source = plane.writer("vault", allow_empty=True)
    source.watch(SECRET, lambda wanted, unwanted: asked.append((wanted, unwanted)))
    source.ready()
    plane.apply(*secret("a"))
    (first,) = talk.ask(id="s", type="secrets")
    assert first["resources"][0]["body"]["generic_secret"] == {"secret": {"inline_string": "[redacted]"}}
    plane.apply(*secret("b"))
    assert told(talk.heard()) == ({"b": True}, [])
    plane.apply(*secret("a", "another"))
    assert told(talk.heard()) == ({"a": True}, [])
    plane.remove(SECRET, "b")
    assert told(talk.heard()) == ({}, ["b"])
    known = {"a": plane.snapshot()[SECRET]["a"].version, "gone": "1"}
    assert told(Talk(plane.server()).ask(id="s", type="secrets", known=known)) == ({}, ["gone"])
    assert asked == []


def test_the_name_of_a_state_is_told(plane, talk):
    talk.ask(id="c", type="clusters")
    with plane.transaction("e9fc6eb") as change:
        change.apply(*cluster("a"))
    assert talk.next()["label"] == "e9fc6eb"


def test_who_is_too_far_behind_is_told_that_this_is_all():
    plane = Plane(tombstones=1)
    talk = Talk(plane.server())
    for name in "abc":
        plane.apply(ENDPOINT, name, b"")
    talk.ask(id="e", type="endpoints")
    for name in "ab":
        plane.remove(ENDPOINT, name)
    (change,) = talk.heard()
    assert (change["full"], told([change])[0]) == (True, {"c": True})
