"""The rules as they are particular to state-of-the-world, each by its number: `pytest -k R54`.

A client answers with each request the last response of the type, as real ones do: `want` gives its new list, `ask` the
list as it was, plus or minus names. Where a test says `nonce=""` the client speaks before it has read the response.
"""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET, Node
from tests.conformance.bodies import waiting_for
from tests.conformance.clients import EndedError, naming
from tests.conformance.test_rules import half_a_lifetime, is_resent

pytestmark = [pytest.mark.asyncio, pytest.mark.variants("sotw")]

OWN = "type.googleapis.com/example.config.v1.Thing"

LIFETIMES = Node(
    "n", client_features=frozenset({"xds.config.supports-resource-ttl", "xds.config.supports-resource-in-sotw"})
)
"""A client that understands lifetimes, in this variant."""

FULL_SETS = [CLUSTER, LISTENER, SCOPED_ROUTE, OWN]


def names_of(response) -> set[str]:
    return set(response.resources)


def contents_of(response) -> dict[str, bytes]:
    return {name: content for name, (_, content) in response.resources.items()}


# --- stream, node, type


async def test_R4_nonces_are_never_empty_and_never_come_twice(plane, client):
    # Client.receive checks each response
    for type_url in (LISTENER, ENDPOINT):
        plane.apply(type_url, "a", b"1")
        await client.want(type_url, "a")
        await client.rest()
        for number in range(3):
            await client.want(type_url)
            await client.want(type_url, "a")
            assert len(await client.rest()) == 1
            plane.apply(type_url, "a", b"%d" % number * 2)
            assert len(await client.rest()) == 1


async def test_R5_a_nonce_of_an_earlier_stream_is_not_known(plane, connect):
    plane.apply(ENDPOINT, "e", b"1")
    async with connect() as earlier:
        await earlier.want(ENDPOINT, "e", "f")
        await earlier.receive()
        plane.apply(ENDPOINT, "e", b"2")
        nonce = (await earlier.receive()).nonce
    async with connect() as client:
        await client.ask(CLUSTER)
        await client.receive()
        await client.want(ENDPOINT, "e", nonce=nonce, error="no")
        assert names_of(await client.only()) == {"e"}
        assert await is_resent(plane, client, "e")


async def test_R7_a_name_stands_once_in_a_response(plane, client):
    for type_url in (LISTENER, ENDPOINT):
        plane.apply(type_url, "e", b"1", aliases=["one", "other"])
        await client.want(type_url, "e", "one", "other", "e")
        assert (await client.receive()).listed == ["e"]


async def test_R10_the_version_of_a_set_is_that_of_its_content(plane, connect):
    """The same content has the same version, whoever asks and in whichever order it came about; other has another."""
    seen: dict[frozenset[tuple[str, bytes]], str] = {}
    replica = naming()
    async with connect() as one, connect(replica.server()) as other:
        for client, where, order in ((one, plane, "a1 b1 a2 b2"), (other, replica, "b1 a1 b2 a2")):
            for type_url in (LISTENER, ENDPOINT):
                await client.want(type_url, "a", "b")
                await client.rest()
                for each in order.split():
                    await client.ask(type_url)
                    await client.nothing()
                    where.apply(type_url, each[0], each.encode())
                    (response,) = await client.rest()
                    held = frozenset((sent.name, sent.body) for sent in where.snapshot()[type_url].values())
                    assert seen.setdefault(held, response.version) == response.version
    assert len(set(seen.values())) == len(seen) == 6


# --- acknowledging and rejecting


@pytest.mark.parametrize("version", ["", "the rejected one"])
async def test_R17_a_rejection_may_carry_the_rejected_version(plane, client, version):
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.want(ENDPOINT, "e")
    response = await client.receive()
    await client.want(ENDPOINT, "e", error="no", version=response.version if version else "")
    await client.nothing()
    assert not await is_resent(plane, client, "e")


@pytest.mark.parametrize("type_url", FULL_SETS)
async def test_R12_a_rejected_set_is_not_sent_again(plane, client, type_url):
    for name in "ab":
        plane.apply(type_url, name, b"1")
    await client.ask(type_url)
    await client.nack(await client.receive())
    await client.ask(type_url)
    await client.nothing()


@pytest.mark.parametrize("type_url", FULL_SETS)
async def test_R13_the_set_after_a_rejected_one_is_whole(plane, client, type_url):
    for name in "ab":
        plane.apply(type_url, name, b"1")
    await client.ask(type_url)
    await client.nack(await client.receive())
    await client.nothing()
    plane.apply(type_url, "a", b"2")
    assert contents_of(await client.only()) == {"a": b"2", "b": b"1"}


async def test_R19_only_the_latest_request_is_answered(plane, client):
    for name in "abc":
        plane.apply(LISTENER, name, b"1")
    await client.want(LISTENER, "a", nonce="")
    await client.want(LISTENER, "b", nonce="")
    await client.want(LISTENER, "c", nonce="")
    responses = await client.rest()
    assert names_of(responses[-1]) == {"c"}
    plane.apply(LISTENER, "a", b"2")
    await client.nothing()


@pytest.mark.parametrize("error", [None, "no"])
async def test_R20_a_request_with_a_stale_nonce_is_not_answered(plane, client, error):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    await client.want(ENDPOINT, "a")
    stale = (await client.receive()).nonce
    plane.apply(ENDPOINT, "a", b"2")
    await client.receive()
    await client.want(ENDPOINT, "a", "b", nonce=stale, error=error)
    await client.nothing()
    # its answer to the newer response has the newest list
    await client.want(ENDPOINT, "a", "b")
    assert names_of(await client.only()) == {"b"}


async def test_R24_requests_that_need_no_answer_get_none_and_changes_wait_for_nobody(plane, client):
    await client.want(ENDPOINT, "a")
    await client.nothing()
    for number in range(3):
        plane.apply(ENDPOINT, "a", b"%d" % number)
        assert contents_of(await client.only()) == {"a": b"%d" % number}
    await client.ask(ENDPOINT)
    await client.nothing()


# --- subscribing


@pytest.mark.parametrize("type_url", [ENDPOINT, LISTENER])
async def test_R26_a_name_that_is_newly_asked_for_is_sent(plane, client, type_url):
    for name in "ab":
        plane.apply(type_url, name, b"1")
    await client.want(type_url, "a", "b")
    await client.receive()
    await client.want(type_url, "a")
    await client.nothing()
    await client.want(type_url, "a", "b")
    assert "b" in names_of(await client.only())


async def test_R26_also_where_a_star_gave_it_before(plane, client):
    plane.apply(LISTENER, "a", b"1")
    await client.want(LISTENER, "*")
    await client.receive()
    await client.want(LISTENER, "*", "a")
    assert names_of(await client.only()) == {"a"}


@pytest.mark.parametrize("type_url", [ENDPOINT, LISTENER])
async def test_R29_a_missing_name_is_sent_when_it_appears(plane, client, type_url):
    await client.want(type_url, "later")
    responses = await client.rest()
    assert [names_of(response) for response in responses] == ([set()] if type_url == LISTENER else [])
    await client.ask(type_url)
    plane.apply(type_url, "later", b"1")
    assert names_of(await client.only()) == {"later"}


async def test_R32_each_list_replaces_the_one_before(plane, client):
    for name in "abc":
        plane.apply(ENDPOINT, name, b"1")
    await client.want(ENDPOINT, "a", "b")
    await client.receive()
    await client.want(ENDPOINT, "b", "c")
    assert names_of(await client.only()) == {"c"}
    for name in "abc":
        plane.apply(ENDPOINT, name, b"2")
    assert set().union(*(names_of(response) for response in await client.rest())) == {"b", "c"}


@pytest.mark.parametrize("type_url", [ENDPOINT, CLUSTER])
@pytest.mark.parametrize("names", [["a"], ["*"], ["a", "*"]])
async def test_R33_an_empty_list_after_names_gives_up_everything(plane, client, type_url, names):
    plane.apply(type_url, "a", b"1")
    await client.want(type_url, *names)
    await client.receive()
    await client.want(type_url)
    await client.nothing()
    plane.apply(type_url, "a", b"2")
    await client.nothing()


async def test_R35_an_alias_matches(plane, client):
    plane.apply(ENDPOINT, "e", b"1", aliases=["e.example"])
    await client.want(ENDPOINT, "e.example")
    assert names_of(await client.only()) == {"e"}
    plane.apply(ENDPOINT, "e", b"2", aliases=["e.example"])
    assert names_of(await client.only()) == {"e"}
    plane.apply(LISTENER, "l", b"1", aliases=["l.example"])
    await client.want(LISTENER, "l.example")
    assert names_of(await client.only()) == {"l"}
    plane.remove(LISTENER, "l")
    assert names_of(await client.only()) == set()


# --- the wildcard


async def test_R36_a_star_stands_for_what_the_server_chooses(plane, client):
    plane.apply(CLUSTER, "for all", b"1")
    plane.apply(CLUSTER, "on demand", b"1", on_demand=True)
    await client.want(CLUSTER, "*")
    assert names_of(await client.only()) == {"for all"}
    await client.want(CLUSTER, "*", "on demand")
    assert names_of(await client.only()) == {"for all", "on demand"}


async def test_R36_a_star_gives_no_secrets(plane, client):
    plane.apply(SECRET, "key", b"1")
    await client.want(SECRET, "*")
    await client.nothing()
    await client.want(SECRET, "key")
    assert names_of(await client.only()) == {"key"}


@pytest.mark.parametrize("type_url", FULL_SETS)
async def test_R37_a_first_request_without_names_asks_for_everything(plane, client, type_url):
    plane.apply(type_url, "a", b"1")
    await client.ask(type_url)
    assert names_of(await client.receive()) == {"a"}
    await client.ask(type_url)
    plane.apply(type_url, "b", b"1")
    assert names_of(await client.only()) == {"a", "b"}


async def test_R39_the_sequence_of_the_specification(plane, client):
    for name in "ab":
        plane.apply(CLUSTER, name, b"0")

    async def changed(content: bytes) -> set[str]:
        for name in "ab":
            plane.apply(CLUSTER, name, content)
        return set().union(*(names_of(response) for response in await client.rest()))

    await client.ask(CLUSTER)  # the wildcard
    assert names_of(await client.only()) == {"a", "b"}
    await client.want(CLUSTER, "*", "a")  # the wildcard and a
    assert names_of(await client.only()) == {"a", "b"}
    assert await changed(b"1") == {"a", "b"}
    await client.want(CLUSTER, "a")  # a alone
    await client.rest()
    assert await changed(b"2") == {"a"}
    await client.want(CLUSTER)  # nothing, and not everything
    await client.nothing()
    assert await changed(b"3") == set()


async def test_R41_after_a_name_an_empty_request_never_means_everything(plane, client):
    plane.apply(CLUSTER, "a", b"1")
    await client.want(CLUSTER, "missing")
    assert names_of(await client.only()) == set()
    await client.want(CLUSTER)
    await client.want(CLUSTER)
    await client.nothing()


async def test_R42_giving_up_the_star_keeps_the_names(plane, client):
    for name in "ab":
        plane.apply(CLUSTER, name, b"1")
    await client.want(CLUSTER, "*", "a")
    await client.receive()
    await client.want(CLUSTER, "a")
    await client.nothing()
    plane.apply(CLUSTER, "b", b"2")
    await client.nothing()
    plane.apply(CLUSTER, "a", b"2")
    assert contents_of(await client.only()) == {"a": b"2"}


@pytest.mark.parametrize("type_url", FULL_SETS)
@pytest.mark.parametrize("names", [[], ["*"]])
async def test_R44_a_star_is_answered_even_where_there_is_nothing(client, type_url, names):
    await client.want(type_url, *names)
    response = await client.only()
    assert (response.type_url, response.resources) == (type_url, {})


# --- grouping and removal


@pytest.mark.parametrize("type_url", FULL_SETS)
@pytest.mark.parametrize("names", [[], ["*"], ["a", "b", "new"]])
async def test_R51_a_response_holds_all_that_the_client_needs(plane, client, type_url, names):
    for name in "ab":
        plane.apply(type_url, name, b"1")
    await client.want(type_url, *names)
    assert contents_of(await client.only()) == {"a": b"1", "b": b"1"}
    plane.apply(type_url, "a", b"2")
    assert contents_of(await client.only()) == {"a": b"2", "b": b"1"}
    plane.apply(type_url, "new", b"1")
    assert contents_of(await client.only()) == {"a": b"2", "b": b"1", "new": b"1"}


async def test_R51_however_large_it_is(plane, connect):
    for number in range(50):
        plane.apply(LISTENER, f"l{number}", bytes(100_000))
    async with connect() as client:
        await client.ask(LISTENER)
        if client.wire.takes_any_size:
            assert len(names_of(await client.only())) == 50
        else:
            with pytest.raises(EndedError) as ended:
                await client.receive()
            assert ended.value.code == "RESOURCE_EXHAUSTED"


async def test_R52_of_other_types_what_changed_is_sent_alone(plane, client):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    await client.want(ENDPOINT, "a", "b")
    assert names_of(await client.only()) == {"a", "b"}
    plane.apply(ENDPOINT, "a", b"2")
    assert contents_of(await client.only()) == {"a": b"2"}


@pytest.mark.parametrize("type_url", FULL_SETS)
@pytest.mark.parametrize("names", [[], ["a", "b"]])
async def test_R53_what_is_removed_is_left_out(plane, client, type_url, names):
    for name in "ab":
        plane.apply(type_url, name, b"1")
    await client.want(type_url, *names)
    await client.receive()
    plane.remove(type_url, "a")
    assert names_of(await client.only()) == {"b"}
    plane.remove(type_url, "b")
    assert names_of(await client.only()) == set()


async def test_R53_a_set_is_never_incomplete(connect):
    """What is held back stays in it as the client has it: a cluster that is gone, for as long as a route names it."""
    plane = naming(lambda url, body: [(CLUSTER, body.decode())] if url == ROUTE else [])
    for name in ("old", "other"):
        plane.apply(CLUSTER, name, b"1")
    plane.apply(ROUTE, "r", b"old")
    async with connect(plane.server()) as client:
        await client.ask(CLUSTER)
        await client.ack(await client.receive())
        await client.want(ROUTE, "r")
        await client.ack(await client.receive())
        with plane.transaction() as change:
            change.apply(CLUSTER, "new", b"1")
            change.remove(CLUSTER, "old")
            change.apply(ROUTE, "r", b"new")
        clusters = await client.only()
        assert names_of(clusters) == {"old", "other", "new"}
        await client.ack(clusters)
        routes = await client.only()
        assert contents_of(routes) == {"r": b"new"}
        await client.ack(routes)
        assert names_of(await client.only()) == {"other", "new"}


@pytest.mark.parametrize("type_url", FULL_SETS)
async def test_R53_what_goes_while_everything_is_asked_for_is_left_out(plane, client, type_url):
    """Whoever got "b" by name, and asks for everything, does not drop it unless a set lacks it."""
    plane.apply(type_url, "b", b"1")
    await client.want(type_url, "a", "b")
    assert names_of(await client.only()) == {"b"}
    await client.want(type_url, "a", "*")
    plane.remove(type_url, "b")  # before the request is read, or after
    assert [names_of(response) for response in await client.rest()][-1] == set()
    await client.repeat(type_url)
    assert all(names_of(response) == set() for response in await client.rest())


async def test_R54_what_nothing_refers_to_any_more_is_the_clients_to_drop(plane, client):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    await client.want(ENDPOINT, "a", "b")
    await client.ack(await client.receive())
    plane.remove(ENDPOINT, "a")
    await client.nothing()
    with plane.transaction() as change:
        change.remove(ENDPOINT, "b")
        change.apply(ENDPOINT, "a", b"2")
    assert contents_of(await client.only()) == {"a": b"2"}


@pytest.mark.parametrize("type_url", [ENDPOINT, LISTENER])
@pytest.mark.parametrize("body", [b"1", b"2"])
async def test_R58_what_is_deleted_and_made_again_is_sent_again(plane, client, type_url, body):
    plane.apply(type_url, "a", b"1")
    await client.want(type_url, "a")
    await client.ack(await client.receive())
    plane.remove(type_url, "a")
    await client.rest()
    plane.apply(type_url, "a", body)
    assert contents_of(await client.only()) == {"a": body}


# --- reconnecting


@pytest.mark.parametrize("names", [[], ["*"]])
async def test_R63_a_cluster_that_changed_meanwhile_brings_its_assignment(plane, connect, names):
    plane.apply(CLUSTER, "c", waiting_for("e", "1"))
    for name in "ef":
        plane.apply(ENDPOINT, name, b"1")
    async with connect() as client:
        await client.want(CLUSTER, *names)
        clusters = (await client.receive()).version
        await client.want(ENDPOINT, "e", "f")
        endpoints = (await client.receive()).version
    plane.apply(CLUSTER, "c", waiting_for("e", "2"))
    async with connect() as client:
        await client.want(CLUSTER, *names, version=clusters)
        assert names_of(await client.receive()) == {"c"}
        await client.want(ENDPOINT, "e", "f", version=endpoints)
        assert names_of(await client.only()) == {"e"}


@pytest.mark.parametrize(
    ("type_url", "names"),
    [(CLUSTER, []), (LISTENER, ["*"]), (LISTENER, ["a", "b"]), (OWN, []), (ENDPOINT, ["a", "b"]), (ROUTE, ["b", "a"])],
)
async def test_R64_who_has_the_present_version_is_sent_nothing(plane, connect, type_url, names):
    for name in "abc":
        plane.apply(type_url, name, b"1")
    async with connect() as client:
        await client.want(type_url, *names)
        version = (await client.receive()).version
    # another replica, and in another order
    replica = naming()
    for name in "cab":
        replica.apply(type_url, name, b"1")
    async with connect(replica.server()) as client:
        await client.want(type_url, *names, version=version)
        await client.nothing()
        replica.apply(type_url, "a", b"2")
        assert "a" in names_of(await client.only())
    async with connect(replica.server()) as client:
        await client.want(type_url, *names, version=version)
        assert {"a", "b"} <= names_of(await client.only())


async def test_R64_another_list_is_answered(plane, connect):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    async with connect() as client:
        await client.want(ENDPOINT, "a")
        version = (await client.receive()).version
    async with connect() as client:
        await client.want(ENDPOINT, "a", "b", version=version)
        assert names_of(await client.only()) == {"a", "b"}


async def test_R64_who_rejected_something_before_what_it_accepted_last_is_sent_all(plane, connect):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    async with connect() as client:
        await client.want(ENDPOINT, "a", "b")
        await client.ack(await client.receive())
        plane.apply(ENDPOINT, "a", b"bad")
        rejected = await client.receive()
        plane.apply(ENDPOINT, "b", b"2")
        accepted = await client.receive()
        await client.nack(rejected)
        await client.ack(accepted)
        await client.nothing()
    async with connect() as client:
        await client.want(ENDPOINT, "a", "b", version=accepted.version)
        assert contents_of(await client.only()) == {"a": b"bad", "b": b"2"}


# --- warming


async def test_R72_envoy_asks_again_for_what_a_changed_cluster_waits_for(plane, client):
    plane.apply(CLUSTER, "c", waiting_for("e", "1"))
    for name in "ef":
        plane.apply(ENDPOINT, name, b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.want(ENDPOINT, "e", "f")
    await client.receive()
    await client.ask(ENDPOINT)
    await client.ask(ENDPOINT)
    await client.nothing()
    plane.apply(CLUSTER, "c", waiting_for("e", "2"))
    assert names_of(await client.only()) == {"c"}
    await client.ask(ENDPOINT)
    assert names_of(await client.only()) == {"e"}
    await client.ask(ENDPOINT)
    await client.nothing()


async def test_R72_also_where_that_crossed_a_response(plane, client):
    plane.apply(CLUSTER, "c", waiting_for("e", "1"))
    for name in "ef":
        plane.apply(ENDPOINT, name, b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.want(ENDPOINT, "e", "f")
    nonce = (await client.receive()).nonce
    await client.ask(ENDPOINT)
    with plane.transaction() as change:
        change.apply(CLUSTER, "c", waiting_for("e", "2"))
        change.apply(ENDPOINT, "f", b"2")
    assert [names_of(response) for response in await client.rest()] == [{"c"}, {"f"}]
    await client.ask(ENDPOINT, nonce=nonce)
    await client.nothing()
    await client.ask(ENDPOINT)
    assert names_of(await client.only()) == {"e"}


# --- lifetimes


async def test_R73_a_lifetime_is_told_in_a_wrapper_to_those_who_take_one(plane, client):
    plane.apply(CLUSTER, "a", b"1", ttl=30)
    plane.apply(CLUSTER, "stays", b"1")
    await client.ask(CLUSTER, node=LIFETIMES)
    response = await client.receive()
    assert (response.ttls, names_of(response)) == ({"a": 30}, {"a", "stays"})


async def test_R73_a_lifetime_is_not_told_to_those_who_take_no_wrapper(plane, client):
    plane.apply(CLUSTER, "a", b"1", ttl=30)
    await client.ask(CLUSTER, node=Node("n", client_features=frozenset({"xds.config.supports-resource-ttl"})))
    response = await client.receive()
    assert (response.ttls, names_of(response)) == ({}, {"a"})


async def test_R76_a_set_is_renewed_as_a_whole_before_half_of_the_lifetime_is_over(plane, client):
    plane.apply(CLUSTER, "a", b"1", ttl=1)
    plane.apply(CLUSTER, "stays", b"1")
    await client.ask(CLUSTER, node=LIFETIMES)
    first = await client.receive()
    await client.ask(CLUSTER)
    for _ in range(2):
        await half_a_lifetime(client)
        again = await client.receive()
        assert (again.resources, again.ttls, again.version) == (first.resources, {"a": 1}, first.version)
        await client.ask(CLUSTER)


async def test_R76_other_types_by_what_has_a_lifetime(plane, client):
    plane.apply(ENDPOINT, "a", b"1", ttl=1)
    plane.apply(ENDPOINT, "stays", b"1")
    await client.want(ENDPOINT, "a", "stays", node=LIFETIMES)
    await client.receive()
    await client.ask(ENDPOINT)
    for _ in range(2):
        await half_a_lifetime(client)
        again = await client.receive()
        assert (names_of(again), again.ttls) == ({"a"}, {"a": 1})
        await client.ask(ENDPOINT)


async def test_R75_a_set_is_renewed_with_what_was_accepted_of_what_was_rejected(plane, client):
    plane.apply(CLUSTER, "a", b"1", ttl=1)
    plane.apply(CLUSTER, "b", b"1")
    await client.ask(CLUSTER, node=LIFETIMES)
    first = await client.receive()
    await client.ask(CLUSTER)
    plane.apply(CLUSTER, "b", b"2")
    second = await client.receive()
    await client.nack(second)
    await client.nothing()
    for _ in range(2):
        await half_a_lifetime(client)
        again = await client.receive()
        assert again.resources == first.resources
        assert again.version not in (first.version, second.version)
        await client.ask(CLUSTER)
