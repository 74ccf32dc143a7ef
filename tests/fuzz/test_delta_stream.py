"""Whatever a client sends, in whatever order: its stream goes on, or ends with a PeerError; never any other error.

And whatever it sends, the next client is served as if nothing had been, and nothing of the first is kept.
"""

import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, TYPES, Client, PeerError, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.node import TTL, Node
from rime_core.protocol.channel import MAX_MESSAGE, MAX_REASON
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import RejectedResponse
from rime_core.protocol.messages import DeltaRequest, DeltaResponse
from rime_core.protocol.order import Patience
from rime_core.protocol.stream import MAX_TYPES
from rime_envoy_api import message_class
from rime_grpc.wire import DeltaDecoder

odd_text = st.sampled_from(
    ["", "*", "**", "a", "b", "nul\0", "\N{SNOWMAN}", "a/b?c=d", "x" * 5000, "~1", "clusters.1.0"]
)
type_urls = st.sampled_from(
    [each.url for each in TYPES] + [CLUSTER] * 5 + ["", "x", "a/b", "a/b.C", "type.googleapis.com/"]
)
some_names = st.lists(odd_text | st.text(max_size=5), max_size=4)
requests = st.builds(
    DeltaRequest,
    type_urls,
    st.none() | st.builds(Node, odd_text),
    some_names,
    some_names,
    st.dictionaries(odd_text, odd_text, max_size=3),
    odd_text,
    st.none() | odd_text,
)


def a_plane() -> Plane:
    plane = Plane(references=lambda url, _: [(ENDPOINT, "a")] if url == CLUSTER else [])
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(ENDPOINT, "a", b"1")
    return plane


def assert_serves(plane: Plane) -> None:
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER))
    (response,) = stream.responses()
    assert [resource.name for resource in response.update.resources] == ["a"]
    stream.close()
    assert_keeps_nothing(plane, CLUSTER, ENDPOINT)


def assert_keeps_nothing(plane: Plane, *written: str) -> None:
    assert set(plane.store.indexes) == {*written}, "types that nobody asks for any more are kept"
    assert not any(index.subscribers or index.interest for index in plane.store.indexes.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(requests | st.integers(0, 3), max_size=20))
def test_any_sequence_of_requests(steps):
    plane = a_plane()
    stream = DeltaStream(plane.server())
    try:
        for step in steps:
            if isinstance(step, int):
                plane.apply(CLUSTER, "a", bytes([step]))
                stream.responses()
            else:
                stream.receive(step)
            stream.events()
    except PeerError as error:
        refused = error.code
        assert refused in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    stream.close()
    plane.apply(CLUSTER, "a", b"1")
    assert_serves(plane)


class HalfOfIt:
    """Refuses listeners, "*", and every name that begins with "a"."""

    def __init__(self, client: Client) -> None:
        pass

    def type(self, type_url: str) -> str | None:
        return "no listeners" if type_url == LISTENER else None

    def names(self, _type_url: str) -> Callable[[str], str | None]:
        return lambda name: "not this one" if name.startswith(("a", "*")) else None


class Save(NamedTuple):
    """This resource is another one, which refers to a cluster or to an assignment of this name; "": it is removed."""

    type_url: str
    name: str
    refers: str
    ttl: float | None


class Answer(NamedTuple):
    """The oldest response, or the latest, is acknowledged or rejected."""

    oldest: bool
    error: str | None


class Wait(NamedTuple):
    """So many seconds."""

    seconds: float


ordered_types = st.sampled_from([CLUSTER, ENDPOINT, LISTENER, ROUTE])
few_names = st.sampled_from(["a", "b", "c", "d"])
few_versions = st.dictionaries(few_names, st.sampled_from(["v", "v+1000ms"]), max_size=2)
sensible_requests = st.builds(
    DeltaRequest,
    ordered_types,
    st.just(Node("n", client_features=frozenset({TTL}))),
    st.lists(few_names | st.just("*"), max_size=2),
    st.lists(few_names | st.just("*"), max_size=1),
    few_versions | few_versions | few_versions | st.just(dict.fromkeys("0123456789", "v")),
)
saves = st.lists(
    st.builds(Save, ordered_types, few_names, st.sampled_from(["", "b", "c", "d"]), st.none() | st.just(1.0)),
    min_size=1,
    max_size=3,
)
answers = st.builds(
    Answer, st.booleans(), st.sampled_from([None, None, "no", "Error adding/updating cluster(s) a: no"])
)
waits = st.builds(Wait, st.sampled_from([0.1, 1.0, 20.0, 1000.0]))
steps_in_order = st.lists(saves | saves | answers | waits | sensible_requests, min_size=12, max_size=40)

BEGUN = (
    [
        Save(CLUSTER, "b", "b", 1.0),
        Save(CLUSTER, "c", "b", None),
        Save(ROUTE, "b", "b", 1.0),
        Save(ROUTE, "c", "b", None),
    ],
    *(DeltaRequest(url, Node("n", client_features=frozenset({TTL})), "bcd") for url in (CLUSTER, ENDPOINT, ROUTE)),
    *(Answer(oldest=True, error=None) for _ in range(4)),
)


class Served:
    """A stream whose time passes when a step says so, and what was sent on it."""

    def __init__(self, plane: Plane, *, authorize, max_names: int, patience: Patience) -> None:
        self.now = 0.0
        self.plane = plane
        self._most = max_names
        self.stream = DeltaStream(
            plane.server(authorize=authorize), clock=lambda: self.now, patience=patience, max_names=max_names
        )
        self.open: list[DeltaResponse] = []
        self.sent: set[str] = set()

    def step(self, step: DeltaRequest | list[Save] | Answer | Wait) -> None:
        match step:
            case Wait(seconds):
                self.now += seconds
            case list():
                self.save(step)
            case Answer(oldest, error):
                if self.open:
                    response = self.open.pop(0 if oldest else -1)
                    self.stream.receive(DeltaRequest(response.type_url, nonce=response.nonce, error=error))
            case DeltaRequest():
                self.stream.receive(step)
        for subscriber in self.stream.subscribers().values():
            assert subscriber.named <= self._most
            assert len(subscriber.kept) <= self._most + 4  # of each type there are four at most
        for _ in range(3):
            self.take()
            due = self.stream.due
            if due is None or due > self.now:
                return
        pytest.fail("it asks to be called again at once, for ever")

    def save(self, changes: list[Save]) -> None:
        with self.plane.transaction() as change:
            for type_url, name, refers, ttl in changes:
                if refers:
                    change.apply(type_url, name, refers.encode(), ttl=ttl)
                else:
                    change.remove(type_url, name)

    def take(self) -> None:
        batch = self.stream.responses()
        self.open += batch
        self.sent |= {each.name for response in batch for each in response.update.resources}
        self.stream.events()


def refers(type_url: str, body: bytes) -> list[tuple[str, str]]:
    referred = {CLUSTER: ENDPOINT, ROUTE: CLUSTER, LISTENER: ROUTE}.get(type_url)
    return [(referred, body.decode())] if referred is not None else []


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([None, HalfOfIt]),
    st.sampled_from([3, 100]),
    st.sampled_from([Patience(), Patience(warming=0.5, silence=2.0, returning=0.0)]),
    st.booleans(),
    steps_in_order,
)
def test_any_sequence_that_has_to_wait(authorize, max_names, patience, begun, steps):
    plane = Plane(references=refers)
    for url in (CLUSTER, ENDPOINT, LISTENER, ROUTE):
        plane.apply(url, "a", b"a")
    if not begun:
        writer = plane.writer("folder", allow_empty=True)
        writer.ready()
        writer.incomplete(["what clients know is kept"])
    served = Served(plane, authorize=authorize, max_names=max_names, patience=patience)
    try:
        for step in (*(BEGUN if begun else ()), *steps):
            served.step(step)
        for _ in range(3):  # silence ends all holds but those that wait for what was rejected
            served.step(Wait(3 * patience.silence))
    except PeerError as error:
        refused = error.code
        assert refused in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    if authorize is not None:
        assert "a" not in served.sent
    served.stream.close()
    assert_keeps_nothing(plane, CLUSTER, ENDPOINT, LISTENER, ROUTE)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(messages):
    plane = a_plane()
    stream = DeltaStream(plane.server())
    decoder = DeltaDecoder()
    try:
        for data in messages:
            stream.receive(decoder.decode(data))
            stream.responses()
    except PeerError:
        pass
    stream.close()
    assert_serves(plane)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_request_with_flipped_bytes(data):
    whole = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")(
        type_url=CLUSTER,
        resource_names_subscribe=["a", "b"],
        initial_resource_versions={"a": "1"},
        response_nonce="clusters.1.0",
        error_detail={"code": 13, "message": "no"},
        node={"id": "n", "metadata": {"a": {"b": [1.0]}}},
    ).SerializeToString()
    corrupt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        corrupt[data.draw(st.integers(0, len(corrupt) - 1))] = data.draw(st.integers(0, 255))
    plane = a_plane()
    stream = DeltaStream(plane.server())
    try:
        stream.receive(DeltaDecoder().decode(bytes(corrupt)))
        stream.responses()
    except PeerError:
        pass
    stream.close()
    assert_serves(plane)


def test_the_types_of_a_stream_are_bounded():
    stream = DeltaStream(a_plane().server())
    for number in range(MAX_TYPES):
        stream.receive(DeltaRequest(f"type.googleapis.com/own.Type{number}"))
    with pytest.raises(PeerError, match="more than 64 types") as refused:
        stream.receive(DeltaRequest("type.googleapis.com/own.OneMore"))
    assert refused.value.code == "RESOURCE_EXHAUSTED"


def test_a_rejections_message_is_cut():
    stream = DeltaStream(a_plane().server())
    stream.receive(DeltaRequest(CLUSTER))
    (response,) = stream.responses()
    stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce, error="x" * 1_000_000))
    (event,) = stream.events()
    assert isinstance(event, RejectedResponse)
    assert len(event.message) == MAX_MESSAGE
    assert len(stream.subscribers()[CLUSTER].rejected["a"].why) == MAX_REASON


def test_a_client_that_never_acknowledges_keeps_no_old_content():
    plane = a_plane()
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER))
    stream.responses()
    size = 200_000
    tracemalloc.start()
    try:
        for number in range(2 * IN_FLIGHT):
            plane.apply(CLUSTER, "a", bytes([number % 256]) * size)
            assert len(stream.responses()) == 1
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3 * size
    assert stream.subscribers()[CLUSTER].in_flight == IN_FLIGHT
