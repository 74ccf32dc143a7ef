"""What goes over the wire, as plain values. A transport makes requests from bytes and bytes from responses.

A response is made for each client that a change concerns, and a tuple is made in a third of the time of a frozen
dataclass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rime_core.node import Node
from rime_core.update import Update


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """`envoy.service.discovery.v3.DeltaDiscoveryRequest`."""

    type_url: str = ""
    node: Node | None = None
    subscribe: Sequence[str] = ()
    unsubscribe: Sequence[str] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None
    """The message of error_detail; None where the request has none. A transport redacts it before it gets here."""


class DeltaResponse(NamedTuple):
    """`envoy.service.discovery.v3.DeltaDiscoveryResponse`: one Update, and the nonce by which it is answered.

    `shared`: every stream that is sent this Update is sent it with this nonce, so that the encoded bytes, nonce
    included, can be kept on the Update (`Update.encoded`) and made once. `ttl`: the client understands lifetimes, so it
    is told those of the resources; others must not be (R73).
    """

    type_url: str
    update: Update
    nonce: str
    shared: bool
    ttl: bool = False


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """`envoy.service.discovery.v3.DiscoveryRequest`: state-of-the-world."""

    type_url: str = ""
    node: Node | None = None
    names: Sequence[str] = ()
    """All that the client wants."""
    version: str = ""
    """The version_info of the last response that it accepted."""
    nonce: str = ""
    error: str | None = None
    """As in DeltaRequest."""


class DiscoveryResponse(NamedTuple):
    """`envoy.service.discovery.v3.DiscoveryResponse`: one Update's resources; what it removes is not said.

    `version` is that of all that the client wants, also where only what changed is sent. `shared`: as in DeltaResponse.
    `ttl`: the client understands lifetimes in this variant.
    """

    type_url: str
    update: Update
    version: str
    nonce: str
    shared: bool
    ttl: bool = False
