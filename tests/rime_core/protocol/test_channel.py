"""What becomes of each response of one type: nonces, parts, what is told of it. Shown with incremental streams."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, FellBehindError, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Acknowledged, RejectedResponse, UnknownType
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream
from rime_core.protocol.stream import MAX_RESPONSE_BYTES
from tests.rime_core.protocol.envoy import Envoy, put, refers
from tests.rime_core.protocol.streams import begun, one_of_each


@pytest.fixture
def plane():
    return one_of_each()


def test_streams_at_the_same_place_are_sent_the_same_object_with_the_same_nonce(plane):
    streams = [begun(plane, DeltaRequest(CLUSTER)) for _ in range(3)]
    for _ in range(2):
        sent = [stream.responses()[0] for stream in streams]
        assert len({id(response.update) for response in sent}) == 1
        assert len({response.nonce for response in sent}) == 1
        assert all(response.shared for response in sent)
        plane.apply(CLUSTER, "a", b"2")


def test_what_is_one_streams_own_has_a_nonce_of_its_own(plane):
    stream = begun(plane, DeltaRequest(CLUSTER))
    (first,) = stream.responses()
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a"]))
    (again,) = stream.responses()
    assert (first.nonce, again.nonce) == ("clusters.1.0", "~2")
    assert not again.shared


def test_a_large_response_is_split_and_each_part_has_its_nonce():
    plane = Plane()
    for number in range(10):
        plane.apply(CLUSTER, f"c{number}", bytes(1000))
    stream = begun(plane, DeltaRequest(CLUSTER), max_response_bytes=5000)
    sent = stream.responses()
    assert [len(response.update.resources) for response in sent] == [4, 4, 2]
    assert [response.nonce for response in sent] == ["clusters.10.0", "clusters.10.1", "clusters.10.2"]


def test_each_response_of_a_first_answer_of_200_mb_is_told_apart():
    """All of them are on their way at once. Here they are a thousandth of that, of one resource each."""
    plane = Plane()
    names = [f"c{number}" for number in range(200_000_000 // MAX_RESPONSE_BYTES)]
    for name in names:
        plane.apply(CLUSTER, name, bytes(MAX_RESPONSE_BYTES // 1000))
    stream = begun(plane, DeltaRequest(CLUSTER), max_response_bytes=MAX_RESPONSE_BYTES // 1000)
    nonces = [response.nonce for response in stream.responses()]
    assert len(nonces) == len(names)
    for nonce in nonces:
        stream.receive(DeltaRequest(CLUSTER, nonce=nonce, error="no"))
    assert [list(event.versions) for event in stream.events()] == [[name] for name in names]
    assert list(stream.subscribers()[CLUSTER].rejected) == names


def test_events_tell_what_became_of_what_was_sent(plane):
    stream = begun(plane, DeltaRequest(CLUSTER), DeltaRequest(LISTENER), DeltaRequest("own/own.Type"))
    clusters, listeners = (response.nonce for response in stream.responses()[:2])
    stream.receive(DeltaRequest(CLUSTER, nonce=clusters))
    stream.receive(DeltaRequest(LISTENER, nonce=listeners, error="no"))
    version = plane.snapshot()[LISTENER]["a"].version
    assert stream.events() == [
        UnknownType("own/own.Type"),
        Acknowledged(CLUSTER, clusters),
        RejectedResponse(LISTENER, listeners, {"a": version}, "no"),
    ]
    assert stream.events() == []


def test_a_rejection_of_what_was_sent_too_long_ago_is_told_without_names(plane):
    stream = begun(plane, DeltaRequest(CLUSTER, nonce="long ago", error="no"))
    stream.receive(DeltaRequest(CLUSTER, nonce="long ago", error="no"))
    assert stream.events() == [RejectedResponse(CLUSTER, "long ago", {}, "no")]


def test_what_a_response_held_is_known_for_as_many_as_are_told_apart(plane):
    stream = begun(plane, DeltaRequest(CLUSTER))
    nonces = []
    for number in range(IN_FLIGHT + 1):
        plane.apply(CLUSTER, f"c{number}", b"1")
        nonces += [response.nonce for response in stream.responses()]
    for nonce in nonces[:2]:
        stream.receive(DeltaRequest(CLUSTER, nonce=nonce, error="no"))
    assert [list(event.versions) for event in stream.events()] == [[], ["c1"]]


def test_many_rejections_cost_a_change_nothing():
    """Each of 2,000 names rejected by itself, then changed: each is looked at once."""
    plane = Plane()
    names = [f"e{number}" for number in range(2000)]
    stream = begun(plane)
    for name in names:
        plane.apply(ENDPOINT, name, b"1")
        stream.receive(DeltaRequest(ENDPOINT, subscribe=[name]))
        (response,) = stream.responses()
        stream.receive(DeltaRequest(ENDPOINT, nonce=response.nonce, error="no"))
    subscriber = stream.subscribers()[ENDPOINT]
    assert len(subscriber.rejected) == len(names)
    with plane.transaction() as change:
        for name in names:
            change.apply(ENDPOINT, name, b"2")
    assert sum(len(response.update.resources) for response in stream.responses()) == len(names)
    assert subscriber.rejected == {}


def test_a_stream_that_fell_behind_ends():
    plane = Plane(tombstones=1)
    for name in "abc":
        plane.apply(CLUSTER, name, b"1")
    stream = begun(plane, DeltaRequest(CLUSTER))
    stream.responses()
    for name in "abc":
        plane.remove(CLUSTER, name)
    with pytest.raises(FellBehindError, match="clusters"):
        stream.responses()
    assert stream.responses() == []


class Observed:
    """A stream that somebody observes, and what its client says: when the oldest change in each response was made."""

    def __init__(self, plane, *types, clocked=True, variant=DeltaStream, request=DeltaRequest):
        self.time = 10.0
        self.plane = plane
        plane.server().clients.traffic()
        self.request = request
        self.stream = variant(plane.server(), clock=(lambda: self.time) if clocked else None)
        self.nonces = {}
        for type_url in types:
            self.stream.receive(request(type_url))
        self.told()

    def change(self, at, type_url, name, body):
        self.time = at
        self.plane.apply(type_url, name, body)

    def read(self):
        for response in self.stream.responses():
            self.nonces.setdefault(response.type_url, []).append(response.nonce)

    def told(self, error=None):
        """`since` of what the client answers now, to everything that it was sent."""
        self.read()
        for type_url, nonces in self.nonces.items():
            for nonce in nonces:
                self.stream.receive(self.request(type_url, nonce=nonce, error=error))
        self.nonces = {}
        return [event.since for event in self.stream.events() if isinstance(event, Acknowledged | RejectedResponse)]


def test_an_answer_tells_when_the_oldest_change_was_made_that_the_response_told(plane):
    client = Observed(plane, CLUSTER)
    client.change(20.0, CLUSTER, "a", b"2")
    client.change(30.0, CLUSTER, "b", b"1")
    client.time = 40.0
    assert client.told() == [20.0]
    client.change(50.0, CLUSTER, "a", b"3")
    client.read()
    client.change(60.0, CLUSTER, "a", b"4")
    assert client.told() == [50.0, 60.0]
    client.change(70.0, CLUSTER, "a", b"5")
    assert client.told(error="no") == [70.0]


def test_what_the_client_asked_for_is_no_change(plane):
    client = Observed(plane)
    client.stream.receive(DeltaRequest(ENDPOINT, subscribe=["a"]))
    assert client.told() == [None]
    plane.apply(ENDPOINT, "b", b"1")
    client.stream.receive(DeltaRequest(ENDPOINT, subscribe=["b"]))
    assert client.told() == [None]
    client.change(20.0, ENDPOINT, "b", b"2")
    client.stream.receive(DeltaRequest(ENDPOINT, subscribe=["a"]))
    assert client.told() == [20.0]


def test_what_is_sent_for_the_sake_of_another_type_is_no_change_of_its_own():
    plane = Plane(references=lambda type_url, _: [(ENDPOINT, "a")] if type_url == CLUSTER else [])
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ENDPOINT, "a", b"1")
    client = Observed(plane, CLUSTER)
    client.stream.receive(DeltaRequest(ENDPOINT, subscribe=["a"]))
    client.told()
    client.change(20.0, CLUSTER, "a", b"2")
    assert client.told() == [20.0, None]


def test_a_change_that_came_to_nothing_is_forgotten(plane):
    client = Observed(plane, CLUSTER)
    client.change(20.0, CLUSTER, "a", b"2")
    client.change(30.0, CLUSTER, "a", b"1")
    assert client.told() == []
    client.change(40.0, CLUSTER, "a", b"3")
    assert client.told() == [40.0]


def test_what_was_held_back_has_been_changed_since_before_that():
    plane = Plane(references=refers)
    put(plane, cluster_old="1 endpoint:old", endpoint_old="1", route_r="1 cluster:old", listener_l="1 route:r")
    plane.server().clients.traffic()
    envoy = Envoy(plane).running()
    envoy.now = 20.0
    put(plane, cluster_new="1", route_r="2 cluster:new")
    assert envoy.take() == ["cluster:new"]
    envoy.now = 30.0
    assert envoy.answer("cluster") == ["route:r"]
    envoy.stream.events()
    envoy.answer("route")
    assert [event.since for event in envoy.stream.events()] == [20.0]


def test_without_who_observes_or_without_a_clock_nothing_is_measured(plane):
    timeless = Observed(plane, CLUSTER, clocked=False)
    timeless.change(20.0, CLUSTER, "a", b"2")
    assert timeless.told() == [None]
    unobserved = one_of_each()
    stream = begun(unobserved, DeltaRequest(CLUSTER), clock=lambda: 20.0)
    stream.responses()
    unobserved.apply(CLUSTER, "a", b"2")
    (response,) = stream.responses()
    stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce))
    assert stream.events() == [Acknowledged(CLUSTER, response.nonce, None)]


def test_whoever_observes_is_told_of_the_streams_that_there_are_already(plane):
    stream = begun(plane, DeltaRequest(CLUSTER), clock=lambda: 20.0)
    stream.responses()
    plane.server().clients.traffic()
    plane.apply(CLUSTER, "a", b"2")
    (response,) = stream.responses()
    stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce))
    assert stream.events() == [Acknowledged(CLUSTER, response.nonce, 20.0)]


def test_a_state_of_the_world_client_is_measured_as_well(plane):
    client = Observed(plane, CLUSTER, variant=SotwStream, request=DiscoveryRequest)
    client.change(20.0, CLUSTER, "a", b"2")
    assert client.told() == [20.0]
