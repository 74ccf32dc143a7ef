"""Which objects of the Kubernetes API are meant: a kind, and a selection of its objects."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """A kind of object as the API serves it: `Kind("discovery.k8s.io", "v1", "endpointslices")`.

    `group` is "" for the core group; `plural` is the name in paths and in Roles.
    """

    group: str
    version: str
    plural: str
    is_namespaced: bool = True

    @property
    def resource(self) -> str:
        """What people call it, and `kubectl` too: services, endpointslices.discovery.k8s.io."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api(self) -> str:
        """Where the API server says which kinds of this group and version it has, below its address."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def api_version(self) -> str:
        """What its objects say in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Where it is found, below the server's address: all namespaces, one, one object, or a part of that."""
        place = f"/namespaces/{namespace}" if namespace and self.is_namespaced else ""
        return "/".join(filter(None, (f"{self.api}{place}/{self.plural}", name, subresource)))


SERVICES: Final = Kind("", "v1", "services")
SECRETS: Final = Kind("", "v1", "secrets")
CONFIG_MAPS: Final = Kind("", "v1", "configmaps")
ENDPOINT_SLICES: Final = Kind("discovery.k8s.io", "v1", "endpointslices")
LEASES: Final = Kind("coordination.k8s.io", "v1", "leases")
XDS_RESOURCES: Final = Kind("rime.dev", "v1alpha1", "xdsresources")
"""rime's own: examples/kubernetes/xdsresources.yaml defines it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of a kind that are watched: those of `namespace` ("" is all) that both selectors choose.

    Selectors are written as for `kubectl -l` and `--field-selector`; the API server applies them, so that what they
    leave out is never sent.
    """

    kind: Kind
    namespace: str = ""
    labels: str = ""
    fields: str = ""

    def __str__(self) -> str:
        """For people: services, secrets with rime.dev/xds in the namespace shop."""
        chosen = " and ".join(filter(None, (self.labels, self.fields)))
        where = f" in the namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind.resource}{f' with {chosen}' if chosen else ''}{where}"
