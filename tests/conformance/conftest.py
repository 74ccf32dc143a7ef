"""Every rule runs over the bare stream and over real gRPC, in the variants for which it is."""

import pytest
import pytest_asyncio

from rime_core import Plane
from tests.conformance.bodies import refers
from tests.conformance.clients import Connections, naming


@pytest.fixture
def plane():
    return naming(Plane(references=refers))


def pytest_generate_tests(metafunc):
    """Over the incremental variant; a test, or a file, that is marked says over which."""
    if "connect" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("variants")
        variants = marker.args if marker is not None else ("delta",)
        ways = [(variant, way) for variant in variants for way in ("bare", "grpc")]
        metafunc.parametrize("connect", ways, indirect=True, ids=["-".join(way) for way in ways])


@pytest_asyncio.fixture
async def connect(request, plane):
    variant, way = request.param
    return Connections(variant, way, plane)


@pytest_asyncio.fixture
async def client(connect):
    async with connect() as client:
        yield client
