"""What people call a version, as clients are told it, by every service and in both variants."""

from contextlib import asynccontextmanager

import grpc
import pytest

import rime_grpc
from rime_core import CLUSTER, ENDPOINT, Plane
from rime_grpc.services import DELTA, METHODS
from tests.rime_grpc.clients import Request, SotwRequest, decode, decode_sotw

pytestmark = pytest.mark.asyncio

PATHS = [path for path, method in METHODS.items() if not method.once and method.type_url in ("", CLUSTER)]
"""Of clusters, both variants: aggregated, and for their type alone."""

SOTW_PATHS = [path for path in PATHS if METHODS[path].variant is not DELTA]


@pytest.fixture
def plane():
    plane = Plane()
    with plane.transaction("commit 1") as change:
        change.apply(CLUSTER, "a", b"1")
    return plane


@asynccontextmanager
async def calling(plane, path, type_url=CLUSTER, names=(), version=""):
    """Ask for this on a new stream; gives what reads the next response."""
    delta = METHODS[path].variant is DELTA
    async with (
        rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound,
        grpc.aio.insecure_channel(bound.address) as channel,
    ):
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path)()
        if delta:
            request = Request(type_url=type_url, resource_names_subscribe=names)
        else:
            request = SotwRequest(type_url=type_url, resource_names=names, version_info=version)
        await call.write(request.SerializeToString())

        async def read():
            data = await call.read()
            assert isinstance(data, bytes)
            return (decode if delta else decode_sotw)(data)

        yield read
        call.cancel()


@pytest.mark.parametrize("path", PATHS)
async def test_the_label_of_a_transaction_is_told_with_what_it_changed(plane, path):
    field = "system_version_info" if METHODS[path].variant is DELTA else "version_info"
    async with calling(plane, path) as read:
        assert getattr(await read(), field) == "commit 1"
        with plane.transaction("commit 2") as change:
            change.apply(CLUSTER, "a", b"2")
        assert getattr(await read(), field) == "commit 2"
        plane.apply(CLUSTER, "a", b"3")
        assert "commit" not in getattr(await read(), field)


@pytest.mark.parametrize("path", PATHS)
async def test_a_resources_own_version_is_that_of_its_content(plane, path):
    async with calling(plane, path) as read:
        (resource,) = (await read()).resources
    if METHODS[path].variant is DELTA:
        assert resource.version == plane.snapshot()[CLUSTER]["a"].version


@pytest.mark.parametrize("path", SOTW_PATHS)
@pytest.mark.parametrize("version", ["commit 1", "commit 2", "commit 3"])
async def test_r64_who_comes_back_with_a_label_is_sent_its_set(plane, path, version):
    """Whether it is the present one, an old one, or one that never was: only content says that a client has all."""
    with plane.transaction("commit 2") as change:
        change.apply(CLUSTER, "a", b"2")
    async with calling(plane, path, version=version) as read:
        response = await read()
        assert response.version_info == "commit 2"
        assert [each.value for each in response.resources] == [b"2"]


@pytest.mark.parametrize("version", ["commit 1", "commit 2"])
async def test_r64_so_is_who_comes_back_for_names(plane, version):
    for commit in ("commit 1", "commit 2"):
        with plane.transaction(commit) as change:
            change.apply(ENDPOINT, "e", commit.encode())
    path = "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints"
    async with calling(plane, path, ENDPOINT, ["e"], version) as read:
        assert [each.value for each in (await read()).resources] == [b"commit 2"]


async def test_r64_content_that_is_there_again_under_another_label_is_sent_too(plane):
    """The label that a client brings says nothing of what it has, also where it would be right."""
    for commit, body in (("commit 2", b"2"), ("commit 3", b"1")):
        with plane.transaction(commit) as change:
            change.apply(CLUSTER, "a", body)
    async with calling(plane, SOTW_PATHS[0], version="commit 1") as read:
        assert [each.value for each in (await read()).resources] == [b"1"]
