"""Bytes, against other libraries' idea of them: protobuf's for requests, envoy-data-plane's for responses."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER, SECRET, VIRTUAL_HOST, PeerError, Resource, Update
from rime_core.protocol.messages import DeltaResponse
from rime_core.resource import unknown
from rime_grpc.wire import Decoder, encode
from tests.rime_grpc.clients import Request, decode

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
resources = st.builds(
    Resource, st.just(CLUSTER), names, names, st.binary(max_size=300), st.lists(names, max_size=2).map(tuple)
)


@given(st.lists(resources, max_size=4), st.lists(names, max_size=4), names, st.booleans())
def test_a_response_is_what_another_library_reads(sent, removed, nonce, shared):
    response = DeltaResponse(CLUSTER, Update(tuple(sent), tuple(removed), ordinal=1), nonce, shared)
    read = decode(encode(response))
    assert (read.type_url, read.nonce) == (CLUSTER, nonce)
    assert list(read.removed_resources) == removed
    assert len(read.resources) == len(sent)
    for one, other in zip(read.resources, sent, strict=True):
        assert (one.name, one.version, tuple(one.aliases)) == (other.name, other.version, other.aliases)
        assert (one.resource.type_url, one.resource.value) == (CLUSTER, other.body)


def test_lengths_of_any_size_are_encoded():
    for size in (0, 127, 128, 16_383, 16_384, 3_000_000):
        body = bytes(size)
        update = Update((Resource(CLUSTER, "a", "1", body),), (), ordinal=1)
        assert decode(encode(DeltaResponse(CLUSTER, update, "n", True))).resources[0].resource.value == body


def test_what_has_no_body_is_sent_without_one():
    answer = unknown(VIRTUAL_HOST, "routes/host")
    read = decode(encode(DeltaResponse(VIRTUAL_HOST, Update((answer,), (), ordinal=1), "n", True))).resources[0]
    assert (read.name, read.version, list(read.aliases)) == ("routes/host", answer.version, ["routes/host"])
    assert read.resource is None, "which is not the same as an empty one"


def test_what_is_shared_is_encoded_once():
    resource = Resource(CLUSTER, "a", "1", b"body")
    update = Update((resource,), (), ordinal=1)
    shared = DeltaResponse(CLUSTER, update, "clusters.1.0", True)
    assert encode(shared) is encode(shared)
    own = encode(DeltaResponse(CLUSTER, update, "~1", False))
    assert decode(own).nonce == "~1"
    assert decode(encode(shared)).nonce == "clusters.1.0"
    piece = resource.encoded
    encode(DeltaResponse(CLUSTER, Update((resource,), ("b",), ordinal=2), "n", True))
    assert resource.encoded is piece


def test_a_request_is_read_whole():
    data = Request(
        type_url=CLUSTER,
        resource_names_subscribe=["a", "*"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"c": "1"},
        response_nonce="n",
        node={
            "id": "me",
            "cluster": "us",
            "locality": {"region": "r", "zone": "z", "sub_zone": "s"},
            "client_features": ["f"],
            "metadata": {"team": "blue", "weights": [1.0, 2.0]},
        },
    ).SerializeToString()
    request = Decoder().decode(data)
    assert (request.type_url, request.subscribe, request.unsubscribe) == (CLUSTER, ("a", "*"), ("b",))
    assert (request.initial_versions, request.nonce, request.error) == ({"c": "1"}, "n", None)
    node = request.node
    assert node is not None
    assert (node.id, node.cluster, node.region, node.zone, node.sub_zone) == ("me", "us", "r", "z", "s")
    assert node.client_features == {"f"}
    assert node.metadata == {"team": "blue", "weights": [1.0, 2.0]}


def test_the_node_is_read_from_the_first_request_only():
    decoder = Decoder()
    data = Request(type_url=CLUSTER, node={"id": "me"}).SerializeToString()
    assert decoder.decode(data).node is not None
    assert decoder.decode(data).node is None


@pytest.mark.parametrize("code", [0, 13])
def test_a_rejection_may_have_an_empty_message(code):
    request = Decoder().decode(
        Request(type_url=CLUSTER, response_nonce="n", error_detail={"code": code}).SerializeToString()
    )
    assert request.error == ""


def test_a_rejections_message_is_redacted_before_anybody_sees_it():
    key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    message = f'tls_certificate {{ private_key {{ inline_string: "{key}" }} }}: bad'
    request = Decoder().decode(Request(type_url=SECRET, error_detail={"message": message}).SerializeToString())
    assert request.error is not None
    assert "c2VjcmV0" not in request.error


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_metadata_that_are_no_json_are_the_clients_fault(number):
    data = Request(type_url=CLUSTER, node={"metadata": {"a": float(number)}}).SerializeToString()
    with pytest.raises(PeerError, match="metadata"):
        Decoder().decode(data)


def test_a_huge_rejection_is_cut_before_it_is_looked_at():
    data = Request(type_url=SECRET, error_detail={"message": "Bearer " * 1_000_000}).SerializeToString()
    request = Decoder().decode(data)
    assert request.error is not None
    assert len(request.error) < 100_000


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_request_or_the_clients_fault(data):
    with suppress(PeerError):
        Decoder().decode(data)
