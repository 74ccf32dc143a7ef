"""An address is a host and a port, and says whether only this machine can connect."""

import pytest

from rime_core import UsageError
from rime_core.address import Address, read_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:18000", Address("127.0.0.1", 18000)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:80", Address("localhost", 80)),
    ],
)
def test_an_address_is_host_and_port(text, address):
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1:", ":18000", "127.0.0.1:http", "127.0.0.1:65536", "::1:80", "[a]:1:2"]
)
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError, match="is no address"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("rime.example", False),
    ],
)
def test_loopback_is_what_only_this_machine_can_reach(host, loopback):
    assert Address(host, 1).is_loopback is loopback


def test_a_transport_that_is_told_to_listen_on_something_else_says_so_in_its_name():
    assert read_address("kind", "127.0.0.1:0") == Address("127.0.0.1", 0)
    with pytest.raises(UsageError, match=r"^kind: 'nowhere' is no address: it should look like "):
        read_address("kind", "nowhere")
