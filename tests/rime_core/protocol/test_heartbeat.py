"""When a client hears again of what it has, over streams of both variants. The rules (R73-R76): tests/conformance."""

import gc
import sys

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, Bodiless, Plane
from rime_core.delivery import FEW
from rime_core.node import TTL, WRAPPED, Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Acknowledged, RejectedResponse
from rime_core.protocol.heartbeat import SHARE
from rime_core.protocol.messages import DeltaRequest, DeltaResponse, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream

NODE = Node("n", client_features=frozenset({TTL}))
EVERY = 10 * SHARE
"""Seconds between two rounds of a lifetime of ten."""


class Client:
    """A client whose time passes when a test says so."""

    def __init__(self, plane, stream=DeltaStream, **options):
        self.now = 100.0
        self.wakes = 0
        self.stream = stream(plane.server(), clock=lambda: self.now, wake=self._woken, **options)

    def _woken(self):
        self.wakes += 1

    def ask(self, type_url, *names, known=None, node=NODE, **options):
        self.stream.receive(DeltaRequest(type_url, node, names, initial_versions=known or {}, **options))

    def answer(self, response, error=None):
        self.stream.receive(DeltaRequest(response.type_url, nonce=response.nonce, error=error))

    def take(self):
        """The next batch, acknowledged."""
        batch = self.stream.responses()
        for response in batch:
            self.answer(response)
        return batch

    def beats(self):
        """The names and versions of the heartbeats of the next batch, which must have nothing else."""
        found: dict[str, str] = {}
        for response in self.take():
            assert not response.update.removed
            assert all(isinstance(each, Bodiless) for each in response.update.resources)
            found |= {each.name: each.version for each in response.update.resources}
        return found

    def after(self, seconds):
        self.now += seconds
        return self.beats()


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1", ttl=10)
    plane.apply(CLUSTER, "stays", b"1")
    return plane


@pytest.fixture
def client(plane):
    client = Client(plane)
    client.ask(CLUSTER)
    client.take()
    return client


# --- rounds


def test_it_comes_before_half_of_the_lifetime_is_over_and_not_before_it_is_due(client):
    assert SHARE < 0.5
    for _ in range(3):
        due = client.stream.due
        assert due == pytest.approx(client.now + EVERY)
        assert client.after(EVERY * 0.9) == {}
        assert client.after(EVERY * 0.2).keys() == {"a"}


def test_a_late_round_is_one_round(client):
    assert client.after(EVERY * 5).keys() == {"a"}
    assert client.stream.due == pytest.approx(client.now + EVERY)


def test_what_came_between_two_rounds_is_in_the_next(plane, client):
    client.now += EVERY / 2
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    client.take()
    assert client.after(EVERY / 2).keys() == {"a", "b"}


def test_each_lifetime_has_its_own_rounds_and_those_at_one_moment_are_one_response(plane, client):
    plane.apply(CLUSTER, "long", b"1", ttl=20)
    client.take()
    assert client.stream.due == pytest.approx(client.now + EVERY)
    assert client.after(EVERY).keys() == {"a"}
    client.now += EVERY
    (response,) = client.take()
    assert [each.name for each in response.update.resources] == ["a", "long"]


def test_who_has_everything_is_sent_what_all_others_are(plane, client):
    other = Client(plane)
    other.ask(CLUSTER)
    other.take()
    beats = []
    for each in (client, other):
        each.now += EVERY
        (response,) = each.take()
        beats.append(response.update)
    assert beats[0] is beats[1]


def test_a_changed_lifetime_moves_to_other_rounds(plane, client):
    plane.apply(CLUSTER, "a", b"1", ttl=20)
    client.take()
    assert client.after(EVERY) == {}
    assert client.after(EVERY).keys() == {"a"}
    plane.apply(CLUSTER, "a", b"1")
    client.take()
    assert client.after(100) == {}
    assert client.stream.due is None


def test_who_comes_back_is_renewed_at_once(plane):
    client = Client(plane)
    client.ask(CLUSTER, known={"a": plane.snapshot()[CLUSTER]["a"].version})
    sent, renewed = client.take()
    assert [each.name for each in sent.update.resources] == ["stays"]
    assert renewed.update.resources == (plane.snapshot()[CLUSTER]["a"].heartbeat,)
    assert client.after(EVERY * 0.9) == {}


def test_what_who_came_back_is_sent_later_has_all_its_time(plane):
    client = Client(plane)
    client.ask(CLUSTER, known={"stays": plane.snapshot()[CLUSTER]["stays"].version})
    client.take()
    plane.apply(CLUSTER, "long", b"1", ttl=20)
    client.take()
    assert client.after(EVERY).keys() == {"a"}
    assert client.after(EVERY).keys() == {"a", "long"}


def test_what_comes_with_the_answer_to_who_comes_back_needs_no_renewal(plane):
    client = Client(plane)
    client.ask(CLUSTER, known={"a": "an older one"})
    assert len(client.take()) == 1
    assert client.beats() == {}


# --- what is renewed


def test_only_names_that_were_asked_for_and_by_alias_too(plane):
    for name in "abcd":
        plane.apply(ENDPOINT, name, b"1", aliases=[f"also {name}"], ttl=10)
    client = Client(plane)
    client.ask(ENDPOINT, "a", "also b", "c")
    client.take()
    client.ask(ENDPOINT, unsubscribe=["c"])
    assert client.after(EVERY).keys() == {"a", "b"}


def test_nothing_for_who_asks_for_nothing(plane):
    plane.apply(ENDPOINT, "e", b"1", ttl=10)
    client = Client(plane)
    client.ask(ENDPOINT)
    client.take()
    assert client.after(EVERY) == {}


def test_on_demand_only_where_it_was_named(plane, client):
    plane.apply(CLUSTER, "on demand", b"1", on_demand=True, ttl=10)
    assert client.after(EVERY).keys() == {"a"}
    client.ask(CLUSTER, "on demand")
    client.take()
    assert client.after(EVERY).keys() == {"a", "on demand"}


def test_nothing_runs_where_nothing_that_is_wanted_has_a_lifetime(plane):
    plane.apply(ENDPOINT, "with", b"1", ttl=10)
    plane.apply(ENDPOINT, "without", b"1")
    client = Client(plane)
    client.ask(ENDPOINT, "without")
    client.take()
    assert client.stream.due == pytest.approx(client.now + EVERY), "that is found out at the first round"
    assert client.after(EVERY) == {}
    assert client.stream.due is None
    client.ask(ENDPOINT, "with")
    client.take()
    assert client.after(EVERY).keys() == {"with"}


@pytest.mark.parametrize("node", [Node("n"), None])
def test_nothing_runs_for_who_does_not_understand_lifetimes(plane, node):
    client = Client(plane)
    client.ask(CLUSTER, node=node)
    client.take()
    assert client.stream.due is None
    assert client.after(EVERY) == {}


def test_nothing_runs_without_a_clock(plane):
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER, NODE))
    assert len(stream.responses()) == 1
    assert stream.due is None


def test_what_was_removed_is_renewed_no_more(plane, client):
    plane.remove(CLUSTER, "a")
    client.take()
    assert client.after(EVERY) == {}
    assert client.stream.due is None


def test_nothing_comes_while_the_server_is_not_ready(plane, client):
    writer = plane.writer("late source")
    client.now += EVERY
    assert client.stream.due is None
    assert client.beats() == {}
    writer.ready()
    assert client.beats().keys() == {"a"}


# --- what is on its way


def test_what_is_on_its_way_is_renewed_once_it_is_acknowledged(plane, client):
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    (b,) = client.stream.responses()
    assert client.after(EVERY).keys() == {"a"}
    wakes = client.wakes
    client.answer(b)
    assert client.wakes == wakes + 1
    assert client.beats().keys() == {"b"}
    assert client.beats() == {}
    plane.apply(CLUSTER, "b", b"2", ttl=10)
    client.take()
    assert client.beats() == {}


def test_what_is_late_goes_with_the_round_of_another_lifetime(plane, client):
    plane.apply(CLUSTER, "long", b"1", ttl=20)
    (long,) = client.stream.responses()
    assert client.after(EVERY).keys() == {"a"}
    assert client.after(EVERY).keys() == {"a"}
    client.answer(long)
    assert client.after(EVERY).keys() == {"a", "long"}


def test_the_acknowledgement_of_something_else_is_no_reason(plane, client):
    batches = []
    for name in "bc":
        plane.apply(CLUSTER, name, b"1", ttl=10)
        batches += client.stream.responses()
    assert client.after(EVERY).keys() == {"a"}
    plane.apply(CLUSTER, "other", b"1")
    batches += client.stream.responses()
    b, c, other = batches
    wakes = client.wakes
    client.answer(other)
    assert client.wakes == wakes
    client.answer(b)
    assert client.beats().keys() == {"b"}
    client.answer(c)
    assert client.beats().keys() == {"c"}


def test_what_is_asked_for_again_is_sent_and_not_renewed(plane, client):
    client.now += EVERY
    client.ask(CLUSTER, "a")
    (response,) = client.take()
    assert response.update.resources == (plane.snapshot()[CLUSTER]["a"],)


def test_what_was_on_its_way_at_no_round_is_renewed_at_the_next(plane, client):
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    (b,) = client.stream.responses()
    client.answer(b)
    assert client.beats() == {}


@pytest.mark.parametrize("meanwhile", ["removed", "changed", "endless", "given up"])
def test_what_became_of_it_on_its_way_counts(plane, meanwhile):
    plane.apply(ENDPOINT, "e", b"1", ttl=10)
    client = Client(plane)
    client.ask(ENDPOINT, "e")
    (response,) = client.stream.responses()
    assert client.after(EVERY) == {}
    match meanwhile:
        case "removed":
            plane.remove(ENDPOINT, "e")
        case "changed":
            plane.apply(ENDPOINT, "e", b"2", ttl=10)
        case "endless":
            plane.apply(ENDPOINT, "e", b"1")
        case "given up":
            client.ask(ENDPOINT, unsubscribe=["e"])
    client.answer(response)
    sent = [resource for response in client.stream.responses() for resource in response.update.resources]
    assert not any(isinstance(resource, Bodiless) for resource in sent)


# --- what the client has in place of what there is


def versions(plane, *names, type_url=CLUSTER):
    return {name: plane.snapshot()[type_url][name].version for name in names}


def rejected(client, error="no"):
    """The next response, rejected."""
    (response,) = client.stream.responses()
    client.answer(response, error=error)


@pytest.fixture
def routed():
    """A client of a route, and of the cluster `old` that its body names."""
    plane = Plane(references=lambda url, body: [(CLUSTER, body.decode())] if url == ROUTE else [])
    with plane.transaction() as change:
        change.apply(CLUSTER, "old", b"1", ttl=10)
        change.apply(ROUTE, "r", b"old", ttl=10)
    client = Client(plane)
    client.ask(CLUSTER)
    client.ask(ROUTE, "r")
    for _ in range(2):
        assert client.take()
    return plane, client


def test_it_is_what_the_client_keeps_while_it_rejects_what_replaces_it(plane, client):
    had = versions(plane, "a")
    plane.apply(CLUSTER, "a", b"2", ttl=10)
    rejected(client)
    for _ in range(3):
        assert client.after(EVERY) == had
    plane.apply(CLUSTER, "a", b"3", ttl=10)
    client.take()
    assert client.after(EVERY) == versions(plane, "a")


@pytest.mark.parametrize("ttl", [None, 20])
def test_with_the_lifetime_that_that_has(plane, client, ttl):
    had = versions(plane, "a")
    plane.apply(CLUSTER, "a", b"1", ttl=ttl)
    rejected(client)
    for _ in range(3):
        client.now += EVERY
        (response,) = client.take()
        assert [(each.ttl, each.version) for each in response.update.resources] == [(10, had["a"])]
    plane.apply(CLUSTER, "a", b"2")
    client.take()
    assert client.after(EVERY) == {}


def test_who_rejects_the_first_version_has_nothing(plane, client):
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    rejected(client)
    assert client.after(EVERY).keys() == {"a"}


def test_of_many_that_are_rejected_together(plane):
    names = [f"c{number}" for number in range(FEW)]
    for name in names:
        plane.apply(CLUSTER, name, b"1", ttl=10)
    client = Client(plane)
    client.ask(CLUSTER)
    client.take()
    had = versions(plane, "a", *names)
    with plane.transaction() as change:
        for name in had:
            change.apply(CLUSTER, name, b"2", ttl=10)
    rejected(client)
    for _ in range(2):
        assert client.after(EVERY) == had


@pytest.mark.parametrize("ttl", [None, 10])
def test_what_is_rejected_after_its_round_is_renewed_at_once(plane, client, ttl):
    had = versions(plane, "a")
    plane.apply(CLUSTER, "a", b"2", ttl=ttl)
    (response,) = client.stream.responses()
    assert client.after(EVERY) == {}
    client.answer(response, error="no")
    assert client.beats() == had
    assert client.beats() == {}
    assert client.after(EVERY) == had


def test_what_is_accepted_after_its_round_and_has_no_lifetime_any_more_is_not(plane, client):
    plane.apply(CLUSTER, "a", b"1")
    (response,) = client.stream.responses()
    assert client.after(EVERY) == {}
    client.answer(response)
    assert client.beats() == {}
    assert client.after(EVERY) == {}


def test_what_was_on_its_way_before_and_is_sent_again_in_its_round_is_renewed_once_both_are_rejected(plane, client):
    had = versions(plane, "a")
    sent: list[DeltaResponse] = []
    for body in (b"2", b"3"):
        plane.apply(CLUSTER, "a", body, ttl=10)
        if sent:
            client.now += EVERY
        sent += client.stream.responses()
    for response in sent:
        client.answer(response, error="no")
    assert client.beats() == had


def test_a_removal_that_is_rejected_ends_with_the_lifetime(plane, client):
    plane.remove(CLUSTER, "a")
    rejected(client)
    assert client.after(EVERY) == {}
    assert client.after(EVERY) == {}


def test_what_is_held_back_leaves_the_client_what_it_has(routed):
    plane, client = routed
    had = versions(plane, "r", type_url=ROUTE) | versions(plane, "old")
    with plane.transaction() as change:
        change.apply(CLUSTER, "new", b"1")
        change.apply(ROUTE, "r", b"new", ttl=10)
    (on_its_way,) = client.stream.responses()
    for _ in range(3):
        assert client.after(EVERY) == had
    client.answer(on_its_way)
    (route,) = client.take()
    assert route.update.resources[0].body == b"new"
    assert client.after(EVERY) == versions(plane, "r", type_url=ROUTE) | versions(plane, "old")


def test_what_is_removed_is_renewed_until_the_removal_is_sent(routed):
    plane, client = routed
    plane.apply(CLUSTER, "new", b"1")
    client.take()
    had = versions(plane, "old")
    with plane.transaction() as change:
        change.apply(ROUTE, "r", b"new", ttl=10)
        change.remove(CLUSTER, "old")
    (route,) = client.stream.responses()
    for _ in range(3):
        assert client.after(EVERY) == had
    client.answer(route, error="no")
    for _ in range(3):
        assert client.after(EVERY).items() >= had.items()
    plane.apply(ROUTE, "r", b"new")
    client.take()
    (removal,) = client.take()
    assert removal.update.removed == ("old",)
    assert client.after(EVERY) == {}
    assert client.stream.due is None


def test_what_was_rejected_and_is_removed_then_is_renewed_as_it_was_accepted(routed):
    plane, client = routed
    had = versions(plane, "old")
    plane.apply(CLUSTER, "old", b"2", ttl=10)
    rejected(client)
    plane.remove(CLUSTER, "old")
    assert client.take() == []
    assert client.after(EVERY) == had | versions(plane, "r", type_url=ROUTE)


def test_what_a_client_brings_that_cannot_be_read_now_is_renewed_for_as_long(plane):
    known = {"endless": "x", "living": "x+20000ms", "a": "other+30000ms"}
    writer = plane.writer("folder", allow_empty=True)
    writer.ready()
    writer.incomplete(["a file"])
    client = Client(plane)
    client.ask(CLUSTER, known=known)
    sent, renewed = client.take()
    assert [each.name for each in sent.update.resources] == ["a", "stays"]
    assert [(each.name, each.version, each.ttl) for each in renewed.update.resources] == [("living", "x+20000ms", 20)]
    assert client.after(EVERY).keys() == {"a"}
    assert client.after(EVERY).keys() == {"a", "living"}
    writer.incomplete([])
    (removal,) = client.take()
    assert set(removal.update.removed) == {"endless", "living"}
    client.after(EVERY)
    assert client.after(EVERY).keys() == {"a"}


def test_what_a_client_brings_in_place_of_what_it_rejects(plane):
    client = Client(plane)
    client.ask(CLUSTER, known={"a": "x+30000ms", "stays": "endless"})
    rejected(client, error="Error adding/updating cluster(s) a: no")
    renewed = [each for response in client.take() for each in response.update.resources if each.name == "a"]
    assert renewed == []
    assert client.stream.due == pytest.approx(client.now + EVERY)
    assert client.after(3 * EVERY) == {"a": "x+30000ms"}


def test_what_is_not_here_comes_in_a_response_of_its_own_and_when_that_is_rejected_brings_nothing(plane, client):
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    client.take()
    had = versions(plane, "b")
    plane.apply(CLUSTER, "b", b"2", ttl=10)
    rejected(client)
    for _ in range(2):
        client.now += EVERY
        here, gone = client.stream.responses()
        assert (here.update.manifest.versions, gone.update.manifest.versions) == (versions(plane, "a"), had)
        client.answer(here)
        client.answer(gone, error="what is that?")
        assert client.take() == []
    assert client.after(EVERY) == versions(plane, "a")
    plane.apply(CLUSTER, "b", b"3", ttl=10)
    client.take()
    assert client.after(EVERY) == versions(plane, "a", "b")


def test_one_of_what_is_not_here_that_is_rejected_once_is_sent_again(plane, client):
    plane.apply(CLUSTER, "a", b"2", ttl=10)
    rejected(client)
    for _ in range(3):
        client.now += EVERY
        (gone,) = client.stream.responses()
        client.answer(gone, error="I was away")
        assert client.after(EVERY).keys() == {"a"}


def test_each_of_several_that_are_not_here_ends_when_it_is_rejected_twice(plane, client):
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    client.take()
    for name in "ab":
        plane.apply(CLUSTER, name, b"2", ttl=10)
        rejected(client)
    for _ in range(2):
        client.now += EVERY
        (gone,) = client.stream.responses()
        assert gone.update.manifest.versions.keys() == {"a", "b"}
        client.answer(gone, error="what is that?")
        assert client.take() == []
    assert client.after(EVERY) == {}


def test_a_group_keeps_what_its_client_had_of_the_base(plane):
    group = Plane(base=plane)
    client = Client(group)
    client.ask(CLUSTER)
    client.take()
    had = versions(plane, "a")
    group.apply(CLUSTER, "a", b"2")
    rejected(client)
    for _ in range(2):
        assert client.after(EVERY) == had


# --- heartbeats that are rejected


def test_a_rejected_heartbeat_is_told_and_brings_the_resource_whole(plane, client):
    client.now += EVERY
    client.stream.events()
    (beat,) = client.stream.responses()
    client.answer(beat, error="what is that?")
    (event,) = client.stream.events()
    assert event == RejectedResponse(CLUSTER, beat.nonce, beat.update.manifest.versions, "what is that?")
    assert not client.stream.subscribers()[CLUSTER].rejected
    (again,) = client.take()
    assert again.update.resources == (plane.snapshot()[CLUSTER]["a"],)
    assert client.after(EVERY).keys() == {"a"}


def test_rejected_twice_in_a_row_it_comes_no_more_until_there_is_another_version(plane, client):
    for sent_again in (1, 0):
        client.now += EVERY
        (beat,) = client.stream.responses()
        client.answer(beat, error="no")
        assert len(client.take()) == sent_again
    assert client.after(EVERY) == {}
    plane.apply(CLUSTER, "a", b"2", ttl=10)
    client.take()
    assert client.after(EVERY).keys() == {"a"}


def test_the_first_of_another_version_brings_the_resource_again(plane, client):
    for body in (b"1", b"2"):
        plane.apply(CLUSTER, "a", body, ttl=10)
        client.take()
        client.now += EVERY
        (beat,) = client.stream.responses()
        client.answer(beat, error="no")
        (again,) = client.take()
        assert again.update.resources[0].body == body


def test_an_accepted_one_between_makes_good(client):
    for _ in range(3):
        client.now += EVERY
        (beat,) = client.stream.responses()
        client.answer(beat, error="I was away")
        assert len(client.take()) == 1
        assert client.after(EVERY).keys() == {"a"}


def test_they_are_accepted_together_with_others(plane, client):
    client.now += EVERY
    (beat,) = client.stream.responses()
    client.answer(beat, error="I was away")
    client.take()
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    client.take()
    for _ in range(2):
        assert client.after(EVERY).keys() == {"a", "b"}


def test_those_that_are_rejected_together_are_looked_at_one_by_one(plane, client):
    plane.apply(CLUSTER, "b", b"1", ttl=10)
    client.take()
    client.now += EVERY
    (beat,) = client.stream.responses()
    plane.apply(CLUSTER, "a", b"2", ttl=10)
    client.take()
    client.answer(beat, error="no")
    (again,) = client.take()
    assert [each.name for each in again.update.resources] == ["b"]


def test_one_that_is_rejected_when_there_is_another_version_brings_nothing(plane, client):
    client.now += EVERY
    (beat,) = client.stream.responses()
    plane.apply(CLUSTER, "a", b"2", ttl=10)
    client.take()
    client.answer(beat, error="no")
    assert client.stream.responses() == []


def test_it_changes_nothing_else(client):
    client.now += EVERY
    subscriber = client.stream.subscribers()[CLUSTER]
    client.stream.events()
    (beat,) = client.stream.responses()
    assert (subscriber.in_flight, beat.shared) == (0, False)
    client.answer(beat)
    assert client.stream.events() == [Acknowledged(CLUSTER, beat.nonce)]
    assert client.stream.responses() == []


def test_one_on_its_way_holds_nothing_up():
    plane = Plane(references=lambda url, _: [(CLUSTER, "a")] if url == ROUTE else [])
    plane.apply(CLUSTER, "a", b"1", ttl=10)
    client = Client(plane)
    client.ask(CLUSTER)
    client.ask(ROUTE, "r")
    client.take()
    client.now += EVERY
    assert len(client.stream.responses()) == 1
    plane.apply(ROUTE, "r", b"1")
    assert [response.type_url for response in client.stream.responses()] == [ROUTE]


# --- what it costs


def test_those_who_have_the_same_are_sent_the_same_object_round_after_round(plane):
    stars = [Client(plane) for _ in range(2)]
    named = [Client(plane) for _ in range(2)]
    plane.apply(ENDPOINT, "e", b"1", ttl=10)
    for client in stars:
        client.ask(CLUSTER)
    for client in named:
        client.ask(ENDPOINT, "e")
    for clients in (stars, named):
        for client in clients:
            client.take()
        sent = set()
        for _ in range(2):
            for client in clients:
                client.now += EVERY
                (response,) = client.take()
                sent.add(id(response.update))
        assert len(sent) == 1


def test_many_are_split_as_any_response():
    plane = Plane()
    for number in range(10):
        plane.apply(CLUSTER, f"{number:0100}", b"1", ttl=10)
    client = Client(plane, max_response_bytes=500)
    client.ask(CLUSTER)
    client.take()
    client.now += EVERY
    batch = client.take()
    assert len(batch) > 1
    assert sum(len(response.update.resources) for response in batch) == 10


def test_clients_of_a_group_are_renewed_what_they_see(plane):
    group = Plane(base=plane)
    plane.apply(CLUSTER, "covered", b"1", ttl=10)
    group.apply(CLUSTER, "covered", b"2")
    group.apply(CLUSTER, "own", b"1", ttl=10)
    clients = [Client(each) for each in (plane, group)]
    for client in clients:
        client.ask(CLUSTER)
        client.take()
    assert [client.after(EVERY).keys() for client in clients] == [{"a", "covered"}, {"a", "own"}]


def test_a_group_without_resources_shares_its_bases_heartbeats(plane):
    updates = []
    for each in (plane, Plane(base=plane)):
        client = Client(each)
        client.ask(CLUSTER)
        client.take()
        client.now += EVERY
        (response,) = client.take()
        updates.append(response.update)
    assert updates[0] is updates[1]


# --- state-of-the-world: with the resources themselves


@pytest.fixture
def sotw(plane):
    plane.apply(ENDPOINT, "e", b"1", ttl=10)
    for name in "fg":
        plane.apply(ENDPOINT, name, b"1")
    return Client(plane, SotwStream)


def asked(client, type_url, *names, nonce="", error=None):
    node = Node("n", client_features=frozenset({TTL, *WRAPPED}))
    client.stream.receive(DiscoveryRequest(type_url, node, names, "", nonce, error))
    return client.stream.responses()


def test_a_full_set_is_renewed_by_the_set(sotw):
    (first,) = asked(sotw, CLUSTER)
    last = first
    for _ in range(2):
        assert asked(sotw, CLUSTER, nonce=last.nonce) == []
        sotw.now += EVERY
        (last,) = sotw.stream.responses()
        assert (last.update, last.version, last.ttl) == (first.update, first.version, True)
    assert asked(sotw, CLUSTER, nonce=last.nonce) == []
    assert sotw.stream.responses() == []


def test_others_are_renewed_by_what_has_a_lifetime(sotw):
    (first,) = asked(sotw, ENDPOINT, "e", "f")
    asked(sotw, ENDPOINT, "e", "f", nonce=first.nonce)
    sotw.now += EVERY
    (again,) = sotw.stream.responses()
    assert [(each.name, each.body) for each in again.update.resources] == [("e", b"1")]
    assert again.version == first.version
    assert asked(sotw, ENDPOINT, "e", "f", nonce=again.nonce) == []
    (added,) = asked(sotw, ENDPOINT, "e", "f", "g", nonce=again.nonce)
    assert [each.name for each in added.update.resources] == ["g"]


def bodies(response):
    return {each.name: each.body for each in response.update.resources}


def renewed(client):
    """The next set, accepted, when a round has come."""
    client.now += EVERY
    (response,) = client.stream.responses()
    assert asked(client, response.type_url, nonce=response.nonce) == []
    return response


def test_a_set_that_renews_has_what_was_rejected_as_it_was_accepted(sotw, plane):
    (first,) = asked(sotw, CLUSTER)
    asked(sotw, CLUSTER, nonce=first.nonce)
    with plane.transaction() as change:
        change.apply(CLUSTER, "new", b"1", ttl=10)
        change.apply(CLUSTER, "stays", b"2")
    (second,) = sotw.stream.responses()
    assert asked(sotw, CLUSTER, nonce=second.nonce, error="no") == []
    for _ in range(2):
        again = renewed(sotw)
        assert bodies(again) == {"a": b"1", "stays": b"1"}
        assert again.version == f"{second.version}+rejected"
    assert sotw.stream.subscribers()[CLUSTER].rejected.keys() == {"stays", "new"}
    plane.apply(CLUSTER, "new", b"2", ttl=10)
    (third,) = sotw.stream.responses()
    assert bodies(third) == {"a": b"1", "stays": b"2", "new": b"2"}
    assert asked(sotw, CLUSTER, nonce=third.nonce) == []
    assert sotw.stream.subscribers()[CLUSTER].rejected == {}
    assert (bodies(renewed(sotw)), third.version) == (bodies(third), renewed(sotw).version)


def test_what_was_rejected_itself_is_renewed_so_too(sotw, plane):
    (first,) = asked(sotw, CLUSTER)
    asked(sotw, CLUSTER, nonce=first.nonce)
    for body in (b"2", b"3"):
        plane.apply(CLUSTER, "a", body)
        (response,) = sotw.stream.responses()
        assert asked(sotw, CLUSTER, nonce=response.nonce, error="no") == []
        assert bodies(renewed(sotw)) == {"a": b"1", "stays": b"1"}


def test_a_set_that_was_sent_before_the_last_was_answered_is_known_as_well(sotw, plane):
    (first,) = asked(sotw, CLUSTER)
    plane.apply(CLUSTER, "stays", b"2")
    (second,) = sotw.stream.responses()
    asked(sotw, CLUSTER, nonce=first.nonce)
    asked(sotw, CLUSTER, nonce=second.nonce, error="no")
    assert bodies(renewed(sotw)) == {"a": b"1", "stays": b"1"}


def test_nothing_renews_a_set_of_which_what_was_accepted_is_not_kept(sotw, plane):
    (first,) = asked(sotw, CLUSTER)
    sent = []
    for body in (b"2", b"3", b"4"):
        plane.apply(CLUSTER, "stays", body)
        sent += sotw.stream.responses()
    for response in (first, *sent[:-1]):
        asked(sotw, CLUSTER, nonce=response.nonce)
    asked(sotw, CLUSTER, nonce=sent[-1].nonce, error="no")
    assert bodies(renewed(sotw)) == {"a": b"1", "stays": b"3"}, "of the last two it is"
    plane.apply(CLUSTER, "stays", b"5")
    sent = sotw.stream.responses()
    for body in (b"6", b"7"):
        plane.apply(CLUSTER, "stays", body)
        sent += sotw.stream.responses()
    asked(sotw, CLUSTER, nonce=sent[0].nonce)
    asked(sotw, CLUSTER, nonce=sent[2].nonce, error="no")
    sotw.now += EVERY
    assert sotw.stream.responses() == []


def test_who_came_back_with_what_there_is_has_that_set(sotw, plane):
    (first,) = asked(sotw, CLUSTER)
    client = Client(plane, SotwStream)
    node = Node("n", client_features=frozenset({TTL, *WRAPPED}))
    client.stream.receive(DiscoveryRequest(CLUSTER, node, version=first.version))
    (at_once,) = client.stream.responses()
    asked(client, CLUSTER, nonce=at_once.nonce)
    plane.apply(CLUSTER, "stays", b"2")
    (second,) = client.stream.responses()
    asked(client, CLUSTER, nonce=second.nonce, error="no")
    assert bodies(renewed(client)) == {"a": b"1", "stays": b"1"}


def test_no_set_is_kept_for_who_is_told_no_lifetimes(plane):
    body = bytes(range(10))
    mine = sys.getrefcount(body)
    plane.apply(CLUSTER, "a", body)
    first = SotwStream(plane.server(), clock=lambda: 0.0)
    first.receive(DiscoveryRequest(CLUSTER, Node("n")))
    (answer,) = first.responses()
    first.receive(DiscoveryRequest(CLUSTER, nonce=answer.nonce))
    back = SotwStream(plane.server(), clock=lambda: 0.0)
    back.receive(DiscoveryRequest(CLUSTER, Node("n"), version=answer.version))
    assert back.responses() == []
    del answer
    plane.apply(CLUSTER, "a", b"2")
    for stream in (first, back):
        assert len(stream.responses()) == 1
    gc.collect()
    assert sys.getrefcount(body) == mine


def test_a_set_that_renews_has_a_held_removal_as_the_client_has_it():
    plane = Plane(references=lambda url, _: [(CLUSTER, "old")] if url == LISTENER else [])
    plane.apply(CLUSTER, "old", b"1", ttl=10)
    plane.apply(LISTENER, "l", b"1")
    client = Client(plane, SotwStream)
    for type_url in (CLUSTER, LISTENER):
        (first,) = asked(client, type_url)
        asked(client, type_url, nonce=first.nonce)
    plane.remove(CLUSTER, "old")
    assert client.stream.responses() == []
    for _ in range(3):
        assert bodies(renewed(client)) == {"old": b"1"}
    plane.apply(CLUSTER, "old", b"2", ttl=10)
    (second,) = client.stream.responses()
    asked(client, CLUSTER, nonce=second.nonce, error="no")
    plane.remove(CLUSTER, "old")
    assert client.stream.responses() == []
    assert bodies(renewed(client)) == {"old": b"1"}


def test_of_other_types_what_is_not_here_any_more_is_not_renewed_and_the_others_are(sotw, plane):
    plane.apply(ENDPOINT, "f", b"1", ttl=10)
    (first,) = asked(sotw, ENDPOINT, "e", "f")
    asked(sotw, ENDPOINT, "e", "f", nonce=first.nonce)
    plane.apply(ENDPOINT, "e", b"2", ttl=10)
    (second,) = sotw.stream.responses()
    asked(sotw, ENDPOINT, "e", "f", nonce=second.nonce, error="no")
    for _ in range(2):
        sotw.now += EVERY
        (again,) = sotw.stream.responses()
        assert bodies(again) == {"f": b"1"}
        assert asked(sotw, ENDPOINT, "e", "f", nonce=again.nonce) == []
    plane.remove(ENDPOINT, "f")
    sotw.stream.responses()
    sotw.now += EVERY
    assert sotw.stream.responses() == []
