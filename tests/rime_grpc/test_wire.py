"""Bytes, against other libraries' idea of them: protobuf's for requests, envoy-data-plane's for responses."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER, SECRET, VIRTUAL_HOST, PeerError, Resource, Update
from rime_core.protocol.messages import DeltaResponse, DiscoveryResponse
from rime_core.resource import heartbeat_of, unknown
from rime_grpc.wire import DeltaDecoder, SotwDecoder, encode
from tests.rime_grpc.clients import Request, SotwRequest, decode, decode_resource, decode_sotw

seconds = st.none() | st.integers(1_000, 86_400_000).map(lambda milliseconds: milliseconds / 1000)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
resources = st.builds(
    Resource,
    st.just(CLUSTER),
    names,
    names,
    st.binary(max_size=300),
    st.lists(names, max_size=2).map(tuple),
    ttl=seconds,
)


def response_of(*sent: Resource, ttl: bool = False, removed=()) -> DeltaResponse:
    return DeltaResponse(CLUSTER, Update(sent, tuple(removed), ordinal=1), "n", True, ttl)


@given(
    st.lists(resources, max_size=4),
    st.lists(names, max_size=4),
    names,
    st.booleans(),
    st.booleans(),
    st.none() | names,
)
def test_a_response_is_what_another_library_reads(sent, removed, nonce, shared, ttl, label):
    update = Update(tuple(sent), tuple(removed), ordinal=1, label=label)
    read = decode(encode(DeltaResponse(CLUSTER, update, nonce, shared, ttl)))
    assert (read.type_url, read.nonce, read.system_version_info) == (CLUSTER, nonce, label or "")
    assert list(read.removed_resources) == removed
    assert len(read.resources) == len(sent)
    for one, other in zip(read.resources, sent, strict=True):
        assert (one.name, one.version, tuple(one.aliases)) == (other.name, other.version, other.aliases)
        assert (one.resource.type_url, one.resource.value) == (CLUSTER, other.body)
        assert (one.ttl and one.ttl.total_seconds()) == (other.ttl if ttl else None)


@given(st.lists(resources, max_size=4), st.lists(names, max_size=2), names, names, st.booleans(), st.booleans())
def test_a_state_of_the_world_response_is_what_another_library_reads(sent, removed, version, nonce, shared, ttl):
    """Also where the same Update went to an incremental client before: they share bytes."""
    update = Update(tuple(sent), tuple(removed), ordinal=1)
    encode(DeltaResponse(CLUSTER, update, nonce, True, ttl))
    read = decode_sotw(encode(DiscoveryResponse(CLUSTER, update, version, nonce, shared, ttl)))
    assert (read.type_url, read.version_info, read.nonce) == (CLUSTER, version, nonce)
    assert len(read.resources) == len(sent)
    for one, other in zip(read.resources, sent, strict=True):
        body = one
        if ttl and other.ttl is not None:
            assert one.type_url == "type.googleapis.com/envoy.service.discovery.v3.Resource"
            whole = decode_resource(one.value)
            assert (whole.name, whole.version, whole.ttl.total_seconds()) == (other.name, other.version, other.ttl)
            body = whole.resource
        assert (body.type_url, body.value) == (CLUSTER, other.body)


# --- lifetimes


def test_a_lifetime_is_told_only_to_who_understands_it():  # R73
    response = response_of(Resource(CLUSTER, "a", "1", b"body", ttl=1.5))
    understands = DeltaResponse(CLUSTER, response.update, "n", True, True)
    for _ in range(2):
        assert decode(encode(response)).resources[0].ttl is None
        assert decode(encode(understands)).resources[0].ttl == timedelta(seconds=1.5)


def test_each_form_is_encoded_once():
    resource = Resource(CLUSTER, "a", "1", b"body", ttl=5.0)
    update = Update((resource, Resource(CLUSTER, "b", "1", b"body")), (), ordinal=1)
    forms = [DeltaResponse(CLUSTER, update, "n", True, ttl) for ttl in (True, False)]
    first = [encode(form) for form in forms]
    assert [encode(form) for form in forms] == first
    assert all(encode(form) is data for form, data in zip(forms, first, strict=True))
    pieces = (resource.encoded, resource.encoded_with_ttl)
    for ttl in (True, False):
        encode(response_of(resource, ttl=ttl))
    assert all(one is other for one, other in zip(pieces, (resource.encoded, resource.encoded_with_ttl), strict=True))


@pytest.mark.parametrize("first", [True, False])
def test_without_lifetimes_both_forms_are_the_same_bytes(first):
    resource = Resource(CLUSTER, "a", "1", b"body")
    update = Update((resource,), ("b",), ordinal=1)
    one, other = (DeltaResponse(CLUSTER, update, "n", True, ttl) for ttl in (first, not first))
    assert encode(one) is encode(other)
    assert resource.encoded_with_ttl is None


def test_a_form_that_nobody_needs_is_not_made():
    resource = Resource(CLUSTER, "a", "1", b"body", ttl=5.0)
    encode(response_of(resource, ttl=True))
    assert resource.encoded is None


def test_a_heartbeat_is_a_name_a_version_and_a_lifetime():  # R75
    heartbeat = heartbeat_of(Resource(CLUSTER, "a", "1", b"body", ("alias",), ttl=5.0))
    read = decode(encode(response_of(heartbeat, ttl=True))).resources[0]
    assert (read.name, read.version, list(read.aliases)) == ("a", "1", [])
    assert read.ttl == timedelta(seconds=5)
    assert read.resource is None, "which is not the same as an empty one"


# --- forms and sizes


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


def test_a_resource_is_kept_once_for_both_variants():
    resource = Resource(CLUSTER, "a", "1", b"body")
    encode(DiscoveryResponse(CLUSTER, Update((resource,), (), ordinal=1), "v", "n", True))
    piece = resource.encoded
    encode(response_of(resource))
    encode(DiscoveryResponse(CLUSTER, Update((resource,), ("b",), ordinal=1), "v", "n", True))
    assert resource.encoded is piece
    assert resource.encoded_with_ttl is None


def test_a_shared_set_is_encoded_once_for_each_version_and_nonce_that_it_is_sent_with():
    update = Update((Resource(CLUSTER, "a", "1", b"body"),), (), ordinal=1)

    def sent(version, nonce, shared=True):
        return encode(DiscoveryResponse(CLUSTER, update, version, nonce, shared))

    pairs = [("v", "n"), ("w", "n"), ("v", "m"), ("", "vn")]
    first = {pair: sent(*pair) for pair in pairs}
    for pair, data in first.items():
        assert sent(*pair) is data
        read = decode_sotw(data)
        assert (read.version_info, read.nonce) == pair
    assert decode_sotw(sent("own", "~1", shared=False)).nonce == "~1"
    for number in range(100):
        assert decode_sotw(sent(str(number), "n")).version_info == str(number)
    assert sent("w", "n") is not first["w", "n"], "not all endings are kept for ever"
    assert sent("w", "n") == first["w", "n"]


def test_a_state_of_the_world_request_is_read_whole():
    data = SotwRequest(
        type_url=CLUSTER,
        resource_names=["a", "*"],
        version_info="v",
        response_nonce="n",
        node={"id": "me"},
        error_detail={"message": "no"},
    ).SerializeToString()
    decoder = SotwDecoder()
    request = decoder.decode(data)
    assert (request.type_url, request.names, request.version, request.nonce) == (CLUSTER, ("a", "*"), "v", "n")
    assert request.error == "no"
    assert request.node is not None
    assert request.node.id == "me"
    assert decoder.decode(data).node is None
    assert SotwDecoder().decode(b"").error is None
    with pytest.raises(PeerError, match="3 bytes that are no DiscoveryRequest"):
        SotwDecoder().decode(b"\xff\xff\xff")


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
    request = DeltaDecoder().decode(data)
    assert (request.type_url, request.subscribe, request.unsubscribe) == (CLUSTER, ("a", "*"), ("b",))
    assert (request.initial_versions, request.nonce, request.error) == ({"c": "1"}, "n", None)
    node = request.node
    assert node is not None
    assert (node.id, node.cluster, node.region, node.zone, node.sub_zone) == ("me", "us", "r", "z", "s")
    assert node.client_features == {"f"}
    assert node.metadata == {"team": "blue", "weights": [1.0, 2.0]}


def test_the_node_is_read_from_the_first_request_only():
    decoder = DeltaDecoder()
    data = Request(type_url=CLUSTER, node={"id": "me"}).SerializeToString()
    assert decoder.decode(data).node is not None
    assert decoder.decode(data).node is None


def later(decoder):
    """One of these whose first request, with the node, is read."""
    one = decoder()
    one.decode(b"")
    return one


@pytest.mark.parametrize(("decoder", "message"), [(DeltaDecoder, Request), (SotwDecoder, SotwRequest)])
def test_what_many_clients_say_alike_is_parsed_once(decoder, message):
    data = message(type_url=CLUSTER, response_nonce="clusters.7.0").SerializeToString()
    one, same = later(decoder).decode(data), later(decoder).decode(bytes(bytearray(data)))
    assert one is same
    assert (one.type_url, one.nonce, one.error) == (CLUSTER, "clusters.7.0", None)


def test_the_variants_do_not_take_each_others_requests():
    data = b"\x78\x01"  # a field that neither knows
    assert type(later(DeltaDecoder).decode(data)) is not type(later(SotwDecoder).decode(data))


def test_a_first_request_is_read_with_its_node_although_others_say_the_same():
    data = Request(type_url=CLUSTER, response_nonce="clusters.9.0").SerializeToString()
    assert later(DeltaDecoder).decode(data).node is None
    assert DeltaDecoder().decode(data).node is not None


@pytest.mark.parametrize(
    "fields",
    [{"error_detail": {"message": "no"}}, {"node": {"id": "me"}}, {"resource_names_subscribe": ["a" * 600]}],
    ids=["rejects", "says who it is", "long"],
)
def test_what_is_no_short_acknowledgement_is_not_kept(fields):
    data = Request(type_url=CLUSTER, response_nonce="clusters.10.0", **fields).SerializeToString()
    assert later(DeltaDecoder).decode(data) is not later(DeltaDecoder).decode(data)
    assert data not in DeltaDecoder._known


def test_what_is_kept_of_requests_is_bounded():
    decoder = later(DeltaDecoder)
    for number in range(1000):
        decoder.decode(Request(response_nonce=str(number)).SerializeToString())
    assert 0 < len(DeltaDecoder._known) <= 64
    newest = Request(response_nonce="999").SerializeToString()
    assert decoder.decode(newest) is decoder.decode(newest)


@pytest.mark.parametrize("code", [0, 13])
def test_a_rejection_may_have_an_empty_message(code):
    request = DeltaDecoder().decode(
        Request(type_url=CLUSTER, response_nonce="n", error_detail={"code": code}).SerializeToString()
    )
    assert request.error == ""


def test_a_rejections_message_is_redacted_before_anybody_sees_it():
    key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    message = f'tls_certificate {{ private_key {{ inline_string: "{key}" }} }}: bad'
    request = DeltaDecoder().decode(Request(type_url=SECRET, error_detail={"message": message}).SerializeToString())
    assert request.error is not None
    assert "c2VjcmV0" not in request.error


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_metadata_that_are_no_json_are_the_clients_fault(number):
    data = Request(type_url=CLUSTER, node={"metadata": {"a": float(number)}}).SerializeToString()
    with pytest.raises(PeerError, match="metadata"):
        DeltaDecoder().decode(data)


def test_a_huge_rejection_is_cut_before_it_is_looked_at():
    data = Request(type_url=SECRET, error_detail={"message": "Bearer " * 1_000_000}).SerializeToString()
    request = DeltaDecoder().decode(data)
    assert request.error is not None
    assert len(request.error) < 100_000


@pytest.mark.parametrize("decoder", [DeltaDecoder, SotwDecoder])
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_request_or_the_clients_fault(decoder, data):
    with suppress(PeerError):
        decoder().decode(data)


def test_a_virtual_host_has_its_name_as_an_alias():  # R77
    host = Resource(VIRTUAL_HOST, "r/host", "1", b"body", ("r/other",))
    read = decode(encode(DeltaResponse(VIRTUAL_HOST, Update((host,), (), ordinal=1), "n", True)))
    assert read.resources[0].aliases == ["r/other", "r/host"]
