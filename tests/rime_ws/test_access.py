"""Who may look: by the page that asks, the name that rime is called by, and a token."""

import hmac

import pytest

from rime_core import UsageError
from rime_ws.access import LEAST_TOKEN, Access, offer
from rime_ws.config import Config

TOKEN = "0123456789abcdef-ünïcode"  # noqa: S105 - a test's own


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


def status(access, offered=(), **headers):
    refusal = access.refusal({key.replace("_", "-"): value for key, value in headers.items()}, offered)
    return refusal.status if refusal is not None else None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:18080", "localhost:18080", "LOCALHOST", "[::1]:18080", "[::1]", "127.8.8.8"]
)
def test_on_this_machine_nothing_is_asked(host):
    assert status(Access(Config()), Host=host) is None


@pytest.mark.parametrize(
    "host", ["rime.example:18080", "127.0.0.1.evil.example", "", "localhost.evil.example:80", "::"]
)
def test_a_name_that_is_not_this_machines_is_refused_since_anybody_can_give_it(host):
    assert status(Access(Config()), Host=host) == 403


@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        ("http://localhost:18080", None),
        ("https://localhost:18080", None),
        ("http://LOCALHOST:18080", None),
        ("http://evil.example", 403),
        ("http://localhost:8080", 403),
        ("http://127.0.0.1:18080", 403),
        ("null", 403),
        ("http://[", 403),
        ("https://ops.example", None),
    ],
)
def test_only_its_own_page_and_those_that_are_named_may_look(origin, refused):
    access = Access(Config(origins=("https://ops.example",)))
    assert status(access, Host="localhost:18080", Origin=origin) == refused


def test_with_a_token_any_name_will_do_but_no_other_page(token_file):
    access = Access(Config(token_file=token_file))
    given = {"Host": "rime.example", "Authorization": f"Bearer {TOKEN}"}
    assert status(access, **given) is None
    assert status(access, **given, Origin="https://rime.example") is None
    assert status(access, **given, Origin="https://evil.example") == 403


@pytest.mark.parametrize(
    "authorization",
    ["", f"Basic {TOKEN}", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "bearer"],
)
def test_what_is_not_the_token_is_refused(token_file, authorization):
    assert status(Access(Config(token_file=token_file)), Host="h", Authorization=authorization) == 401


def test_tokens_are_compared_in_constant_time(token_file, monkeypatch):
    compared = []

    def compare_digest(*texts):
        compared.append(texts)
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    assert status(Access(Config(token_file=token_file)), Host="h", Authorization=f"Bearer {TOKEN}") == 401
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


def test_a_page_offers_the_token_as_a_subprotocol(token_file):
    access = Access(Config(token_file=token_file))
    assert status(access, ["rime.v1", offer(TOKEN)], Host="h") is None
    assert offer(TOKEN).isascii()
    for wrong in (offer("wrong"), "bearer.", "bearer.!!", "bearer.gA", TOKEN):
        assert status(access, ["rime.v1", wrong], Host="h") == 401


def test_a_token_that_is_replaced_counts_at_once(token_file):
    access = Access(Config(token_file=token_file))
    token_file.write_text("fedcba9876543210")
    assert status(access, Host="h", Authorization=f"Bearer {TOKEN}") == 401
    assert status(access, Host="h", Authorization="Bearer fedcba9876543210") is None
    token_file.unlink()
    assert status(access, Host="h", Authorization="Bearer fedcba9876543210") == 503
    token_file.write_text("")
    assert status(access, Host="h", Authorization="Bearer ") == 503


def test_a_token_that_can_be_guessed_or_is_none_is_refused_at_the_start(tmp_path, token_file):
    token_file.write_text("x" * (LEAST_TOKEN - 1))
    with pytest.raises(UsageError, match=f"a token has {LEAST_TOKEN} characters or more"):
        Access(Config(token_file=token_file))
    token_file.write_bytes(b"\xff" * 32)
    with pytest.raises(UsageError, match="it is no text"):
        Access(Config(token_file=token_file))
    with pytest.raises(UsageError, match=r"token_file=.*/nothing: No such file"):
        Access(Config(token_file=tmp_path / "nothing"))
