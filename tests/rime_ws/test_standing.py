"""Where a client stands with a type is said in one word, with what is out of the ordinary."""

import pytest

from rime_core import CLUSTER, ENDPOINT, Node, Plane
from rime_ws.standing import LISTED, STATES, standing, worst
from tests.rime_ws.talk import Clock, FakeEnvoy


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return plane


@pytest.fixture
def envoy(plane):
    return FakeEnvoy(plane.server(), Node(id="n"), Clock()).ask(CLUSTER)


def stands(envoy):
    return list(standing(envoy.stream, str))


def test_it_says_what_was_sent_and_what_of_it_is_not_acknowledged(plane, envoy):
    told = {
        "type": "clusters",
        "state": "pending",
        "all": True,
        "names": 0,
        "sent": 0,
        "acknowledged": 0,
        "behind": True,
    }
    assert stands(envoy) == [{**told, "unacknowledged": 0}]
    batch = envoy.read()
    told |= {"sent": 1, "behind": False}
    assert stands(envoy) == [{**told, "unacknowledged": 1, "oldest": 1}]
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "a", b"3")
    later = envoy.read()
    assert stands(envoy) == [{**told, "sent": 3, "unacknowledged": 2, "oldest": 1}]
    envoy.answer(batch)
    assert stands(envoy) == [{**told, "sent": 3, "acknowledged": 1, "unacknowledged": 1, "oldest": 3}]
    envoy.answer(later)
    assert stands(envoy) == [{**told, "state": "synced", "sent": 3, "acknowledged": 3, "unacknowledged": 0}]


def test_names_are_counted(envoy):
    envoy.ask(ENDPOINT, "x", "y").catch_up()
    assert [(each["type"], each["all"], each["names"]) for each in stands(envoy)] == [
        ("clusters", True, 0),
        ("endpoints", False, 2),
    ]


def test_what_was_refused_is_the_worst_and_listed_up_to_a_bound(plane, envoy):
    envoy.catch_up()
    for number in range(LISTED + 5):
        plane.apply(CLUSTER, f"c{number}", b"1")
    while batch := envoy.read():  # what is refused without a word about which is tried one by one
        envoy.answer(batch, error="no: token=hush")
    (told,) = stands(envoy)
    assert (told["state"], told["rejections"], len(told["rejected"])) == ("rejected", LISTED + 5, LISTED)
    assert told["rejected"][0] == {
        "name": "c0",
        "version": plane.snapshot()[CLUSTER]["c0"].version,
        "error": "no: token=[redacted]",
        "time": "1000.0",
    }


def test_of_several_the_worst_is_said():
    assert worst([]) == "synced"
    assert worst(["held", "synced"]) == "held"
    assert worst(["pending", "rejected", "held"]) == "rejected"
    assert STATES == ("synced", "held", "pending", "rejected")
