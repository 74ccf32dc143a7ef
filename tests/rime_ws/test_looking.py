"""A command's connection: where it leads, and what is said when nobody is there."""

import socket

import pytest
import trustme

from rime_core import CLUSTER, UsageError
from rime_ws.config import Config
from rime_ws.errors import UnreachableError
from rime_ws.looking import Place, look
from tests.rime_ws.stage import stage


def test_what_there_is_now_is_told_and_then_what_changes():
    with stage() as rime, look(Place(rime.url)) as looker:
        assert [message["first"] for message in looker.state(id="c", type="clusters", group=None)] == [True]
        assert looker.next(within=0) is None
        rime.do(rime.plane.apply, CLUSTER, "a", b"")
        message = looker.next(within=20)
        assert message is not None
        assert [each["name"] for each in message["resources"]] == ["a"]


def test_what_is_said_meanwhile_of_another_subscription_comes_after_it():
    with stage() as rime, look(Place(rime.url)) as looker:
        list(looker.state(id="first", type="clusters"))
        rime.do(rime.plane.apply, CLUSTER, "a", b"")
        rime.do(lambda: None)  # by then that has been told
        assert [message["id"] for message in looker.state(id="second", type="endpoints")] == ["second"]
        later = looker.next(within=20)
        assert later is not None
        assert (later["id"], [each["name"] for each in later["resources"]]) == ("first", ["a"])
        assert looker.next(within=0) is None


@pytest.mark.parametrize("written", ["{}", "ws://{}", "http://{}", "http://{}/"])
def test_an_address_may_be_written_as_a_browser_shows_it(written):
    with stage() as rime, look(Place(written.format(rime.address))) as looker:
        assert looker.url.startswith(f"ws://{rime.address}")


def test_what_is_not_understood_is_an_error_of_who_asked():
    with stage() as rime, look(Place(rime.url)) as looker, pytest.raises(UsageError, match="'pods' is no type"):
        list(looker.state(id="c", type="pods"))


def test_nobody_is_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        pytest.raises(UnreachableError, match=rf"cannot reach rime at ws://127\.0\.0\.1:{port}: .*--transport ws:"),
        look(Place(f"ws://127.0.0.1:{port}")),
    ):
        pass


def test_somebody_else_is_there():
    with (
        stage() as rime,
        pytest.raises(UnreachableError, match="does not let us look: the stream is at /"),
        look(Place(f"{rime.url}/elsewhere")),
    ):
        pass


def test_what_is_no_url():
    with (
        pytest.raises(UsageError, match="is no place to look at: it should look like ws://127"),
        look(Place("ftp://x")),
    ):
        pass


def test_it_ends_when_rime_does():
    with stage() as rime:
        looking = look(Place(rime.url))
        looker = looking.__enter__()
    with pytest.raises(UnreachableError, match="has ended"):
        looker.next(within=20)
    looking.__exit__(None, None, None)


def test_a_token_is_shown_from_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    with stage(Config(token_file=file)) as rime:
        with look(Place(rime.url, token_file=file)) as looker:
            assert looker.next(within=0) is None
        with pytest.raises(UnreachableError, match="a token is needed; --token-file gives it"), look(Place(rime.url)):
            pass
        wrong = tmp_path / "wrong"
        wrong.write_text("fedcba9876543210")
        with pytest.raises(UnreachableError, match="this is not it"), look(Place(rime.url, token_file=wrong)):
            pass


def test_over_tls_with_certificates(tmp_path):
    authority = trustme.CA()
    files = {name: tmp_path / name for name in ("cert", "key", "client_ca")}
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("ops@rime.example")
    server.private_key_pem.write_to_path(str(files["key"]))
    files["cert"].write_bytes(b"".join(each.bytes() for each in server.cert_chain_pems))
    authority.cert_pem.write_to_path(str(files["client_ca"]))
    own = {"cert": tmp_path / "own.crt", "key": tmp_path / "own.key"}
    client.private_key_pem.write_to_path(str(own["key"]))
    own["cert"].write_bytes(b"".join(each.bytes() for each in client.cert_chain_pems))
    with stage(Config(**files)) as rime:
        url = f"https://{rime.address}"
        with look(Place(url, ca=files["client_ca"], **own)) as looker:
            assert looker.next(within=0) is None
        with pytest.raises(UnreachableError, match="certificate"), look(Place(url)):
            pass
    with (
        pytest.raises(UsageError, match="cannot use the files of TLS: No such file"),
        look(Place("wss://x", ca=tmp_path / "x")),
    ):
        pass
