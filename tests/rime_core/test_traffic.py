"""Traffic: what was sent to clients and what became of it, in numbers that only grow."""

import pytest

from rime_core import CLUSTER, ENDPOINT, Clients, Connected, Plane
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import Acknowledged, Event, RejectedResponse, UnknownType
from rime_core.protocol.messages import DeltaRequest
from rime_core.traffic import DELAYS, MOST, OTHER, Flow

FIELDS = ("responses", "resources", "bytes", "acknowledged", "rejected")


class Client:
    """A stream over some transport, of a Plane with two clusters and an endpoint."""

    def __init__(self, transport="grpc", clock=lambda: 10.0):
        plane = Plane()
        for type_url, name in ((CLUSTER, "a"), (CLUSTER, "b"), (ENDPOINT, "a")):
            plane.apply(type_url, name, b"1")
        stream = DeltaStream(plane.server(), clock=clock)
        for type_url in (CLUSTER, ENDPOINT):
            stream.receive(DeltaRequest(type_url, subscribe=["*"] if type_url == CLUSTER else ["a"]))
        self.connected = Connected(stream, transport, 0.0)
        self.responses = stream.responses()


def sums(traffic):
    return {key: tuple(getattr(flow, field) for field in FIELDS) for key, flow in traffic.flows.items()}


def test_what_was_sent_is_counted_by_transport_and_type():
    clients = Clients()
    traffic = clients.traffic()
    for client in (Client(), Client(), Client("ws")):
        for response in client.responses:
            clients.wrote(client.connected, response, 100 * len(response.update.resources))
    assert sums(traffic) == {
        ("grpc", CLUSTER): (2, 4, 400, 0, 0),
        ("grpc", ENDPOINT): (2, 2, 200, 0, 0),
        ("ws", CLUSTER): (1, 2, 200, 0, 0),
        ("ws", ENDPOINT): (1, 1, 100, 0, 0),
    }


def test_so_is_what_was_acknowledged_and_what_was_rejected_and_nothing_else():
    clients, client = Clients(), Client()
    traffic = clients.traffic()
    events: list[Event] = [
        Acknowledged(CLUSTER, "1"),
        Acknowledged(CLUSTER, "2"),
        RejectedResponse(CLUSTER, "3", {}, "no"),
        RejectedResponse(CLUSTER, "4", {}, "no"),
        UnknownType(ENDPOINT),
    ]
    clients.happened(client.connected, events)
    assert sums(traffic) == {("grpc", CLUSTER): (0, 0, 0, 2, 2)}


def test_the_delay_is_from_the_change_to_now():
    clients, client = Clients(), Client(clock=lambda: 10.0)
    flow = clients.traffic()._flow("grpc", CLUSTER)
    clients.happened(client.connected, [Acknowledged(CLUSTER, "1", 9.75), Acknowledged(CLUSTER, "2", 7.0)])
    clients.happened(client.connected, [RejectedResponse(CLUSTER, "3", {}, "no", (), 1.0)])
    assert dict(zip(DELAYS, flow.delays, strict=False)) == {**dict.fromkeys(DELAYS, 0), 0.25: 1, 5.0: 1}
    assert flow.delay == 3.25
    clients.happened(client.connected, [Acknowledged(CLUSTER, "4", None)])
    assert (flow.delay, flow.acknowledged) == (3.25, 3)


def test_where_there_is_no_clock_there_is_no_delay():
    clients, client = Clients(), Client(clock=None)
    flow = clients.traffic()._flow("grpc", CLUSTER)
    clients.happened(client.connected, [Acknowledged(CLUSTER, "1", 9.75)])
    assert (flow.acknowledged, sum(flow.delays), flow.delay) == (1, 0, 0.0)


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.0, 0), (0.001, 0), (0.0011, 1), (60.0, len(DELAYS) - 1), (60.1, len(DELAYS))]
)
def test_a_delay_counts_where_it_is_not_above_the_bound(seconds, place):
    flow = Flow()
    flow.took(seconds)
    flow.took(seconds)
    assert flow.delays == [2 * (each == place) for each in range(len(DELAYS) + 1)]


def test_types_that_clients_make_up_are_not_told_apart_beyond_a_bound():
    clients, client = Clients(), Client()
    traffic = clients.traffic()
    for number in range(MOST + 2):
        clients.happened(client.connected, [Acknowledged(f"own/{number}", "1")])
    assert len(traffic.flows) == MOST + 1
    assert traffic.flows["grpc", OTHER].acknowledged == 2
    assert traffic.flows["grpc", f"own/{MOST - 1}"].acknowledged == 1
    clients.happened(client.connected, [Acknowledged("own/0", "2")])
    assert traffic.flows["grpc", "own/0"].acknowledged == 2


def test_commits_are_counted_elsewhere():
    clients = Clients()
    traffic = clients.traffic()
    clients.committed("file:conf", {CLUSTER: ["a"]}, None)
    assert traffic.flows == {}
