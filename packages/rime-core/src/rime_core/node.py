"""Who a client is: what it says of itself, and what its connection proves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TTL: Final = "xds.config.supports-resource-ttl"
"""The feature of a client for which resources may have lifetimes (R73)."""

WRAPPED: Final = frozenset({"xds.config.resource-in-sotw", "xds.config.supports-resource-in-sotw"})
"""That of one which takes a resource in a wrapper in state-of-the-world: Envoy's list of features has the first name,
its document of the protocol the second. Envoy can do both, and announces what its bootstrap says.
"""


@dataclass(frozen=True, slots=True)
class Node:
    """Who a client says that it is (`envoy.config.core.v3.Node`); nothing of it is proven."""

    id: str = ""
    cluster: str = ""
    region: str = ""
    zone: str = ""
    sub_zone: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    client_features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the client's certificate says, which the transport has verified.

    `alternative_names` are its subject alternative names as text, `spiffe://...` and DNS names among them.
    """

    common_name: str = ""
    alternative_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of the connection: its address, as the transport writes it, and its certificate where it has one.

    Unlike a Node, this is not the client's to choose.
    """

    address: str = ""
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Both: what decides from which Server a client is served, and what it may be given."""

    node: Node = field(default_factory=Node)
    peer: Peer = field(default_factory=Peer)
