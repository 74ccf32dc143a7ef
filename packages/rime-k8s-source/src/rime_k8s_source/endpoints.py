"""A Service's port as Envoy's messages: the cluster, and the assignment of its endpoints.

How Kubernetes says it, and what Envoy is told:

- A Pod that is ready is an endpoint; one that ends and still serves is DRAINING: it gets no new requests while there
  are others, and finishes those that it has. One that is neither is left out.
- A Pod with addresses of both families is one endpoint: the family that is the Service's first is its address, the
  other an additional one, which Envoy tries when the first does not connect.
- The same endpoint may be in two slices while the controller moves it; it is one, ready if either says so.
- Zones are localities. Everything is in a fixed order, for other replicas have to come to the same bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rime_envoy_api import message_class
from rime_k8s_source.services import Endpoint, Port, Service, Slice

_Cluster: Final = message_class("envoy.config.cluster.v3.Cluster")
_Assignment: Final = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")
_HttpOptions: Final = message_class("envoy.extensions.upstreams.http.v3.HttpProtocolOptions")

_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

HTTP_2: Final = frozenset({"kubernetes.io/h2c", "h2c", "http2", "grpc"})
"""The values of `appProtocol` that are HTTP/2 in clear text: Kubernetes' own, and what is in use besides."""

HTTP_1: Final = frozenset({"kubernetes.io/ws"})
"""Those for which it has to be HTTP/1.1: a WebSocket is an upgrade of that."""


def cluster(name: str, service: Service, port: Port) -> Any:  # noqa: ANN401 - a class that is made at run time
    """The cluster of a port."""
    made = _Cluster(name=name)
    if service.external:
        made.type = _Cluster.LOGICAL_DNS
        made.load_assignment.cluster_name = name
        made.load_assignment.endpoints.add().lb_endpoints.append(_dns_endpoint(service.external, port))
    else:
        made.type = _Cluster.EDS
        made.eds_cluster_config.eds_config.ads.SetInParent()
        made.eds_cluster_config.eds_config.resource_api_version = 2  # V3
    if service.is_sticky:
        # by what a route's hash_policy says, which has to name the client's address; without one it is at random
        made.lb_policy = _Cluster.RING_HASH
    protocol = port.app_protocol.lower()
    if protocol in HTTP_2 | HTTP_1:
        options = _HttpOptions()
        explicit = options.explicit_http_config
        (explicit.http2_protocol_options if protocol in HTTP_2 else explicit.http_protocol_options).SetInParent()
        packed = made.typed_extension_protocol_options[_HTTP_OPTIONS]
        packed.type_url = f"type.googleapis.com/{_HTTP_OPTIONS}"
        packed.value = options.SerializeToString(deterministic=True)
    return made


def assignment(name: str, service: Service, port: Port, slices: Sequence[Slice]) -> Any:  # noqa: ANN401 - a class that is made at run time
    """The endpoints of a port, zone by zone; none is an assignment without any."""
    made = _Assignment(cluster_name=name)
    for each in sorted(_joined(service, port, slices)):
        if not made.endpoints or made.endpoints[-1].locality.zone != each.zone:
            made.endpoints.add()
            if each.zone:
                made.endpoints[-1].locality.zone = each.zone
        endpoint = made.endpoints[-1].lb_endpoints.add()
        _fill(endpoint.endpoint.address.socket_address, each.address, each.number, port)
        for address in each.more:
            more = endpoint.endpoint.additional_addresses.add()
            _fill(more.address.socket_address, address, each.number, port)
        if each.is_draining:
            endpoint.health_status = 3  # DRAINING
    return made


@dataclass(frozen=True, slots=True, order=True)
class _Joined:
    """An endpoint of one port as Envoy is told of it."""

    zone: str
    address: str
    number: int
    more: tuple[str, ...] = ()
    is_draining: bool = False


def _joined(service: Service, port: Port, slices: Iterable[Slice]) -> Iterable[_Joined]:
    """The port's endpoints, each once."""
    found: dict[tuple[str, str, int], Endpoint] = {}
    for kept in slices:
        if kept.family not in {"IPv4", "IPv6"}:
            continue
        for name, protocol, number in kept.ports:
            if (name, protocol) != (port.name, port.protocol):
                continue
            for endpoint in kept.endpoints:
                at = (kept.family, endpoint.address, number)
                if at not in found or _better(endpoint) > _better(found[at]):
                    found[at] = endpoint
    others: dict[tuple[str, int], list[str]] = {}
    firsts = {(endpoint.target, at[2]) for at, endpoint in found.items() if at[0] == service.primary}
    for (family, address, number), endpoint in found.items():
        if family != service.primary:
            others.setdefault((endpoint.target, number), []).append(address)
    for (family, address, number), endpoint in found.items():
        joined = _Joined(endpoint.zone, address, number, is_draining=endpoint.is_draining)
        same = (endpoint.target, number) if endpoint.target else None
        if family == service.primary and same in others:
            yield replace(joined, more=tuple(sorted(others[same])))
        elif family == service.primary or same not in firsts:
            yield joined


def _better(endpoint: Endpoint) -> tuple[bool, str, str]:
    """By what one of two that say different things of one address is believed."""
    return endpoint.is_ready, endpoint.zone, endpoint.target


def _dns_endpoint(host: str, port: Port) -> Any:  # noqa: ANN401 - a class that is made at run time
    made = _Assignment().endpoints.add().lb_endpoints.add()
    _fill(made.endpoint.address.socket_address, host, port.number, port)
    return made


def _fill(socket: Any, address: str, number: int, port: Port) -> None:  # noqa: ANN401 - as above
    socket.address, socket.port_value = address, number
    if port.protocol == "UDP":
        socket.protocol = 1  # UDP
