"""TLS over real connections: who gets in, with which versions, and that files are replaced under open streams."""

import asyncio
import ssl
import warnings
from typing import Any

import grpc
import pytest
import trustme
from cryptography import x509

import rime_grpc
from rime_core import CLUSTER, Certificate, Plane, UsageError
from rime_grpc import tls
from rime_grpc.peer import peer_of
from tests.rime_grpc.certificates import NAME, client_credentials, issue_client, write_server
from tests.rime_grpc.clients import connect

pytestmark = pytest.mark.asyncio


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return plane


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def each_handshake_looks(monkeypatch):
    monkeypatch.setattr(tls, "LOOK", 0.0)


def serve(plane, files, address="127.0.0.1:0"):
    return rime_grpc.serve(plane.server(), address, rime_grpc.Config(**files))


async def served(address, credentials) -> bool:
    """Whether a client that connects now gets an answer."""
    async with connect(address, credentials) as client:
        try:
            await client.subscribe(known={}, node_id="n")
            return bool((await client.receive()).resources)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the latter where the call ended before the write
            code = await client.call.code()
    assert code is grpc.StatusCode.UNAVAILABLE
    return False


async def test_a_client_that_trusts_the_authority_is_served_and_no_other(plane, authority, tmp_path):
    async with serve(plane, write_server(authority, tmp_path)) as bound:
        assert await served(bound.address, client_credentials(authority))
        assert not await served(bound.address, client_credentials(trustme.CA()))
        assert not await served(bound.address, None)


async def test_with_a_client_ca_only_clients_whose_certificate_it_signed(plane, authority, tmp_path):
    clients = trustme.CA()
    async with serve(plane, write_server(authority, tmp_path, client_ca=clients)) as bound:
        assert await served(bound.address, client_credentials(authority, issue_client(clients, "mine")))
        assert not await served(bound.address, client_credentials(authority))
        assert not await served(bound.address, client_credentials(authority, issue_client(authority, "a stranger's")))


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
async def test_with_tls_others_may_connect(plane, authority, tmp_path, address):
    async with serve(plane, write_server(authority, tmp_path), address) as bound:
        assert await served(f"127.0.0.1:{bound.address.rpartition(':')[2]}", client_credentials(authority))


async def test_files_that_cannot_be_used_are_said_before_anything_listens(plane, authority, tmp_path):
    files = write_server(authority, tmp_path)
    files["key"].unlink()
    with pytest.raises(UsageError, match="cannot read key="):
        async with serve(plane, files):
            pass


async def handshake(port, authority, version):
    """The version agreed on with a client that offers this one alone; None where the server refuses."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    client.set_ciphers("DEFAULT@SECLEVEL=0")  # OpenSSL itself would not offer TLS 1.1 otherwise
    client.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TLS 1.1, which is the point
        client.minimum_version = client.maximum_version = version
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=NAME)
    except (ssl.SSLError, ConnectionError):
        return None
    agreed = writer.get_extra_info("ssl_object").version()
    writer.transport.abort()
    return agreed


@pytest.mark.usefixtures("each_handshake_looks")
@pytest.mark.parametrize(
    ("version", "agreed"),
    [(ssl.TLSVersion.TLSv1_1, None), (ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")],
)
async def test_the_least_is_tls_1_2(plane, authority, tmp_path, version, agreed):
    async with serve(plane, write_server(authority, tmp_path)) as bound:
        port = int(bound.address.rpartition(":")[2])
        assert await handshake(port, authority, version) == agreed
        # gRPC makes what it serves with anew from files that have changed; that has to know it too
        write_server(authority, tmp_path)
        assert await handshake(port, authority, version) == agreed


async def test_the_client_above_would_speak_tls_1_1(authority):
    """Else the test above would say nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        assert await handshake(port, authority, ssl.TLSVersion.TLSv1_1) == "TLSv1.1"


@pytest.mark.usefixtures("each_handshake_looks")
async def test_everything_is_replaced_under_an_open_stream(plane, authority, tmp_path):
    before = client_credentials(authority, issue_client(authority, "before"))
    async with (
        serve(plane, write_server(authority, tmp_path, client_ca=authority)) as bound,
        connect(bound.address, before) as first,
    ):
        await first.subscribe(known={}, node_id="first")
        await first.receive()

        new = trustme.CA()
        write_server(new, tmp_path, client_ca=new)
        after = client_credentials(new, issue_client(new, "after"))
        assert await served(bound.address, after)
        assert not await served(bound.address, before)
        assert not await served(bound.address, client_credentials(new, issue_client(authority, "before")))

        plane.apply(CLUSTER, "b", b"1")
        assert set((await first.receive()).resources) == {"b"}


@pytest.mark.usefixtures("each_handshake_looks")
async def test_broken_files_leave_what_was_in_use(plane, authority, tmp_path, caplog):
    files = write_server(authority, tmp_path)
    async with serve(plane, files) as bound:
        files["cert"].write_text("hello")
        assert await served(bound.address, client_credentials(authority))
        assert await served(bound.address, client_credentials(authority))
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"grpc: cannot use cert={files['cert']}: it should hold certificates in PEM form")
    assert warning.endswith("; the certificates in use stay")


async def test_what_the_clients_certificate_says_is_known(authority, tmp_path):
    certificate = issue_client(
        authority,
        "envoy-1",
        x509.UniformResourceIdentifier("spiffe://shop.example/envoy"),
        x509.DNSName("envoy-1.shop.example"),
    )
    peers = []

    async def handle(_: bytes, context: Any) -> bytes:
        peers.append(peer_of(context))
        return b""

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(handle)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.Service", {"Method": handler}),))
    files = write_server(authority, tmp_path, client_ca=authority)
    credentials = tls.Certificates(files["cert"], files["key"], files["client_ca"]).credentials()
    port = server.add_secure_port("[::1]:0", credentials)
    await server.start()
    try:
        options = [("grpc.ssl_target_name_override", NAME)]
        address = f"[::1]:{port}"
        async with grpc.aio.secure_channel(address, client_credentials(authority, certificate), options) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/a.Service/Method")
            await call(b"")
    finally:
        await server.stop(None)
    (peer,) = peers
    assert peer.address.startswith("[::1]:")
    assert peer.certificate == Certificate("envoy-1", ("spiffe://shop.example/envoy", "envoy-1.shop.example"))
