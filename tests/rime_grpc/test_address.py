import socket

import pytest

from rime_core import UsageError
from rime_grpc.address import Address, check_free, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:18000", Address("127.0.0.1", 18000)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:80", Address("localhost", 80)),
    ],
)
def test_an_address_is_host_and_port(text, address):
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1:", ":18000", "127.0.0.1:http", "127.0.0.1:65536", "::1:80", "[a]:1:2"]
)
def test_what_is_none_is_refused(text):
    with pytest.raises(UsageError, match="is no address"):
        parse(text)


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


def test_an_address_in_use_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UsageError, match=f"{where} is in use"):
            check_free(where)
    check_free(where)


def test_an_address_of_another_machine_is_not_free():
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1:80: Cannot assign requested address"):
        check_free(Address("192.0.2.1", 80))
