"""Who is at the other end of a connection, as gRPC knows it: the address, and what a verified certificate says.

gRPC writes addresses as URIs with parts of them percent-encoded, `ipv6:%5B::1%5D:5000`, and gives the fields of a
certificate as properties of the connection. It gives them only of a certificate that it has verified, which it does
where a client CA was given.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from rime_core import Certificate, Peer

if TYPE_CHECKING:
    import grpc

_FAMILIES: Final = ("ipv4", "ipv6")
_CERTIFICATE: Final = "x509_pem_cert"
_COMMON_NAME: Final = "x509_common_name"
_ALTERNATIVE_NAME: Final = "x509_subject_alternative_name"


def peer_of(context: "grpc.aio.ServicerContext[bytes, bytes]") -> Peer:
    """The client that this call came from: 127.0.0.1:5000, [::1]:5000, and its certificate where one is required."""
    return Peer(_address(context.peer()), _certificate(context.auth_context()))


def _address(uri: str) -> str:
    family, colon, rest = uri.partition(":")
    return unquote(rest) if colon and family in _FAMILIES else uri


def _certificate(properties: Mapping[str, Iterable[bytes]]) -> Certificate | None:
    if _CERTIFICATE not in properties:
        return None
    return Certificate(
        common_name=next(iter(_texts(properties, _COMMON_NAME)), ""),
        alternative_names=_texts(properties, _ALTERNATIVE_NAME),
    )


def _texts(properties: Mapping[str, Iterable[bytes]], name: str) -> tuple[str, ...]:
    # two names that differ must not become one, as they would with replacement characters
    return tuple(value.decode("utf-8", "backslashreplace") for value in properties.get(name, ()))
