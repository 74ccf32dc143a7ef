"""Addresses: `host:port`, read and checked before anything is bound."""

import socket

from rime_core import UsageError
from rime_core.address import Address
from rime_grpc.errors import cannot_listen


def parse(text: str) -> Address:
    """The address that `text` names: 127.0.0.1:18000, [::1]:18000, localhost:0.

    Raises:
        UsageError: it names none.
    """
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(f"grpc: {error}") from error


def check_free(address: Address) -> None:
    """Raise where the address cannot be bound: gRPC's own failure says nothing of why, and prints lines of its own.

    Raises:
        UsageError: it is in use, no address of this machine, or not allowed.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, where = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen()
    except OSError as error:
        raise cannot_listen(str(address), error) from error
