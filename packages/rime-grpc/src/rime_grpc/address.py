"""Addresses: `host:port`, read and checked before anything is bound."""

import ipaddress
import socket
from dataclasses import dataclass

from rime_grpc.errors import cannot_listen, not_an_address


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(text: str) -> Address:
    """The address that `text` names: 127.0.0.1:18000, [::1]:18000, localhost:0.

    Raises:
        UsageError: it names none.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 1 << 16) or (":" in host) != bracketed:
        raise not_an_address(text)
    return Address(host, int(port))


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
