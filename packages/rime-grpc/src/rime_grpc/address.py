"""Addresses: `host:port`, read and checked before anything is bound."""

import socket
from functools import partial
from typing import Final

from rime_core.address import Address, read_address
from rime_grpc.errors import cannot_listen

parse: Final = partial(read_address, "grpc")
"""The address that a text names; raises `UsageError`."""


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
