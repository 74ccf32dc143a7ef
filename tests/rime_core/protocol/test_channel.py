"""What becomes of each response of one type: nonces, parts, what is told of it. Shown with incremental streams."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, FellBehindError, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.protocol.events import Acknowledged, RejectedResponse, UnknownType
from rime_core.protocol.messages import DeltaRequest
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
