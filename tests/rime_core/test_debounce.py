"""Debounce: those who wait are woken when changes have come to rest; whoever asks is answered at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rime_core import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
    Debounce,
    DelayStatus,
    Plane,
    Policy,
)
from rime_core.debounce import Delay, Delays
from rime_core.node import TTL, Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest
from tests.rime_core.client import reading
from tests.rime_core.protocol.envoy import Envoy, put, refers
from tests.rime_core.timer import VirtualTimer

OWN = "type.googleapis.com/example.v1.Thing"
OFTEN = Debounce(1.0, 5.0)
"""Told when nothing has changed for a second, after five at the latest."""
AT_ONCE = Debounce(0, 0)


@pytest.fixture
def timer():
    return VirtualTimer()


@pytest.fixture
def plane(timer):
    return Plane(debounce=OFTEN, timer=timer)


class Watcher:
    """A reader that notes when it was woken."""

    def __init__(self, timer, plane, type_url=CLUSTER, names=None):
        self.woken: list[float] = []
        self.subscriber = plane.server().subscribe(
            type_url, names, wake=lambda: self.woken.append(round(timer.now - 100, 6))
        )
        self.subscriber.initial()

    def take(self):
        update = self.subscriber.poll()
        return {each.name: each.body for each in update.resources} if update is not None else None


# --- when it is told


def test_it_is_told_when_nothing_has_changed_for_the_quiet_time(timer, plane):
    client = Watcher(timer, plane)
    plane.apply(CLUSTER, "a", b"1")
    timer.pass_by(0.999)
    assert client.woken == []
    timer.pass_by(0.001)
    assert client.woken == [1.0]
    assert client.take() == {"a": b"1"}


def test_each_change_begins_the_quiet_time_anew_and_all_are_told_together(timer, plane):
    client = Watcher(timer, plane)
    for content in (b"1", b"2", b"3"):
        plane.apply(CLUSTER, "a", content)
        plane.apply(CLUSTER, "b", content)
        timer.pass_by(0.75)
    assert client.woken == []
    timer.pass_by(0.25)
    assert client.woken == [2.5]
    assert client.take() == {"a": b"3", "b": b"3"}


def test_who_changes_without_a_pause_is_told_of_after_max_wait(timer, plane):
    client = Watcher(timer, plane)
    for content in range(12):
        plane.apply(CLUSTER, "a", b"%d" % content)
        timer.pass_by(0.9)
        client.take()
    assert client.woken == [5.0, 10.4], "the first change after 5.0 was at 5.4"


def test_a_change_after_a_wait_begins_another(timer, plane):
    client = Watcher(timer, plane)
    for content in (b"1", b"2"):
        plane.apply(CLUSTER, "a", content)
        timer.pass_by(10)
        assert client.take() == {"a": content}
    assert client.woken == [1.0, 11.0]


def test_a_timer_that_calls_too_early_is_called_again(timer):
    told = []
    delay = Delay(CLUSTER, OFTEN, timer, lambda: told.append(timer.now))
    called = []
    timer.call_at = lambda when, callback: called.append((when, callback))
    delay.changed()
    timer.now = 100.9
    called[-1][1]()
    assert [when for when, _ in called] == [101.0, 101.0]
    timer.now = 101.0
    called[-1][1]()
    assert told == [101.0]


def test_a_change_costs_one_look_at_the_clock_and_a_wait_one_timer(timer, plane):
    Watcher(timer, plane)
    for content in range(100):
        plane.apply(CLUSTER, "a", b"%d" % content)
    assert timer.pending == 1


def test_a_transaction_is_put_off_as_a_whole(timer, plane):
    client = Watcher(timer, plane)
    with plane.transaction() as change:
        change.apply(CLUSTER, "a", b"1")
        change.apply(CLUSTER, "b", b"1")
    assert client.woken == []
    timer.pass_by(1)
    assert client.take() == {"a": b"1", "b": b"1"}


def test_what_is_as_it_was_when_it_is_told_is_not_sent(timer, plane):
    plane.apply(CLUSTER, "a", b"1")
    client = Watcher(timer, plane)
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "a", b"1")
    timer.pass_by(1)
    assert client.woken == [1.0]
    assert client.take() is None


def test_where_nobody_waits_nothing_is_put_off(timer, plane):
    plane.apply(CLUSTER, "a", b"1")
    assert timer.pending == 0
    client = Watcher(timer, plane)
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "a", b"3")
    assert timer.pending == 1
    timer.pass_by(1)
    plane.apply(CLUSTER, "a", b"4")
    assert timer.pending == 0, "who was woken looks anyway"
    assert client.take() == {"a": b"4"}


def test_who_waits_is_told_although_another_fails(timer, plane):
    class BrokenError(Exception):
        pass

    def broken():
        raise BrokenError

    first = plane.server().subscribe(CLUSTER, wake=broken)
    first.initial()
    client = Watcher(timer, plane)
    plane.apply(CLUSTER, "a", b"1")
    with pytest.raises(BrokenError):
        timer.pass_by(1)
    assert client.woken == [1.0]


def test_of_a_plane_that_was_closed_nothing_is_told(timer, plane):
    client = Watcher(timer, plane)
    plane.apply(CLUSTER, "a", b"1")
    plane.close()
    woken = list(client.woken)
    timer.pass_by(1)
    assert client.woken == woken


# --- what is told at once


def test_who_comes_is_sent_all_there_is(timer, plane):
    Watcher(timer, plane)
    plane.apply(CLUSTER, "a", b"1")
    assert reading(plane).has == {"a": b"1"}


def test_who_asks_is_answered_with_what_is_put_off(timer, plane):
    client = Watcher(timer, plane, names=["a"])
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "b", b"1")
    client.subscriber.add(["b"])
    assert client.woken == [0.0]
    assert client.take() == {"a": b"1", "b": b"1"}
    assert client.take() is None


def test_what_one_was_sent_meanwhile_is_not_all_that_another_lacks(timer, plane):
    """Both hold the same names and stood at the same cursor; then something more has changed."""
    first, second = (Watcher(timer, plane, names=["a", "b"]) for _ in range(2))
    plane.apply(CLUSTER, "a", b"1")
    assert first.take() == {"a": b"1"}
    plane.apply(CLUSTER, "b", b"1")
    assert second.take() == {"a": b"1", "b": b"1"}
    assert first.take() == {"b": b"1"}


def test_a_first_state_is_sent_when_it_is_there(timer):
    plane = Plane(debounce=OFTEN, timer=timer)
    writer = plane.writer("slow")
    woken = []
    stream = DeltaStream(plane.server(), wake=lambda: woken.append(timer.now))
    stream.receive(DeltaRequest(CLUSTER, node=Node("n")))
    assert stream.responses() == []
    writer.apply(CLUSTER, "a", b"1")
    writer.ready()
    assert woken[-1] == 100.0
    (response,) = stream.responses()
    assert [each.name for each in response.update.resources] == ["a"]


# --- of which types, and how long


@pytest.mark.parametrize("url", [CLUSTER, EXTENSION_CONFIG, LISTENER, ROUTE, RUNTIME, SCOPED_ROUTE, SECRET, OWN])
def test_all_types_are_put_off_but_endpoints(timer, plane, url):
    other, endpoints = (Watcher(timer, plane, each, ["a"]) for each in (url, ENDPOINT))
    plane.apply(ENDPOINT, "a", b"1")
    plane.apply(url, "a", b"1")
    assert (other.woken, endpoints.woken) == ([], [0.0])
    timer.pass_by(1)
    assert (other.woken, endpoints.woken) == ([1.0], [0.0])


def test_a_policy_says_otherwise_for_its_type(timer):
    plane = Plane(
        debounce=OFTEN,
        timer=timer,
        policies={
            CLUSTER: Policy(debounce=AT_ONCE),
            ENDPOINT: Policy(debounce=Debounce(0.5, 0.5)),
            LISTENER: Policy(removal="never"),
        },
    )
    types = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
    watchers = [Watcher(timer, plane, url, ["a"]) for url in types]
    for url in types:
        plane.apply(url, "a", b"1")
    timer.pass_by(10)
    assert [each.woken for each in watchers] == [[0.0], [0.5], [1.0], [1.0]]


def test_a_policy_alone_is_enough(timer):
    plane = Plane(timer=timer, policies={CLUSTER: Policy(debounce=OFTEN)})
    clusters, routes = (Watcher(timer, plane, url, ["a"]) for url in (CLUSTER, ROUTE))
    for url in (CLUSTER, ROUTE):
        plane.apply(url, "a", b"1")
    assert (clusters.woken, routes.woken) == ([], [0.0])


@pytest.mark.parametrize(
    ("default", "by_type", "expected"),
    [
        (None, {}, False),
        (AT_ONCE, {}, False),
        (AT_ONCE, {CLUSTER: AT_ONCE}, False),
        (OFTEN, {}, True),
        (None, {CLUSTER: OFTEN}, True),
        (AT_ONCE, {CLUSTER: AT_ONCE, ROUTE: OFTEN}, True),
    ],
)
def test_a_plane_knows_whether_it_puts_anything_off(timer, default, by_type, expected):
    delays = Delays(timer, default, by_type)
    assert delays.any is expected
    policies = {url: Policy(debounce=each) for url, each in by_type.items()}
    assert Plane(debounce=default, policies=policies, timer=timer).server().puts_off is expected
    told = []
    assert (delays.of(ROUTE, lambda: told.append(1)) is not None) == (by_type.get(ROUTE, default) is OFTEN)


def test_without_a_timer_nothing_can_be_put_off():
    for options in ({"debounce": OFTEN}, {"policies": {CLUSTER: Policy(debounce=OFTEN)}}):
        with pytest.raises(
            ValueError, match=r"^a Plane that debounces needs a timer, such as timer=asyncio.get_running_loop\(\)$"
        ):
            Plane(**options)
    Plane(debounce=Debounce(0, 0))


@pytest.mark.parametrize(("quiet", "max_wait"), [(-0.1, 1.0), (1.0, 0.5), (0.1, 0.0)])
def test_nothing_waits_longer_than_it_may(quiet, max_wait):
    with pytest.raises(ValueError, match=f"^quiet is seconds, and max_wait not shorter, not quiet={quiet:g} and max"):
        Debounce(quiet, max_wait)
    assert Debounce(1.0, 1.0).max_wait == 1.0


def test_a_group_puts_off_what_its_base_does(timer, plane):
    group = Plane(base=plane)
    client = Watcher(timer, group)
    plane.apply(CLUSTER, "a", b"1")
    timer.pass_by(0.5)
    group.apply(CLUSTER, "b", b"1")
    assert client.woken == []
    timer.pass_by(0.5)
    assert client.woken == [1.0]
    assert client.take() == {"a": b"1", "b": b"1"}
    assert group.server().puts_off


# --- what is told of it


def test_the_status_says_how_long_changes_have_waited(timer, plane):
    client = Watcher(timer, plane)
    plane.apply(ENDPOINT, "a", b"1")
    assert plane.status().delays == (DelayStatus(CLUSTER, 1.0, 5.0, None, 0, 0.0, 0.0),)
    plane.apply(CLUSTER, "a", b"1")
    timer.pass_by(0.75)
    assert plane.status().delays == (DelayStatus(CLUSTER, 1.0, 5.0, 0.75, 0, 0.0, 0.0),)
    plane.apply(CLUSTER, "a", b"2")
    timer.pass_by(2)
    client.take()
    assert plane.status().delays == (DelayStatus(CLUSTER, 1.0, 5.0, None, 1, 1.75, 1.75),)
    plane.apply(CLUSTER, "a", b"3")
    timer.pass_by(2)
    assert plane.status().delays == (DelayStatus(CLUSTER, 1.0, 5.0, None, 2, 2.75, 1.75),)
    assert Plane().status().delays == ()


def test_a_subscriber_knows_whether_something_is_put_off(timer, plane):
    client = Watcher(timer, plane).subscriber
    assert not client.is_put_off
    plane.apply(CLUSTER, "a", b"1")
    assert client.is_put_off
    client.poll()
    assert not client.is_put_off, "it has it"
    plane.apply(CLUSTER, "a", b"2")
    timer.pass_by(1)
    assert not client.is_put_off, "it is told"
    endpoints = Watcher(timer, plane, ENDPOINT).subscriber
    plane.apply(ENDPOINT, "a", b"1")
    assert not endpoints.is_put_off


# --- streams


def shop(timer, **policies):
    """A Plane whose clusters are put off, and its endpoints and routes not; an Envoy that has all there is."""
    plane = Plane(references=refers, policies={CLUSTER: Policy(debounce=OFTEN), **policies}, timer=timer)
    put(plane, cluster_old="1 endpoint:old", endpoint_old="1", route_r="1 cluster:old", listener_l="1 route:r")
    return plane, Envoy(plane).running()


def test_a_stream_is_behind_while_something_is_put_off(timer):
    plane, envoy = shop(timer)
    put(plane, cluster_old="2 endpoint:old")
    assert envoy.take() == []
    assert [url for url in (CLUSTER, ENDPOINT, LISTENER) if envoy.stream.is_behind(url)] == [CLUSTER]
    timer.pass_by(1)
    assert envoy.take() == ["cluster:old", "endpoint:old"]
    assert not envoy.stream.is_behind(CLUSTER)


def test_endpoints_do_not_wait_for_a_cluster_that_is_put_off(timer):
    plane, envoy = shop(timer)
    put(plane, cluster_old="2 endpoint:old", endpoint_old="2")
    assert envoy.take() == ["endpoint:old"]
    timer.pass_by(1)
    assert envoy.take() == ["cluster:old", "endpoint:old"], "Envoy needs it after a changed cluster (R72)"


def test_a_route_takes_the_cluster_along_that_it_names(timer):
    plane, envoy = shop(timer)
    put(plane, cluster_new="1 endpoint:new", endpoint_new="1")
    assert envoy.take() == []
    put(plane, route_r="2 cluster:new")
    assert envoy.take() == ["cluster:new"]
    envoy.ask("endpoint", "new")
    assert envoy.take() == ["endpoint:new"]
    assert envoy.answer("endpoint") == ["route:r"]


def test_without_references_too_a_batch_has_the_cluster_before_the_route(timer):
    plane = Plane(policies={CLUSTER: Policy(debounce=OFTEN)}, timer=timer)
    envoy = Envoy(plane)
    envoy.ask("cluster")
    envoy.ask("route", "r")
    envoy.take()
    put(plane, cluster_new="1", route_r="1")
    assert envoy.take() == ["cluster:new", "route:r"]


@pytest.mark.parametrize("url", [CLUSTER, EXTENSION_CONFIG, LISTENER, ROUTE, SCOPED_ROUTE, VIRTUAL_HOST, OWN])
def test_what_may_refer_to_something_takes_all_along(timer, url):
    plane = Plane(debounce=OFTEN, policies={url: Policy(debounce=AT_ONCE)}, timer=timer)
    stream = DeltaStream(plane.server())
    others = [each for each in (CLUSTER, SECRET, RUNTIME, ROUTE) if each != url]
    for each in (url, *others):
        stream.receive(DeltaRequest(each, subscribe=["a"]))
    stream.responses()
    for each in others:
        plane.apply(each, "a", b"1")
    assert stream.responses() == []
    plane.apply(url, "a", b"1")
    assert {response.type_url for response in stream.responses()} == {url, *others}


@pytest.mark.parametrize("url", [ENDPOINT, SECRET, RUNTIME])
def test_what_refers_to_nothing_takes_nothing_along(timer, url):
    plane = Plane(debounce=OFTEN, policies={url: Policy(debounce=AT_ONCE)}, timer=timer)
    stream = DeltaStream(plane.server())
    for each in (url, CLUSTER):
        stream.receive(DeltaRequest(each, subscribe=["a"]))
    stream.responses()
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(url, "a", b"1")
    assert {response.type_url for response in stream.responses()} == {url}


def test_an_assignment_stays_until_its_cluster_is_gone(timer):
    plane, envoy = shop(timer)
    put(plane, cluster_new="1 endpoint:new", endpoint_new="1", route_r="2 cluster:new")
    envoy.take()
    envoy.ask("endpoint", "new")
    envoy.take()
    envoy.settled()
    put(plane, cluster_old=None, endpoint_old=None)
    assert envoy.take() == []
    assert envoy.holds() == ["the removal of endpoint 'old' waits for cluster 'old' (referred)"]
    timer.pass_by(1)
    assert envoy.take() == ["-cluster:old"]
    assert envoy.answer("cluster") == ["-endpoint:old"]


def test_what_is_let_go_takes_along_what_it_names(timer):
    """A route was held; while it was, it changed again, to a cluster that is put off."""
    plane, envoy = shop(timer, **{ROUTE: Policy(debounce=OFTEN)})
    put(plane, cluster_new="1 endpoint:new", endpoint_new="1", route_r="2 cluster:new")
    timer.pass_by(1)
    assert envoy.take() == ["cluster:new"]
    put(plane, cluster_newer="1", route_r="3 cluster:newer")
    envoy.ask("endpoint", "new")
    assert envoy.take() == ["cluster:newer", "endpoint:new"]
    assert envoy.answer("endpoint", "cluster") == []
    assert envoy.answer("cluster") == ["route:r"], "it is what it is by now, and waits for what it names by now"


def test_a_renewal_takes_along_what_replaces_what_it_renews(timer):
    plane = Plane(debounce=Debounce(60, 60), timer=timer)
    plane.apply(CLUSTER, "a", b"1", ttl=10.0)
    stream = DeltaStream(plane.server(), clock=timer.time)
    stream.receive(DeltaRequest(CLUSTER, node=Node("n", client_features=frozenset({TTL}))))
    (first,) = stream.responses()
    stream.receive(DeltaRequest(CLUSTER, nonce=first.nonce))
    plane.apply(CLUSTER, "a", b"2", ttl=10.0)
    assert stream.responses() == []
    timer.pass_by(stream.due - timer.now)
    (second,) = stream.responses()
    assert [each.body for each in second.update.resources] == [b"2"]


# --- whatever happens

STEP = 0.02
CHANGES = st.tuples(
    st.sampled_from([CLUSTER, ENDPOINT, ROUTE]), st.sampled_from("ab"), st.sampled_from([b"1", b"2", b"3", None])
)
STEPS = st.lists(
    st.one_of(
        st.lists(CHANGES, min_size=1, max_size=3),
        st.floats(0.05, 2.0),
        st.sampled_from(["take", "ask", "give_up", "come"]),
    ),
    max_size=40,
)
WAITS = st.builds(lambda quiet, more: Debounce(quiet, quiet + more), st.floats(0.1, 2.0), st.floats(0.0, 3.0))


class Follower:
    """A client of three types that takes what there is when it is woken."""

    def __init__(self, plane):
        self.has: dict[str, dict[str, bytes]] = {CLUSTER: {}, ENDPOINT: {}, ROUTE: {}}
        self.names = {ENDPOINT: {"a"}, ROUTE: {"a", "b"}}
        self.woken = False
        self.stream = DeltaStream(plane.server(), wake=self.wake)
        self.stream.receive(DeltaRequest(CLUSTER, node=Node("n")))
        for url, names in self.names.items():
            self.stream.receive(DeltaRequest(url, subscribe=sorted(names)))
        self.take()

    def wake(self):
        self.woken = True

    def take(self):
        self.woken = False
        for response in self.stream.responses():
            has = self.has[response.type_url]
            for resource in response.update.resources:
                assert has.get(resource.name) != resource.body, "it has it"
                has[resource.name] = resource.body
            for name in response.update.removed:
                has.pop(name, None)
            self.stream.receive(DeltaRequest(response.type_url, nonce=response.nonce))
        if self.woken:
            self.take()

    def ask(self):
        self.names[ENDPOINT].add("b")
        self.has[ENDPOINT].pop("b", None)  # it is answered even where it was asked for before
        self.stream.receive(DeltaRequest(ENDPOINT, subscribe=["b"]))

    def give_up(self):
        self.names[ENDPOINT].discard("b")
        self.has[ENDPOINT].pop("b", None)
        self.stream.receive(DeltaRequest(ENDPOINT, unsubscribe=["b"]))

    def wants(self, url, name):
        return url == CLUSTER or name in self.names[url]

    def lacks(self, plane):
        snapshot = plane.snapshot()
        return any(
            (snapshot[url][name].body if name in snapshot[url] else None) != self.has[url].get(name)
            for url in self.has
            for name in "ab"
            if self.wants(url, name)
        )


class World:
    """A Plane, its clients, and since when each lacks something."""

    def __init__(self, debounce, at_once):
        self.timer = VirtualTimer()
        policies = dict.fromkeys(at_once, Policy(debounce=AT_ONCE))
        self.plane = Plane(debounce=debounce, timer=self.timer, policies=policies)
        self.max_wait = debounce.max_wait
        self.clients = [Follower(self.plane) for _ in range(2)]
        self.lacking: dict[Follower, float] = {}

    def step(self, step):
        if isinstance(step, list):
            self.change(step)
        elif isinstance(step, float):
            self.pass_by(step)
        elif step == "come":
            self.clients.append(Follower(self.plane))
            assert not self.clients[-1].lacks(self.plane)
        else:
            getattr(self.clients[0], step)()
        self.look()

    def change(self, changes):
        with self.plane.transaction() as change:
            for url, name, body in changes:
                if body is None:
                    change.remove(url, name)
                else:
                    change.apply(url, name, body)

    def pass_by(self, seconds):
        """In small steps, so that lateness shows when it begins."""
        for _ in range(round(seconds / STEP)):
            self.timer.pass_by(STEP)
            self.look()

    def look(self):
        for client in self.clients:
            if client.woken:
                client.take()
            if client.lacks(self.plane):
                assert any(client.stream.is_behind(url) for url in client.has)
                late = self.timer.now - self.lacking.setdefault(client, self.timer.now)
                assert late <= self.max_wait + STEP
            else:
                self.lacking.pop(client, None)


@settings(deadline=None, max_examples=100)
@given(STEPS, WAITS, st.sets(st.sampled_from([CLUSTER, ENDPOINT, ROUTE])))
def test_every_client_has_what_there_is_at_the_latest_after_max_wait(steps, debounce, at_once):
    world = World(debounce, at_once)
    for step in steps:
        world.step(step)
    world.pass_by(debounce.max_wait + STEP)
    assert not any(client.lacks(world.plane) for client in world.clients)
    assert world.timer.pending == 0
