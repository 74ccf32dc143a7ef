"""Incremental streams that have begun, and what is there for them."""

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Plane
from rime_core.protocol.delta import DeltaStream


def one_of_each() -> Plane:
    """A Plane with one resource `a` of each of five types."""
    plane = Plane()
    for type_url in (ROUTE, LISTENER, ENDPOINT, CLUSTER, SECRET):
        plane.apply(type_url, "a", b"1")
    return plane


def begun(plane, *requests, **options):
    stream = DeltaStream(plane.server(), **options)
    for request in requests:
        stream.receive(request)
    return stream
