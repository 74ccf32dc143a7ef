"""What a client that came back is waited for, and for how long; what else that leads to is in test_order.py."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, VIRTUAL_HOST, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.protocol.returning import Returning
from tests.rime_core.protocol.envoy import Envoy, SotwEnvoy, known_of, put, refers

pytestmark = pytest.mark.interpreted


class Channel:
    def __init__(self, *, answered=True):
        self.answered = answered


@pytest.fixture
def channels():
    return {}


@pytest.fixture
def returning(channels):
    returning = Returning(channels.get)
    returning.came_back = True
    returning.until = 1.0
    return returning


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, ROUTE])
def test_every_client_is_expected_to_ask_for_these(channels, returning, type_url):
    assert returning.is_awaited(type_url)
    channels[type_url] = Channel(answered=False)
    assert returning.is_awaited(type_url)
    channels[type_url].answered = True
    assert not returning.is_awaited(type_url)


def test_who_does_not_ask_for_them_in_time_has_none(channels, returning):
    returning.until = None
    assert not returning.is_awaited(ROUTE)
    channels[ROUTE] = Channel(answered=False)
    assert returning.is_awaited(ROUTE)


@pytest.mark.parametrize("type_url", [SECRET, VIRTUAL_HOST, ENDPOINT])
def test_others_are_awaited_only_when_they_were_asked_for(channels, returning, type_url):
    assert not returning.is_awaited(type_url)
    channels[type_url] = Channel(answered=False)
    assert returning.is_awaited(type_url)


def test_who_did_not_come_back_is_not_awaited(channels):
    first = Returning(channels.get)
    channels[ROUTE] = Channel(answered=False)
    assert not first.is_awaited(ROUTE)
    assert not first.is_awaited(CLUSTER)


# --- what it may have, of which nobody knows what that refers to


@pytest.fixture
def plane():
    """Nothing refers to the cluster "more", but what an earlier process had may have."""
    plane = Plane(references=refers)
    put(plane, cluster_more="1", cluster_c="1", route_r="1 cluster:c", route_s="1", listener_l="1")
    return plane


@pytest.fixture
def known(plane):
    """What a client brings that has all there is."""
    return known_of(plane)


def back(plane, known, *routes):
    """A client that comes back with what is known, and asks as Envoy does."""
    envoy = Envoy(plane, known)
    for kind, names in (("route", routes), ("listener", ()), ("cluster", ())):
        envoy.ask(kind, *names)
    return envoy


def held(envoy):
    """What the removal of the cluster "more" waits for; whatever was there for it before, it is looked at anew."""
    put(envoy.plane, cluster_more="looked at")
    put(envoy.plane, cluster_more=None)
    said = envoy.take()
    holds = [hold.partition(" waits for ")[2] for hold in envoy.holds() if hold.startswith("the removal of cluster")]
    assert bool(holds) != ("-cluster:more" in said)
    return holds


def test_a_route_that_it_did_not_bring_may_be_there_all_the_same(plane, known):
    del known["route"]["r"]
    envoy = back(plane, known, "r")
    assert envoy.take() == ["route:r"]
    assert held(envoy) == ["route 'r' (referred)"]
    assert envoy.answer("route") == ["-cluster:more"]


def test_a_listener_that_it_did_not_bring_is_new(plane, known):
    del known["listener"]["l"]
    envoy = back(plane, known)
    assert envoy.take() == ["listener:l"]
    assert held(envoy) == []


def test_what_it_has_accepted_since_is_known(plane, known):
    known["route"]["r"] = "another"
    envoy = back(plane, known, "r")
    assert envoy.take() == ["route:r"]
    envoy.answer("route")
    put(plane, route_r="2 cluster:c")
    assert envoy.take() == ["route:r"]
    assert held(envoy) == [], "it refers to c, before and after"


def test_what_it_gave_up_since_it_has_no_longer(plane, known):
    known["route"] |= {"r": "another", "s": "another"}
    envoy = back(plane, known, "r", "s")
    envoy.take()
    assert held(envoy)
    envoy.ask("route", discard=["r", "no such"])
    envoy.ask("route", "r")
    assert envoy.take() == ["route:r"]
    assert held(envoy) == ["route 's' (referred)"]
    assert envoy.answer("route") == ["-cluster:more"], "s was acknowledged, and r is asked for as if it were new"


def test_who_gives_up_everything_has_nothing(plane, known):
    known["listener"]["l"] = "another"
    envoy = back(plane, known)
    assert envoy.take() == ["listener:l"]
    assert held(envoy) == ["listener 'l' (referred)"]
    envoy.ask("listener", discard=["*"])
    assert envoy.take() == ["-cluster:more"]


@pytest.fixture
def using(plane, known):
    """A client that uses a route which is gone, and has acknowledged that."""
    envoy = back(plane, known | {"route": {"gone": "1"}}, "gone")
    assert envoy.take() == ["-route:gone"]
    assert envoy.answer("route") == []
    return envoy


def test_a_route_that_is_gone_is_in_use_until_it_is_given_up(using):
    assert held(using) == ["route 'gone' (in use)"]
    using.ask("route", discard=["gone"])
    assert using.take() == ["-cluster:more"]


def test_a_route_that_is_gone_is_in_use_until_another_is_accepted(plane, using):
    put(plane, route_gone="2 cluster:c")
    assert using.take() == ["route:gone"]
    assert held(using) == ["route 'gone' (referred)"]
    assert using.answer("route") == ["-cluster:more"]


def test_a_route_that_is_gone_is_in_use_where_another_is_rejected(plane, using):
    put(plane, route_gone="2 cluster:c")
    assert using.take() == ["route:gone"]
    assert using.answer("route", error="no") == []
    assert held(using) == ["route 'gone' (referred)"]
    assert using.later(1_000_000) == []


@pytest.mark.parametrize("before", [0, 2 * IN_FLIGHT])
def test_a_route_that_is_gone_is_in_use_while_another_is_held_back(plane, using, before):
    """However many others are on their way."""
    using.ask("route", "s")
    using.take()
    for number in range(before):
        put(plane, route_s=f"{number} cluster:c")
        assert using.take() == ["route:s"]
    put(plane, cluster_c="2", route_gone="2 cluster:c")
    assert using.take() == ["cluster:c"]
    assert held(using) == ["route 'gone' (referred)"]


# --- in state-of-the-world, where a client says which version of all it has


def sotw(plane, known, **names):
    envoy = SotwEnvoy(plane, known)
    for kind in ("route", "listener", "cluster", *names):
        envoy.ask(kind.replace("_", "-"), *names.get(kind, ()))
    return envoy


@pytest.fixture
def versions(plane):
    """What a client brings that has all there is."""
    envoy = sotw(plane, {}, route=("r",))
    envoy.take()
    return envoy.settled().versions


def test_a_full_set_that_it_was_not_sent_is_known(plane, versions):
    envoy = sotw(plane, versions, route=("r",))
    assert envoy.take() == []
    put(plane, cluster_more=None)
    assert envoy.take() == ["clusters: c"]


def test_what_a_full_set_is_to_replace_may_refer_to_anything(plane, versions):
    envoy = sotw(plane, versions | {"listener": "another"}, route=("r",))
    assert envoy.take() == ["listeners: l"]
    put(plane, cluster_more=None)
    assert envoy.take() == []
    assert envoy.holds() == ["the removal of cluster 'more' waits for all listeners (referred)"]
    assert envoy.answer("listener") == []
    assert envoy.holds() == ["the removal of cluster 'more' waits for all listeners (draining)"]
    assert envoy.later(659) == []
    assert envoy.later(1) == ["clusters: c"]


def test_who_rejects_a_full_set_has_what_it_is_to_replace(plane, versions):
    envoy = sotw(plane, versions | {"listener": "another"}, route=("r",))
    envoy.take()
    assert envoy.answer("listener", error="no") == []
    put(plane, cluster_more=None)
    assert envoy.take() == []
    assert envoy.later(1_000_000) == []
    assert envoy.holds() == ["the removal of cluster 'more' waits for all listeners (referred)"]


def test_who_is_silent_about_a_full_set_is_waited_for_as_long_as_others(plane, versions):
    envoy = sotw(plane, versions | {"listener": "another"}, route=("r",))
    envoy.take()
    put(plane, cluster_more=None)
    assert envoy.take() == []
    assert envoy.later(659) == []
    assert envoy.later(1) == ["clusters: c"]


def test_a_route_that_is_gone_and_named_is_in_use(plane, versions):
    envoy = sotw(plane, versions, route=("r", "gone"))
    envoy.take()
    put(plane, cluster_more=None)
    assert envoy.take() == []
    assert envoy.holds() == ["the removal of cluster 'more' waits for route 'gone' (in use)"]
    envoy.ask("route", "r")
    assert envoy.take() == ["clusters: c"]


def test_a_virtual_host_that_is_gone_is_not(plane, versions):
    envoy = sotw(plane, versions | {"virtual-host": "another"}, route=("r",), virtual_host=("r/gone",))
    assert envoy.take() == []
    put(plane, cluster_more=None)
    assert envoy.take() == ["clusters: c"]
