"""Make before break, for one client: what waits for which acknowledgement, and what lets it go."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Held, LetGo
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream
from rime_core.type_urls import by_short_name, describe
from rime_core.update import Update
from tests.rime_core.protocol.envoy import Envoy, SotwEnvoy, known_of, put, refers


@pytest.fixture
def plane():
    plane = Plane(references=refers)
    put(plane, cluster_old="1 endpoint:old", endpoint_old="1", route_r="1 cluster:old", listener_l="1 route:r")
    return plane


@pytest.fixture
def envoy(plane):
    return Envoy(plane).running()


def swap(plane):
    """The cluster behind the route is another one, in one transaction."""
    put(
        plane,
        cluster_new="1 endpoint:new",
        endpoint_new="1",
        route_r="2 cluster:new",
        cluster_old=None,
        endpoint_old=None,
    )


# --- what names a cluster waits for it


def test_a_cluster_is_swapped_without_a_gap(plane, envoy):
    swap(plane)
    assert envoy.take() == ["cluster:new"]
    assert envoy.holds() == [
        "the removal of cluster 'old' waits for route 'r' (referred)",
        "the removal of endpoint 'old' waits for cluster 'old' (referred)",
        "route 'r' waits for cluster 'new', endpoint 'new' (warming)",
    ]
    envoy.ask("endpoint", "new")
    assert envoy.take() == ["endpoint:new"]
    assert envoy.answer("endpoint") == ["route:r"], "Envoy acknowledges the cluster only when all are warm"
    assert envoy.answer("cluster") == []
    assert envoy.answer("route") == ["-cluster:old"]
    assert envoy.answer("cluster") == ["-endpoint:old"]
    assert envoy.holds() == []
    assert not any(isinstance(event, LetGo) for event in envoy.stream.events())


def test_a_route_waits_for_its_clusters_alone(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new", route_s="1 cluster:old")
    envoy.ask("route", "s")
    assert envoy.take() == ["cluster:new", "route:s"]
    put(plane, listener_l="2 route:r", endpoint_old="2", route_s="2 cluster:old")
    assert envoy.take() == ["endpoint:old", "listener:l", "route:s"]


def test_a_cluster_without_assignment_is_waited_for_itself(plane, envoy):
    put(plane, cluster_dns="1", route_r="2 cluster:dns cluster:old")
    assert envoy.take() == ["cluster:dns"]
    assert envoy.answer("cluster") == ["route:r"]


def test_the_cluster_acknowledged_is_enough(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    assert envoy.answer("cluster") == ["route:r"]


def test_an_assignment_that_was_acknowledged_before_its_cluster_changed_does_not_count(plane, envoy):
    put(plane, endpoint_old="2")
    envoy.take()
    put(plane, cluster_old="2 endpoint:old", route_r="2 cluster:old")
    assert envoy.take() == ["cluster:old", "endpoint:old"]
    assert envoy.answer("endpoint") == [], "the one that was sent before the cluster"
    assert envoy.answer("endpoint") == ["route:r"]


def test_an_assignment_may_be_acknowledged_before_the_route_comes(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", endpoint_new="1")
    envoy.take()
    envoy.ask("endpoint", "new")
    envoy.take()
    envoy.answer("endpoint")
    put(plane, route_r="2 cluster:new")
    assert envoy.take() == ["route:r"]


def test_a_cluster_that_was_sent_long_ago_and_not_acknowledged_is_waited_for(plane, envoy):
    put(plane, cluster_new="1 endpoint:new")
    envoy.take()
    for number in range(2 * IN_FLIGHT):
        put(plane, cluster_old=f"{number + 2} endpoint:old")
        envoy.take()
    put(plane, route_r="2 cluster:new")
    assert envoy.take() == []
    assert envoy.holds() == ["route 'r' waits for cluster 'new' (warming)"]
    envoy.stream.receive(DeltaRequest(CLUSTER, nonce=envoy.open["cluster"].pop()))
    assert envoy.take() == ["route:r"], "who acknowledges the last has accepted what came long before it"


def test_an_assignment_counts_however_many_were_acknowledged_since(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", endpoint_new="1")
    envoy.take()
    envoy.ask("endpoint", "new")
    envoy.take()
    envoy.answer("endpoint")
    for number in range(2 * IN_FLIGHT):
        put(plane, endpoint_old=f"{number + 2}")
        envoy.take()
        envoy.answer("endpoint")
    put(plane, route_r="2 cluster:new")
    assert envoy.take() == ["route:r"]


def test_a_missing_assignment_that_was_reported_is_none_to_wait_for(plane, envoy):
    put(plane, cluster_new="1 endpoint:none", route_r="2 cluster:new")
    envoy.take()
    envoy.ask("endpoint", "none")
    assert envoy.take() == ["-endpoint:none"]
    assert envoy.answer("endpoint") == ["route:r"]


def test_a_listener_that_names_a_cluster_waits_like_a_route(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", listener_tcp="1 cluster:new", listener_l="2 route:r")
    assert envoy.take() == ["cluster:new", "listener:l"]
    assert envoy.answer("cluster") == ["listener:tcp"]


def test_who_does_not_ask_for_clusters_waits_for_none(plane):
    envoy = Envoy(plane)
    envoy.ask("route", "r")
    envoy.take()
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    assert envoy.take() == ["route:r"]


def test_a_stream_of_one_type_has_no_order(plane):
    stream = DeltaStream(plane.server(), type_url=CLUSTER)
    stream.receive(DeltaRequest())
    stream.responses()
    put(plane, cluster_old=None)
    assert [list(response.update.removed) for response in stream.responses()] == [["old"]]


def test_a_silent_client_is_waited_for_as_long_as_it_warms(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    assert envoy.stream.due == envoy.now + 15
    assert envoy.later(14) == []
    put(plane, route_r="3 cluster:new")
    assert envoy.take() == [], "its time is not counted anew"
    assert envoy.later(1) == ["route:r"]
    assert [str(event.hold) for event in envoy.stream.events() if isinstance(event, LetGo)] == [
        "route 'r' waits for cluster 'new', endpoint 'new' (warming)"
    ]
    assert envoy.holds() == []
    assert envoy.stream.due is None


def test_who_was_silent_once_is_waited_for_the_next_time(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    assert envoy.later(15) == ["route:r"]
    put(plane, cluster_newer="1 endpoint:newer", route_r="3 cluster:newer")
    assert envoy.take() == ["cluster:newer"]
    assert envoy.later(14) == []
    assert envoy.later(1) == ["route:r"]


def test_a_rejected_cluster_holds_the_route_that_names_it_alone_and_for_as_long_as_it_is(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    assert envoy.answer("cluster", error="new: no") == []
    assert envoy.holds() == ["route 'r' waits for cluster 'new' (rejected)"]
    assert envoy.stream.due is None
    assert envoy.later(1_000_000) == []
    put(plane, listener_l="2 route:r")
    assert envoy.take() == ["listener:l"]
    put(plane, cluster_new="2 endpoint:new")
    assert envoy.take() == ["cluster:new"]
    assert envoy.answer("cluster") == ["route:r"]


def test_a_route_that_the_client_does_not_have_is_sent_in_time_though_its_cluster_is_rejected(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_s="1 cluster:new")
    envoy.ask("route", "s")
    envoy.take()
    assert envoy.answer("cluster", error="no") == []
    assert envoy.later(15) == ["route:s"], "no route at all would be no better"


def test_a_cluster_that_was_rejected_in_a_newer_version_still_serves(plane, envoy):
    put(plane, cluster_old="bad endpoint:old", route_r="2 cluster:old")
    envoy.take()
    assert envoy.answer("cluster", error="no") == ["route:r"]


def test_a_route_is_sent_as_it_is_when_it_need_not_wait(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    put(plane, route_r="1 cluster:old")
    assert envoy.take() == []
    assert envoy.holds() == [], "it is what the client has"
    assert envoy.answer("cluster") == []
    assert envoy.later(100) == []


@pytest.mark.parametrize("clusters", ["cluster:a cluster:b", "cluster:b cluster:a"])
def test_a_route_waits_for_its_rejected_cluster_though_another_has_kept_it_waiting_long_enough(plane, envoy, clusters):
    put(plane, cluster_a="1 endpoint:a", cluster_b="1", route_r=f"2 {clusters}")
    envoy.take()
    assert envoy.answer("cluster", error="Error adding/updating cluster(s) b: no") == ["cluster:a"]
    assert envoy.later(15) == []
    assert envoy.holds() == ["route 'r' waits for cluster 'b' (rejected)"]
    assert envoy.later(1_000_000) == []
    put(plane, cluster_b="2")
    envoy.take()
    assert envoy.answer("cluster", "cluster") == ["route:r"]


def test_a_cluster_that_is_still_to_be_sent_once_more_is_waited_for(plane, envoy):
    put(plane, cluster_a="1", cluster_bad="1")
    for number in range(IN_FLIGHT // 8 + 1):
        envoy.take()
        put(plane, cluster_other=str(number))
    envoy.take()
    assert envoy.answer("cluster", error="Error adding/updating cluster(s) bad: no") == []
    put(plane, route_r="2 cluster:a")
    assert envoy.take() == []
    assert envoy.holds() == ["route 'r' waits for cluster 'a' (warming)"]
    assert envoy.answer("cluster", "cluster") == ["cluster:a"], "the others are settled first"
    envoy.open["cluster"].reverse()
    assert envoy.answer("cluster") == ["route:r"]


@pytest.mark.parametrize("others", [1, IN_FLIGHT - 2])
def test_what_nothing_waits_for_wakes_nobody(plane, envoy, others):
    for number in range(others):
        put(plane, cluster_other=str(number))
        envoy.take()
    put(plane, cluster_new="1 endpoint:new", listener_new="1", route_r="2 cluster:new")
    assert envoy.take() == ["cluster:new", "listener:new"]
    envoy.settle("listener")
    envoy.settle("cluster")
    assert not envoy.woken, "one of as many as are told apart, and it carried something else"
    for _ in range(others):
        envoy.settle("cluster")
    assert envoy.woken
    assert envoy.take() == ["route:r"]


def test_an_assignment_counts_until_no_cluster_is_on_its_way(plane, envoy):
    put(plane, cluster_other="1")
    envoy.take()
    put(plane, cluster_new="1 endpoint:new", endpoint_new="1")
    envoy.take()
    envoy.ask("endpoint", "new")
    envoy.take()
    envoy.answer("endpoint")
    envoy.answer("cluster")
    put(plane, route_r="2 cluster:new")
    assert envoy.take() == ["route:r"], "the other cluster was acknowledged, and this one is still warming"


def test_what_is_called_like_an_assignment_is_none(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", listener_new="1")
    envoy.take()
    envoy.answer("listener")
    put(plane, route_r="2 cluster:new")
    assert envoy.take() == []


def test_a_cluster_that_is_gone_before_it_was_acknowledged_is_waited_for(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    put(plane, cluster_new=None)
    put(plane, route_r="3 cluster:new")
    assert envoy.take() == []
    assert "route 'r' waits for cluster 'new' (warming)" in envoy.holds()
    assert envoy.answer("cluster") == ["route:r"]


def test_a_cluster_that_the_client_is_not_sent_is_not_waited_for(plane, envoy):
    plane.apply(CLUSTER, "odd", b"1", on_demand=True)
    put(plane, route_r="2 cluster:odd")
    assert envoy.take() == ["route:r"]


def test_a_cluster_that_was_sent_long_ago_is_waited_for_as_long_as_any(plane, envoy):
    put(plane, cluster_new="1 endpoint:new")
    for number in range(IN_FLIGHT + 1):
        envoy.take()
        put(plane, cluster_old=f"{number + 2} endpoint:old")
    put(plane, route_r="2 cluster:new")
    envoy.take()
    assert envoy.later(14) == []
    assert envoy.later(1) == ["route:r"]


def test_a_cluster_that_was_acknowledged_is_not_waited_for_however_many_others_are_on_their_way(plane, envoy):
    for number in range(IN_FLIGHT + 1):
        put(plane, cluster_other=str(number))
        envoy.take()
    put(plane, route_r="2 cluster:old")
    assert envoy.take() == ["route:r"]


def test_a_cluster_that_is_not_asked_for_is_not_waited_for_however_many_others_are_on_their_way(plane):
    envoy = Envoy(plane)
    envoy.ask("cluster", "old")
    envoy.ask("route", "r")
    envoy.take()
    envoy.answer("cluster")
    for number in range(IN_FLIGHT + 1):
        put(plane, cluster_old=f"{number + 2}")
        envoy.take()
    put(plane, cluster_other="1", route_r="2 cluster:other")
    assert envoy.take() == ["route:r"]


def test_a_route_is_waited_for_once_whichever_of_its_clusters_is_on_its_way(plane, envoy):
    put(plane, cluster_a="1")
    envoy.take()
    put(plane, cluster_b="1", route_r="2 cluster:a cluster:b")
    envoy.take()
    assert envoy.holds() == ["route 'r' waits for cluster 'a' (warming)"]
    envoy.later(10)
    assert envoy.answer("cluster") == []
    assert envoy.holds() == ["route 'r' waits for cluster 'b' (warming)"]
    assert envoy.later(5) == ["route:r"]


def test_a_type_of_which_nothing_waits_has_no_gate(envoy):
    assert envoy.stream.order.gate(describe(RUNTIME)) is None


@pytest.mark.parametrize(("kind", "added", "removed"), [(ROUTE, "r", "unused"), (LISTENER, "l", "l")])
def test_an_update_of_which_nothing_waits_passes_whole(plane, envoy, kind, added, removed):
    put(plane, secret_of="1 listener:l")  # noqa: S106 - a body
    gate = envoy.stream.order.gate(describe(kind))
    assert gate is not None
    resource = plane.snapshot()[kind][added]
    assert gate.passes(Update((resource,), (), ordinal=1))
    assert gate.passes(Update((), (removed,), ordinal=1))
    assert gate.passes(Update((resource,), (removed,), ordinal=1))


# --- what something refers to is removed last


def test_a_cluster_stays_until_the_route_that_named_it_is_acknowledged(plane, envoy):
    put(plane, route_r="2", cluster_old=None)
    assert envoy.take() == ["route:r"]
    assert envoy.answer("route") == ["-cluster:old"]


def test_giving_up_the_route_lets_go_at_once(plane, envoy):
    put(plane, route_r=None, listener_l=None, cluster_old=None)
    assert envoy.take() == ["-listener:l"]
    assert envoy.answer("listener") == []
    assert envoy.holds() == [
        "the removal of cluster 'old' waits for route 'r' (referred)",
        "the removal of route 'r' waits for listener 'l' (draining)",
    ]
    envoy.ask("route", discard=["r"])
    assert envoy.take() == ["-cluster:old"]


def test_a_route_that_is_gone_and_asked_for_is_in_use(plane, envoy):
    put(plane, listener_l="2")
    envoy.take()
    envoy.answer("listener")
    envoy.later(660)
    put(plane, route_r=None, cluster_old=None)
    assert envoy.take() == ["-route:r"]
    assert envoy.answer("route") == []
    assert envoy.holds() == ["the removal of cluster 'old' waits for route 'r' (in use)"]
    envoy.ask("route", discard=["r"])
    assert envoy.take() == ["-cluster:old"]


def test_a_rejection_does_not_let_go_however_long_it_lasts(plane, envoy):
    put(plane, route_r="bad", cluster_old=None)
    envoy.take()
    assert envoy.answer("route", error="no") == []
    assert envoy.later(1_000_000) == []
    put(plane, route_r="good")
    assert envoy.take() == ["route:r"]
    assert envoy.answer("route") == ["-cluster:old"]


def test_a_rejection_holds_only_what_the_accepted_version_names(plane, envoy):
    put(plane, cluster_other="1", route_r="2 cluster:other")
    envoy.take()
    envoy.answer("cluster")
    envoy.answer("route")
    put(plane, route_r="bad cluster:other")
    envoy.take()
    envoy.answer("route", error="no")
    put(plane, cluster_old=None)
    assert envoy.take() == ["-cluster:old"]
    put(plane, cluster_other=None)
    assert envoy.take() == []
    assert envoy.stream.due is None


def test_giving_up_everything_lets_go_too(plane, envoy):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp")
    envoy.take()
    envoy.answer("cluster")
    envoy.answer("listener")
    put(plane, cluster_tcp=None)
    assert envoy.take() == []
    envoy.ask("listener", discard=["*"])
    assert envoy.take() == ["-cluster:tcp"]


def test_a_name_that_is_asked_for_by_an_alias_counts(plane):
    put(plane, route_r="2")
    plane.apply(ROUTE, "by alias", b"1 cluster:old", aliases=["alias"])
    envoy = Envoy(plane).running()
    envoy.ask("route", "alias")
    envoy.take()
    envoy.answer("route")
    plane.apply(ROUTE, "by alias", b"2", aliases=["alias"])
    put(plane, cluster_old=None)
    assert envoy.take() == ["route:by alias"]
    assert envoy.answer("route") == ["-cluster:old"]


def test_adding_it_again_cancels_the_removal(plane, envoy):
    put(plane, route_r="2", cluster_old=None)
    envoy.take()
    put(plane, cluster_old="1 endpoint:old")
    assert envoy.take() == []
    assert envoy.holds() == []
    assert envoy.answer("route") == []


def test_asking_for_a_held_name_tells_that_it_is_gone(plane, envoy):
    put(plane, route_r="2", cluster_old=None)
    envoy.take()
    envoy.ask("cluster", "old")
    assert envoy.take() == ["-cluster:old"]
    assert envoy.answer("route") == []


def test_what_is_still_named_by_what_there_is_is_held_and_told(plane, envoy):
    put(plane, cluster_old=None)
    assert envoy.take() == []
    assert [event.hold.why for event in envoy.stream.events() if isinstance(event, Held)] == ["in service"]
    assert envoy.stream.due == envoy.now + 660
    assert envoy.later(659) == []
    assert envoy.later(1) == ["-cluster:old"]
    assert [event.hold.why for event in envoy.stream.events() if isinstance(event, LetGo)] == ["in service"]


def test_a_listeners_removal_travels_with_the_additions(plane, envoy):
    put(plane, listener_l=None, listener_m="1 route:r")
    (response,) = envoy.stream.responses()
    assert [resource.name for resource in response.update.resources] == ["m"]
    assert list(response.update.removed) == ["l"]


def test_what_a_listener_named_directly_stays_for_as_long_as_it_may_drain(plane, envoy):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp")
    envoy.take()
    envoy.answer("cluster")
    envoy.answer("listener")
    put(plane, listener_tcp=None, cluster_tcp=None)
    assert envoy.take() == ["-listener:tcp"]
    assert envoy.later(100) == []
    assert envoy.answer("listener") == []
    assert envoy.holds() == ["the removal of cluster 'tcp' waits for listener 'tcp' (draining)"]
    assert envoy.later(659) == []
    assert envoy.later(1) == ["-cluster:tcp"]
    assert not any(isinstance(event, LetGo) for event in envoy.stream.events()), "that is no silence"


def test_who_is_not_sent_what_it_should_acknowledge_is_not_silent(plane, envoy):
    put(plane, cluster_tcp="1 endpoint:tcp", endpoint_tcp="1", listener_tcp="1 cluster:tcp")
    envoy.take()
    envoy.ask("endpoint", "tcp")
    envoy.take()
    assert envoy.answer("endpoint", "cluster") == ["listener:tcp"]
    envoy.answer("listener")
    put(plane, cluster_tcp=None, endpoint_tcp=None, listener_tcp=None)
    assert envoy.take() == ["-listener:tcp"]
    envoy.later(100)
    envoy.answer("listener")
    envoy.stream.events()
    assert envoy.later(600) == [], "the cluster is held itself: its assignment waits on, and nobody is told"
    assert envoy.later(60) == ["-cluster:tcp"]
    assert envoy.later(659) == []
    assert envoy.stream.events() == []
    assert envoy.later(1) == ["-endpoint:tcp"], "the cluster's removal was not acknowledged"
    assert [event.hold.name for event in envoy.stream.events() if isinstance(event, LetGo)] == ["tcp"]


def test_two_that_refer_to_each_other_wait_no_longer_than_the_client_may_be_silent(plane, envoy):
    put(plane, cluster_a="1 cluster:b", cluster_b="1 cluster:a")
    envoy.take()
    envoy.answer("cluster")
    put(plane, cluster_a=None, cluster_b=None)
    assert envoy.take() == []
    assert envoy.later(660) == ["-cluster:a", "-cluster:b"]


def test_what_an_earlier_client_had_does_not_drain_for_a_later_one(plane):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp")
    put(plane, listener_tcp="2")
    later = Envoy(plane).running()
    put(plane, cluster_tcp=None)
    assert later.take() == ["-cluster:tcp"]


def test_a_secret_goes_when_the_listener_that_named_it_is_acknowledged(plane, envoy):
    put(plane, secret_x="1", listener_l="2 secret:x")  # noqa: S106 - a body
    envoy.ask("secret", "x")
    envoy.take()
    envoy.answer("listener")
    put(plane, listener_l="3", secret_x=None)
    assert envoy.take() == ["listener:l"]
    assert envoy.answer("listener") == []
    assert envoy.later(660) == ["-secret:x"], "connections of the old filter chain drain"


def test_of_several_that_refer_the_last_lets_go(plane):
    put(plane, route_s="1 cluster:old")
    envoy = Envoy(plane).running()
    envoy.ask("route", "s")
    envoy.take()
    envoy.answer("route")
    put(plane, route_r="2", route_s="2", cluster_old=None)
    assert envoy.take() == ["route:r", "route:s"]
    put(plane, route_s="3")
    assert envoy.take() == ["route:s"]
    assert envoy.answer("route") == ["-cluster:old"], "the newest s does not name it either"


def test_without_references_there_is_only_the_order_of_types():
    plane = Plane()
    put(plane, cluster_c="1 endpoint:e", route_r="1 cluster:c")
    envoy = Envoy(plane).running()
    put(plane, cluster_c=None, cluster_d="1", route_r="2 cluster:d")
    assert envoy.take() == ["cluster:d", "-cluster:c", "route:r"]


def test_nobody_is_waited_for_without_a_clock(plane):
    stream = DeltaStream(plane.server())
    for url in (CLUSTER, LISTENER):
        stream.receive(DeltaRequest(url))
    for response in stream.responses():
        stream.receive(DeltaRequest(response.type_url, nonce=response.nonce))
    put(plane, cluster_old=None)
    put(plane, listener_l=None)
    stream.responses()
    assert stream.due is None


def test_without_a_clock_nothing_drains_and_a_hold_has_no_time(plane):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp")
    stream = DeltaStream(plane.server())

    def answer():
        removed: list[str] = []
        for response in stream.responses():
            removed += response.update.removed
            stream.receive(DeltaRequest(response.type_url, nonce=response.nonce))
        return removed

    for url in (CLUSTER, LISTENER):
        stream.receive(DeltaRequest(url))
    answer()
    answer()
    stream.events()
    put(plane, listener_tcp=None, cluster_tcp=None)
    assert answer() == ["tcp"], "the listener"
    assert [(event.hold.since, event.hold.until) for event in stream.events() if isinstance(event, Held)] == [
        (0.0, None)
    ]
    assert answer() == ["tcp"], "the cluster"


def test_a_removal_waits_anew_for_each_that_refers_to_it(plane):
    put(plane, route_s="1 cluster:old")
    envoy = Envoy(plane).running()
    envoy.ask("route", "s")
    envoy.take()
    envoy.answer("route")
    put(plane, route_s="2")
    envoy.take()
    put(plane, route_r="2", cluster_old=None)
    envoy.take()
    assert envoy.holds() == ["the removal of cluster 'old' waits for route 'r' (referred)"]
    envoy.later(600)
    nonces = envoy.open["route"]
    nonces.reverse()
    assert envoy.answer("route") == []
    assert envoy.holds() == ["the removal of cluster 'old' waits for route 's' (referred)"]
    assert envoy.later(659) == []
    assert envoy.later(1) == ["-cluster:old"]


def test_a_removal_waits_for_a_rejection_though_others_have_kept_it_waiting_long_enough(plane):
    put(plane, route_s="1 cluster:old")
    envoy = Envoy(plane).running()
    envoy.ask("route", "s")
    envoy.take()
    envoy.answer("route")
    put(plane, route_r="bad")
    envoy.take()
    envoy.answer("route", error="no")
    put(plane, route_s="2", cluster_old=None)
    assert envoy.take() == ["route:s"]
    assert envoy.holds() == ["the removal of cluster 'old' waits for route 's' (referred)"]
    assert envoy.later(660) == []
    assert envoy.holds() == ["the removal of cluster 'old' waits for route 'r' (referred)"]
    assert envoy.later(1_000_000) == []
    put(plane, route_r="good")
    envoy.take()
    assert envoy.answer("route", "route") == ["-cluster:old"]


def test_a_removal_waits_until_a_listener_has_drained_though_others_have_kept_it_waiting_long_enough(plane):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp", route_r="1 cluster:tcp")
    envoy = Envoy(plane).running()
    put(plane, listener_tcp="2")
    envoy.take()
    put(plane, route_r="2", cluster_tcp=None)
    envoy.take()
    envoy.later(600)
    envoy.answer("listener")
    assert envoy.holds() == ["the removal of cluster 'tcp' waits for route 'r' (referred)"]
    assert envoy.later(60) == []
    assert envoy.holds() == ["the removal of cluster 'tcp' waits for listener 'tcp' (draining)"]
    assert envoy.stream.due == envoy.now + 600


def test_a_removal_is_waited_for_once_however_often_it_is_looked_at(plane, envoy):
    put(plane, route_r="2 cluster:old")
    envoy.take()
    put(plane, route_r="3", cluster_old=None)
    envoy.take()
    envoy.later(600)
    assert envoy.answer("route") == [], "that one refers to it as well"
    assert envoy.later(59) == []
    assert envoy.later(1) == ["-cluster:old"]


def test_of_several_that_are_over_at_once_each_is_let_go(plane, envoy):
    put(plane, cluster_tcp="1 endpoint:tcp", endpoint_tcp="1", listener_tcp="1 cluster:tcp")
    envoy.take()
    envoy.ask("endpoint", "tcp")
    envoy.take()
    envoy.answer("endpoint", "cluster")
    envoy.answer("listener")
    put(plane, cluster_tcp=None, endpoint_tcp=None, listener_tcp=None)
    envoy.take()
    put(plane, cluster_old=None)
    envoy.take()
    envoy.later(100)
    envoy.answer("listener")
    assert envoy.later(560) == ["-cluster:old"], "before it the assignment is looked at, which waits on"


def test_what_drains_is_looked_at_again_and_goes_on_draining(plane, envoy):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp")
    envoy.take()
    envoy.answer("cluster")
    envoy.answer("listener")
    put(plane, listener_tcp="2", cluster_tcp=None)
    envoy.take()
    envoy.answer("listener")
    over = envoy.now + 660
    for seconds in (100, 559.5):
        envoy.later(seconds)
        put(plane, cluster_tcp="2")
        put(plane, cluster_tcp=None)
        assert envoy.take() == []
        assert envoy.stream.due == over
    assert envoy.later(0.5) == ["-cluster:tcp"]


def test_when_a_listener_has_drained_others_are_waited_for(plane):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp", route_r="1 cluster:tcp")
    envoy = Envoy(plane).running()
    put(plane, route_r="2")
    envoy.take()
    put(plane, listener_tcp=None, cluster_tcp=None)
    envoy.take()
    assert envoy.answer("listener") == []
    assert envoy.holds() == ["the removal of cluster 'tcp' waits for listener 'tcp' (draining)"]
    assert envoy.later(660) == []
    assert envoy.holds() == ["the removal of cluster 'tcp' waits for route 'r' (referred)"]
    assert envoy.answer("route") == ["-cluster:tcp"]
    assert let_go(envoy) == []


def test_only_what_listeners_referred_to_drains(plane, envoy):
    for number in range(5):
        put(plane, listener_l=f"{number + 2} route:r")
        envoy.take()
        envoy.answer("listener")
    put(plane, route_r="2", cluster_old=None)
    envoy.take()
    assert envoy.answer("route") == ["-cluster:old"]


def test_who_is_silent_about_a_route_that_is_gone_is_waited_for_as_long_as_others(plane, envoy):
    put(plane, listener_l="2")
    envoy.take()
    envoy.answer("listener")
    envoy.later(660)
    put(plane, route_r=None, cluster_old=None)
    envoy.take()
    envoy.answer("route")
    assert envoy.later(659) == []
    assert envoy.later(1) == ["-cluster:old"]
    assert let_go(envoy) == [("the removal of cluster 'old' waits for route 'r' (in use)", "silence")]


# --- a client that comes back


@pytest.fixture
def other():
    """Another process, which was never told of what is gone in it."""
    elsewhere = Plane(references=refers)
    put(elsewhere, cluster_new="1 endpoint:new", endpoint_new="1", route_r="2 cluster:new", listener_l="1 route:r")
    return elsewhere


@pytest.fixture(params=["the same process", "another"])
def back(request, plane, other):
    """One that comes back after the swap."""
    known = known_of(plane)
    swap(plane)
    return Envoy(plane if request.param == "the same process" else other, known)


def test_who_comes_back_is_sent_what_is_new_at_once_and_what_is_gone_when_its_routes_are_known(back):
    back.ask("cluster")
    assert back.take() == ["cluster:new"]
    assert back.holds() == ["the removal of cluster 'old' waits for all listeners, all routes (returning)"]
    back.ask("endpoint", "old")
    assert back.take() == []
    back.ask("listener")
    back.ask("route", "r")
    assert back.take() == []
    assert sorted(back.holds()) == [
        "route 'r' waits for cluster 'new', endpoint 'new' (warming)",
        "the removal of cluster 'old' waits for route 'r' (referred)",
        "the removal of endpoint 'old' waits for cluster 'old' (referred)",
    ]
    assert back.answer("cluster") == ["route:r"]
    assert back.answer("route") == ["-cluster:old"]
    assert back.answer("cluster") == ["-endpoint:old"]
    assert back.holds() == []


def test_who_comes_back_may_ask_for_its_routes_before_its_clusters(back):
    """Envoy does: it asks for assignments first, then routes, listeners, and clusters."""
    back.ask("endpoint", "old")
    assert back.take() == []
    back.ask("route", "r")
    assert back.take() == []
    assert "route 'r' waits for all clusters (returning)" in back.holds()
    back.ask("listener")
    assert back.take() == []
    back.ask("cluster")
    assert back.take() == ["cluster:new"]
    assert back.answer("cluster") == ["route:r"]
    assert back.answer("route") == ["-cluster:old"]
    assert back.answer("cluster") == ["-endpoint:old"]


def test_who_comes_back_and_asks_for_no_clusters_is_sent_its_routes_after_a_second(back):
    back.ask("route", "r")
    back.ask("listener")
    assert back.take() == []
    assert back.later(0.9) == []
    assert back.later(0.1) == ["route:r"]


def test_who_comes_back_and_lacks_nothing_keeps_nobody_waiting(plane):
    back = Envoy(plane, known_of(plane))
    put(plane, cluster_unused="1")
    back.known["cluster"]["gone"] = "its version"
    for kind, names in (("endpoint", ["old"]), ("route", ["r"]), ("listener", ()), ("cluster", ())):
        back.ask(kind, *names)
    assert back.take() == ["cluster:unused", "-cluster:gone"]
    assert back.stream.due is None


def test_who_comes_back_and_has_no_listeners_is_waited_for_a_second(back):
    back.ask("cluster")
    assert back.take() == ["cluster:new"]
    assert back.stream.due == back.now + 1
    assert back.later(0.9) == []
    assert back.later(0.1) == ["-cluster:old"]


def test_who_comes_back_and_rejects_its_first_routes_keeps_what_they_may_name(back):
    for kind, names in (("cluster", ()), ("endpoint", ["old"]), ("listener", ()), ("route", ["r"])):
        back.ask(kind, *names)
    assert back.take() == ["cluster:new"]
    assert back.answer("cluster") == ["route:r"]
    assert back.answer("route", error="no") == []
    assert back.later(10_000) == []
    put(back.plane, route_r="4")
    assert back.take() == ["route:r"]
    assert back.answer("route") == ["-cluster:old"]


def test_who_comes_back_with_another_listener_may_drain_it(plane, other):
    put(plane, cluster_tcp="1", listener_tcp="1 cluster:tcp")
    back = Envoy(other, known_of(plane))
    put(other, listener_tcp="2")
    for kind, names in (("listener", ()), ("route", ["r"]), ("cluster", ())):
        back.ask(kind, *names)
    assert back.take() == ["cluster:new", "listener:tcp"]
    assert back.answer("cluster") == ["route:r"]
    back.later(100)
    assert back.answer("route", "listener") == []
    assert back.later(659) == []
    assert back.later(1) == ["-cluster:old", "-cluster:tcp"]


def test_who_comes_back_and_is_sent_another_listener_besides_drains_nothing(plane, other):
    back = Envoy(other, known_of(plane))
    put(other, listener_more="1")
    for kind, names in (("listener", ()), ("route", ["r"]), ("cluster", ())):
        back.ask(kind, *names)
    assert back.take() == ["cluster:new", "listener:more"]
    assert back.answer("cluster", "listener") == ["route:r"]
    assert back.answer("route") == ["-cluster:old"]


def test_who_comes_with_nothing_has_nothing_to_lose(plane):
    envoy = Envoy(plane)
    envoy.ask("cluster")
    envoy.take()
    put(plane, cluster_old=None)
    assert envoy.take() == ["-cluster:old"]


def test_a_route_that_is_gone_and_still_asked_for_may_name_anything(plane, other):
    put(plane, route_r="1", route_s="1 cluster:old")
    back = Envoy(other, known_of(plane))
    put(other, route_r="1")
    for kind, names in (("cluster", ()), ("listener", ()), ("route", ["r", "s"])):
        back.ask(kind, *names)
    assert back.take() == ["cluster:new", "-route:s"]
    assert back.answer("route") == []
    assert back.holds() == ["the removal of cluster 'old' waits for route 's' (in use)"]
    put(other, route_s="2 cluster:new")
    assert back.take() == []
    assert back.answer("cluster") == ["route:s"]
    put(other, route_s=None)
    assert back.take() == ["-route:s"]
    back.ask("route", discard=["s"])
    assert back.take() == ["-cluster:old"]


def test_who_comes_back_and_is_silent_about_its_routes_is_waited_for_as_long_as_others(back):
    for kind, names in (("cluster", ()), ("listener", ()), ("route", ["r"])):
        back.ask(kind, *names)
    back.take()
    assert back.answer("cluster") == ["route:r"]
    assert back.later(659) == []
    assert back.later(1) == ["-cluster:old"]
    assert let_go(back) == [("the removal of cluster 'old' waits for route 'r' (referred)", "silence")]


def test_who_comes_back_and_rejects_something_else_is_still_silent(plane, other):
    put(plane, cluster_more="1")
    put(other, cluster_more="1", route_r="3", route_q="1")
    back = Envoy(other, known_of(plane))
    for kind, names in (("cluster", ()), ("listener", ()), ("route", ["r"])):
        back.ask(kind, *names)
    assert back.take() == ["cluster:new", "route:r"]
    back.ask("route", "q")
    assert back.take() == ["route:q"]
    back.open["route"].reverse()
    assert back.answer("route", error="no") == []
    put(other, cluster_more=None)
    assert back.take() == []
    assert back.later(659) == []
    assert back.later(1) == ["-cluster:old", "-cluster:more"]


def test_without_references_who_comes_back_is_told_at_once():
    plane = Plane()
    put(plane, cluster_c="1")
    back = Envoy(plane, {"cluster": {"gone": "1"}})
    back.ask("cluster")
    assert back.take() == ["cluster:c", "-cluster:gone"]


def test_who_comes_back_is_not_waited_for_where_there_is_no_patience(other):
    back = Envoy(other, {"cluster": {"old": "1"}}, returning=0)
    back.ask("cluster")
    assert back.take_batch() == ["cluster:new", "-cluster:old"]


def test_who_comes_back_is_not_waited_for_without_a_clock(other):
    stream = DeltaStream(other.server())
    stream.receive(DeltaRequest(CLUSTER, initial_versions={"old": "1"}))
    assert [list(response.update.removed) for response in stream.responses()] == [["old"]]


def test_who_comes_back_may_drain_its_listener_to_the_last_second(plane, other):
    back = Envoy(other, known_of(plane))
    put(other, listener_l="2", route_r="3")
    for kind, names in (("listener", ()), ("route", ["r"]), ("cluster", ())):
        back.ask(kind, *names)
    back.take()
    back.answer("route", "listener")
    assert back.holds() == ["the removal of cluster 'old' waits for listener 'l' (draining)"]
    back.later(659.5)
    put(other, listener_l="3")
    back.take()
    assert back.answer("listener") == []
    assert back.later(0.5) == ["-cluster:old"]


def test_who_comes_back_and_cannot_be_sent_its_clusters_yet_is_sent_its_routes_in_time(other):
    writer = other.writer("source")
    writer.incomplete(["broken.yaml:3: not YAML"])
    writer.ready()
    back = SotwEnvoy(other, {"cluster": "another", "route": "another"})
    back.ask("cluster")
    back.ask("route", "r")
    assert back.take() == []
    assert back.holds() == ["route 'r' waits for all clusters (returning)"]
    assert back.later(14) == []
    assert back.later(1) == ["routes: r"]


# --- what was held back and is so no longer


def let_go(envoy):
    """What was let go without an acknowledgement, and why."""
    return [(str(event.hold), event.why) for event in envoy.stream.events() if isinstance(event, LetGo)]


def test_a_removal_that_was_taken_back_leaves_nothing_behind(plane, envoy):
    put(plane, cluster_old=None)
    envoy.take()
    put(plane, cluster_old="1 endpoint:old")
    envoy.take()
    assert envoy.stream.due is None
    assert envoy.later(1_000) == []
    swap(plane)
    assert envoy.take() == ["cluster:new"], "the old one is still in use"
    assert let_go(envoy) == []


def test_a_removal_that_comes_again_waits_anew_and_is_told_again(plane, envoy):
    put(plane, cluster_old=None)
    envoy.take()
    put(plane, cluster_old="1 endpoint:old")
    envoy.take()
    envoy.stream.events()
    envoy.later(600)
    put(plane, cluster_old=None)
    envoy.take()
    assert [type(event) for event in envoy.stream.events()] == [Held]
    assert envoy.stream.due == envoy.now + 660


def test_a_route_that_went_back_leaves_nothing_behind(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    put(plane, route_r="1 cluster:old")
    envoy.take()
    assert (envoy.holds(), envoy.stream.due) == ([], None)


def test_who_gives_up_what_refers_to_it_has_let_it_go(plane, envoy):
    put(plane, cluster_old=None)
    envoy.take()
    envoy.stream.events()
    envoy.ask("route", discard=["r"])
    assert envoy.take() == ["-cluster:old"]
    assert let_go(envoy) == [("the removal of cluster 'old' waits for route 'r' (in service)", "given up")]


def test_who_gives_up_what_is_held_has_let_it_go(plane, envoy):
    put(plane, cluster_new="1 endpoint:new", route_r="2 cluster:new")
    envoy.take()
    envoy.ask("route", discard=["r"])
    assert let_go(envoy) == [("route 'r' waits for cluster 'new', endpoint 'new' (warming)", "given up")]
    assert (envoy.holds(), envoy.stream.due) == ([], None)


def test_who_gives_up_one_of_two_that_refer_to_it_goes_on_waiting_for_the_other(plane, envoy):
    put(plane, route_s="1 cluster:old")
    envoy.ask("route", "s")
    envoy.take()
    envoy.answer("route")
    put(plane, cluster_old=None)
    envoy.take()
    envoy.stream.events()
    envoy.ask("route", discard=["r"])
    assert envoy.take() == []
    assert envoy.holds() == ["the removal of cluster 'old' waits for route 's' (in service)"]
    put(plane, route_s="2")
    envoy.take()
    assert envoy.answer("route") == ["-cluster:old"]
    assert let_go(envoy) == [], "that was an acknowledgement"


def test_what_is_held_when_a_stream_ends_is_told(plane, envoy):
    put(plane, cluster_old=None)
    envoy.take()
    envoy.stream.events()
    envoy.stream.close()
    assert let_go(envoy) == [("the removal of cluster 'old' waits for route 'r' (in service)", "ended")]
    assert (envoy.holds(), envoy.stream.due) == ([], None)


# --- listeners that take each other's place


@pytest.fixture
def direct(plane):
    """A client whose listener names its cluster itself."""
    put(plane, listener_l="1 cluster:old", route_r=None)
    return Envoy(plane).running()


def rename(plane):
    """Cluster and listener are others, in one transaction."""
    put(
        plane,
        cluster_new="1 endpoint:new",
        endpoint_new="1",
        listener_m="1 cluster:new",
        listener_l=None,
        cluster_old=None,
        endpoint_old=None,
    )


def test_a_listener_is_removed_with_the_one_that_is_held_back(plane, direct):
    rename(plane)
    assert direct.take() == ["cluster:new"]
    assert "the removal of listener 'l' waits for listener 'm' (swapped)" in direct.holds()
    direct.ask("endpoint", "new")
    assert direct.take() == ["endpoint:new"]
    assert direct.answer("endpoint") == ["listener:m", "-listener:l"]
    assert let_go(direct) == []


def test_a_listener_that_waits_for_nothing_does_not_let_another_go(plane, direct):
    rename(plane)
    put(plane, listener_other="1")
    assert direct.take() == ["cluster:new", "listener:other"]


def test_a_listener_that_is_removed_later_waits_too(plane, direct):
    put(plane, cluster_new="1 endpoint:new", listener_m="1 cluster:new")
    direct.take()
    put(plane, listener_l=None)
    assert direct.take() == []
    assert direct.answer("cluster") == ["listener:m", "-listener:l"]


def test_a_listener_goes_when_the_one_that_is_held_back_is_taken_back(plane, direct):
    rename(plane)
    direct.take()
    put(plane, listener_m=None)
    assert direct.take() == ["-listener:l"]


def test_of_a_silent_client_both_are_let_go_together(plane, direct):
    rename(plane)
    direct.take()
    assert direct.later(14) == []
    assert direct.later(1) == ["listener:m", "-listener:l"]
    assert let_go(direct) == [("listener 'm' waits for cluster 'new', endpoint 'new' (warming)", "silence")]


def test_a_listener_does_not_wait_for_ever_for_one_that_may_not_change(plane, direct):
    put(plane, cluster_new="1 endpoint:new", listener_tcp="1 cluster:old")
    direct.take()
    assert direct.answer("cluster", error="new: no") == []
    direct.answer("listener")
    put(plane, listener_tcp="2 cluster:new", listener_l=None)
    assert direct.take() == []
    assert "listener 'tcp' waits for cluster 'new' (rejected)" in direct.holds()
    assert direct.later(15) == ["-listener:l"]


def test_a_client_that_comes_back_loses_no_listener_before_it_has_the_new_one(plane):
    put(plane, listener_l="1 cluster:old", route_r=None)
    known = {
        "cluster": {"old": plane.snapshot()[CLUSTER]["old"].version},
        "listener": {"l": plane.snapshot()[LISTENER]["l"].version},
    }
    rename(plane)
    back = Envoy(plane, known)
    back.ask("cluster")
    back.ask("listener")
    assert back.take() == ["cluster:new"]
    assert back.answer("cluster") == ["listener:m", "-listener:l"]


def test_in_state_of_the_world_a_set_has_the_one_listener_or_the_other(plane):
    put(plane, listener_l="1 cluster:old", route_r=None)
    stream = SotwStream(plane.server())
    nonces: dict[str, str] = {}

    def ask(type_url, *names):
        stream.receive(DiscoveryRequest(type_url, names=names, nonce=nonces.get(type_url, "")))
        return take()

    def take():
        sets = {}
        for response in stream.responses():
            nonces[response.type_url] = response.nonce
            sets[by_short_name(response.type_url).singular] = [each.name for each in response.update.resources]
        return sets

    assert ask(CLUSTER) == {"cluster": ["old"]}
    assert ask(ENDPOINT, "old") == {"endpoint": ["old"]}
    assert ask(LISTENER) == {"listener": ["l"]}
    assert [ask(CLUSTER), ask(ENDPOINT, "old"), ask(LISTENER)] == [{}, {}, {}]
    rename(plane)
    assert take() == {"cluster": ["new", "old"]}
    assert ask(ENDPOINT, "old", "new") == {"endpoint": ["new"]}
    assert ask(ENDPOINT, "old", "new") == {"listener": ["m"]}
