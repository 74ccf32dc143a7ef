"""rime's kernel: the resources of an xDS control plane, who has what of them, and the protocol, without any I/O.

    from rime_core import CLUSTER, Plane

    plane = Plane()
    plane.apply(CLUSTER, "backend", body)
    with plane.server().subscribe(CLUSTER) as subscriber:
        update = subscriber.initial()

Plane writes, Server reads; `rime_core.protocol` speaks xDS over them; `rime_core.adapter` is what plugins implement.
"""

from types import FunctionType
from typing import Final

from rime_core.adapter import Dated, Listening, SharedTransport, Siblings, Source, Started, Transport
from rime_core.brought import Brought
from rime_core.claims import Claim
from rime_core.clients import Clients, Connected, Follower, Observer
from rime_core.debounce import Debounce, Timer
from rime_core.delivery import Rejected
from rime_core.errors import (
    ClosedError,
    ConflictError,
    FellBehindError,
    PeerError,
    RimeError,
    SourceError,
    UsageError,
)
from rime_core.groups import Groups
from rime_core.node import Certificate, Client, Node, Peer
from rime_core.options import OptionReader
from rime_core.plane import Plane
from rime_core.policy import Policy
from rime_core.reception import Reception
from rime_core.resource import Bodiless, Resource
from rime_core.server import Server
from rime_core.snapshot import Snapshot
from rime_core.status import DelayStatus, HeldRemoval, Notice, PlaneStatus, WriterStatus
from rime_core.subscriber import Subscriber
from rime_core.type_urls import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    TYPES,
    VIRTUAL_HOST,
    XdsType,
    by_short_name,
    check_type_url,
    describe,
)
from rime_core.update import Update
from rime_core.writer import Transaction, Writer

COMPILED: Final = not isinstance(Writer.apply, FunctionType)
"""Whether this core is compiled: faster, and the same otherwise."""

__all__ = [
    "CLUSTER",
    "COMPILED",
    "ENDPOINT",
    "EXTENSION_CONFIG",
    "LISTENER",
    "ROUTE",
    "RUNTIME",
    "SCOPED_ROUTE",
    "SECRET",
    "TYPES",
    "VIRTUAL_HOST",
    "Bodiless",
    "Brought",
    "Certificate",
    "Claim",
    "Client",
    "Clients",
    "ClosedError",
    "ConflictError",
    "Connected",
    "Dated",
    "Debounce",
    "DelayStatus",
    "FellBehindError",
    "Follower",
    "Groups",
    "HeldRemoval",
    "Listening",
    "Node",
    "Notice",
    "Observer",
    "OptionReader",
    "Peer",
    "PeerError",
    "Plane",
    "PlaneStatus",
    "Policy",
    "Reception",
    "Rejected",
    "Resource",
    "RimeError",
    "Server",
    "SharedTransport",
    "Siblings",
    "Snapshot",
    "Source",
    "SourceError",
    "Started",
    "Subscriber",
    "Timer",
    "Transaction",
    "Transport",
    "Update",
    "UsageError",
    "Writer",
    "WriterStatus",
    "XdsType",
    "by_short_name",
    "check_type_url",
    "describe",
]
