"""Nothing before ready, and removals only from a complete view; over both ways to reach rime."""

import pytest
import pytest_asyncio

from rime_core import CLUSTER, ENDPOINT
from tests.conformance.clients import Connections, naming

pytestmark = pytest.mark.asyncio

GONE = {"gone": "the version that an earlier rime gave it"}


@pytest.fixture
def plane():
    return naming()


@pytest.fixture
def source(plane):
    """A source that has one cluster, and has not said yet that this is all."""
    writer = plane.writer("source")
    writer.apply(CLUSTER, "a", b"1")
    return writer


@pytest_asyncio.fixture(params=["bare", "grpc"])
async def client(request, plane, source):  # noqa: ARG001 - the source is there before the client
    async with Connections("delta", request.param, plane)() as client:
        yield client


async def begun(plane, client) -> None:
    """Come back once `client` is known to be answered, by what it asks for first."""
    await client.ask(ENDPOINT, ["first"])
    plane.open()
    assert (await client.receive()).removed == ["first"]


async def test_nothing_is_answered_before_every_source_has_delivered(plane, source, client):
    second = plane.writer("second source")
    await client.ask(CLUSTER)
    source.ready()
    second.apply(CLUSTER, "b", b"1")
    second.ready()
    # one response with both: none was sent when the first source alone was ready
    assert set((await client.receive()).resources) == {"a", "b"}


async def test_the_wait_for_sources_can_be_ended(plane, client):
    await begun(plane, client)
    await client.ask(CLUSTER)
    assert set((await client.only()).resources) == {"a"}


@pytest.mark.parametrize("names", [[], ["a", "gone"]])
@pytest.mark.parametrize("what", ["not ready", "incomplete"])
async def test_what_is_known_and_not_here_is_kept_until_the_view_is_complete(plane, source, client, names, what):
    if what == "incomplete":
        source.incomplete(["broken.yaml:3: not YAML"])
        source.ready()
    await begun(plane, client)
    await client.ask(CLUSTER, names, known=GONE)
    response = await client.only()
    assert (set(response.resources), response.removed) == ({"a"}, [])
    plane.apply(CLUSTER, "a", b"of another writer")
    await client.rest()
    source.ready()
    source.incomplete([])
    assert (await client.only()).removed == ["gone"]
    await client.nothing()


async def test_kept_names_that_return_unchanged_are_not_sent_again(plane, source, client):
    elsewhere = naming()  # another replica gave it the version that the client brings
    elsewhere.apply(CLUSTER, "same", b"same")
    known = {"same": elsewhere.snapshot()[CLUSTER]["same"].version}
    source.incomplete(["broken.yaml:3: not YAML"])
    source.ready()
    await begun(plane, client)
    await client.ask(CLUSTER, known=known)
    assert set((await client.only()).resources) == {"a"}
    source.apply(CLUSTER, "same", b"same")
    source.incomplete([])
    await client.nothing()
    source.remove(CLUSTER, "same")
    assert (await client.only()).removed == ["same"]


async def test_a_name_that_is_missing_and_not_known_is_reported_in_any_case(plane, source, client):
    source.incomplete(["broken.yaml:3: not YAML"])
    source.ready()
    await begun(plane, client)
    await client.ask(CLUSTER, ["never heard of", "gone"], known=GONE)
    assert (await client.only()).removed == ["never heard of"]


async def test_a_kept_name_that_is_given_up_is_forgotten(plane, source, client):
    source.incomplete(["broken.yaml:3: not YAML"])
    source.ready()
    await begun(plane, client)
    await client.ask(CLUSTER, ["gone"], known=GONE)
    await client.ask(CLUSTER, remove=["gone"])
    await client.nothing()
    source.incomplete([])
    await client.nothing()


async def test_an_empty_source_takes_nothing_away(connect):
    empty = naming()
    writer = empty.writer("folder")
    writer.ready()
    async with connect(empty.server()) as client:
        await client.ask(CLUSTER, known=GONE)
        await client.nothing()
        writer.apply(CLUSTER, "a", b"1")
        responses = await client.rest()
        assert {name for response in responses for name in response.resources} == {"a"}
        assert {name for response in responses for name in response.removed} == {"gone"}


async def test_a_removal_while_something_cannot_be_read_is_held(source, client):
    source.ready()
    await client.ask(CLUSTER)
    await client.ack(await client.receive())
    source.incomplete(["broken.yaml:3: not YAML"])
    source.remove(CLUSTER, "a")
    await client.nothing()
    source.incomplete([])
    assert (await client.only()).removed == ["a"]


# --- state-of-the-world: a full set that lacks what cannot be read would delete it


@pytest.mark.parametrize("way", ["bare", "grpc"])
@pytest.mark.parametrize("names", [[], ["a", "gone"]])
async def test_who_comes_back_is_sent_no_full_set_while_something_cannot_be_read(plane, source, way, names):
    source.incomplete(["broken.yaml:3: not YAML"])
    source.ready()
    async with Connections("sotw", way, plane)() as client:
        await client.want(CLUSTER, *names, version="that of an earlier rime")
        await client.nothing()
        source.apply(CLUSTER, "a", b"2")
        await client.nothing()
        source.apply(CLUSTER, "gone", b"1")
        source.incomplete([])
        assert set((await client.only()).resources) == {"a", "gone"}


@pytest.mark.parametrize("way", ["bare", "grpc"])
async def test_who_has_nothing_or_what_is_current_does_not_wait(plane, source, way):
    source.incomplete(["broken.yaml:3: not YAML"])
    source.ready()
    async with Connections("sotw", way, plane)() as client:
        await client.ask(CLUSTER)
        version = (await client.receive()).version
    async with Connections("sotw", way, plane)() as client:
        await client.want(CLUSTER, version=version)
        await client.nothing()
        source.apply(CLUSTER, "a", b"2")
        assert set((await client.only()).resources) == {"a"}
        # what does not delete what it leaves out does not wait either
        source.apply(ENDPOINT, "e", b"1")
        await client.want(ENDPOINT, "e", version="that of an earlier rime")
        assert set((await client.only()).resources) == {"e"}
