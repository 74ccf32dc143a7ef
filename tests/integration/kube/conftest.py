"""One API server for all of these tests, each with a namespace of its own."""

import itertools
import os
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from .binary import ABSENT, build, cached, find_go
from .idle import waiting
from .objects import Namespace
from .server import KubeServer

HERE = Path(__file__).parent

BUILDING = 1800
"""Seconds that the first of these tests may take: it waits for the API server to be built."""

PATIENT = 300
"""Seconds for each of the others; some restart it, and a machine may be busy."""


def pytest_collection_modifyitems(items):
    ours = [item for item in items if HERE in item.path.parents and "kube" in getattr(item, "fixturenames", ())]
    for item in ours:
        item.add_marker(pytest.mark.timeout(BUILDING if item is ours[0] else PATIENT))
    # What has to have waited begins with the first of these tests, and is asked when all others of the run are over.
    for item in [item for item in ours if "idle" in item.fixturenames]:
        ours[0].fixturenames.append("idle")
        items.remove(item)
        items.append(item)


def require_go(found, environment):
    """The path and version of Go. Without one: in CI a failure, since nothing was proven; elsewhere left out."""
    if found is None:
        absent = pytest.fail if environment.get("CI") else pytest.skip
        absent(ABSENT)
    return found


@pytest.fixture(scope="session")
def kube(tmp_path_factory):
    """The API server, running, with nothing but what it makes itself."""
    go, version = require_go(find_go(), os.environ)
    server = KubeServer(build(go, cached(version) / "kube"), tmp_path_factory.mktemp("kube"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def idle(kube):
    """A watch that begins with the first of these tests, where test_idle is among them."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(waiting(kube)) as watching:
        yield watching


_numbers = itertools.count(1)


@pytest.fixture
def namespace(kube):
    """A namespace that nobody else uses; it is left behind, as nothing here removes namespaces' content."""
    name = f"test-{next(_numbers)}"
    kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return Namespace(kube, name)


@pytest.fixture(scope="session")
def controllers(kube):
    """The endpoint-slice controller runs; gives the name of the one node, which is in the zone `a`."""
    labels = {"topology.kubernetes.io/zone": "a"}
    kube.call("POST", "/api/v1/nodes", {"metadata": {"name": "node-1", "labels": labels}})
    kube.start_controllers()
    return "node-1"
