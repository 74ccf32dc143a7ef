"""What is the incremental stream's own. What every stream promises: test_stream; the rules: tests/conformance."""

import gc
import weakref

import pytest

from rime_core import CLUSTER, ENDPOINT, ROUTE, SECRET, VIRTUAL_HOST, PeerError, Plane
from rime_core.node import Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest


@pytest.fixture
def plane():
    plane = Plane(references=lambda url, body: [(ENDPOINT, body.decode())] if url == CLUSTER else [])
    plane.apply(CLUSTER, "c", b"e")
    plane.apply(ENDPOINT, "e", b"1")
    return plane


def taken(stream, *requests):
    for request in requests:
        stream.receive(request)
    return [
        (response.type_url, [resource.name for resource in response.update.resources], list(response.update.removed))
        for response in stream.responses()
    ]


def test_what_is_removed_is_named(plane):
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(ENDPOINT, subscribe=["e"]))
    plane.remove(ENDPOINT, "e")
    assert taken(stream) == [(ENDPOINT, [], ["e"])]


def test_what_is_sent_anyway_is_not_sent_once_more_for_the_cluster_that_waits_for_it(plane):
    stream = DeltaStream(plane.server())
    assert taken(
        stream,
        DeltaRequest(CLUSTER, initial_versions={"c": "before"}),
        DeltaRequest(ENDPOINT, subscribe=["e"], initial_versions={"e": "before"}),
    ) == [(CLUSTER, ["c"], []), (ENDPOINT, ["e"], [])]


def test_an_empty_answer_is_given_to_who_asks_for_everything_and_knows_nothing():
    for request, answers in [
        (DeltaRequest(CLUSTER), [(CLUSTER, [], [])]),
        (DeltaRequest(CLUSTER, subscribe=["*"]), [(CLUSTER, [], [])]),
        (DeltaRequest(ENDPOINT), []),
        (DeltaRequest(CLUSTER, initial_versions={"gone": "v"}), [(CLUSTER, [], ["gone"])]),
    ]:
        assert taken(DeltaStream(Plane().server()), request) == answers


def test_what_a_cluster_waits_for_comes_after_it_in_the_same_batch(plane):
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(CLUSTER), DeltaRequest(ENDPOINT, subscribe=["e"]))
    plane.apply(CLUSTER, "c", b"e")
    assert taken(stream) == []
    plane.remove(CLUSTER, "c")
    plane.apply(CLUSTER, "c", b"e")
    plane.apply(CLUSTER, "d", b"e")
    assert taken(stream) == [(CLUSTER, ["d"], []), (ENDPOINT, ["e"], [])]


def test_what_a_cluster_waits_for_is_sent_to_who_knows_it_and_asks_later(plane):
    version = plane.snapshot()[ENDPOINT]["e"].version
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(CLUSTER))
    request = DeltaRequest(ENDPOINT, subscribe=["e"], initial_versions={"e": version})
    assert taken(stream, request) == [(ENDPOINT, ["e"], [])]


def test_what_is_under_a_changed_route_comes_after_it_in_the_same_batch():  # R78
    plane = Plane()
    for name in ("r", "other"):
        plane.apply(ROUTE, name, b"1")
        plane.apply(VIRTUAL_HOST, f"{name}/h", b"1")
    stream = DeltaStream(plane.server())
    requests = [DeltaRequest(ROUTE, subscribe=["r", "other"]), DeltaRequest(VIRTUAL_HOST, subscribe=["r/h", "other/h"])]
    taken(stream, *requests)
    plane.apply(ROUTE, "r", b"2")
    assert taken(stream) == [(ROUTE, ["r"], []), (VIRTUAL_HOST, ["r/h"], [])]


class TestWhatIsUnderARoute:
    """A client waits until it is told something under a route whose virtual hosts are on demand (R77)."""

    @pytest.fixture
    def plane(self):
        plane = Plane(references=lambda url, body: [(VIRTUAL_HOST, body.decode())] if url == ROUTE and body else [])
        for name in ("a", "b"):
            plane.apply(ROUTE, name, f"{name}/*".encode())
        plane.apply(ROUTE, "plain", b"")
        return plane

    def test_where_it_is_not_known_what_refers_to_what_it_is_every_route(self):
        plane = Plane()
        plane.apply(ROUTE, "r", b"1")
        plane.apply(ROUTE, "not asked for", b"1")
        stream = DeltaStream(plane.server())
        requests = [DeltaRequest(ROUTE, subscribe=["r"]), DeltaRequest(VIRTUAL_HOST)]
        assert taken(stream, *requests) == [(ROUTE, ["r"], []), (VIRTUAL_HOST, [], ["r/*"])]

    def test_of_a_later_one_in_the_same_batch_and_of_no_other(self, plane):
        woken = []
        stream = DeltaStream(plane.server(), wake=lambda: woken.append(1))
        requests = [DeltaRequest(ROUTE, subscribe=["a", "later", "plain"]), DeltaRequest(VIRTUAL_HOST)]
        assert taken(stream, *requests)[1] == (VIRTUAL_HOST, [], ["a/*"])
        plane.apply(ROUTE, "later", b"later/*")
        assert taken(stream) == [(ROUTE, ["later"], []), (VIRTUAL_HOST, [], ["later/*"])]
        woken.clear()
        plane.apply(ROUTE, "plain", b"another/*")
        assert taken(stream) == [(ROUTE, ["plain"], [])]
        assert woken == [1]

    def test_a_client_of_all_routes_is_told_of_all(self, plane):
        stream = DeltaStream(plane.server())
        answers = taken(stream, DeltaRequest(ROUTE, subscribe=["*"]), DeltaRequest(VIRTUAL_HOST))
        assert answers[1] == (VIRTUAL_HOST, [], ["a/*", "b/*"])

    def test_it_is_split(self, plane):
        stream = DeltaStream(plane.server(), max_response_bytes=1)
        answers = taken(stream, DeltaRequest(ROUTE, subscribe=["a", "b"]), DeltaRequest(VIRTUAL_HOST))
        assert sorted(answers[2:]) == [(VIRTUAL_HOST, [], ["a/*"]), (VIRTUAL_HOST, [], ["b/*"])]

    @pytest.mark.parametrize("asked", [True, False])
    def test_a_host_of_just_that_name_is_not_told_to_be_gone(self, plane, asked):
        if not asked:
            plane.apply(VIRTUAL_HOST, "a/*", b"1")
        stream = DeltaStream(plane.server())
        hosts = ["b/*"] if asked else []
        answers = taken(stream, DeltaRequest(ROUTE, subscribe=["a", "b"]), DeltaRequest(VIRTUAL_HOST, subscribe=hosts))
        removed = [name for url, _, names in answers if url == VIRTUAL_HOST for name in names]
        assert sorted(removed) == (["a/*"] if asked else ["a/**", "b/*"])

    def test_a_route_whose_client_was_told_of_a_host_needs_no_more(self):
        plane = Plane(references=lambda url, body: [(VIRTUAL_HOST, body.decode())] if url == ROUTE else [])
        plane.apply(ROUTE, "shop/web", b"shop/web/*")
        stream = DeltaStream(plane.server())
        requests = [DeltaRequest(ROUTE, subscribe=["shop/web"]), DeltaRequest(VIRTUAL_HOST, subscribe=["shop/web/x"])]
        assert taken(stream, *requests) == [(ROUTE, ["shop/web"], []), (VIRTUAL_HOST, ["shop/web/x"], [])]

    def test_each_answer_that_a_host_is_unknown_has_a_version_of_its_own(self):
        stream = DeltaStream(Plane().server())
        stream.receive(DeltaRequest(VIRTUAL_HOST, subscribe=["r/a", "r/b"]))
        (response,) = stream.responses()
        assert sorted(each.version for each in response.update.resources) == ["unknown-1", "unknown-2"]

    def test_who_asks_for_no_routes_is_told_of_none(self, plane):
        assert taken(DeltaStream(plane.server()), DeltaRequest(VIRTUAL_HOST)) == []

    def test_on_a_stream_of_virtual_hosts_alone_nobody_knows_which_routes_the_client_asks_for(self, plane):
        stream = DeltaStream(plane.server(), type_url=VIRTUAL_HOST)
        assert taken(stream, DeltaRequest("")) == [(VIRTUAL_HOST, [], ["a/*", "b/*"])]
        stream = DeltaStream(plane.server(), type_url=ENDPOINT)
        assert taken(stream, DeltaRequest("")) == []

    @pytest.mark.parametrize(
        ("refused", "prefix", "told"),
        [
            (None, "a", [(VIRTUAL_HOST, [], ["b/*"])]),
            (VIRTUAL_HOST, "a", [(VIRTUAL_HOST, [], ["b/*"])]),
            (ROUTE, "a", []),
            (None, None, [(VIRTUAL_HOST, [], ["a/*", "b/*"])]),
        ],
    )
    def test_but_which_it_may_not_have(self, plane, refused, prefix, told):
        class Mine:
            def __init__(self, client):
                pass

            def type(self, type_url):
                return "no" if type_url == refused else None

            def names(self, type_url):
                return (lambda name: "no" if name.startswith(prefix) else None) if prefix else None

        stream = DeltaStream(plane.server(authorize=Mine), type_url=VIRTUAL_HOST)
        assert taken(stream, DeltaRequest("")) == told


@pytest.mark.parametrize(("features", "told"), [(["xds.config.supports-resource-ttl"], True), ([], False)])
def test_a_lifetime_is_told_to_who_understands_it(plane, features, told):  # R73
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER, Node(client_features=frozenset(features))))
    assert [response.ttl for response in stream.responses()] == [told]


def test_what_a_client_brings_as_unknown_it_does_not_have():
    stream = DeltaStream(Plane().server())
    (response,) = begun_with(stream, "unknown")
    assert (response.update.removed, len(response.update.resources)) == ((), 1)
    (response,) = begun_with(DeltaStream(Plane().server()), "1")
    assert (response.update.removed, len(response.update.resources)) == (("r/a",), 0)


def begun_with(stream, version):
    stream.receive(DeltaRequest(VIRTUAL_HOST, subscribe=["r/a"], initial_versions={"r/a": version}))
    return stream.responses()


class Rules:
    """Refuses what begins with an x."""

    def __init__(self, client):
        pass

    def type(self, type_url):
        return None

    def names(self, type_url):
        return lambda name: "not yours" if name.startswith("x") else None


class NotEverything(Rules):
    """Refuses "*"."""

    def names(self, type_url):
        return lambda name: "too much" if name == "*" else None


class TestNamesThatAreRefused:
    @pytest.fixture
    def plane(self):
        plane = Plane()
        for name in ("a", "x"):
            plane.apply(SECRET, name, b"1")
            plane.apply(CLUSTER, name, b"1")
        return plane

    @pytest.fixture
    def stream(self, plane):
        return DeltaStream(plane.server(authorize=Rules))

    def test_they_are_missing_each_time_that_they_are_asked_for(self, stream):
        assert taken(stream, DeltaRequest(SECRET, subscribe=["x", "a"])) == [
            (SECRET, ["a"], []),
            (SECRET, [], ["x"]),
        ]
        for _ in range(2):
            assert taken(stream, DeltaRequest(SECRET, subscribe=["x"])) == [(SECRET, [], ["x"])]
            assert taken(stream) == []

    def test_alone_in_a_first_request_too(self, stream):
        assert taken(stream, DeltaRequest(SECRET, subscribe=["x"])) == [(SECRET, [], ["x"])]

    def test_also_to_who_knew_them(self, stream, plane):
        version = plane.snapshot()[SECRET]["x"].version
        request = DeltaRequest(SECRET, subscribe=["x"], initial_versions={"x": version})
        assert taken(stream, request) == [(SECRET, [], ["x"])]

    def test_a_host_is_unknown_so_that_envoy_does_not_wait_and_removed_where_it_was_known(self, stream):
        request = DeltaRequest(VIRTUAL_HOST, subscribe=["x", "x2"], initial_versions={"x": "1"})
        assert taken(stream, request) == [(VIRTUAL_HOST, ["x2"], ["x"])]
        assert taken(stream, DeltaRequest(VIRTUAL_HOST, subscribe=["x"])) == [(VIRTUAL_HOST, ["x"], [])]

    def test_they_are_not_subscribed_to(self, stream, plane):
        taken(stream, DeltaRequest(SECRET, subscribe=["x", "a"]))
        assert stream.subscribers()[SECRET].names == {"a"}
        plane.apply(SECRET, "x", b"2")
        plane.remove(SECRET, "x")
        assert taken(stream) == []

    def test_what_is_given_up_before_the_answer_is_not_answered(self, stream):
        taken(stream, DeltaRequest(SECRET, subscribe=["a"]))
        assert taken(stream, DeltaRequest(SECRET, subscribe=["x"]), DeltaRequest(SECRET, unsubscribe=["x"])) == []

    def test_the_answer_may_be_acknowledged_or_rejected(self, stream, plane):
        for error in (None, "no"):
            stream.receive(DeltaRequest(SECRET, subscribe=["x"]))
            (response,) = stream.responses()
            assert taken(stream, DeltaRequest(SECRET, nonce=response.nonce, error=error)) == []
        assert not stream.subscribers()[SECRET].rejected

    def test_many_are_answered_in_parts(self, plane):
        names = [f"x{number}" for number in range(100)]
        stream = DeltaStream(plane.server(authorize=Rules), max_response_bytes=1000)
        answers = taken(stream, DeltaRequest(SECRET, subscribe=names))
        assert len(answers) > 1
        assert [name for _, _, removed in answers for name in removed] == names

    def test_its_nonces_are_not_mistaken_for_those_of_what_comes_later(self, stream, plane):
        nonces = []
        for request in (DeltaRequest(SECRET, subscribe=["x"]), DeltaRequest(SECRET, subscribe=["x", "a"])):
            stream.receive(request)
            nonces += [response.nonce for response in stream.responses()]
        plane.apply(SECRET, "a", b"2")
        nonces += [response.nonce for response in stream.responses()]
        assert len(set(nonces)) == len(nonces) == 4

    def test_everything_is_everything(self, stream):
        assert taken(stream, DeltaRequest(CLUSTER)) == [(CLUSTER, ["a", "x"], [])]

    def test_everything_may_be_refused_and_is_nothing_then(self, plane):
        version = plane.snapshot()[CLUSTER]["a"].version
        for request, answers in [
            (DeltaRequest(CLUSTER), [(CLUSTER, [], [])]),
            (DeltaRequest(CLUSTER, subscribe=["*", "a"]), [(CLUSTER, ["a"], [])]),
            (DeltaRequest(CLUSTER, initial_versions={"a": version}), [(CLUSTER, [], ["a"])]),
            (
                DeltaRequest(CLUSTER, subscribe=["*", "a"], initial_versions={"a": version, "b": "v"}),
                [(CLUSTER, [], ["b"])],
            ),
            (DeltaRequest(CLUSTER, subscribe=["a"], initial_versions={"a": version, "b": "v"}), []),
        ]:
            stream = DeltaStream(plane.server(authorize=NotEverything))
            assert taken(stream, request) == answers
            plane.apply(CLUSTER, "new", version.encode())
            assert taken(stream) == []
            plane.remove(CLUSTER, "new")
            assert taken(stream, DeltaRequest(CLUSTER, subscribe=["*"])) == []

    def test_it_is_woken_for_the_answer(self, plane):
        wakes = []
        stream = DeltaStream(plane.server(authorize=Rules), wake=lambda: wakes.append(1))
        taken(stream, DeltaRequest(SECRET, subscribe=["a"]))
        assert len(wakes) == 1
        stream.receive(DeltaRequest(SECRET, subscribe=["x"]))
        assert len(wakes) == 2


class Text(str):
    """Text of which one sees that nobody keeps it."""


def incomplete():
    """A Plane of two clusters that cannot read everything, so that it keeps what a client brings."""
    plane = Plane()
    writer = plane.writer("folder")
    for name in "ab":
        writer.apply(CLUSTER, name, b"1")
    writer.ready()
    writer.incomplete(["a file"])
    return plane


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
def test_of_what_is_brought_beyond_what_may_be_nothing_is_kept(type_url):
    plane = incomplete()
    before = set(plane.store.indexes)
    stream = DeltaStream(plane.server(), max_names=10)
    brought: dict[str, str] = {Text(f"made up {number}"): Text("v") for number in range(13)}
    kept = [weakref.ref(text) for pair in brought.items() for text in pair]
    with pytest.raises(PeerError, match="13 known versions of") as refused:
        stream.receive(DeltaRequest(type_url, subscribe=["a"], initial_versions=brought))
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    assert stream.responses() == []
    assert set(plane.store.indexes) == before
    del brought, refused
    gc.collect()
    assert not any(text() for text in kept)


def test_who_asks_for_everything_may_bring_that_and_more():
    plane = incomplete()
    known = {f"gone {number}": "v" for number in range(10)} | {"a": "v", "b": "v"}
    stream = DeltaStream(plane.server(), max_names=10)
    assert taken(stream, DeltaRequest(CLUSTER, initial_versions=known)) == [(CLUSTER, ["a", "b"], [])]
    assert len(stream.subscribers()[CLUSTER].kept) == 10


def test_before_it_is_known_how_many_there_are_it_may_bring_more():
    plane = Plane()
    writer = plane.writer("folder")
    stream = DeltaStream(plane.server(), max_names=1)
    assert taken(stream, DeltaRequest(CLUSTER, initial_versions={"a": "v", "b": "v", "c": "v"})) == []
    writer.apply(CLUSTER, "a", b"1")
    writer.ready()
    assert taken(stream) == [(CLUSTER, ["a"], ["b", "c"])]
