"""Whatever a client sends, in whatever order: its stream goes on, or ends with a PeerError; never any other error.

And whatever it sends, the next client is served as if nothing had been, and nothing of the first is kept.
"""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rime_core import CLUSTER, ENDPOINT, TYPES, PeerError, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.node import Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import RejectedResponse
from rime_core.protocol.messages import DeltaRequest
from rime_core.protocol.channel import MAX_MESSAGE, MAX_REASON
from rime_core.protocol.stream import MAX_TYPES
from rime_envoy_api import message_class
from rime_grpc.wire import DeltaDecoder

odd_text = st.sampled_from(
    ["", "*", "**", "a", "b", "nul\0", "\N{SNOWMAN}", "a/b?c=d", "x" * 5000, "~1", "clusters.1.0"]
)
type_urls = st.sampled_from(
    [each.url for each in TYPES] + [CLUSTER] * 5 + ["", "x", "a/b", "a/b.C", "type.googleapis.com/"]
)
some_names = st.lists(odd_text | st.text(max_size=5), max_size=4)
requests = st.builds(
    DeltaRequest,
    type_urls,
    st.none() | st.builds(Node, odd_text),
    some_names,
    some_names,
    st.dictionaries(odd_text, odd_text, max_size=3),
    odd_text,
    st.none() | odd_text,
)


def a_plane() -> Plane:
    plane = Plane(references=lambda url, _: [(ENDPOINT, "a")] if url == CLUSTER else [])
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ENDPOINT, "a", b"1")
    return plane


def assert_serves(plane: Plane) -> None:
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER))
    (response,) = stream.responses()
    assert [resource.name for resource in response.update.resources] == ["a"]
    stream.close()
    assert set(plane.store.indexes) == {CLUSTER, ENDPOINT}, "types that nobody asks for any more are kept"
    assert not any(index.subscribers or index.interest for index in plane.store.indexes.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(requests | st.integers(0, 3), max_size=20))
def test_any_sequence_of_requests(steps):
    plane = a_plane()
    stream = DeltaStream(plane.server())
    try:
        for step in steps:
            if isinstance(step, int):
                plane.apply(CLUSTER, "a", bytes([step]))
                stream.responses()
            else:
                stream.receive(step)
            stream.events()
    except PeerError as error:
        refused = error.code
        assert refused in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    stream.close()
    plane.apply(CLUSTER, "a", b"1")
    assert_serves(plane)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(messages):
    plane = a_plane()
    stream = DeltaStream(plane.server())
    decoder = DeltaDecoder()
    try:
        for data in messages:
            stream.receive(decoder.decode(data))
            stream.responses()
    except PeerError:
        pass
    stream.close()
    assert_serves(plane)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_request_with_flipped_bytes(data):
    whole = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")(
        type_url=CLUSTER,
        resource_names_subscribe=["a", "b"],
        initial_resource_versions={"a": "1"},
        response_nonce="clusters.1.0",
        error_detail={"code": 13, "message": "no"},
        node={"id": "n", "metadata": {"a": {"b": [1.0]}}},
    ).SerializeToString()
    corrupt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        corrupt[data.draw(st.integers(0, len(corrupt) - 1))] = data.draw(st.integers(0, 255))
    plane = a_plane()
    stream = DeltaStream(plane.server())
    try:
        stream.receive(DeltaDecoder().decode(bytes(corrupt)))
        stream.responses()
    except PeerError:
        pass
    stream.close()
    assert_serves(plane)


def test_the_types_of_a_stream_are_bounded():
    stream = DeltaStream(a_plane().server())
    for number in range(MAX_TYPES):
        stream.receive(DeltaRequest(f"type.googleapis.com/own.Type{number}"))
    with pytest.raises(PeerError, match="more than 64 types") as refused:
        stream.receive(DeltaRequest("type.googleapis.com/own.OneMore"))
    assert refused.value.code == "RESOURCE_EXHAUSTED"


def test_a_rejections_message_is_cut():
    stream = DeltaStream(a_plane().server())
    stream.receive(DeltaRequest(CLUSTER))
    (response,) = stream.responses()
    stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce, error="x" * 1_000_000))
    (event,) = stream.events()
    assert isinstance(event, RejectedResponse)
    assert len(event.message) == MAX_MESSAGE
    assert len(stream.subscribers()[CLUSTER].rejected["a"].why) == MAX_REASON


def test_a_client_that_never_acknowledges_keeps_no_old_content():
    plane = a_plane()
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER))
    stream.responses()
    size = 100_000
    tracemalloc.start()
    try:
        for number in range(200):
            plane.apply(CLUSTER, "a", bytes([number]) * size)
            assert len(stream.responses()) == 1
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3 * size
    assert stream.subscribers()[CLUSTER].in_flight == IN_FLIGHT
