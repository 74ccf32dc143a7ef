"""How far one client has got with each resource that it asks for."""

import pytest

from rime_core import CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST, Plane
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.progress import Progress, progress
from rime_core.protocol.sotw import SotwStream


def refers(_url, body):
    kind, _, name = body.decode().partition(":")
    return [(CLUSTER, name)] if kind == "to" else []


@pytest.fixture
def plane():
    plane = Plane(references=refers)
    plane.apply(CLUSTER, "a", b"1")
    return plane


@pytest.fixture
def stream(plane):
    return DeltaStream(plane.server(), clock=lambda: 5.0)


def ask(stream, type_url, *names, **fields):
    stream.receive(DeltaRequest(type_url, subscribe=names, **fields))


def take(stream):
    """All that is sent; the nonces."""
    nonces = []
    while batch := stream.responses():
        nonces += [response.nonce for response in batch]
    return nonces


def settle(stream, type_url, error=None):
    for nonce in take(stream):
        stream.receive(DeltaRequest(type_url, nonce=nonce, error=error))


def states(stream, type_url=CLUSTER):
    return {each.name: each.state for each in progress(stream) if each.type_url == type_url}


def refused(progress):
    """Why, and when."""
    return progress.rejection and (progress.rejection.message, progress.rejection.at)


def version_of(plane, name, type_url=CLUSTER):
    return plane.snapshot()[type_url][name].version


def test_who_has_asked_for_nothing_has_nothing(stream):
    assert list(progress(stream)) == []


def test_a_resource_is_to_be_sent_then_on_its_way_then_there(plane, stream):
    ask(stream, CLUSTER)
    assert list(progress(stream)) == [
        Progress(CLUSTER, "a", version_of(plane, "a"), "not sent", None, plane.snapshot()[CLUSTER]["a"])
    ]
    (nonce,) = take(stream)
    assert states(stream) == {"a": "sent"}
    stream.receive(DeltaRequest(CLUSTER, nonce=nonce))
    assert states(stream) == {"a": "synced"}
    plane.apply(CLUSTER, "a", b"2")
    assert states(stream) == {"a": "not sent"}


def test_what_was_changed_while_it_was_on_its_way_is_not_sent_yet(plane, stream):
    ask(stream, CLUSTER)
    take(stream)
    plane.apply(CLUSTER, "a", b"2")
    assert states(stream) == {"a": "not sent"}
    take(stream)
    assert states(stream) == {"a": "sent"}


def test_what_goes_back_while_something_else_is_on_its_way_is_not_there_yet(plane, stream):
    ask(stream, CLUSTER)
    settle(stream, CLUSTER)
    plane.apply(CLUSTER, "a", b"2")
    take(stream)
    plane.apply(CLUSTER, "a", b"1")
    assert states(stream) == {"a": "not sent"}


def test_a_rejected_version_is_rejected_until_the_next_one_is_sent(plane, stream):
    plane.apply(CLUSTER, "b", b"1")
    ask(stream, CLUSTER)
    settle(stream, CLUSTER)
    plane.apply(CLUSTER, "a", b"2")
    (nonce,) = take(stream)
    stream.receive(DeltaRequest(CLUSTER, nonce=nonce, error="bad"))
    of = {each.name: each for each in progress(stream)}
    assert of["a"].state == "rejected"
    assert refused(of["a"]) == ("bad", 5.0)
    assert of["b"] == Progress(CLUSTER, "b", version_of(plane, "b"), "synced", None, plane.snapshot()[CLUSTER]["b"])
    plane.apply(CLUSTER, "a", b"3")
    assert states(stream)["a"] == "not sent"
    take(stream)
    assert states(stream)["a"] == "sent"


def test_what_is_held_back_is_not_sent(plane, stream):
    plane.apply(ROUTE, "r", b"to:a")
    ask(stream, CLUSTER)
    settle(stream, CLUSTER)
    ask(stream, ROUTE, "r")
    settle(stream, ROUTE)
    with plane.transaction() as change:
        change.apply(CLUSTER, "new", b"1")
        change.apply(ROUTE, "r", b"to:new")
    take(stream)
    assert states(stream, ROUTE) == {"r": "not sent"}


def test_a_removal_that_is_held_back_or_rejected_is_seen(plane, stream):
    plane.apply(ROUTE, "r", b"to:a")
    ask(stream, CLUSTER)
    settle(stream, CLUSTER)
    ask(stream, ROUTE, "r")
    settle(stream, ROUTE)
    plane.remove(CLUSTER, "a")
    take(stream)
    assert next(progress(stream)) == Progress(CLUSTER, "a", None, "not sent")
    plane.apply(ROUTE, "r", b"2")
    settle(stream, ROUTE)
    settle(stream, CLUSTER, error="still needed")
    gone = next(progress(stream))
    assert (gone.name, gone.version, gone.state) == ("a", None, "rejected")
    assert refused(gone) == ("still needed", 5.0)


def test_what_was_rejected_before_its_removal_is_held_back_is_seen(plane, stream):
    plane.apply(ROUTE, "r", b"to:a")
    ask(stream, CLUSTER)
    settle(stream, CLUSTER)
    ask(stream, ROUTE, "r")
    settle(stream, ROUTE)
    plane.apply(CLUSTER, "a", b"2")
    settle(stream, CLUSTER, error="bad")
    plane.remove(CLUSTER, "a")
    take(stream)
    held = next(progress(stream))
    assert (held.name, held.version, held.state, refused(held)) == ("a", None, "not sent", ("bad", 5.0))


def test_what_an_earlier_stream_brought_and_cannot_be_read_now_is_seen(plane, stream):
    writer = plane.writer("folder")
    writer.ready()
    ask(stream, CLUSTER, initial_versions={"kept": "1", "a": version_of(plane, "a")})
    settle(stream, CLUSTER)
    assert states(stream) == {"a": "synced", "kept": "not sent"}


def test_what_does_not_exist_is_missing(plane, stream):
    plane.apply(ENDPOINT, "e", b"1", aliases=["other"])
    ask(stream, ENDPOINT, "other", "x")
    settle(stream, ENDPOINT)
    assert states(stream, ENDPOINT) == {"e": "synced", "x": "missing"}


def test_an_unknown_virtual_host_is_missing_although_it_is_answered(stream):
    ask(stream, VIRTUAL_HOST, "r/x")
    settle(stream, VIRTUAL_HOST)
    assert states(stream, VIRTUAL_HOST) == {"r/x": "missing"}


def test_types_come_in_the_order_of_a_batch(plane, stream):
    plane.apply(ROUTE, "r", b"1")
    ask(stream, ROUTE, "r")
    ask(stream, CLUSTER)
    assert [each.type_url for each in progress(stream)] == [CLUSTER, ROUTE]


def test_state_of_the_world_has_the_same(plane):
    stream = SotwStream(plane.server())
    stream.receive(DiscoveryRequest(CLUSTER))
    assert states(stream) == {"a": "not sent"}
    (response,) = stream.responses()
    assert states(stream) == {"a": "sent"}
    stream.receive(DiscoveryRequest(CLUSTER, version=response.version, nonce=response.nonce))
    assert states(stream) == {"a": "synced"}
    plane.apply(CLUSTER, "a", b"2")
    (response,) = stream.responses()
    stream.receive(DiscoveryRequest(CLUSTER, nonce=response.nonce, error="bad"))
    assert states(stream) == {"a": "rejected"}
