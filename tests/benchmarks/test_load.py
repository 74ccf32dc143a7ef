"""The load client is what the benchmarks rest on: it receives all and only what a real server sends it."""

import itertools
import sys

import pytest
from benchmarks import resources
from benchmarks.contenders import BARE, RIME
from benchmarks.load.client import Load, LoadError
from benchmarks.load.http2 import PING, Call, CallEndedError
from benchmarks.load.response import Received
from benchmarks.servers.process import ServerProcess
from benchmarks.streams import FirstState, OneChange

from rime_core import CLUSTER, ENDPOINT
from rime_envoy_api import message_class

Request = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
Response = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")

N = 50


@pytest.fixture
def server():
    with ServerProcess(RIME.command("clusters", N)) as server:
        yield server


@pytest.fixture
def load(server):
    with Load(server.port, CLUSTER) as load:
        yield load


def connect(load, count, n=N, **options):
    check = load.watch = FirstState(n)
    load.connect([load.first_request(**options)] * count, resources=n, at_a_time=4, timeout=20)
    check.finish(load.clients)


def test_each_client_has_everything_once_and_then_each_change_once(server, load):
    connect(load, 10)
    for stamp in (1, 2):
        change = load.watch = OneChange("resource-7", stamp, 10)
        server.tell("change", name="resource-7", stamp=stamp)
        load.until(change.is_everywhere, timeout=10, what="the change")
        server.finished()


@pytest.mark.parametrize(
    ("contender", "kind", "type_url"),
    [(RIME, "clusters", CLUSTER), (RIME, "endpoints", ENDPOINT), (BARE, "clusters", CLUSTER)],
)
def test_what_is_read_of_bytes_is_what_they_say(contender, kind, type_url):
    received = []
    names = [] if kind == "clusters" else [resources.name(number) for number in range(N)]
    with ServerProcess(contender.command(kind, N)) as process, Load(process.port, type_url) as load:
        load.watch = lambda _client, response: received.append(response)
        load.connect([load.first_request(names)], resources=N, at_a_time=1, timeout=10)
        process.tell("change", name="resource-7", stamp=9)
        load.until(lambda: len(received) > 1, timeout=10, what="the change")
        process.finished()
    assert [(each.size, each.stamps.get("resource-7"), each.is_as_read()) for each in received] == [
        (N, 0, True),
        (1, 9, True),
    ]


def test_of_what_else_a_response_says_its_nonce_is_found():
    for version, nonce, removed in itertools.product(["", "41"], ["", "7", "clusters.12.0"], [(), ("resource-1",)]):
        message = Response(type_url=CLUSTER, system_version_info=version, nonce=nonce, removed_resources=removed)
        resource = message.resources.add(name="resource-2", version="*" * 40)
        resource.resource.type_url = CLUSTER
        resource.resource.value = resources.template(CLUSTER, "resource-2", 300).body(5)
        received = Received(CLUSTER, message.SerializeToString())
        assert Request.FromString(received.acknowledgement).response_nonce == nonce
        assert received.is_as_read()


def test_what_is_not_the_change_that_was_made_is_found(server, load):
    connect(load, 1)
    load.watch = OneChange("resource-7", 1, 1)
    server.tell("change", name="resource-7", stamp=2)
    with pytest.raises(LoadError, match=r"where \{.resource-7.: 1\} was to come once"):
        load.until(lambda: False, timeout=10, what="")
    server.finished()


def test_what_does_not_come_is_said_by_its_name(load):
    with pytest.raises(LoadError, match=r"not within 0\.1 s: a miracle"):
        load.until(lambda: False, timeout=0.1, what="a miracle")


def test_who_comes_back_is_sent_what_changed(server, load):
    versions = {}
    load.watch = lambda _client, received: versions.update(received.versions)
    load.connect([load.first_request()], resources=N, at_a_time=1, timeout=10)
    server.ask("change", name="resource-7", stamp=5)
    change = load.watch = OneChange("resource-7", 5, 3)
    for client in tuple(load.clients):
        load.drop(client)
    for seed in range(3):
        load.open(load.returning_request(versions, (), seed))
    load.until(change.is_everywhere, timeout=10, what="the difference")
    load.quiet(0.1)


def test_requests_and_responses_of_megabytes_pass_whole():
    """More than any window and any frame that HTTP/2 begins with."""
    n = 5000
    with ServerProcess(RIME.command("endpoints", n)) as server, Load(server.port, ENDPOINT) as load:
        connect(load, 2, n, names=[resources.name(number) for number in range(n)])


def test_large_responses_are_told_apart_until_two_of_one_length_differ(monkeypatch):
    """A hash tells what all streams are sent; where each is sent its own it would tell nothing, for its price."""
    monkeypatch.setattr("benchmarks.load.client.LARGE", 1000)

    def response(nonce):
        message = Response(type_url=CLUSTER, nonce=nonce)
        resource = message.resources.add(name="resource-7", version="v").resource
        resource.type_url, resource.value = CLUSTER, resources.template(CLUSTER, "resource-7", 1024).body(1)
        return message.SerializeToString()

    with Load(0, CLUSTER) as load:
        first = load._read(response("a"))
        assert load._read(response("a")) is first
        other = load._read(response("b"))
        assert load._read(response("b")) is not other
        assert [first.size, other.size, load._read(response("b")).size] == [1, 1, 1]


def test_who_takes_no_more_is_sent_no_more_until_it_does(server, load):
    sizes = []
    load.watch = lambda _client, received: sizes.append(received.length)
    load.connect([load.first_request()], resources=N, at_a_time=1, timeout=10)
    client = load.open(load.first_request(), window=sum(sizes) + 100)
    load.until(lambda: client.count == N, timeout=10, what="the first state")
    server.ask("change", name="resource-7", stamp=1)
    load.until(lambda: load.clients[0].count == N + 1, timeout=10, what="the change, on the other stream")
    load.quiet(0.1)
    assert client.count == N
    client.call.widen()
    load.until(lambda: client.count == N + 1, timeout=10, what="the change")


@pytest.mark.parametrize(("contender", "pings"), [(RIME, False), (BARE, True)])
def test_what_clients_acknowledge_brings_no_pings_as_it_does_with_grpc_alone(monkeypatch, contender, pings):
    kinds, control = [], Call._control

    def noted(call, kind, flags, stream, payload):
        kinds.append((kind, flags))
        control(call, kind, flags, stream, payload)

    monkeypatch.setattr(Call, "_control", noted)
    with ServerProcess(contender.command("clusters", N)) as server, Load(server.port, CLUSTER) as load:
        connect(load, 3)
        for stamp in range(1, 11):
            change = load.watch = OneChange("resource-7", stamp, 3)
            server.tell("change", name="resource-7", stamp=stamp)
            load.until(change.is_everywhere, timeout=10, what="the change")
            server.finished()
        load.quiet(0.2)
    assert ((PING, 0) in kinds) is pings


def test_the_end_of_a_call_is_told(server, load):
    connect(load, 1)
    server.close()
    with pytest.raises(CallEndedError, match="the server"):
        load.quiet(10)


def test_a_server_that_ends_is_told_with_its_command():
    with pytest.raises(LoadError, match="the server ended with 3: "):
        ServerProcess([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_bare_server_sends_the_same():
    with ServerProcess(BARE.command("clusters", N)) as server, Load(server.port, CLUSTER) as load:
        connect(load, 3)
        change = load.watch = OneChange("resource-7", 1, 3)
        server.tell("change", name="resource-7", stamp=1)
        load.until(change.is_everywhere, timeout=10, what="the change")


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
@pytest.mark.parametrize("size", [300, 1024])
def test_a_resource_is_as_large_as_is_said_and_says_its_stamp(type_url, size):
    body = resources.template(type_url, "resource-7", size).body(123)
    assert len(body) == size
    assert resources.stamp(type_url, body) == 123
