"""The gRPC methods that are served: aggregated discovery, and one service for each type, each in both variants.

From the services of Envoy's API (`envoy/service/*/v3/*.proto`). A method is a path, the type that its requests have
where they name none ("" where they must), and a variant. `Fetch…` is state-of-the-world with one request and one
answer. Virtual hosts come incrementally only (R77), and on the aggregated service there is nothing to fetch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rime_core import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
)
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.sotw import SotwStream
from rime_core.protocol.stream import Stream
from rime_grpc.wire import Decoder, DeltaDecoder, SotwDecoder


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the two ways to speak the protocol: its state machine, and what reads its requests."""

    stream: type[Stream[Any, Any]]
    decoder: type[Decoder[Any]]


DELTA: Final = Variant(DeltaStream, DeltaDecoder)
SOTW: Final = Variant(SotwStream, SotwDecoder)


@dataclass(frozen=True, slots=True)
class Method:
    """What is served under one path; `type_url` is "" where requests say their type."""

    type_url: str
    variant: Variant
    once: bool = False
    """Whether it is over with the first answer."""


_SERVICES: Final = (
    ("discovery.v3.AggregatedDiscoveryService", "AggregatedResources", ""),
    ("cluster.v3.ClusterDiscoveryService", "Clusters", CLUSTER),
    ("endpoint.v3.EndpointDiscoveryService", "Endpoints", ENDPOINT),
    ("listener.v3.ListenerDiscoveryService", "Listeners", LISTENER),
    ("route.v3.RouteDiscoveryService", "Routes", ROUTE),
    ("route.v3.ScopedRoutesDiscoveryService", "ScopedRoutes", SCOPED_ROUTE),
    ("route.v3.VirtualHostDiscoveryService", "VirtualHosts", VIRTUAL_HOST),
    ("secret.v3.SecretDiscoveryService", "Secrets", SECRET),
    ("runtime.v3.RuntimeDiscoveryService", "Runtime", RUNTIME),
    ("extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs", EXTENSION_CONFIG),
)

_VERBS: Final = (("Delta", DELTA, False), ("Stream", SOTW, False), ("Fetch", SOTW, True))

METHODS: Final[Mapping[str, Method]] = {
    f"/envoy.service.{service}/{verb}{what}": Method(type_url, variant, once)
    for service, what, type_url in _SERVICES
    for verb, variant, once in _VERBS
    if (type_url, variant) != (VIRTUAL_HOST, SOTW) and (type_url, once) != ("", True)
}
"""Path → what is served there."""
