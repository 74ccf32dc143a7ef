"""Addresses to listen on, as text: `host:port`. Nothing is looked up."""

import ipaddress
from dataclasses import dataclass

from rime_core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 is any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address that `text` names: 127.0.0.1:18000, [::1]:18000, localhost:0.

        Raises:
            ValueError: it names none.
        """
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed:
            host = host[1:-1]
        is_port = port.isascii() and port.isdigit() and int(port) < 1 << 16
        if not (colon and host and is_port) or (":" in host) != bracketed:
            raise ValueError(f"{text!r} is no address: it should look like 127.0.0.1:18000 or [::1]:18000")
        return cls(host, int(port))

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


def read_address(kind: str, text: str) -> Address:
    """The address that a transport of this kind is told to listen on.

    Raises:
        UsageError: it is none; the text begins with the kind.
    """
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(f"{kind}: {error}") from error
