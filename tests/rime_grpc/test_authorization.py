"""What a client may be given, by the certificate that its connection proves, over real connections with mutual TLS."""

from typing import Any

import grpc
import pytest
import trustme
from cryptography import x509

import rime_grpc
from rime_core import CLUSTER, SECRET, PeerError, Plane
from tests.rime_grpc.certificates import NAME, client_credentials, issue_client, write_server
from tests.rime_grpc.clients import SotwRequest, connect, decode_sotw

pytestmark = pytest.mark.asyncio

SOTW_SDS = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets"


class OwnSecrets:
    """To each team its own secrets, and nothing to who is of none."""

    def __init__(self, client):
        certificate = client.peer.certificate
        self.teams = [each.rpartition("/")[2] for each in certificate.alternative_names] if certificate else []
        if not self.teams:
            raise PeerError("its certificate is of no team", code="PERMISSION_DENIED")

    def type(self, type_url):
        return None if type_url == SECRET else "only secrets are given here"

    def names(self, type_url):
        return lambda name: None if name.partition("/")[0] in self.teams else "it is another team's"


@pytest.fixture
def plane():
    plane = Plane()
    for name in ("team-a/key", "team-b/key"):
        plane.apply(SECRET, name, name.encode())
    plane.apply(CLUSTER, "c", b"1")
    return plane


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def serve(plane, authority, tmp_path):
    files: dict[str, Any] = {**write_server(authority, tmp_path, client_ca=authority)}
    return rime_grpc.serve(plane.server(authorize=OwnSecrets), "127.0.0.1:0", rime_grpc.Config(**files))


def credentials(authority, *teams):
    names = [x509.UniformResourceIdentifier(f"spiffe://example/{team}") for team in teams]
    return client_credentials(authority, issue_client(authority, "envoy", *names))


async def test_who_lies_about_its_id_is_not_given_anothers_secret(plane, authority, serve, caplog):
    async with serve as bound, connect(bound.address, credentials(authority, "team-a")) as client:
        await client.send(type_url=SECRET, node={"id": "team-b"}, resource_names_subscribe=["team-b/key", "team-a/key"])
        received = [await client.receive(), await client.receive()]
        assert [(set(each.resources), each.removed) for each in received] == [
            ({"team-a/key"}, []),
            (set(), ["team-b/key"]),
        ]
        for name in ("team-b/key", "team-a/key"):
            plane.apply(SECRET, name, b"rotated")
        assert set((await client.receive()).resources) == {"team-a/key"}
    (record,) = [record for record in caplog.records if getattr(record, "event", None) == "refused"]
    assert record.getMessage().startswith("team-b at 127.0.0.1:")
    assert record.getMessage().endswith("is refused secrets team-b/key: it is another team's")


async def test_in_state_of_the_world_either(authority, serve):
    options = [("grpc.ssl_target_name_override", NAME)]
    async with (
        serve as bound,
        grpc.aio.secure_channel(bound.address, credentials(authority, "team-a"), options) as channel,
    ):
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(SOTW_SDS)()
        request = SotwRequest(node={"id": "team-b"}, resource_names=["team-b/key", "team-a/key"])
        await call.write(request.SerializeToString())
        data = await call.read()
        assert isinstance(data, bytes)
        assert [each.value for each in decode_sotw(data).resources] == [b"team-a/key"]
        call.cancel()


async def test_a_type_that_is_refused_looks_empty(authority, serve, caplog):
    async with serve as bound, connect(bound.address, credentials(authority, "team-a")) as client:
        await client.send(type_url=CLUSTER)
        received = await client.receive()
        assert (received.resources, received.removed) == ({}, [])
        await client.send(type_url=SECRET, resource_names_subscribe=["team-a/key"])
        assert set((await client.receive()).resources) == {"team-a/key"}
    assert "is refused clusters: only secrets are given here" in caplog.text


async def test_a_client_that_is_refused_ends_with_permission_denied_and_one_line_for_many(authority, serve, caplog):
    async with serve as bound:
        for _ in range(3):
            async with connect(bound.address, credentials(authority)) as client:
                await client.send(type_url=CLUSTER, node={"id": "stranger"})
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    await client.call.read()
            assert ended.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert ended.value.details() == "its certificate is of no team"
    (record,) = [record for record in caplog.records if getattr(record, "event", None) == "refused"]
    assert "stranger at 127.0.0.1:" in record.getMessage()
    assert record.getMessage().endswith("is refused: its certificate is of no team")


async def test_more_names_than_max_names_end_the_stream(plane):
    config = rime_grpc.Config(max_names=2)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0", config) as bound, connect(bound.address) as client:
        await client.send(type_url=SECRET, resource_names_subscribe=["a", "b", "c"])
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await client.call.read()
    assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ended.value.details() == "more than 2 names of secrets on one stream, which is max_names"


async def test_zero_names_are_any_number(plane):
    config = rime_grpc.Config(max_names=0)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0", config) as bound, connect(bound.address) as client:
        await client.send(type_url=SECRET, resource_names_subscribe=["a"])
        assert (await client.receive()).removed == ["a"]
