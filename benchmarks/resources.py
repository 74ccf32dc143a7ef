"""The resources that are served: real ones of Envoy's, each with a stamp that says which change made it.

Stamp and padding stand in a Struct of the resource's metadata (an assignment's: of its one endpoint's), both of a fixed
width, so that all bodies of a kind and a size are of one length, and a server can write a stamp into one in place.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from rime_core import CLUSTER, ENDPOINT
from rime_envoy_api import message_class

KEY: Final = "rime.bench"
STAMP_DIGITS: Final = 20
NAMES: Final = b"resource-"
"""How each name begins."""

BEFORE_STAMP: Final = b"stamp\x12" + bytes([STAMP_DIGITS + 2]) + b"\x1a" + bytes([STAMP_DIGITS])
"""What stands before a stamp in a body: its key, and that a value and in that a text follow."""

TYPE_URLS: Final = {"clusters": CLUSTER, "endpoints": ENDPOINT}
_MESSAGES: Final = {
    CLUSTER: "envoy.config.cluster.v3.Cluster",
    ENDPOINT: "envoy.config.endpoint.v3.ClusterLoadAssignment",
}
_MARK: Final = "#" * STAMP_DIGITS


def name(number: int) -> str:
    """What resource no. `number` is called."""
    return f"{NAMES.decode()}{number}"


@dataclass(frozen=True)
class Template:
    """A resource's body but for its stamp."""

    before: bytes
    after: bytes

    def body(self, stamp: int) -> bytes:
        """The body with this stamp."""
        return b"%b%020d%b" % (self.before, stamp, self.after)


def template(type_url: str, of: str, size: int) -> Template:
    """The resource of this name, of `size` bytes (a few fewer where a length is told in a byte less)."""
    message = _message(type_url, of)
    metadata = _metadata(message)
    metadata["stamp"] = _MARK
    padding = size
    metadata["padding"] = "x" * padding
    while padding and message.ByteSize() > size:
        padding = max(0, padding - (message.ByteSize() - size))
        metadata["padding"] = "x" * padding
    before, after = message.SerializeToString(deterministic=True).split(_MARK.encode())
    return Template(before, after)


def stamp(type_url: str, body: bytes) -> int:
    """The stamp of a resource that a client was sent.

    Raises:
        ValueError: there is none.
    """
    message = _class(type_url).FromString(body)
    return int(_metadata(message)["stamp"])


def _message(type_url: str, of: str) -> Any:  # noqa: ANN401 - made from descriptors
    message = _class(type_url)()
    if type_url == CLUSTER:
        message.name = of
        message.connect_timeout.seconds = 1
        message.type = message.EDS
        message.eds_cluster_config.eds_config.ads.SetInParent()
    else:
        message.cluster_name = of
        address = message.endpoints.add().lb_endpoints.add().endpoint.address.socket_address
        address.address = "127.0.0.1"
        address.port_value = 8080
    return message


def _metadata(message: Any) -> Any:  # noqa: ANN401 - made from descriptors
    if hasattr(message, "cluster_name"):
        message = message.endpoints[0].lb_endpoints[0]
    return message.metadata.filter_metadata[KEY]


@cache
def _class(type_url: str) -> Any:  # noqa: ANN401 - made from descriptors
    return message_class(_MESSAGES[type_url])
