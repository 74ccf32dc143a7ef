"""What gRPC is to listen on is an address, and free."""

import socket

import pytest

from rime_core import UsageError
from rime_core.address import Address
from rime_grpc.address import check_free, parse


def test_what_is_no_address_is_an_error_of_this_transport():
    assert parse("127.0.0.1:18000") == Address("127.0.0.1", 18000)
    with pytest.raises(UsageError, match=r"^grpc: 'nowhere' is no address"):
        parse("nowhere")


def test_an_address_in_use_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UsageError, match=f"{where} is in use"):
            check_free(where)
    check_free(where)


def test_an_address_of_another_machine_is_not_free():
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1:80: Cannot assign requested address"):
        check_free(Address("192.0.2.1", 80))
