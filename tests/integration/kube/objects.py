"""Objects of the Kubernetes API as people write them, and where they are created."""

SERVICES = "services"
SLICES = "endpointslices"

_ROOTS = {
    "services": "/api/v1",
    "secrets": "/api/v1",
    "configmaps": "/api/v1",
    "pods": "/api/v1",
    "serviceaccounts": "/api/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "xdsresources": "/apis/rime.dev/v1alpha1",
    "backends": "/apis/shop.example/v1",
    "gadgets": "/apis/tests.example/v1",
    "widgets": "/apis/tests.example/v1",
}


def install(server, kind):
    """Define a kind whose objects are to hold anything, unless it is there; the API server has it when this returns."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": kind.plural, "kind": kind.plural.removesuffix("s").title()}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.resource},
        "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.resource}"
    server.call("PATCH", f"{path}?fieldManager=test", definition, content_type="application/apply-patch+yaml")
    server.until(lambda: server.call("GET", kind.path()))


def custom(kind, name, **content):
    """An object of a kind of somebody's own."""
    head = {"apiVersion": kind.api_version, "kind": kind.plural.removesuffix("s").title()}
    return head | {"metadata": {"name": name}} | content


class Namespace:
    """One namespace of the API server, and what a test does in it."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    def path(self, plural, name=""):
        path = f"{_ROOTS[plural]}/namespaces/{self.name}/{plural}"
        return f"{path}/{name}" if name else path

    def create(self, plural, body):
        return self.server.call("POST", self.path(plural), body)

    def get(self, plural, name):
        return self.server.call("GET", self.path(plural, name))

    def change(self, plural, name, patch):
        """As `kubectl patch --type=merge`."""
        return self.server.call("PATCH", self.path(plural, name), patch, content_type="application/merge-patch+json")

    def delete(self, plural, name):
        return self.server.call("DELETE", self.path(plural, name))


def service(name="shop", *ports, labels=None, annotations=None, **spec):
    """A Service; a port is a number, or a mapping."""
    listed = [port if isinstance(port, dict) else {"port": port} for port in ports or (80,)]
    return {
        "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"ports": listed, **spec},
    }


def endpoint(address, *, pod=None, zone=None, **conditions):
    made = {"addresses": [address], "conditions": conditions or {"ready": True}}
    if pod is not None:
        made["targetRef"] = {"kind": "Pod", "name": pod}
    if zone is not None:
        made["zone"] = zone
    return made


def endpoint_slice(service, *endpoints, name=None, family="IPv4", ports=({"port": 8080},)):
    """A slice of a Service; an endpoint is an address, or a mapping."""
    listed = [each if isinstance(each, dict) else endpoint(each) for each in endpoints]
    return {
        "metadata": {"name": name or f"{service}-1", "labels": {"kubernetes.io/service-name": service}},
        "addressType": family,
        "endpoints": listed,
        "ports": [{"name": "", "protocol": "TCP", **port} for port in ports],
    }


def fill(namespace, services, endpoints):
    """So many Services, s0, s1 …, each with one slice, s0-1, s1-1 …, of so many endpoints."""
    numbers = range(services)
    namespace.server.create_all(namespace.path(SERVICES), (service(f"s{number}") for number in numbers))
    namespace.server.create_all(
        namespace.path(SLICES),
        (
            endpoint_slice(
                f"s{number}", *(f"10.{1 + number // 250}.{number % 250}.{1 + each}" for each in range(endpoints))
            )
            for number in numbers
        ),
    )


def config_map(name, labels=None, **texts):
    """A ConfigMap; `texts` are its keys that end in .yaml, without that."""
    data = {f"{key}.yaml": text for key, text in texts.items()}
    return {"metadata": {"name": name, "labels": labels or {"rime.dev/xds": "true"}}, "data": data}
