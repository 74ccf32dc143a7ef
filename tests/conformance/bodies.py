"""Bodies that refer to something: the conformance tests' own notation, of which rime knows nothing but `refers`."""

from rime_core import CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST

_KINDS = {"eds": ENDPOINT, "to": CLUSTER, "via": ROUTE, "on demand": VIRTUAL_HOST}


def waiting_for(name: str, content: str = "") -> bytes:
    """The body of a cluster that waits for the assignment `name`."""
    return f"eds:{name}:{content}".encode()


def to(name: str) -> bytes:
    """The body of a route, a listener or a virtual host that names the cluster `name`."""
    return f"to:{name}".encode()


def via(name: str) -> bytes:
    """The body of a listener that names the route `name`."""
    return f"via:{name}".encode()


def on_demand(route: str, content: str = "") -> bytes:
    """The body of the route configuration `route`, which has virtual hosts on demand."""
    return f"on demand:{route}/*:{content}".encode()


def refers(type_url: str, body: bytes) -> list[tuple[str, str]]:  # noqa: ARG001 - the text says it all
    """What a body refers to."""
    kind, _, rest = body.decode(errors="replace").partition(":")
    return [(_KINDS[kind], rest.partition(":")[0])] if kind in _KINDS else []
