"""The options of the transport: what they are by default, and what does not go together."""

from pathlib import Path

import pytest

from rime_core import UsageError
from rime_ws.config import Config, read


def test_defaults():
    assert read({}) == Config()


def test_each_option_is_read():
    assert read(
        {
            "cert": "c", "key": "k", "client_ca": "a", "token_file": "t", "origins": "https://a,https://b",
            "max_connections": "1", "max_connections_per_address": "2", "max_subscriptions": "3", "max_names": "4",
            "max_message_bytes": "5KiB", "max_message_rate": "0",
        }
    ) == Config(
        cert=Path("c"), key=Path("k"), client_ca=Path("a"), token_file=Path("t"), origins=("https://a", "https://b"),
        max_connections=1, max_connections_per_address=2, max_subscriptions=3, max_names=4, max_message_bytes=5 << 10,
        max_message_rate=0,
    )  # fmt: skip
    assert read({"insecure": ""}).insecure


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cert": "c"}, "cert=c is of no use without key; add key=FILE"),
        ({"key": "k"}, "key=k is of no use without cert"),
        ({"client_ca": "a"}, "client_ca=a is of no use without cert"),
        ({"cert": "c", "key": "k", "insecure": "true"}, "cert=c encrypts, and insecure says not to"),
        ({"max_connections": "0"}, "max_connections='0' should be a whole number from 1"),
        ({"tokenfile": "t"}, "did you mean 'token_file'?"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(UsageError) as error:
        read(options)
    assert said in str(error.value)


def test_a_token_or_a_certificate_says_who_asks():
    assert not Config().asks_who
    assert Config(token_file=Path("t")).asks_who
    assert Config(cert=Path("c"), key=Path("k"), client_ca=Path("a")).asks_who
    assert not Config(cert=Path("c"), key=Path("k")).asks_who
