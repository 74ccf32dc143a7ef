"""Every rule runs over the bare stream and over real gRPC."""

import pytest
import pytest_asyncio

from rime_core import CLUSTER, ENDPOINT, Plane
from tests.conformance.clients import Connections


def refers(type_url: str, body: bytes) -> list[tuple[str, str]]:
    """A cluster `eds:NAME…` refers to the assignment NAME, anything else to nothing."""
    if type_url == CLUSTER and body.startswith(b"eds:"):
        return [(ENDPOINT, body.split(b":")[1].decode())]
    return []


@pytest.fixture
def plane():
    return Plane(references=refers)


@pytest_asyncio.fixture(params=["bare", "grpc"])
async def connect(request, plane):
    return Connections(request.param, plane)


@pytest_asyncio.fixture
async def client(connect):
    async with connect() as client:
        yield client
