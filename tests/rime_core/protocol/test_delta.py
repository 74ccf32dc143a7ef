"""What is the incremental stream's own. What every stream promises: test_stream; the rules: tests/conformance."""

import pytest

from rime_core import CLUSTER, ENDPOINT, Plane
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest


@pytest.fixture
def plane():
    plane = Plane(references=lambda url, body: [(ENDPOINT, body.decode())] if url == CLUSTER else [])
    plane.apply(CLUSTER, "c", b"e")
    plane.apply(ENDPOINT, "e", b"1")
    return plane


def taken(stream, *requests):
    for request in requests:
        stream.receive(request)
    return [
        (response.type_url, [resource.name for resource in response.update.resources], list(response.update.removed))
        for response in stream.responses()
    ]


def test_what_is_removed_is_named(plane):
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(ENDPOINT, subscribe=["e"]))
    plane.remove(ENDPOINT, "e")
    assert taken(stream) == [(ENDPOINT, [], ["e"])]


def test_an_empty_answer_is_given_to_who_asks_for_everything_and_knows_nothing():
    for request, answers in [
        (DeltaRequest(CLUSTER), [(CLUSTER, [], [])]),
        (DeltaRequest(CLUSTER, subscribe=["*"]), [(CLUSTER, [], [])]),
        (DeltaRequest(ENDPOINT), []),
        (DeltaRequest(CLUSTER, initial_versions={"gone": "v"}), [(CLUSTER, [], ["gone"])]),
    ]:
        assert taken(DeltaStream(Plane().server()), request) == answers


def test_what_a_cluster_waits_for_comes_after_it_in_the_same_batch(plane):
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(CLUSTER), DeltaRequest(ENDPOINT, subscribe=["e"]))
    plane.apply(CLUSTER, "c", b"e")
    assert taken(stream) == []
    plane.remove(CLUSTER, "c")
    plane.apply(CLUSTER, "c", b"e")
    plane.apply(CLUSTER, "d", b"e")
    assert taken(stream) == [(CLUSTER, ["d"], []), (ENDPOINT, ["e"], [])]


def test_what_a_cluster_waits_for_is_sent_to_who_knows_it_and_asks_later(plane):
    version = plane.snapshot()[ENDPOINT]["e"].version
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(CLUSTER))
    request = DeltaRequest(ENDPOINT, subscribe=["e"], initial_versions={"e": version})
    assert taken(stream, request) == [(ENDPOINT, ["e"], [])]
