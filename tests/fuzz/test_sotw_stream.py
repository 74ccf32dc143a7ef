"""As test_delta_stream, for state-of-the-world: a stream goes on, or ends with a PeerError; never any other error.

And whatever it sends, the next client is served as if nothing had been, and nothing of the first is kept.
"""

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from rime_core import CLUSTER, ENDPOINT, PeerError, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.node import Node
from rime_core.protocol.messages import DiscoveryRequest
from rime_core.protocol.sotw import SotwStream
from rime_envoy_api import message_class
from rime_grpc.wire import SotwDecoder
from tests.fuzz.test_delta_stream import HalfOfIt, a_plane, assert_serves, odd_text, some_names, type_urls

requests = st.builds(
    DiscoveryRequest,
    type_urls,
    st.none() | st.builds(Node, odd_text),
    some_names,
    odd_text,
    odd_text,
    st.none() | odd_text,
)


def run(plane: Plane, stream: SotwStream, steps: list[DiscoveryRequest | int]) -> set[str]:
    """Requests, and numbers: how the cluster and its assignment change, and what there is is sent; what was sent."""
    sent = set()
    for step in steps:
        if isinstance(step, int):
            plane.apply(CLUSTER, "a", bytes([step]))
            plane.apply(ENDPOINT, "a", bytes([step // 2]))
            sent |= {each.name for response in stream.responses() for each in response.update.resources}
        else:
            stream.receive(step)
        stream.events()
    return sent


@settings(max_examples=300, deadline=None)
@given(st.lists(requests | st.integers(0, 3), max_size=20))
def test_any_sequence_of_requests(steps):
    plane = a_plane()
    stream = SotwStream(plane.server())
    try:
        run(plane, stream, steps)
    except PeerError as error:
        refused = error.code
        assert refused in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    stream.close()
    plane.apply(CLUSTER, "a", b"1")
    assert_serves(plane)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["", CLUSTER, ENDPOINT]), st.lists(requests | st.integers(0, 3), max_size=20))
def test_any_sequence_of_a_client_that_may_have_little(type_url, steps):
    plane = a_plane()
    stream = SotwStream(plane.server(authorize=HalfOfIt), type_url=type_url, max_names=3)
    try:
        sent = run(plane, stream, [*steps, 0])
    except PeerError as error:
        refused = error.code
        assert refused in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    else:
        assert all(subscriber.named <= 3 for subscriber in stream.subscribers().values())
        assert "a" not in sent
    stream.close()
    plane.apply(CLUSTER, "a", b"1")
    assert_serves(plane)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(messages):
    plane = a_plane()
    stream = SotwStream(plane.server())
    decoder = SotwDecoder()
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
    whole = message_class("envoy.service.discovery.v3.DiscoveryRequest")(
        type_url=CLUSTER,
        resource_names=["a", "b"],
        version_info="1",
        response_nonce="clusters.1.0",
        error_detail={"code": 13, "message": "no"},
        node={"id": "n", "metadata": {"a": {"b": [1.0]}}},
    ).SerializeToString()
    corrupt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        corrupt[data.draw(st.integers(0, len(corrupt) - 1))] = data.draw(st.integers(0, 255))
    plane = a_plane()
    stream = SotwStream(plane.server())
    try:
        stream.receive(SotwDecoder().decode(bytes(corrupt)))
        stream.responses()
    except PeerError:
        pass
    stream.close()
    assert_serves(plane)


def test_a_client_that_never_acknowledges_keeps_no_old_content():
    plane = a_plane()
    stream = SotwStream(plane.server())
    stream.receive(DiscoveryRequest(CLUSTER))
    stream.responses()
    size = 200_000
    tracemalloc.start()
    try:
        for number in range(2 * IN_FLIGHT):
            plane.apply(CLUSTER, "a", bytes([number % 256]) * size)
            assert len(stream.responses()) == 1
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3 * size
    assert stream.subscribers()[CLUSTER].in_flight == IN_FLIGHT
