"""Objects as the API server sends them, as short as tests want them."""


def service(*ports, name="shop", namespace="prod", annotations=None, **spec):
    """A Service; a port is a number, or a mapping."""
    listed = [port if isinstance(port, dict) else {"port": port, "protocol": "TCP"} for port in ports]
    metadata = {"namespace": namespace, "name": name, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"type": "ClusterIP", "ports": listed, **spec}}


def endpoint(address, *, zone=None, pod=None, **conditions):
    made = {"addresses": [address], "conditions": conditions}
    if zone is not None:
        made["zone"] = zone
    if pod is not None:
        made["targetRef"] = {"kind": "Pod", "name": pod}
    return made


def endpoint_slice(*endpoints, service="shop", namespace="prod", name="shop-1", family="IPv4", ports=None):
    """A slice; an endpoint is an address, or a mapping; `ports`: name → number."""
    listed = [each if isinstance(each, dict) else endpoint(each) for each in endpoints]
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": family,
        "endpoints": listed,
        "ports": [{"name": key, "port": value, "protocol": "TCP"} for key, value in (ports or {"": 8080}).items()],
    }
