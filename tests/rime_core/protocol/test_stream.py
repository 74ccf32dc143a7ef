"""What every stream promises, shown with the incremental one: batches, nonces, wake-ups, ends.

The rules of the protocol: tests/conformance.
"""

import gc

import pytest

from rime_core import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    ROUTE,
    SECRET,
    VIRTUAL_HOST,
    ClosedError,
    PeerError,
    Plane,
)
from rime_core.delivery import IN_FLIGHT
from rime_core.node import TTL, Certificate, Client, Node, Peer
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Refused, UnknownType
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream
from rime_core.protocol.stream import MAX_TYPES
from tests.rime_core.protocol.streams import begun, one_of_each


@pytest.fixture
def plane():
    return one_of_each()


def test_a_batch_is_in_the_order_that_makes_before_it_breaks_whatever_the_order_of_requests(plane):
    stream = begun(plane, *(DeltaRequest(url, subscribe=["a"]) for url in (ROUTE, ENDPOINT, LISTENER, SECRET, CLUSTER)))
    assert [response.type_url for response in stream.responses()] == [SECRET, CLUSTER, ENDPOINT, LISTENER, ROUTE]
    for type_url in (ROUTE, LISTENER, CLUSTER, ENDPOINT):
        plane.apply(type_url, "a", b"2")
    assert [response.type_url for response in stream.responses()] == [CLUSTER, ENDPOINT, LISTENER, ROUTE]


def test_what_a_slow_client_missed_merges(plane):
    stream = begun(plane, DeltaRequest(CLUSTER))
    stream.responses()
    for number in range(100):
        plane.apply(CLUSTER, f"c{number % 10}", b"%d" % number)
    (response,) = stream.responses()
    assert len(response.update.resources) == 10
    assert stream.responses() == []


def test_it_is_woken_once_until_the_next_batch_is_taken(plane):
    wakes = []
    stream = begun(plane, DeltaRequest(CLUSTER), DeltaRequest(LISTENER), wake=lambda: wakes.append(1))
    assert len(wakes) == 1
    stream.responses()
    for number in range(3):
        plane.apply(CLUSTER, "a", b"%d" % number)
        plane.apply(LISTENER, "a", b"%d" % number)
    assert len(wakes) == 2
    stream.responses()
    plane.apply(ROUTE, "not asked for", b"1")
    stream.receive(DeltaRequest(CLUSTER, nonce="x"))
    assert len(wakes) == 2


def test_what_one_type_brings_about_in_another_is_part_of_the_batch_and_wakes_nobody():
    plane = Plane(references=lambda url, body: [(ENDPOINT, body.decode())] if url == CLUSTER else [])
    plane.apply(CLUSTER, "a", b"e")
    plane.apply(ENDPOINT, "e", b"1")
    wakes = []
    stream = begun(plane, DeltaRequest(CLUSTER), DeltaRequest(ENDPOINT, subscribe=["e"]), wake=lambda: wakes.append(1))
    stream.responses()
    plane.apply(CLUSTER, "b", b"e")
    assert len(wakes) == 2
    assert [response.type_url for response in stream.responses()] == [CLUSTER, ENDPOINT]
    assert len(wakes) == 2
    assert stream.responses() == []


def test_nothing_is_sent_before_the_server_is_ready_and_then_it_is_woken():
    plane = Plane()
    writer = plane.writer("source")
    wakes = []
    stream = begun(plane, DeltaRequest(CLUSTER), wake=lambda: wakes.append(1))
    assert stream.responses() == []
    writer.apply(CLUSTER, "a", b"1")
    assert len(wakes) == 1
    writer.ready()
    assert len(wakes) == 2
    assert [resource.name for resource in stream.responses()[0].update.resources] == ["a"]


def test_of_events_that_nobody_drains_the_latest_are_kept(plane):
    stream = begun(plane, DeltaRequest(CLUSTER))
    for number in range(1003):
        stream.receive(DeltaRequest(CLUSTER, nonce=str(number), error="no"))
    assert [event.nonce for event in stream.events()] == [str(number) for number in range(3, 1003)]


def test_a_type_is_unknown_where_nobody_ever_heard_of_it(plane):
    plane.apply("own/own.Known", "a", b"1")
    urls = ["own/own.Known", "own/own.Unknown", VIRTUAL_HOST]
    assert begun(plane, *map(DeltaRequest, urls)).events() == [UnknownType("own/own.Unknown")]


def test_what_is_no_type_at_all_is_told_and_the_stream_goes_on(plane):
    stream = begun(plane, DeltaRequest("no type"), DeltaRequest(CLUSTER))
    assert stream.events() == [UnknownType("no type")]
    assert sent(stream) == [(CLUSTER, ["a"], [])]


def test_more_types_than_a_stream_may_have_end_it(plane):
    stream = begun(plane, *(DeltaRequest(f"own/own.T{number}") for number in range(MAX_TYPES)))
    stream.receive(DeltaRequest("own/own.T0", subscribe=["more"]))
    with pytest.raises(PeerError, match=f"^more than {MAX_TYPES} types on one stream$") as refused:
        stream.receive(DeltaRequest("own/own.Another"))
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    assert stream.responses() == []


def test_before_its_first_request_nothing_is_known_of_a_client(plane):
    stream = begun(plane, clock=lambda: 0.0)
    assert (stream.node, stream.tells_ttl, stream.due) == (None, False, None)
    assert (stream.subscribers(), stream.responses(), stream.events()) == ({}, [], [])


def test_it_is_due_when_the_first_of_what_waits_is():
    """A route waits for its cluster, for 15 s; a listener's lifetime is renewed after 40 % of it."""
    now, node = [0.0], Node(client_features=frozenset([TTL]))
    plane = Plane(references=lambda url, _: [(CLUSTER, "a")] if url == ROUTE else [])
    requests = [DeltaRequest(CLUSTER, node), DeltaRequest(LISTENER), DeltaRequest(ROUTE, subscribe=["r"])]
    stream = begun(plane, *requests, clock=lambda: now[0])
    stream.responses()
    due = [stream.due]
    plane.apply(LISTENER, "l", b"1", ttl=100)
    stream.responses()
    due.append(stream.due)
    now[0] = 10.0
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ROUTE, "r", b"1")
    assert sent(stream) == [(CLUSTER, ["a"], [])]
    due.append(stream.due)
    now[0] = 25.0
    assert sent(stream) == [(ROUTE, ["r"], [])]
    due.append(stream.due)
    now[0] = 26.0
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(ROUTE, "r", b"2")
    assert sent(stream) == [(CLUSTER, ["a"], [])]
    assert [*due, stream.due] == [None, 40.0, 25.0, 40.0, 40.0], "41 is when the route waits no longer"


def test_what_goes_waits_for_nothing_on_a_stream_of_one_type():
    """Who is asked for routes there is another stream, of which this one knows nothing."""
    plane = Plane(references=lambda url, _: [(CLUSTER, "a")] if url == ROUTE else [])
    returns = DeltaRequest(CLUSTER, initial_versions={"gone": "v"})
    assert sent(begun(plane, returns, clock=lambda: 0.0)) == []
    assert sent(begun(plane, returns, clock=lambda: 0.0, type_url=CLUSTER)) == [(CLUSTER, [], ["gone"])]


def test_what_was_needed_before_its_type_was_asked_for_is_sent_whenever_that_is():
    plane = Plane(references=lambda url, body: [(ENDPOINT, body.decode())] if url == CLUSTER else [])
    names = [f"e{number}" for number in range(IN_FLIGHT + 5)]
    stream = begun(plane, DeltaRequest(CLUSTER))
    for name in names:
        plane.apply(ENDPOINT, name, b"1")
        plane.apply(CLUSTER, f"c-{name}", name.encode())
        stream.responses()
    known = {name: resource.version for name, resource in plane.snapshot()[ENDPOINT].items()}
    stream.receive(DeltaRequest(ENDPOINT, subscribe=names, initial_versions=known))
    ((_, resources, removed),) = sent(stream)
    assert (sorted(resources), removed) == (sorted(names), [])


def test_a_stream_of_one_type_implies_it_and_takes_no_other(plane):
    stream = begun(plane, DeltaRequest(), type_url=CLUSTER)
    assert stream.responses()[0].type_url == CLUSTER
    with pytest.raises(PeerError, match="came on the stream of"):
        stream.receive(DeltaRequest(LISTENER))


def test_a_client_that_broke_the_protocol_has_no_stream_any_more(plane):
    stream = begun(plane, DeltaRequest(CLUSTER))
    with pytest.raises(PeerError, match=r"^a request on an aggregated stream names no type_url$"):
        stream.receive(DeltaRequest())
    assert stream.responses() == []
    with pytest.raises(ClosedError, match=r"^this stream is closed$"):
        stream.receive(DeltaRequest(CLUSTER))
    assert not plane.store.indexes[CLUSTER].subscribers


def test_a_name_that_no_text_can_hold_is_the_clients_fault(plane):
    with pytest.raises(PeerError, match="cannot be encoded"):
        begun(plane, DeltaRequest(CLUSTER, subscribe=["\ud800"]))


def test_a_stream_whose_plane_was_closed_ends(plane):
    wakes = []
    stream = begun(plane, DeltaRequest(CLUSTER), wake=lambda: wakes.append(1))
    stream.responses()
    plane.close()
    assert len(wakes) == 2
    with pytest.raises(ClosedError):
        stream.responses()


class Transport:
    """Who has a stream, as a transport does: each knows the other."""

    def __init__(self, variant, plane, request, **options):
        self.woken = 0
        self.stream = variant(plane.server(), wake=self.wake, clock=lambda: 1.0, **options)
        for url in (CLUSTER, ENDPOINT, LISTENER, ROUTE, VIRTUAL_HOST):
            self.stream.receive(request(url))
        for response in self.stream.responses():
            self.stream.receive(request(response.type_url, response.nonce))

    def wake(self):
        self.woken += 1


def delta_request(url, nonce=""):
    node = Node("n", client_features=frozenset({TTL}))
    return DeltaRequest(url, node=node, nonce=nonce, subscribe=() if nonce else ["a", "*", "no/such"])


def sotw_request(url, nonce=""):
    return DiscoveryRequest(url, Node("n", client_features=frozenset({TTL})), ["a", "no/such"], "", nonce)


@pytest.mark.parametrize(("variant", "request_of"), [(DeltaStream, delta_request), (SotwStream, sotw_request)])
def test_what_is_left_of_a_stream_that_was_closed_is_freed_at_once(variant, request_of):
    """Not when Python next looks for cycles: until then thousands of streams may have come and gone."""
    plane = Plane(references=lambda url, _: [(CLUSTER, "a")] if url == ROUTE else [])
    for type_url in (CLUSTER, ENDPOINT, LISTENER, ROUTE):
        plane.apply(type_url, "a", b"1", ttl=60.0)
    gc.collect()
    gc.disable()
    try:
        transport = Transport(variant, plane, request_of)
        with plane.transaction() as change:
            change.apply(CLUSTER, "a", b"2")
            change.apply(ROUTE, "a", b"2")
        assert transport.stream.responses()
        assert list(transport.stream.order.holds())
        transport.stream.close()
        del transport
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_its_subscribers_show_what_it_wants_and_has(plane):
    stream = begun(plane, DeltaRequest(CLUSTER, Node("n")), DeltaRequest(ENDPOINT, subscribe=["a"]))
    stream.responses()
    subscribers = stream.subscribers()
    assert subscribers[CLUSTER].wildcard
    assert subscribers[ENDPOINT].names == {"a"}
    assert subscribers[ENDPOINT].in_flight == 1
    assert stream.node == Node("n")


# --- what a client may ask for


class Refusing:
    """Refuses types and names as it is told, whoever asks."""

    def __init__(self, types=(), names=()):
        self.refused_types, self.refused_names = types, names

    def __call__(self, client):
        return self

    def type(self, type_url):
        return "not for you" if type_url in self.refused_types else None

    def names(self, type_url):
        return lambda name: "not yours" if (type_url, name) in self.refused_names else None


def refusing(plane, authorize, *requests, **options):
    stream = DeltaStream(plane.server(authorize=authorize), **options)
    for request in requests:
        stream.receive(request)
    return stream


def sent(stream):
    return [
        (response.type_url, [resource.name for resource in response.update.resources], list(response.update.removed))
        for response in stream.responses()
    ]


def test_who_the_client_is_is_known_when_it_is_asked_what_it_may_have_once(plane):
    asked: list[Client] = []
    peer = Peer("127.0.0.1:5000", Certificate("envoy-1"))
    first, later = (DeltaRequest(CLUSTER, Node(name)) for name in ("envoy-1", "another"))
    refusing(plane, asked.append, first, later, peer=peer)
    assert asked == [Client(Node("envoy-1"), peer)]


@pytest.mark.parametrize("error", [PeerError("no", code="PERMISSION_DENIED"), ZeroDivisionError()])
def test_a_client_that_is_refused_has_no_stream(plane, error):
    def authorize(_client):
        raise error

    stream = DeltaStream(plane.server(authorize=authorize))
    with pytest.raises(type(error)):
        stream.receive(DeltaRequest(CLUSTER))
    with pytest.raises(ClosedError):
        stream.receive(DeltaRequest(CLUSTER))
    assert stream.responses() == []


def test_what_a_group_is_served_is_authorized_too(plane):
    server = plane.server(lambda _: plane.server(), authorize=Refusing(names=[(SECRET, "a")]))
    stream = DeltaStream(server)
    stream.receive(DeltaRequest(SECRET, subscribe=["a"]))
    assert sent(stream) == [(SECRET, [], ["a"])]


def test_a_type_that_is_refused_looks_empty_and_the_others_flow_on(plane):
    stream = refusing(
        plane,
        Refusing(types=[CLUSTER, SECRET]),
        DeltaRequest(CLUSTER, initial_versions={"a": "v"}),
        DeltaRequest(SECRET, subscribe=["a"]),
        DeltaRequest(LISTENER),
    )
    assert sent(stream) == [(SECRET, [], ["a"]), (CLUSTER, [], ["a"]), (LISTENER, ["a"], [])]
    assert stream.events() == [Refused(CLUSTER, "not for you"), Refused(SECRET, "not for you")]
    for type_url in (CLUSTER, SECRET, LISTENER):
        plane.apply(type_url, "a", b"2")
    assert sent(stream) == [(LISTENER, ["a"], [])]


def test_an_envoy_that_is_refused_a_type_does_not_wait_for_it(plane):
    assert sent(refusing(plane, Refusing(types=[CLUSTER]), DeltaRequest(CLUSTER))) == [(CLUSTER, [], [])]


def test_more_names_than_a_client_may_ask_for_end_its_stream(plane):
    stream = begun(
        plane, DeltaRequest(ENDPOINT, subscribe=["a", "b"]), DeltaRequest(SECRET, subscribe=["a"]), max_names=2
    )
    stream.receive(DeltaRequest(ENDPOINT, subscribe=["a"]))
    stream.receive(DeltaRequest(ENDPOINT, subscribe=["c"], unsubscribe=["b"]))
    with pytest.raises(PeerError, match="more than 2 names of endpoints") as refused:
        stream.receive(DeltaRequest(ENDPOINT, subscribe=["b"]))
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    with pytest.raises(PeerError, match="more than 2 names of secrets"):
        begun(plane, DeltaRequest(SECRET, subscribe=["a", "b", "c"]), max_names=2)


def test_hosts_of_a_route_are_sent_once_with_a_first_answer(plane):
    plane.apply(VIRTUAL_HOST, "a/host", b"1")
    stream = begun(plane, DeltaRequest(ROUTE, subscribe=["a"]))
    stream.responses()
    plane.apply(ROUTE, "a", b"2")
    stream.receive(DeltaRequest(VIRTUAL_HOST, subscribe=["a/host"]))
    assert [response.type_url for response in stream.responses()] == [ROUTE, VIRTUAL_HOST]
    assert stream.responses() == []


def test_a_client_is_behind_until_it_was_sent_what_there_is():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    stream = DeltaStream(plane.server())
    assert not stream.is_behind(CLUSTER)
    stream.receive(DeltaRequest(CLUSTER))
    assert (stream.is_behind(CLUSTER), stream.is_behind(ENDPOINT)) == (True, False)
    stream.responses()
    assert not stream.is_behind(CLUSTER)
    plane.apply(CLUSTER, "a", b"2")
    assert stream.is_behind(CLUSTER)
    stream.responses()
    assert not stream.is_behind(CLUSTER)
