"""When a client hears again of what it has, over streams of both variants. The rules (R73-R76): tests/conformance."""

import pytest

from rime_core import CLUSTER, ENDPOINT, ROUTE, Bodiless, Plane
from rime_core.node import TTL, WRAPPED, Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Acknowledged, RejectedResponse
from rime_core.protocol.heartbeat import SHARE
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
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


# --- what is on its way, or was rejected


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


def test_it_is_the_version_that_is_there_or_none(plane, client):
    plane.apply(CLUSTER, "a", b"2", ttl=10)
    (response,) = client.stream.responses()
    client.answer(response, error="no")
    assert client.after(EVERY) == {}
    plane.apply(CLUSTER, "a", b"1", ttl=10)
    client.take()
    assert client.after(EVERY) == {"a": plane.snapshot()[CLUSTER]["a"].version}


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
    for _ in range(2):
        client.now += EVERY
        (beat,) = client.stream.responses()
        client.answer(beat, error="no")
        client.take()
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


def test_a_set_with_something_that_was_rejected_is_not_sent_again(sotw, plane):
    (first,) = asked(sotw, CLUSTER)
    asked(sotw, CLUSTER, nonce=first.nonce)
    plane.apply(CLUSTER, "stays", b"2")
    (second,) = sotw.stream.responses()
    assert asked(sotw, CLUSTER, nonce=second.nonce, error="no") == []
    sotw.now += EVERY
    assert sotw.stream.responses() == []
