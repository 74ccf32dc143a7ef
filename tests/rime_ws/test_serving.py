"""The debug stream over real connections: who is let in, within which limits, and what misbehaving ends in."""

import asyncio
import ssl
from contextlib import AsyncExitStack, suppress

import pytest
import trustme
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

import rime_ws
from rime_core import CLUSTER, Plane, UsageError
from rime_ws import Config, serving
from rime_ws.access import SUBPROTOCOL, offer
from rime_ws.connection import Connection
from rime_ws.resource_feed import MOST_BYTES
from rime_ws.serving import parse
from tests.rime_ws.clients import connect
from tests.rime_ws.web import get

pytestmark = pytest.mark.asyncio

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - a test's own


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"")
    return plane


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


def serve(plane, config=None, address="127.0.0.1:0"):
    return rime_ws.serve(plane.server(), address, config)


async def works(client):
    """Whether it is told what there is."""
    await client.send(message="subscribe", type="clusters", id=str(id(client)))
    return [each["name"] for each in (await client.next("resources"))["resources"]] == ["a"]


async def closed_with(client):
    """The code that this connection is closed with, whatever comes before."""
    with suppress(ConnectionClosed):
        while True:
            await client.next()
    return client.websocket.close_code


async def test_the_page_the_stream_and_what_machines_ask_for_are_on_one_port(plane):
    async with serve(plane) as bound, connect(bound.address) as client:
        assert (await client.next())["message"] == "hello"
        assert await works(client)
        assert (await get(bound.address, "/")).body.startswith("<!doctype html>")
        assert (await get(bound.address, "/healthz?probe=1")).status == 200
        assert "rime_resources" in (await get(bound.address, "/metrics")).body
        assert (await get(bound.address, "/x")).status == 404


async def test_the_stream_is_at_one_place(plane):
    async with serve(plane) as bound:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{bound.address}/x"):
                pass
        assert refused.value.response.status_code == 404


async def test_ipv6(plane):
    async with serve(plane, address="[::1]:0") as bound, connect(bound.address) as client:
        assert bound.address.startswith("[::1]:")
        assert await works(client)


async def test_at_the_end_clients_are_told_to_come_back(plane):
    async with AsyncExitStack() as clients:
        async with serve(plane) as bound:
            client = await clients.enter_async_context(connect(bound.address))
            assert await works(client)
        assert await closed_with(client) == 1001
        async with serve(plane, address=bound.address) as again:
            assert await works(await clients.enter_async_context(connect(again.address)))


@pytest.mark.parametrize(
    ("address", "config", "said"),
    [
        ("nowhere", {}, "ws: 'nowhere' is no address"),
        ("192.0.2.1:0", {"insecure": True, "token_file": True}, "ws: cannot listen on 192.0.2.1:0"),
        ("0.0.0.0:0", {}, "nothing would be encrypted"),
        ("0.0.0.0:0", {"token_file": True}, "nothing would be encrypted"),
        ("0.0.0.0:0", {"insecure": True}, "whoever can connect could look"),
    ],
)
async def test_where_others_can_connect_it_listens_only_when_that_is_safe(plane, token_file, address, config, said):
    config = Config(**{key: token_file if key == "token_file" else value for key, value in config.items()})
    with pytest.raises(UsageError) as error:
        async with serve(plane, config, address):
            pass
    assert said in str(error.value)
    assert "\n" not in str(error.value)


async def test_where_others_can_connect_a_token_lets_in(plane, token_file):
    config = Config(insecure=True, token_file=token_file)
    async with serve(plane, config, "0.0.0.0:0") as bound:
        here = f"127.0.0.1:{bound.address.rpartition(':')[2]}"
        async with connect(here, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert await works(client)
        async with connect(here, subprotocols=[SUBPROTOCOL, offer(TOKEN)]) as client:
            assert client.websocket.subprotocol == SUBPROTOCOL
            assert await works(client)
        for options in ({}, {"additional_headers": {"Authorization": "Bearer wrong"}}):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(here, **options):
                    pass
            assert refused.value.response.status_code == 401
        assert (await get(here, "/metrics")).status == 401
        assert (await get(here, "/metrics", Authorization=f"Bearer {TOKEN}")).status == 200
        assert (await get(here, "/")).status == 200


async def test_a_page_of_somebody_elses_is_refused(plane):
    async with serve(plane) as bound, connect(bound.address) as client:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "http://evil.example", "Host": "evil.example"}):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(bound.address, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 403
        assert (await get(bound.address, "/metrics", Host="evil.example")).status == 403
        async with connect(bound.address, additional_headers={"Origin": f"http://{bound.address}"}) as own:
            assert await works(own)
        assert await works(client)


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority, tmp_path):
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(str(tmp_path / "tls.key"))
    (tmp_path / "tls.crt").write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    return {"cert": tmp_path / "tls.crt", "key": tmp_path / "tls.key"}


def trusting(authority, certificate=None):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


async def test_over_tls_with_a_token(plane, tls, authority, token_file):
    async with serve(plane, Config(**tls, token_file=token_file), "0.0.0.0:0") as bound:
        here = f"127.0.0.1:{bound.address.rpartition(':')[2]}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with connect(here, ssl=trusting(authority), additional_headers=headers) as client:
            assert await works(client)
        assert (await get(here, "/readyz", ssl=trusting(authority))).status == 200


async def test_over_tls_with_a_certificate_on_both_sides(plane, tls, authority, tmp_path):
    async with serve(plane, Config(**tls, client_ca=tmp_path / "ca.crt"), "0.0.0.0:0") as bound:
        here = f"127.0.0.1:{bound.address.rpartition(':')[2]}"
        async with connect(here, ssl=trusting(authority, authority.issue_cert("ops@rime.example"))) as client:
            assert await works(client)
        for stranger in (None, trustme.CA().issue_cert("ops@rime.example")):
            with pytest.raises((ssl.SSLError, ConnectionError, ConnectionClosed, InvalidMessage)):
                async with connect(here, ssl=trusting(authority, stranger)) as client:
                    await client.next()


async def test_connections_are_bounded_and_those_that_are_there_go_on(plane):
    config = Config(max_connections=3, max_connections_per_address=2)
    async with serve(plane, config) as bound, connect(bound.address) as one, connect(bound.address) as other:
        await one.next()
        await other.next()
        with pytest.raises(InvalidStatus) as refused:
            async with connect(bound.address):
                pass
        assert refused.value.response.status_code == 429
        await other.websocket.close()
        async with asyncio.timeout(20):
            while True:
                try:
                    async with connect(bound.address) as another:
                        assert await works(another)
                    break
                except InvalidStatus:
                    await asyncio.sleep(0)
        assert await works(one)


async def test_a_message_that_is_too_large_ends_its_connection_and_no_other(plane):
    async with serve(plane, Config(max_message_bytes=2000)) as bound, connect(bound.address) as other:
        async with connect(bound.address) as client:
            await client.send(message="subscribe", type="clusters", known={"x" * 3000: "1"})
            assert await closed_with(client) == 1009
        assert await works(other)


async def test_a_megabyte_of_nested_json_is_an_error_and_bytes_are_too(plane):
    async with serve(plane) as bound, connect(bound.address) as client:
        await client.websocket.send("[" * (1 << 20))
        assert (await client.next("error"))["error"] == "this is nested too deeply"
        await client.websocket.send(b"\x00" * 1000)
        assert "binary is not understood" in (await client.next("error"))["error"]
        assert await works(client)


async def test_a_flood_of_messages_holds_nobody_up(plane):
    async with serve(plane) as bound, connect(bound.address) as other, connect(bound.address) as flood:
        flooding = asyncio.ensure_future(send_for_ever(flood))
        async with asyncio.timeout(20):
            for _ in range(100):
                assert "there is no message" in (await flood.next("error"))["error"]
            assert await works(other)
        flooding.cancel()


async def send_for_ever(client):
    while True:
        await client.websocket.send('{"message": "nonsense"}')
        await asyncio.sleep(0)  # it runs on the loop that it floods


async def test_one_that_never_reads_costs_one_message_and_holds_nobody_up(plane, monkeypatch):
    """It is to read 16 MB, and then changes for as long as another needs to see them."""
    large = "type.googleapis.com/acme.v1.Large"
    with plane.transaction() as change:
        for number in range(2000):
            change.apply(large, f"{number:0200}", bytes(2000))
    served = []

    def watched(websocket, session, **named):
        served.append(websocket)
        return Connection(websocket, session, **named)

    monkeypatch.setattr(serving, "Connection", watched)
    async with serve(plane) as bound, connect(bound.address) as other, connect(bound.address, max_queue=1) as stuck:
        stuck.websocket.transport.pause_reading()
        for number in range(32):
            await stuck.send(message="subscribe", id=str(number), type=large)
        ours = served[-1].transport
        async with asyncio.timeout(20):
            while not ours.get_write_buffer_size():  # noqa: ASYNC110 - there is no event for a full socket
                await asyncio.sleep(0.001)
        for number in range(200):
            plane.apply(CLUSTER, "a", bytes(number))
            plane.apply(large, "0", bytes(number))
            await asyncio.sleep(0)
        assert await works(other)
        assert ours.get_write_buffer_size() < serving.WRITE_LIMIT + 2 * MOST_BYTES


async def test_what_breaks_in_rime_ends_one_connection_and_is_logged(plane, caplog):
    def broken(_client):
        raise RuntimeError("no database")

    async with (
        rime_ws.serve(plane.server(broken), "127.0.0.1:0") as bound,
        connect(bound.address) as client,
        connect(bound.address) as other,
    ):
        await client.send(message="subscribe", type="clusters", node={"id": "n"})
        assert await closed_with(client) == 1011
        assert await works(other)
    assert [record.message for record in caplog.records] == ["reading from a debug client failed"]


async def test_clients_that_speak_no_http_are_no_lines_in_the_log(plane, caplog):
    async with serve(plane) as bound, connect(bound.address) as other:
        host, _, port = bound.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x16\x03\x01\x00garbage\r\n\r\n")
        assert await reader.read() is not None
        writer.close()
        await writer.wait_closed()
        assert await works(other)
    assert caplog.records == []


async def test_a_port_in_use_is_said_in_one_line(plane):
    async with serve(plane) as bound:
        with pytest.raises(UsageError, match="is in use; stop what listens there"):
            async with serve(plane, address=bound.address):
                pass


async def test_an_address_is_read_before_anything_is_bound():
    assert str(parse("localhost:0")) == "localhost:0"
