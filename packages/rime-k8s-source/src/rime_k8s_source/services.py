"""Services and EndpointSlices: what of them is remembered, and one cluster with its assignment for each port.

A unit is a Service with its slices, which name it in a label. What is remembered of a slice is addresses and what
decides whether and where they are served; what is in the cluster's objects besides is as if it were not there, and so
is no change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from rime_core.errors import SourceError
from rime_core.type_urls import CLUSTER, ENDPOINT
from rime_k8s_source.kinds import ENDPOINT_SLICES, SERVICES, Kind
from rime_k8s_source.mapping import Claim, Made, Trouble, Wanted
from rime_k8s_source.reflector import Key, Object

if TYPE_CHECKING:
    from rime_k8s_source.template import Template

SERVICE_NAME: Final = "kubernetes.io/service-name"
"""The label by which a slice belongs to a Service."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a Service. `name` is "" where it has none, which it may only have alone."""

    name: str
    number: int
    protocol: str
    app_protocol: str

    @property
    def shown(self) -> str:
        """Its name, or else its number."""
        return self.name or str(self.number)


@dataclass(frozen=True, slots=True)
class Service:
    """What is remembered of a Service. `external` is the host name of one of type ExternalName, `primary` the address
    family that comes first: IPv4 or IPv6.
    """

    ports: tuple[Port, ...]
    external: str = ""
    is_sticky: bool = False
    primary: str = "IPv4"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of a slice: the first of its addresses, since no more than one means anything.

    `target` is the Pod, or whatever else, that it is; "" where nobody says.
    """

    address: str
    is_ready: bool
    is_draining: bool
    zone: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """What is remembered of an EndpointSlice: those of its endpoints that may be served, and its ports by name."""

    service: str
    family: str
    ports: tuple[tuple[str, str, int], ...]
    endpoints: tuple[Endpoint, ...]


def keep_service(body: Object) -> Service | None:
    """What is remembered of a Service; None where it has no ports, and so nothing to be named by."""
    spec = body.get("spec") or {}
    ports = tuple(
        Port(
            name=each.get("name") or "",
            number=int(each["port"]),
            protocol=each.get("protocol") or "TCP",
            app_protocol=each.get("appProtocol") or "",
        )
        for each in spec.get("ports") or ()
    )
    if not ports:
        return None
    families = spec.get("ipFamilies") or ("IPv4",)
    return Service(
        ports=ports,
        external=(spec.get("externalName") or "") if spec.get("type") == "ExternalName" else "",
        is_sticky=spec.get("sessionAffinity") == "ClientIP",
        primary=families[0],
    )


def keep_slice(body: Object) -> Slice | None:
    """What is remembered of an EndpointSlice; None where it belongs to no Service."""
    service = (body["metadata"].get("labels") or {}).get(SERVICE_NAME)
    if not service:
        return None
    kept = (keep_endpoint(each) for each in body.get("endpoints") or ())
    return Slice(
        service=intern(service),
        family=intern(body.get("addressType") or "IPv4"),
        ports=tuple(
            (intern(each.get("name") or ""), intern(each.get("protocol") or "TCP"), int(each["port"]))
            for each in body.get("ports") or ()
            if each.get("port") is not None
        ),
        endpoints=tuple(endpoint for endpoint in kept if endpoint is not None),
    )


def keep_endpoint(body: Object) -> Endpoint | None:
    """What is remembered of an endpoint; None where it is neither ready nor, while it ends, still serving.

    What a condition means that is not there, the API says: ready is true, serving is what ready is, terminating is
    false (https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/).
    """
    addresses, conditions = body.get("addresses"), body.get("conditions") or {}
    if not addresses:
        return None
    is_ready = conditions.get("ready") is not False
    serves = is_ready if conditions.get("serving") is None else bool(conditions["serving"])
    is_draining = bool(conditions.get("terminating")) and serves and not is_ready
    if not is_ready and not is_draining:
        return None
    target = body.get("targetRef") or {}
    return Endpoint(
        address=addresses[0],
        is_ready=is_ready,
        is_draining=is_draining,
        zone=intern(body.get("zone") or ""),
        target=f"{target.get('kind') or ''}/{target['name']}" if target.get("name") else "",
    )


class ServiceMapper:
    """`namespace/service/port`: a cluster, and the assignment of its endpoints.

    `names` gives the name. `labels` selects Services, `annotation` those that have it (`key`, or `key=value`).
    """

    name: Final = "service"

    def __init__(self, names: "Template", *, labels: str = "", annotation: str = "") -> None:
        self._names: Final = names
        self._annotation: Final = annotation.partition("=")
        self.wanted: Final[Sequence[Wanted]] = (
            Wanted(SERVICES, labels=labels),
            Wanted(ENDPOINT_SLICES, labels=SERVICE_NAME),
        )

    def keep(self, kind: Kind, body: Object) -> Any | None:  # noqa: ANN401 - a Service or a Slice
        """A `Service` or a `Slice`."""
        if kind == ENDPOINT_SLICES:
            return keep_slice(body)
        return keep_service(body) if self._is_chosen(body) else None

    def units(self, kind: Kind, key: Key, kept: Any) -> Iterable[Key]:  # noqa: ANN401 - a Service or a Slice
        """The Service."""
        return ((key[0], kept.service) if kind == ENDPOINT_SLICES else key,)

    def make(self, unit: Key, objects: Mapping[Kind, Mapping[Key, Any]]) -> Made:
        """A cluster and an assignment for each port; nothing while there is no Service."""
        # Protobuf and Envoy's API, which who looks at rime's plugins must not pay for.
        from rime_envoy_api import resource  # noqa: PLC0415
        from rime_k8s_source.endpoints import assignment, cluster  # noqa: PLC0415

        service: Service | None = objects.get(SERVICES, {}).get(unit)
        if service is None:
            return Made()
        slices = [kept for _, kept in sorted(objects.get(ENDPOINT_SLICES, {}).items())]
        claims, troubles, warnings = [], [], []
        shown = f"service {unit[0]}/{unit[1]}"
        names = set()
        for port in service.ports:
            name = self._names.fill(namespace=unit[0], service=unit[1], port=port.shown, number=str(port.number))
            if port.protocol not in {"TCP", "UDP"}:
                warnings.append(f"{shown}: port {port.shown}: Envoy has no {port.protocol}; it is left out")
                continue
            if name in names:
                warnings.append(f"{shown}: port {port.shown}: {name!r} is of a port before this one; it is left out")
                continue
            names.add(name)
            messages = [cluster(name, service, port)]
            if not service.external:
                messages.append(assignment(name, service, port, slices))
            for message in messages:
                try:
                    claims.append(Claim(*resource(message)))
                except SourceError as error:
                    type_url = CLUSTER if message is messages[0] else ENDPOINT
                    troubles.append(Trouble(f"{shown}: {error}", type_url, name))
        if any(kept.family == "FQDN" and kept.endpoints for kept in slices):
            warnings.append(f"{shown}: endpoints that are host names (addressType FQDN) are left out")
        return Made(claims, troubles, warnings)

    def _is_chosen(self, body: Object) -> bool:
        key, _, value = self._annotation
        if not key:
            return True
        found = (body["metadata"].get("annotations") or {}).get(key)
        return found is not None and value in ("", found)
