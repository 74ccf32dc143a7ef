"""The status: what there is in each group, and what is waited for, told when it differs."""

import pytest

from rime_core import CLUSTER, Debounce, Plane
from rime_ws.status_feed import EVERY
from tests.rime_core.timer import VirtualTimer
from tests.rime_ws.talk import Talk


@pytest.fixture
def plane():
    return Plane(max_removal=0.2)


@pytest.fixture
def talk(plane):
    return Talk(plane.server())


def changes(talk):
    talk.clock.time += EVERY
    return talk.heard()


def test_it_is_told_at_once_and_again_when_it_differs(plane, talk):
    (message,) = talk.ask(id="s", feed="status")
    group = {
        "ready": True, "complete": True, "sequence": 0, "resources": {},
        "sources": [],
        "held": [], "held_by_reason": {}, "contested": [], "debounced": [],
    }  # fmt: skip
    assert (message["first"], message["groups"]) == (True, {"default": group})
    assert changes(talk) == []
    plane.apply(CLUSTER, "a", b"1")
    assert talk.heard() == []
    (message,) = changes(talk)
    assert message["first"] is False
    assert message["groups"]["default"]["resources"] == {"clusters": 1}


def test_it_is_told_before_the_plane_is_ready_and_says_who_is_waited_for(plane, talk):
    writer = plane.writer("file:conf")
    (message,) = talk.ask(id="s", feed="status")
    group = message["groups"]["default"]
    assert (group["ready"], group["sources"][0]["ready"]) == (False, False)
    writer.apply(CLUSTER, "a", b"1")
    writer.ready()
    writer.incomplete(["conf/a.yaml:3: password: hush"])
    (message,) = changes(talk)
    group = message["groups"]["default"]
    assert (group["ready"], group["complete"]) == (True, False)
    assert group["sources"][0] == {
        "name": "file:conf",
        "ready": True,
        "resources": 1,
        "incomplete": ["conf/a.yaml:3: password: [redacted]"],
    }


def test_what_is_held_and_what_is_contested_is_told(plane, talk):
    one, other = plane.writer("one"), plane.writer("other")
    for writer in (one, other):
        writer.apply(CLUSTER, "both", b"1")
        writer.apply(CLUSTER, f"of {writer.name}", b"1")
        writer.ready()
    (message,) = talk.ask(id="s", feed="status")
    assert message["groups"]["default"]["contested"] == [
        {"type": "clusters", "name": "both", "sources": ["one", "other"]}
    ]
    one.replace(CLUSTER, {})
    (message,) = changes(talk)
    group = message["groups"]["default"]
    (held,) = group["held"]
    assert (held["type"], held["name"], held["source"]) == ("clusters", "of one", "one")
    assert group["held_by_reason"] == {"release": 1}


def test_how_long_changes_are_put_off_is_told():
    timer = VirtualTimer()
    plane = Plane(debounce=Debounce(0.5, 2.0), timer=timer)
    talk = Talk(plane.server())
    plane.server().subscribe(CLUSTER, wake=lambda: None).initial()
    plane.apply(CLUSTER, "a", b"1")
    (message,) = talk.ask(id="s", feed="status")
    told = {"type": "clusters", "quiet": 0.5, "max_wait": 2.0, "waits": 0, "seconds": 0.0, "longest": 0.0}
    assert message["groups"]["default"]["debounced"] == [told]
    timer.pass_by(1)
    (message,) = changes(talk)
    assert message["groups"]["default"]["debounced"] == [told | {"waits": 1, "seconds": 0.5, "longest": 0.5}]


def test_each_group_has_its_own(plane):
    edge = Plane(base=plane)
    edge.apply(CLUSTER, "a", b"1")
    talk = Talk(plane.server(groups={"default": plane.server(), "edge": edge.server()}))
    (message,) = talk.ask(id="s", feed="status")
    assert {name: group["resources"] for name, group in message["groups"].items()} == {
        "default": {},
        "edge": {"clusters": 1},
    }
