"""CSDS over real gRPC: what the service says of each client, and to whom."""

import asyncio
import base64
import json
import time
from typing import Any, cast

import grpc
import pytest
from google.protobuf.json_format import MessageToJson

import rime_grpc
from rime_core import CLUSTER, ENDPOINT, ROUTE, Peer, Plane
from rime_envoy_api import message_class
from rime_envoy_api.pool import pool
from rime_grpc import csds
from tests.planted import PEM, PLANTED, Cluster, found_in, planted_plane
from tests.rime_grpc.clients import connect, decode

pytestmark = pytest.mark.asyncio

STREAM, FETCH = csds.METHODS
Request = message_class("envoy.service.status.v3.ClientStatusRequest")
Response = message_class("envoy.service.status.v3.ClientStatusResponse")


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ENDPOINT, "e", b"1")
    return plane


async def fetch(address, data=None, **fields):
    """The clients of an answer."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(FETCH)
        answer = await call(data or Request(**fields).SerializeToString())
    return list(Response.FromString(answer).config)


async def is_refused(address, **fields):
    """The status code and the words with which a request is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await fetch(address, **fields)
    return refused.value.code().name, refused.value.details()


def states(client):
    found = {}
    for each in client.generic_xds_configs:
        names = [
            each.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(each, field)].name
            for field in ("config_status", "client_status")
        ]
        found[each.name] = tuple(names)
    return found


async def test_nobody_is_there(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        assert await fetch(bound.address) == []


async def test_each_client_with_its_node_and_what_it_has(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        node = {"id": "n", "cluster": "web", "locality": {"region": "r", "zone": "z", "sub_zone": "s"}}
        await client.send(type_url=CLUSTER, node=node)
        await client.call.read()
        (one,) = await fetch(bound.address)
        assert (one.node.id, one.node.cluster) == ("n", "web")
        assert (one.node.locality.region, one.node.locality.zone, one.node.locality.sub_zone) == ("r", "z", "s")
        assert one.client_scope.startswith("127.0.0.1:")
        (config,) = one.generic_xds_configs
        assert (config.type_url, config.version_info) == (CLUSTER, plane.snapshot()[CLUSTER]["a"].version)
        assert not config.HasField("xds_config"), "it is no cluster, so nobody knows what is in it"
        assert states(one) == {"a": ("STALE", "REQUESTED")}


async def test_what_is_in_a_resource_is_told_without_what_is_secret(plane):
    """Of clusters that name keys; not where it was asked for without, and not what is large."""
    for name, value in (("a", "hush"), ("large", "hush" * 300_000)):
        cluster = Cluster(name=name)
        cluster.metadata.filter_metadata["shop"].update({"password": value, "team": "edge"})
        plane.apply(CLUSTER, name, cluster.SerializeToString())
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "n"})
        await client.call.read()
        (one,) = await fetch(bound.address)
        told = {config.name: config.xds_config for config in one.generic_xds_configs if config.HasField("xds_config")}
        assert list(told) == ["a"]
        assert told["a"].type_url == CLUSTER
        shop = Cluster.FromString(told["a"].value).metadata.filter_metadata["shop"]
        assert dict(shop) == {"password": "[redacted]", "team": "edge"}
        (one,) = await fetch(bound.address, exclude_resource_contents=True)
        assert [config.name for config in one.generic_xds_configs if config.HasField("xds_config")] == []
        assert len(one.generic_xds_configs) == 2


async def test_no_planted_key_is_in_an_answer():
    """A client that is given everything, and refuses all of it in words that have the keys as well."""
    plane = planted_plane()
    snapshot = plane.snapshot()
    dump = f"Error adding/updating secret(s) generic: inline_string: {json.dumps(PLANTED)} password={PLANTED} {PEM}"
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        for type_url, resources in snapshot.items():
            node = {"id": "n", "metadata": {"token": PLANTED}}
            await client.send(type_url=type_url, node=node, resource_names_subscribe=list(resources))
            response = decode(await client.call.read())
            assert len(response.resources) == len(resources)
            if type_url != CLUSTER:
                await client.send(type_url=type_url, response_nonce=response.nonce, error_detail={"message": dump})
        told = await fetch(bound.address)
        (one,) = told
        bodies = [config.name for config in one.generic_xds_configs if config.HasField("xds_config")]
        assert sorted(bodies) == ["c", "certificate", "generic", "l", "tickets"]
        answer = Response(config=told)
    for text in (
        answer.SerializeToString().decode("latin-1"),
        str(answer),
        MessageToJson(answer, descriptor_pool=pool()),
    ):
        assert found_in(text) == []
        assert text.count("[redacted]") + text.count(base64.b64encode(b"[redacted]").decode()) > 5


async def test_the_size_of_an_answer_is_bounded(plane, monkeypatch):
    body = Cluster(name="a" * 1000).SerializeToString()
    plane.apply(CLUSTER, "a", body)
    monkeypatch.setattr(csds, "MOST_BYTES", 2 * len(body))
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as one:
        await one.subscribe(known={}, node_id="one")
        await one.receive()
        async with connect(bound.address) as two, connect(bound.address) as three:
            await two.subscribe(known={}, node_id="two")
            await two.receive()
            assert len(await fetch(bound.address)) == 2
            await three.subscribe(known={}, node_id="three")
            await three.receive()
            code, words = await is_refused(bound.address)
            assert (code, "exclude_resource_contents" in words) == ("RESOURCE_EXHAUSTED", True)
            assert len(await fetch(bound.address, exclude_resource_contents=True)) == 3


async def test_a_rejection_is_told_without_what_is_secret(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "n"})
        await client.call.read()
        await client.send(type_url=CLUSTER, response_nonce="clusters.1.0", error_detail={"message": "password: abc"})
        await client.send(type_url=ENDPOINT, resource_names_subscribe=["e", "x"])
        await client.call.read()
        (one,) = await fetch(bound.address)
        assert states(one) == {
            "a": ("ERROR", "NACKED"),
            "e": ("STALE", "REQUESTED"),
            "x": ("UNKNOWN", "DOES_NOT_EXIST"),
        }
        error = next(each.error_state for each in one.generic_xds_configs if each.name == "a")
        assert error.details == "password: [redacted]"
        assert error.version_info == plane.snapshot()[CLUSTER]["a"].version
        assert abs(error.last_update_attempt.ToMilliseconds() / 1000 - time.time()) < 30


async def test_how_long_a_client_has_been_silent_is_told(plane, monkeypatch):
    loop = asyncio.get_running_loop()
    clock, passed = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: clock() + passed)

    async def silent(address):
        (one,) = await fetch(address)
        return one.node.metadata["rime"]["silent_seconds"]

    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "n", "metadata": {"rime": {"silent_seconds": 7}}})
        await client.call.read()
        assert 0 <= await silent(bound.address) < 100
        passed = 1000.0
        assert 1000 <= await silent(bound.address) < 1100
        plane.apply(CLUSTER, "b", b"1")
        await client.call.read()
        assert await silent(bound.address) >= 1000, "what it is sent is no sign of life"
        await client.send(type_url=ENDPOINT, resource_names_subscribe=["e"])
        await client.call.read()
        assert 0 <= await silent(bound.address) < 100


async def test_what_is_held_back_says_what_it_waits_for():
    plane = Plane(references=lambda type_url, body: [(CLUSTER, body.decode())] if type_url == ROUTE else [])
    plane.apply(CLUSTER, "old", b"1")
    plane.apply(ROUTE, "r", b"old")
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.send(type_url=CLUSTER, node={"id": "n"})
        await client.receive()
        await client.send(type_url=ROUTE, resource_names_subscribe=["r"])
        await client.receive()
        plane.apply(ROUTE, "r", b"bad")
        rejected = decode(await client.call.read())
        await client.send(type_url=ROUTE, response_nonce=rejected.nonce, error_detail={"message": "bad"})
        await client.send(type_url=ENDPOINT, resource_names_subscribe=["fence"])
        await client.receive()
        with plane.transaction() as change:
            change.apply(CLUSTER, "new", b"1")
            change.apply(ROUTE, "r", b"new")
            change.remove(CLUSTER, "old")
        await client.call.read()
        (one,) = await fetch(bound.address)
        assert states(one) == {
            "new": ("STALE", "REQUESTED"),
            "old": ("NOT_SENT", "REQUESTED"),
            "r": ("NOT_SENT", "REQUESTED"),
            "fence": ("UNKNOWN", "DOES_NOT_EXIST"),
        }
        assert {each.name: each.error_state.details for each in one.generic_xds_configs} == {
            "new": "",
            "old": "the removal of cluster 'old' waits for route 'r' (referred)",
            "r": "route 'r' waits for cluster 'new' (warming); bad",
            "fence": "",
        }


async def test_a_stream_of_requests_is_answered_one_by_one(plane):
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        connect(bound.address) as client,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(STREAM)()
        for expected in (0, 1):
            await call.write(Request().SerializeToString())
            assert len(Response.FromString(await call.read()).config) == expected
            if not expected:
                await client.subscribe(known={}, node_id="n")
                await client.receive()
        call.cancel()


@pytest.mark.parametrize(
    ("matcher", "found"),
    [
        ({"exact": "web-1"}, ["web-1"]),
        ({"prefix": "web"}, ["web-1", "web-2"]),
        ({"suffix": "-2"}, ["web-2"]),
        ({"contains": "EB"}, []),
        ({"contains": "EB", "ignore_case": True}, ["web-1", "web-2"]),
    ],
)
async def test_clients_are_matched_by_their_id(plane, matcher, found):
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        connect(bound.address) as one,
        connect(bound.address) as other,
    ):
        for number, client in enumerate((one, other), 1):
            await client.subscribe(known={}, node_id=f"web-{number}")
            await client.receive()
        answer = await fetch(bound.address, node_matchers=[{"node_id": matcher}])
        assert sorted(client.node.id for client in answer) == found


@pytest.mark.parametrize(
    ("matcher", "words"),
    [
        ({"node_metadatas": [{}]}, "node_matchers: clients are matched by node_id alone"),
        (
            {"node_id": {"safe_regex": {"regex": "."}}},
            "node_matchers: node_id is matched by exact, prefix, suffix, contains, not by safe_regex",
        ),
        ({}, "node_matchers: node_id is matched by exact, prefix, suffix, contains, not by nothing"),
    ],
)
async def test_what_cannot_be_matched_is_said(plane, matcher, words):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        assert await is_refused(bound.address, node_matchers=[matcher]) == ("INVALID_ARGUMENT", words)


async def test_bytes_that_are_no_request(plane):
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        code, words = await is_refused(bound.address, data=b"\xff")
        assert (code, words) == ("INVALID_ARGUMENT", "1 bytes that are no ClientStatusRequest")


async def test_an_answer_is_bounded(plane, monkeypatch):
    monkeypatch.setattr(csds, "MOST", 1)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, connect(bound.address) as client:
        await client.subscribe(known={}, node_id="n")
        await client.receive()
        assert len(await fetch(bound.address)) == 1
        plane.apply(CLUSTER, "b", b"1")
        code, words = await is_refused(bound.address)
        assert (code, words) == (
            "RESOURCE_EXHAUSTED",
            "more than 1 resources of clients: ask for some clients, by node_matchers",
        )


class Elsewhere:
    """A call whose one request is none."""

    async def read(self):
        return b"\xff"

    async def write(self, data):
        raise AssertionError(data)

    async def abort(self, code, words):
        raise PermissionError(code.name, words)


@pytest.mark.parametrize(
    ("address", "asked_for", "code"),
    [
        ("192.0.2.1:5000", False, "PERMISSION_DENIED"),
        ("[2001:db8::1]:5000", False, "PERMISSION_DENIED"),
        ("192.0.2.1:5000", True, "INVALID_ARGUMENT"),
        ("[::1]:5000", False, "INVALID_ARGUMENT"),
    ],
)
async def test_others_are_told_nothing_unless_that_is_asked_for(address, asked_for, code):
    service = csds.ClientStatus(list, rime_grpc.Config(client_status=asked_for))
    with pytest.raises(PermissionError, match=code):
        await service.serve(cast("Any", Elsewhere()), Peer(address))
