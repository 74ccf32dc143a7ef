"""The rules of the xDS protocol, each by its number: `pytest -k R28`.

Those that hold for both variants alike are marked `both` and run over both, the others over the incremental one; what
is particular to state-of-the-world is in test_sotw_rules.py, what is about the order of types in test_order_rules.py.
docs/protocol.md lists all in words.

Where nothing else is said, a client subscribes to endpoints by name, as Envoy does; `c` is a cluster that waits for the
assignment `e`. A change of the Plane that must come after a request has been read is preceded by `nothing()`.
"""

import pytest

from rime_core import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
    Node,
)
from tests.conformance.bodies import on_demand, to, waiting_for
from tests.conformance.clients import EndedError, naming

pytestmark = pytest.mark.asyncio

both = pytest.mark.variants("delta", "sotw")

OWN = "type.googleapis.com/example.config.v1.Thing"

LIFETIMES = Node("n", client_features=frozenset({"xds.config.supports-resource-ttl"}))
"""A client that understands lifetimes."""


async def is_resent(plane, client, name: str) -> bool:
    """Whether the assignment `name` goes again when a cluster that waits for it changes: not where it was rejected.

    On streams of one type a cluster brings nothing; there, whether rime takes it for rejected.
    """
    await client.nothing()
    if client.has_stream_per_type:
        state: str = (await client.wire.states())[name]
        return state != "rejected"
    plane.apply(CLUSTER, f"waits for {name}", waiting_for(name, str(plane.sequence)))
    responses = await client.rest()
    assert CLUSTER in [response.type_url for response in responses]
    await client.repeat(ENDPOINT)
    responses += await client.rest()
    return any(name in response.resources for response in responses if response.type_url == ENDPOINT)


# --- stream, node, type


@both
async def test_R1_a_later_node_changes_nothing(connect):
    here, there = naming(), naming()
    there.apply(ENDPOINT, "a", b"there")
    there.apply(ENDPOINT, "b", b"there")
    server = here.server(lambda client: (there if client.node.id == "there" else here).server())
    async with connect(server) as client:
        await client.ask(ENDPOINT, ["a"], node=Node("there"))
        await client.receive()
        await client.ask(ENDPOINT, ["b"], node=Node("here"))
        assert (await client.only()).resources["b"][1] == b"there"


@both
async def test_R1_the_node_of_the_first_request_holds_for_the_stream(connect):
    here, there = naming(), naming()
    there.apply(CLUSTER, "a", b"there")
    there.apply(LISTENER, "b", b"there")
    server = here.server(lambda client: (there if client.node.id == "there" else here).server())
    async with connect(server) as client:
        await client.ask(CLUSTER, node=Node("there"))
        assert (await client.receive()).resources["a"][1] == b"there"
        await client.ask(LISTENER)
        assert (await client.receive()).resources["b"][1] == b"there"
        await client.ask(ENDPOINT, ["x"], node=Node("here"))
        there.apply(ENDPOINT, "x", b"there")
        assert "x" in {name for response in await client.rest() for name in response.resources}


@both
async def test_R2_a_request_without_type_ends_the_stream(client):
    await client.ask("")
    with pytest.raises(EndedError) as ended:
        await client.receive()
    assert ended.value.code == "INVALID_ARGUMENT"


@both
async def test_R3_a_nonce_of_one_type_means_nothing_for_another(plane, client):
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.ask(ENDPOINT, ["e"])
    endpoints = await client.receive()
    await client.ask(CLUSTER, nonce=endpoints.nonce, error="no")
    assert await is_resent(plane, client, "e")


async def test_R4_nonces_are_never_empty_and_never_come_twice(plane, client):
    # Client.receive checks each response; here are the ways in which a response comes about
    plane.apply(CLUSTER, "c", waiting_for("e"))
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.ask(ENDPOINT, ["e"])
    for number in range(3):
        await client.ask(ENDPOINT, ["e"])
        await client.ask(CLUSTER, ["c"])
        await client.ask(CLUSTER, remove=["c"])
        assert len(await client.rest()) >= 2
        plane.apply(CLUSTER, "c", waiting_for("e", str(number)))
        plane.apply(ENDPOINT, "e", str(number).encode() * 2)
        assert len(await client.rest()) == 2


async def test_R5_a_nonce_of_an_earlier_stream_is_not_known(plane, connect):
    plane.apply(ENDPOINT, "e", b"1")
    async with connect() as earlier:
        await earlier.ask(ENDPOINT, ["e"])
        await earlier.receive()
        await earlier.ask(ENDPOINT, ["e"])
        nonce = (await earlier.receive()).nonce
        async with connect() as client:
            await client.ask(CLUSTER)
            await client.receive()
            await client.ask(ENDPOINT, ["e"], nonce=nonce, error="no")
            assert (await client.receive()).nonce != nonce
            await client.ask(ENDPOINT, nonce=nonce, error="no")
            assert await is_resent(plane, client, "e")


@both
async def test_R6_every_resource_has_the_type_of_its_response(plane, client):
    # Client.receive compares the types
    for type_url in (CLUSTER, LISTENER):
        plane.apply(type_url, "same", type_url.encode())
        await client.ask(type_url)
        assert (await client.receive()).resources["same"][1] == type_url.encode()


async def test_R7_a_name_stands_once_in_a_response(plane, client):
    plane.apply(ENDPOINT, "e", b"1", aliases=["one", "other"])
    await client.ask(ENDPOINT, ["e", "one", "other"])
    assert (await client.receive()).listed == ["e"]
    plane.apply(ENDPOINT, "e", b"2", aliases=["one", "other"])
    assert (await client.receive()).listed == ["e"]


@both
@pytest.mark.parametrize("type_url", [OWN, "no type URL at all", "type.googleapis.com/"])
async def test_R8_an_unknown_type_disturbs_nothing_and_is_seen(plane, client, caplog, type_url):
    plane.apply(CLUSTER, "c", b"1")
    await client.ask(type_url, ["x"])
    await client.ask(CLUSTER)
    responses = await client.rest()
    assert [response.resources.keys() for response in responses if response.type_url == CLUSTER] == [{"c"}]
    assert type_url in (getattr(client.wire, "unknown", None) or caplog.text)


@both
async def test_R9_names_may_come_in_one_request_or_in_several(plane, connect):
    for name in "abc":
        plane.apply(ENDPOINT, name, name.encode())
    async with connect() as at_once, connect() as one_by_one:
        await at_once.ask(ENDPOINT, ["a", "b", "c"])
        for name in "abc":
            await one_by_one.ask(ENDPOINT, [name])
        for client in (at_once, one_by_one):
            answered = [name for response in await client.rest() for name in response.resources]
            assert sorted(answered) == ["a", "b", "c"]
        for name in "abc":
            plane.apply(ENDPOINT, name, b"changed")
        for client in (at_once, one_by_one):
            changed = {name for response in await client.rest() for name in response.resources}
            assert changed == {"a", "b", "c"}


async def test_R10_versions_are_equal_where_content_is(plane, client):
    seen: dict[bytes, str] = {}
    await client.ask(ENDPOINT, ["e"])
    await client.receive()
    for body in (b"1", b"2", b"1", b"3", b"2"):
        plane.apply(ENDPOINT, "e", body)
        version, received = (await client.receive()).resources["e"]
        assert received == body
        assert seen.setdefault(body, version) == version
    assert len(set(seen.values())) == 3


# --- acknowledging and rejecting


@both
@pytest.mark.parametrize(("error", "resent"), [(None, True), ("no", False), ("", False)])
async def test_R11_a_rejection_is_told_by_its_error_alone(plane, client, error, resent):
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.ask(ENDPOINT, ["e"])
    response = await client.receive()
    await client.ask(ENDPOINT, nonce=response.nonce, error=error)
    assert await is_resent(plane, client, "e") is resent


@both
async def test_R12_what_was_rejected_is_not_sent_again(plane, client):
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.ask(ENDPOINT, ["e", "f"])
    await client.nack(await client.receive())
    await client.nothing()
    plane.apply(ENDPOINT, "f", b"1")
    assert set((await client.only()).resources) == {"f"}
    assert not await is_resent(plane, client, "e")
    plane.apply(ENDPOINT, "e", b"2")
    plane.apply(ENDPOINT, "e", b"1")
    await client.nothing()


@both
async def test_R13_what_comes_after_a_rejected_version_is_sent(plane, client):
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(ENDPOINT, ["e"])
    await client.nack(await client.receive())
    await client.nothing()
    plane.apply(ENDPOINT, "e", b"2")
    assert (await client.only()).resources["e"][1] == b"2"


@both
async def test_R14_a_rejection_of_one_type_leaves_others_flowing(plane, client):
    plane.apply(CLUSTER, "c", b"1")
    await client.ask(CLUSTER)
    await client.nack(await client.receive())
    plane.apply(LISTENER, "l", b"1")
    await client.ask(LISTENER)
    assert set((await client.only()).resources) == {"l"}
    plane.apply(LISTENER, "l", b"2")
    assert set((await client.only()).resources) == {"l"}


@both
async def test_R15_nothing_is_sent_when_nothing_has_changed(plane, client):
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(ENDPOINT, ["e"])
    await client.ack(await client.receive())
    plane.apply(ENDPOINT, "e", b"1")
    plane.apply(ENDPOINT, "another", b"1")
    plane.apply(ENDPOINT, "e", b"2")
    plane.apply(ENDPOINT, "e", b"1")
    plane.apply(CLUSTER, "c", b"1")
    await client.nothing()


@both
@pytest.mark.parametrize("answer", ["ack", "nack"])
async def test_R16_an_answer_may_change_the_subscription(plane, client, answer):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    await client.ask(ENDPOINT, ["a"])
    await getattr(client, answer)(await client.receive(), add=["b"], remove=["a"])
    assert set((await client.only()).resources) == {"b"}
    plane.apply(ENDPOINT, "a", b"2")
    await client.nothing()


@both
async def test_R18_a_late_rejection_is_matched_by_its_nonce(plane, client):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.ask(ENDPOINT, ["a"])
    first = await client.receive()
    await client.ask(ENDPOINT, ["b"], nonce="")
    await client.receive()
    await client.nack(first)
    assert not await is_resent(plane, client, "a")
    assert await is_resent(plane, client, "b")


# --- nonces and supersession


async def test_R21_a_request_with_a_stale_nonce_changes_the_subscription(plane, client):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    await client.ask(ENDPOINT, ["a"])
    response = await client.receive()
    await client.ack(response)
    await client.ack(response, add=["b"], remove=["a"])
    assert set((await client.only()).resources) == {"b"}


@pytest.mark.parametrize("error", [None, "no"])
async def test_R22_no_request_is_refused_for_its_nonce(plane, client, error):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, nonce="never sent", error=error)
    await client.ask(ENDPOINT, ["a"], nonce="never sent either", error=error)
    assert set((await client.only()).resources) == {"a"}


async def test_R23_a_request_without_nonce_answers_nothing(plane, client):
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    await client.receive()
    await client.ask(ENDPOINT, ["e"])
    response = await client.receive()
    await client.ask(ENDPOINT, ["another"], error="no nonce, so no rejection")
    await client.receive()
    assert await is_resent(plane, client, "e")
    # and it was no acknowledgement either: the response can still be rejected
    await client.nack(response)
    assert not await is_resent(plane, client, "e")


async def test_R24_requests_are_taken_and_answered_without_waiting_for_acknowledgements(plane, client):
    await client.ask(ENDPOINT, ["a"])
    await client.receive()
    for number in range(3):
        plane.apply(ENDPOINT, "a", b"%d" % number)
        assert (await client.only()).resources["a"][1] == b"%d" % number
    await client.ask(ENDPOINT, ["b"])
    assert (await client.only()).removed == ["b"]


# --- subscribing


@both
async def test_R25_what_is_asked_for_and_exists_is_sent(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    plane.apply(ENDPOINT, "b", b"2")
    await client.ask(ENDPOINT, ["a", "b"])
    assert {name: body for name, (_, body) in (await client.only()).resources.items()} == {"a": b"1", "b": b"2"}


async def test_R27_a_name_that_is_subscribed_to_again_is_answered(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, ["a"])
    await client.ack(await client.receive())
    await client.ask(ENDPOINT, ["a"])
    assert set((await client.only()).resources) == {"a"}
    plane.apply(CLUSTER, "c", b"1")
    await client.ask(CLUSTER)
    await client.ack(await client.receive())
    await client.ask(CLUSTER, ["*"])
    assert set((await client.only()).resources) == {"c"}


async def test_R28_a_name_that_does_not_exist_is_reported_at_once(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, ["a", "missing"])
    response = await client.only()
    assert (set(response.resources), response.removed) == ({"a"}, ["missing"])
    await client.ask(ENDPOINT, ["missing too"])
    assert (await client.only()).removed == ["missing too"]


async def test_R29_a_missing_name_is_sent_when_it_appears(plane, client):
    await client.ask(ENDPOINT, ["later"])
    await client.ack(await client.receive())
    plane.apply(ENDPOINT, "later", b"1")
    assert set((await client.only()).resources) == {"later"}


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
async def test_R30_empty_lists_after_the_first_request_change_nothing(plane, client, type_url):
    plane.apply(type_url, "a", b"1")
    plane.apply(type_url, "b", b"1")
    await client.ask(type_url, ["a"])
    await client.ack(await client.receive())
    await client.ask(type_url)
    await client.nothing()
    plane.apply(type_url, "a", b"2")
    plane.apply(type_url, "b", b"2")
    assert set((await client.only()).resources) == {"a"}


async def test_R31_names_beside_known_versions_are_subscribed_to(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, ["a"], known={"a": "some other version"})
    await client.receive()
    plane.apply(ENDPOINT, "a", b"2")
    assert set((await client.only()).resources) == {"a"}


@both
async def test_R34_what_nobody_asked_for_is_not_sent(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    plane.apply(ENDPOINT, "b", b"1")
    await client.ask(ENDPOINT, ["a"])
    assert set((await client.only()).resources) == {"a"}


async def test_R35_an_alias_matches(plane, client):
    plane.apply(VIRTUAL_HOST, "r/host", b"1", aliases=["r/host.example"])
    await client.ask(VIRTUAL_HOST, ["r/host.example"])
    assert set((await client.only()).resources) == {"r/host"}
    plane.apply(VIRTUAL_HOST, "r/host", b"2", aliases=["r/host.example"])
    assert set((await client.only()).resources) == {"r/host"}
    plane.remove(VIRTUAL_HOST, "r/host")
    assert (await client.only()).removed == ["r/host"]


async def test_R35_an_alias_that_comes_or_goes_counts(plane, client):
    plane.apply(VIRTUAL_HOST, "r/host", b"1")
    await client.ask(VIRTUAL_HOST, ["r/other.example"])
    await client.ack(await client.only())
    plane.apply(VIRTUAL_HOST, "r/host", b"1", aliases=["r/other.example"])
    assert set((await client.only()).resources) == {"r/host"}
    plane.apply(VIRTUAL_HOST, "r/host", b"1")
    assert (await client.only()).removed == ["r/host"]


# --- the wildcard


async def test_R36_a_star_stands_for_what_the_server_chooses(plane, client):
    plane.apply(CLUSTER, "for all", b"1")
    plane.apply(CLUSTER, "on demand", b"1", on_demand=True)
    await client.ask(CLUSTER, ["*"])
    assert set((await client.only()).resources) == {"for all"}
    plane.apply(CLUSTER, "new", b"1")
    assert set((await client.only()).resources) == {"new"}
    await client.ask(CLUSTER, ["on demand"])
    assert set((await client.only()).resources) == {"on demand"}


async def test_R36_a_star_gives_no_secrets(plane, client):
    plane.apply(SECRET, "key", b"1")
    await client.ask(SECRET, ["*"])
    assert (await client.only()).resources == {}
    await client.ask(SECRET, ["key"])
    assert set((await client.only()).resources) == {"key"}


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, SCOPED_ROUTE, OWN])
async def test_R38_a_first_request_without_names_asks_for_everything(plane, client, type_url):
    plane.apply(type_url, "a", b"1")
    await client.ask(type_url)
    assert set((await client.receive()).resources) == {"a"}
    plane.apply(type_url, "b", b"1")
    assert set((await client.receive()).resources) == {"b"}


async def test_R40_the_sequence_of_the_specification(plane, client):
    for name in "ab":
        plane.apply(CLUSTER, name, b"0")

    async def changed(content: bytes) -> set[str]:
        for name in "ab":
            plane.apply(CLUSTER, name, content)
        return {name for response in await client.rest() for name in response.resources}

    await client.ask(CLUSTER)  # the wildcard
    assert set((await client.only()).resources) == {"a", "b"}
    await client.ask(CLUSTER, ["a"])  # the wildcard and a
    assert set((await client.only()).resources) == {"a"}
    assert await changed(b"1") == {"a", "b"}
    await client.ask(CLUSTER, remove=["*"])  # a alone
    await client.nothing()
    assert await changed(b"2") == {"a"}
    await client.ask(CLUSTER, remove=["a"])  # nothing, and not everything
    await client.nothing()
    assert await changed(b"3") == set()


async def test_R41_after_a_name_an_empty_request_never_means_everything(plane, client):
    plane.apply(CLUSTER, "a", b"1")
    await client.ask(CLUSTER, ["missing"])
    await client.ack(await client.receive())
    await client.ask(CLUSTER, remove=["missing"])
    await client.ask(CLUSTER)
    await client.nothing()


async def test_R42_giving_up_the_star_keeps_the_names(plane, client):
    for name in "ab":
        plane.apply(CLUSTER, name, b"1")
    await client.ask(CLUSTER, ["*", "a"])
    await client.ack(await client.receive())
    await client.ask(CLUSTER, remove=["b"])  # it has b by the star alone: that is no subscription to give up
    await client.nothing()
    plane.apply(CLUSTER, "b", b"2")
    assert set((await client.only()).resources) == {"b"}
    await client.ask(CLUSTER, remove=["*"])
    await client.nothing()
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "b", b"3")
    assert set((await client.only()).resources) == {"a"}


async def test_R43_a_name_given_up_under_a_star_is_answered(plane, client):
    plane.apply(CLUSTER, "for all", b"1")
    plane.apply(CLUSTER, "on demand", b"1", on_demand=True)
    await client.ask(CLUSTER, ["*", "for all", "on demand"])
    await client.ack(await client.receive())
    await client.ask(CLUSTER, remove=["for all", "on demand"])
    response = await client.only()
    assert (set(response.resources), response.removed) == ({"for all"}, ["on demand"])


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER])
@pytest.mark.parametrize("names", [[], ["*"]])
async def test_R44_a_star_is_answered_even_where_there_is_nothing(client, type_url, names):
    await client.ask(type_url, names)
    response = await client.only()
    assert (response.type_url, response.resources, response.removed) == (type_url, {}, [])


@both
@pytest.mark.parametrize("type_url", [ENDPOINT, ROUTE, SECRET, VIRTUAL_HOST, EXTENSION_CONFIG])
async def test_R45_types_that_are_asked_for_by_name_have_no_legacy_wildcard(plane, client, type_url):
    plane.apply(type_url, "a", b"1")
    await client.ask(type_url)
    await client.nothing()


async def test_R46_a_first_request_that_adds_and_removes_the_star_asks_for_nothing(plane, client):
    plane.apply(CLUSTER, "a", b"1")
    await client.ask(CLUSTER, ["*"], ["*"])
    await client.nothing()
    await client.ask(CLUSTER, ["a"])
    assert set((await client.only()).resources) == {"a"}


# --- unsubscribing


@pytest.mark.parametrize("first", [True, False])
async def test_R47_giving_up_what_was_never_asked_for_is_ignored(plane, client, first):
    plane.apply(ENDPOINT, "a", b"1")
    if not first:
        await client.ask(ENDPOINT, ["a"])
        await client.ack(await client.receive())
    await client.ask(ENDPOINT, remove=["phantom"])
    await client.nothing()


async def test_R48_only_giving_up_is_not_answered(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, ["a"])
    await client.ack(await client.receive())
    await client.ask(ENDPOINT, remove=["a"])
    await client.nothing()


@both
async def test_R49_what_was_given_up_is_not_sent(plane, client):
    for name in "ab":
        plane.apply(ENDPOINT, name, b"1")
    await client.ask(ENDPOINT, ["a", "b"])
    await client.receive()
    await client.ask(ENDPOINT, remove=["a"])
    await client.nothing()
    plane.apply(ENDPOINT, "a", b"2")
    plane.remove(ENDPOINT, "a")
    await client.nothing()


async def test_R50_a_name_in_both_lists_ends_subscribed_and_answered(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, ["a"])
    await client.ack(await client.receive())
    await client.ask(ENDPOINT, ["a"], ["a"])
    assert set((await client.only()).resources) == {"a"}
    plane.apply(ENDPOINT, "a", b"2")
    assert set((await client.only()).resources) == {"a"}


async def test_R50_in_the_first_request_too(plane, client):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, ["a"], ["a"])
    assert set((await client.only()).resources) == {"a"}


# --- removal


@pytest.mark.parametrize("names", [["*"], ["a", "b"]])
@pytest.mark.parametrize("acknowledged", [True, False])
async def test_R55_what_is_deleted_is_named(plane, client, names, acknowledged):
    for name in "ab":
        plane.apply(CLUSTER, name, b"1")
    await client.ask(CLUSTER, names)
    response = await client.receive()
    if acknowledged:
        await client.ack(response)
    plane.remove(CLUSTER, "a")
    response = await client.only()
    assert (response.resources, response.removed) == ({}, ["a"])


async def test_R56_what_has_not_changed_is_left_out_and_stays(plane, client):
    for name in "ab":
        plane.apply(CLUSTER, name, b"1")
    await client.ask(CLUSTER)
    await client.ack(await client.receive())
    plane.apply(CLUSTER, "a", b"2")
    response = await client.only()
    assert (set(response.resources), response.removed) == ({"a"}, [])


async def test_R57_a_name_is_never_both_sent_and_removed(plane, client):
    # Client.receive looks at each response
    for name in "ab":
        plane.apply(CLUSTER, name, b"1")
    await client.ask(CLUSTER, ["*", "a", "missing"])
    await client.receive()
    with plane.transaction() as change:
        change.remove(CLUSTER, "a")
        change.apply(CLUSTER, "b", b"2")
    await client.ask(CLUSTER, ["a"], ["b"])
    seen = [(set(response.resources), set(response.removed)) for response in await client.rest()]
    assert set().union(*(resources for resources, _ in seen)) == {"b"}
    assert set().union(*(removed for _, removed in seen)) == {"a"}


@pytest.mark.parametrize("body", [b"1", b"2"])
async def test_R58_what_is_deleted_and_made_again_is_sent_again(plane, client, body):
    plane.apply(ENDPOINT, "a", b"1")
    await client.ask(ENDPOINT, ["a"])
    await client.ack(await client.receive())
    plane.remove(ENDPOINT, "a")
    assert (await client.only()).removed == ["a"]
    plane.apply(ENDPOINT, "a", body)
    assert (await client.only()).resources["a"][1] == body


async def test_R58_also_where_it_was_rejected_before_and_that_comes_late(plane, client):
    plane.apply(CLUSTER, "a", b"1")
    await client.ask(CLUSTER)
    late = await client.receive()
    plane.remove(CLUSTER, "a")
    await client.ack(await client.receive())
    await client.nack(late)
    await client.nothing()
    plane.apply(CLUSTER, "a", b"1")
    assert (await client.only()).resources["a"][1] == b"1"


@pytest.mark.parametrize("type_url", [SECRET, EXTENSION_CONFIG])
async def test_R59_what_is_in_use_is_not_taken_away(connect, type_url):
    plane = naming(lambda url, body: [(type_url, body.decode())] if url == LISTENER else [])
    plane.apply(type_url, "used", b"1")
    plane.apply(LISTENER, "l", b"used")
    async with connect(plane.server()) as client:
        await client.ask(type_url, ["used"])
        await client.ack(await client.receive())
        plane.remove(type_url, "used")
        await client.nothing()
        assert [held.name for held in plane.status().held] == ["used"]
        plane.apply(LISTENER, "l", b"another")
        assert (await client.only()).removed == ["used"]


# --- reconnecting


@both
async def test_R60_a_new_stream_begins_with_nothing(plane, connect):
    plane.apply(CLUSTER, "a", b"1")
    for _ in range(2):
        async with connect() as client:
            await client.ask(CLUSTER)
            response = await client.only()
            await client.ack(response)
            assert set(response.resources) == {"a"}


@pytest.mark.parametrize("names", [[], ["same", "changed", "gone"]])
async def test_R61_a_client_that_comes_back_is_sent_the_difference(plane, connect, names):
    for name in ("same", "changed", "gone"):
        plane.apply(CLUSTER, name, b"1")
    async with connect() as client:
        await client.ask(CLUSTER, names)
        known = (await client.receive()).versions()
    plane.apply(CLUSTER, "changed", b"2")
    plane.remove(CLUSTER, "gone")
    async with connect() as client:
        await client.ask(CLUSTER, names, known=known)
        response = await client.only()
        assert (set(response.resources), response.removed) == ({"changed"}, ["gone"])
        known = {"same": known["same"], "changed": response.versions()["changed"]}
    async with connect() as client:
        await client.ask(CLUSTER, names[:2], known=known)
        await client.nothing()


async def test_R62_known_versions_are_read_for_each_type_in_its_first_request_only(plane, client):
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(LISTENER, "a", b"1")
    version = plane.snapshot()[CLUSTER]["a"].version
    await client.ask(CLUSTER, known={"a": version})
    await client.ask(LISTENER)
    response = await client.only()
    assert (response.type_url, set(response.resources)) == (LISTENER, {"a"})
    await client.ask(CLUSTER, ["a"], known={"a": version})
    assert set((await client.only()).resources) == {"a"}


async def test_R63_a_cluster_that_changed_meanwhile_brings_its_assignment(plane, connect):
    plane.apply(CLUSTER, "c", waiting_for("e", "1"))
    plane.apply(ENDPOINT, "e", b"1")
    plane.apply(ENDPOINT, "f", b"1")
    known_clusters = {"c": plane.snapshot()[CLUSTER]["c"].version}
    known = {name: plane.snapshot()[ENDPOINT][name].version for name in "ef"}
    plane.apply(CLUSTER, "c", waiting_for("e", "2"))
    async with connect() as client:
        await client.ask(CLUSTER, known=known_clusters)
        await client.ask(ENDPOINT, ["e", "f"], known=known)
        clusters, endpoints = await client.rest()
        assert set(clusters.resources) == {"c"}
        assert set(endpoints.resources) == {"e"}


async def test_R63_an_assignment_that_changed_too_is_sent_once(plane, connect):
    plane.apply(CLUSTER, "c", waiting_for("e", "1"))
    plane.apply(ENDPOINT, "e", b"1")
    clusters, endpoints = (
        {name: resource.version for name, resource in plane.snapshot()[url].items()} for url in (CLUSTER, ENDPOINT)
    )
    plane.apply(CLUSTER, "c", waiting_for("e", "2"))
    plane.apply(ENDPOINT, "e", b"2")
    async with connect() as client:
        await client.ask(CLUSTER, known=clusters)
        await client.ask(ENDPOINT, ["e"], known=endpoints)
        assert [set(response.resources) for response in await client.rest()] == [{"c"}, {"e"}]


async def test_R63_also_where_the_requests_come_one_after_the_other(plane, connect):
    plane.apply(CLUSTER, "c", waiting_for("e"))
    plane.apply(ENDPOINT, "e", b"1")
    known = {"e": plane.snapshot()[ENDPOINT]["e"].version}
    async with connect() as client:
        await client.ask(CLUSTER)
        await client.receive()
        await client.ask(ENDPOINT, ["e"], known=known)
        assert set((await client.only()).resources) == {"e"}


# --- lifetimes


async def test_R73_a_lifetime_is_told_to_those_who_understand_it(plane, client):
    plane.apply(CLUSTER, "a", b"1", ttl=30)
    plane.apply(CLUSTER, "stays", b"1")
    await client.ask(CLUSTER, node=LIFETIMES)
    assert (await client.receive()).ttls == {"a": 30}
    plane.apply(CLUSTER, "b", b"1", ttl=1.5)
    assert (await client.receive()).ttls == {"b": 1.5}


@pytest.mark.parametrize("features", [(), ("xds.config.resource-in-sotw",)])
async def test_R73_a_lifetime_is_not_told_to_others(plane, client, features):
    plane.apply(CLUSTER, "a", b"1", ttl=30)
    await client.ask(CLUSTER, node=Node("n", client_features=frozenset(features)))
    response = await client.receive()
    assert (set(response.resources), response.ttls) == ({"a"}, {})


async def test_R74_a_changed_lifetime_brings_the_resource_again(plane, client):
    plane.apply(CLUSTER, "a", b"1", ttl=30)
    await client.ask(CLUSTER, node=LIFETIMES)
    before = await client.receive()
    await client.ack(before)
    plane.apply(CLUSTER, "a", b"1", ttl=60)
    longer = await client.only()
    assert (longer.ttls, longer.bodiless, longer.resources["a"][1]) == ({"a": 60}, frozenset(), b"1")
    await client.ack(longer)
    plane.apply(CLUSTER, "a", b"1")
    endless = await client.only()
    assert (endless.ttls, endless.bodiless, endless.resources["a"][1]) == ({}, frozenset(), b"1")
    assert len({response.versions()["a"] for response in (before, longer, endless)}) == 3


async def begun(plane, client, *names):
    """What `client` was sent of these clusters, which live for a second each, and acknowledged."""
    for name in names:
        plane.apply(CLUSTER, name, b"1", ttl=1)
    await client.ask(CLUSTER, node=LIFETIMES)
    first = await client.receive()
    await client.ack(first)
    return first


async def next_heartbeat(client):
    """The next response, after half of a lifetime of one second."""
    await half_a_lifetime(client)
    return await client.receive()


async def half_a_lifetime(client):
    """Half a second passes, once all that the client said is read."""
    await client.nothing()
    client.wire.later(0.5)


async def test_R75_a_heartbeat_has_the_version_that_was_acknowledged_and_no_body(plane, client):
    plane.apply(CLUSTER, "stays", b"1")
    first = await begun(plane, client, "a")
    heartbeat = await next_heartbeat(client)
    assert (heartbeat.bodiless, heartbeat.ttls) == ({"a"}, {"a": 1})
    assert heartbeat.versions() == {"a": first.versions()["a"]}
    await client.ack(heartbeat)
    plane.apply(CLUSTER, "a", b"2", ttl=1)
    second = await client.receive()
    await client.ack(second)
    assert (await next_heartbeat(client)).versions() == second.versions() != first.versions()


async def test_R75_not_the_version_that_was_rejected_but_the_one_before(plane, client):
    had = (await begun(plane, client, "a", "b")).versions()
    plane.apply(CLUSTER, "a", b"2", ttl=1)
    await client.nack(await client.receive())
    for _ in range(2):
        await half_a_lifetime(client)
        beats = [await client.receive(), await client.receive()]
        assert {name: version for beat in beats for name, version in beat.versions().items()} == had
        assert [beat.bodiless for beat in beats] == [{"b"}, {"a"}]
        for beat in beats:
            await client.ack(beat)


async def test_R75_not_what_is_on_its_way_until_it_is_acknowledged(plane, client):
    await begun(plane, client, "a")
    plane.apply(CLUSTER, "b", b"1", ttl=1)
    on_its_way = await client.receive()
    for _ in range(2):
        assert (await next_heartbeat(client)).bodiless == {"a"}
    await client.ack(on_its_way)
    assert (await client.receive()).bodiless == {"b"}
    assert (await next_heartbeat(client)).bodiless == {"a", "b"}


async def test_R75_not_what_the_client_gave_up_or_is_gone(plane, client):
    for name in ("a", "b", "c"):
        plane.apply(ENDPOINT, name, b"1", ttl=1)
    await client.ask(ENDPOINT, ["a", "b", "c"], node=LIFETIMES)
    await client.ack(await client.receive(), remove=["b"])
    await client.nothing()
    plane.remove(ENDPOINT, "c")
    await client.ack(await client.receive())
    assert (await next_heartbeat(client)).bodiless == {"a"}


async def test_R75_a_rejected_heartbeat_brings_the_resource_once(plane, client):
    await begun(plane, client, "a", "b")
    heartbeat = await next_heartbeat(client)
    await client.nack(heartbeat)
    again = await client.receive()
    assert (again.bodiless, again.versions()) == (frozenset(), heartbeat.versions())
    await client.ack(again)
    plane.apply(CLUSTER, "b", b"2", ttl=1)
    await client.ack(await client.receive())
    heartbeat = await next_heartbeat(client)
    assert heartbeat.bodiless == {"a", "b"}
    await client.nack(heartbeat)
    again = await client.receive()
    assert (again.bodiless, set(again.resources)) == (frozenset(), {"b"})
    await client.ack(again)
    assert (await next_heartbeat(client)).bodiless == {"b"}


async def test_R76_heartbeats_come_before_half_of_the_lifetime_is_over(plane, client):
    await begun(plane, client, "a")
    for _ in range(3):
        heartbeat = await next_heartbeat(client)
        assert heartbeat.bodiless == {"a"}
        await client.ack(heartbeat)


async def test_R76_also_of_what_came_between_two_of_them(plane, client):
    await begun(plane, client, "a")
    client.wire.later(0.2)
    plane.apply(CLUSTER, "b", b"1", ttl=1)
    await client.ack(await client.receive())
    assert (await next_heartbeat(client)).bodiless == {"a", "b"}


async def test_R76_who_comes_back_may_have_little_time_left(plane, connect):
    plane.apply(CLUSTER, "a", b"1", ttl=3600)
    known = {name: resource.version for name, resource in plane.snapshot()[CLUSTER].items()}
    async with connect() as client:
        await client.ask(CLUSTER, known=known, node=LIFETIMES)
        assert (await client.only()).bodiless == {"a"}


# --- on demand


async def test_R77_a_first_empty_request_subscribes_to_no_host(plane, client):
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    await client.ask(VIRTUAL_HOST)
    await client.nothing()
    plane.apply(VIRTUAL_HOST, "r/a.example", b"2")
    await client.nothing()


def says_that_there_is_nothing_beside(response, name):
    """Envoy opens the route configuration's listener when it was told something under it."""
    return (response.type_url, response.listed, response.removed) == (VIRTUAL_HOST, [], [name])


@pytest.mark.parametrize("route_first", [True, False])
async def test_R77_a_first_empty_request_is_answered_by_what_is_not_there(plane, client, route_first):
    plane.apply(ROUTE, "r", on_demand("r"))
    plane.apply(ROUTE, "other", b"1")
    plane.apply(ROUTE, "not asked for", on_demand("not asked for"))
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    for type_url, names in [(ROUTE, ["r", "other"]), (VIRTUAL_HOST, [])][:: 1 if route_first else -1]:
        await client.ask(type_url, names)
    routes, hosts = await client.rest()
    assert set(routes.resources) == {"r", "other"}
    assert says_that_there_is_nothing_beside(hosts, "r/*")
    await client.ack(hosts)
    await client.nothing()


async def test_R77_it_is_for_each_route_configuration_that_comes_later(plane, client):
    await client.ask(ROUTE, ["r"])
    await client.ask(VIRTUAL_HOST)
    assert [response.type_url for response in await client.rest()] == [ROUTE]
    plane.apply(ROUTE, "r", on_demand("r"))
    routes, hosts = await client.rest()
    assert routes.type_url == ROUTE
    assert says_that_there_is_nothing_beside(hosts, "r/*")
    await client.ask(ROUTE, remove=["r"])
    await client.ask(ROUTE, ["r"])
    assert says_that_there_is_nothing_beside((await client.rest())[1], "r/*")


async def test_R77_a_host_that_is_told_says_it_as_well(plane, client):
    plane.apply(ROUTE, "r", on_demand("r"))
    await client.ask(ROUTE, ["r"])
    await client.ask(VIRTUAL_HOST, ["r/unknown.example"])
    assert [response.listed for response in await client.rest()] == [["r"], ["r/unknown.example"]]


async def test_R77_a_host_of_that_name_is_not_meant(plane, client):
    plane.apply(ROUTE, "r", on_demand("r"))
    plane.apply(VIRTUAL_HOST, "r/*", b"1")
    await client.ask(ROUTE, ["r"])
    await client.ask(VIRTUAL_HOST)
    assert says_that_there_is_nothing_beside((await client.rest())[1], "r/**")


async def test_R77_who_comes_back_with_a_host_was_told_something(plane, connect):
    plane.apply(ROUTE, "r", on_demand("r"))
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    routes, hosts = (
        {name: resource.version for name, resource in plane.snapshot()[url].items()} for url in (ROUTE, VIRTUAL_HOST)
    )
    async with connect() as client:
        await client.ask(ROUTE, ["r"], known=routes)
        await client.ask(VIRTUAL_HOST, known=hosts)
        await client.nothing()
    async with connect() as client:  # it had the route, and perhaps not yet what it waited for
        await client.ask(ROUTE, ["r"], known=routes)
        await client.ask(VIRTUAL_HOST)
        assert says_that_there_is_nothing_beside(await client.only(), "r/*")


async def test_R77_an_unknown_host_is_answered_by_its_name_without_a_resource(plane, client):
    await client.ask(VIRTUAL_HOST)
    versions = set()
    for times in (1, 2):  # whoever asks again waits again
        await client.ask(VIRTUAL_HOST, ["r/a.example"])
        response = await client.only()
        assert (response.bodiless, response.removed) == ({"r/a.example"}, [])
        assert response.aliases["r/a.example"] == ("r/a.example",)
        await client.ack(response)
        versions.update(response.versions().values())
        assert len(versions) == times, "to Envoy, without a body and with a version that it has it is a heartbeat"
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    assert (await client.only()).resources["r/a.example"][1] == b"1"


async def test_R77_so_is_one_in_the_first_request(plane, client):
    plane.apply(VIRTUAL_HOST, "r/known.example", b"1")
    await client.ask(VIRTUAL_HOST, ["r/known.example", "r/unknown.example"])
    response = await client.only()
    assert (set(response.resources), response.removed) == ({"r/known.example", "r/unknown.example"}, [])
    assert response.bodiless == {"r/unknown.example"}


async def test_R77_a_known_host_carries_what_was_asked_as_an_alias(plane, client):
    plane.apply(VIRTUAL_HOST, "r/shop", b"1", aliases=["r/shop.example"])
    plane.apply(VIRTUAL_HOST, "r/plain.example", b"1")
    await client.ask(VIRTUAL_HOST)
    await client.ask(VIRTUAL_HOST, ["r/shop.example", "r/plain.example"])
    aliases = (await client.only()).aliases
    assert "r/shop.example" in aliases["r/shop"]
    assert "r/plain.example" in aliases["r/plain.example"]


async def test_R77_a_host_that_is_gone_is_removed(plane, client):
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    await client.ask(VIRTUAL_HOST)
    await client.ask(VIRTUAL_HOST, ["r/a.example"])
    await client.ack(await client.only())
    plane.remove(VIRTUAL_HOST, "r/a.example")
    response = await client.only()
    assert (response.removed, response.listed) == (["r/a.example"], [])


async def test_R77_what_a_client_brings_and_is_gone_is_removed(plane, connect):
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    known = {"r/a.example": plane.snapshot()[VIRTUAL_HOST]["r/a.example"].version}
    plane.remove(VIRTUAL_HOST, "r/a.example")
    async with connect() as client:
        await client.ask(VIRTUAL_HOST, ["r/a.example"], known=known)
        response = await client.only()
        assert (response.removed, response.listed) == (["r/a.example"], [])


async def test_R77_what_a_client_brings_as_unknown_it_does_not_have(connect):
    async with connect() as client:
        await client.ask(VIRTUAL_HOST, ["r/a.example"])
        known = (await client.only()).versions()
    async with connect() as client:
        await client.ask(VIRTUAL_HOST, ["r/a.example"], known=known)
        response = await client.only()
        assert response.bodiless == {"r/a.example"}
        assert response.versions() != known


async def test_R78_a_changed_route_configuration_has_its_hosts_offered_again(plane, client):
    plane.apply(ROUTE, "r", on_demand("r", "1"))
    plane.apply(ROUTE, "other", b"1")
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    plane.apply(VIRTUAL_HOST, "r/shop", b"1", aliases=["r/b.example"])
    plane.apply(VIRTUAL_HOST, "r/never asked.example", b"1")
    plane.apply(VIRTUAL_HOST, "other/a.example", b"1")
    await client.ask(ROUTE, ["r", "other"])
    await client.ask(VIRTUAL_HOST)
    await client.ask(VIRTUAL_HOST, ["r/a.example", "r/b.example", "r/unknown.example", "other/a.example"])
    for response in await client.rest():
        await client.ack(response)
    plane.apply(ROUTE, "r", on_demand("r", "2"))
    routes, hosts = await client.rest()
    assert (routes.type_url, set(routes.resources)) == (ROUTE, {"r"})
    assert (hosts.type_url, set(hosts.resources), hosts.removed) == (VIRTUAL_HOST, {"r/a.example", "r/shop"}, [])
    assert hosts.bodiless == frozenset()


async def test_R78_not_those_that_the_client_rejected(plane, client):
    plane.apply(ROUTE, "r", b"1")
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    await client.ask(ROUTE, ["r"])
    await client.ask(VIRTUAL_HOST, ["r/a.example"])
    _, hosts = await client.rest()
    await client.nack(hosts)
    await client.nothing()
    plane.apply(ROUTE, "r", b"2")
    assert (await client.only()).type_url == ROUTE


@pytest.mark.parametrize("at_once", [True, False])
async def test_R78_also_where_the_client_comes_back_to_a_changed_one(plane, connect, at_once):
    plane.apply(ROUTE, "r", b"1")
    plane.apply(ROUTE, "same", b"1")
    plane.apply(VIRTUAL_HOST, "r/a.example", b"1")
    plane.apply(VIRTUAL_HOST, "same/a.example", b"1")
    routes, hosts = (
        {name: resource.version for name, resource in plane.snapshot()[url].items()} for url in (ROUTE, VIRTUAL_HOST)
    )
    plane.apply(ROUTE, "r", b"2")
    async with connect() as client:
        await client.ask(ROUTE, list(routes), known=routes)
        if not at_once:
            assert set((await client.only()).resources) == {"r"}
        await client.ask(VIRTUAL_HOST, list(hosts), known=hosts)
        *_, offered = await client.rest()
        assert (offered.type_url, set(offered.resources)) == (VIRTUAL_HOST, {"r/a.example"})


async def test_R79_an_unknown_cluster_on_demand_is_reported_at_once(plane, client):
    plane.apply(CLUSTER, "for all", b"1")
    plane.apply(CLUSTER, "on demand", b"1", on_demand=True)
    await client.ask(CLUSTER)
    assert set((await client.only()).resources) == {"for all"}
    await client.ask(CLUSTER, ["on demand", "unknown"])
    response = await client.only()
    assert (set(response.resources), response.removed) == ({"on demand"}, ["unknown"])
    plane.apply(CLUSTER, "unknown", b"1", on_demand=True)
    assert set((await client.only()).resources) == {"unknown"}


async def test_R79_after_a_reconnect_too(plane, connect):
    plane.apply(CLUSTER, "for all", b"1")
    plane.apply(CLUSTER, "on demand", b"1", on_demand=True)
    known = {name: resource.version for name, resource in plane.snapshot()[CLUSTER].items()}
    async with connect() as client:
        await client.ask(CLUSTER, ["*", "on demand", "unknown"], known=known)
        response = await client.only()
        assert (set(response.resources), response.removed) == (set(), ["unknown"])


# --- what is told of a client, and what it makes of a resource


@both
async def test_R90_what_became_of_each_resource_is_told(plane, client):
    plane.apply(CLUSTER, "c", b"1")
    plane.apply(ENDPOINT, "e", b"1")
    await client.ask(CLUSTER)
    response = await client.receive()
    await client.ask(ENDPOINT, ["e"])
    endpoints = await client.receive()
    assert await client.wire.states() == {"c": "sent", "e": "sent"}
    await client.ack(response)
    await client.nack(endpoints)
    await client.ask(ENDPOINT, ["missing"])
    await client.rest()
    assert await client.wire.states() == {"c": "synced", "e": "rejected", "missing": "missing"}


@both
async def test_R90_what_is_held_back_is_told_as_not_sent(plane, client):
    plane.apply(CLUSTER, "c", b"1")
    await client.ask(CLUSTER)
    await client.ack(await client.receive())
    plane.apply(CLUSTER, "warming", b"1")
    plane.apply(ROUTE, "r", to("warming"))
    await client.ask(ROUTE, ["r"])
    await client.rest()
    assert await client.wire.states() == {"c": "synced", "warming": "sent", "r": "not sent"}


@both
async def test_R91_the_client_judges_what_it_is_sent(plane, client):
    plane.apply(LISTENER, "no message at all", b"\xff\xff")
    await client.ask(LISTENER)
    response = await client.only()
    assert response.resources["no message at all"][1] == b"\xff\xff"
    await client.nack(response)
    plane.apply(LISTENER, "no message at all", b"another")
    assert (await client.only()).resources["no message at all"][1] == b"another"
