"""What the log says of a client's streams; what is on them, over real gRPC, is in test_stream.py."""

import asyncio
import logging

import pytest

from rime_core import CLUSTER, LISTENER, ROUTE, Node, Peer, PeerError, Plane
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import LetGo, Refused, RejectedResponse, UnknownType
from rime_core.protocol.hold import Hold
from rime_core.protocol.messages import DeltaRequest
from rime_grpc.config import Config
from rime_grpc.gate import Gate
from rime_grpc.journal import Journal


@pytest.fixture
def protocol():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    return DeltaStream(plane.server())


@pytest.fixture
def journal(protocol):
    async def made():
        return Journal(protocol, Peer("10.0.0.1:5000"), Gate(Config()))

    with asyncio.Runner() as runner:
        yield runner.run(made())


@pytest.mark.parametrize(
    ("node", "who"),
    [
        (None, "a client"),
        (Node(), "a client without id"),
        (Node("envoy-1"), "envoy-1"),
        (Node("n" * 500), "n" * 200 + "… (500 characters)"),
    ],
)
def test_who_it_is(journal, protocol, node, who):
    if node is not None:
        protocol.receive(DeltaRequest(CLUSTER, node))
    assert str(journal) == f"{who} at 10.0.0.1:5000"


def test_coming_and_going(journal, caplog):
    caplog.set_level(logging.INFO, "rime_grpc")
    journal.come()
    journal.gone()
    assert [(each.event, each.getMessage()) for each in caplog.records] == [
        ("opened", "a client at 10.0.0.1:5000 has come"),
        ("closed", "a client at 10.0.0.1:5000 has gone"),
    ]


def test_what_a_client_can_cause_at_will_is_let_in_one_at_a_time(journal, caplog):
    for _ in range(3):
        journal.broken(PeerError("not this one", code="PERMISSION_DENIED"))
        journal.happened([Refused(CLUSTER, "not these", ("a", "b")), UnknownType("x")])
        journal.slowed(100)
        journal.broken(PeerError("no type"))
    assert [(each.event, each.option, each.getMessage()) for each in caplog.records] == [
        ("refused", "authorize", "a client at 10.0.0.1:5000 is refused: not this one"),
        ("unknown", "type", "a client at 10.0.0.1:5000 asks for 'x', which rime does not know"),
        (
            "slowed",
            "max_request_rate",
            "a client at 10.0.0.1:5000 sends more than 100 requests a second; they are read more slowly",
        ),
        ("refused", "protocol", "a client at 10.0.0.1:5000 broke the protocol: no type"),
    ]


def test_what_breaks_the_protocol(journal, caplog):
    journal.broken(PeerError("no type"))
    assert caplog.messages == ["a client at 10.0.0.1:5000 broke the protocol: no type"]


def test_a_fault_comes_with_its_traceback(journal, caplog):
    with pytest.raises(ZeroDivisionError) as raised:
        _ = 1 / 0
    journal.failed(raised.value)
    assert "_ = 1 / 0" in caplog.text
    assert [(each.levelname, each.event) for each in caplog.records] == [("ERROR", "failed")]


def test_what_the_protocol_tells(journal, caplog):
    versions = {f"c{number}": "1" for number in range(7)}
    journal.happened(
        [RejectedResponse(CLUSTER, "1", versions, "no"), RejectedResponse(LISTENER, "2", {}, "no"), UnknownType("x")]
    )
    assert [message.partition(" at 10.0.0.1:5000 ")[2] for message in caplog.messages] == [
        "rejected clusters c0, c1, c2, c3, c4 and 2 more: no",
        "rejected listeners (nothing): no",
        "asks for 'x', which rime does not know",
    ]


@pytest.mark.parametrize(
    ("why", "held_for", "level", "text"),
    [
        ("silence", "warming", "WARNING", "was waited for too long: route 'r' waits for cluster 'c' (warming)"),
        ("given up", "warming", "DEBUG", "gave up what was held back, or what was waited for: "),
        ("ended", "warming", "DEBUG", "is gone, and with it what was held back: "),
        ("given up", "in service", "INFO", "gave up what was held back, or what was waited for: "),
        ("ended", "in service", "INFO", "is gone, and with it what was held back: "),
    ],
)
def test_how_something_is_not_held_back_any_longer(journal, caplog, why, held_for, level, text):
    caplog.set_level(logging.DEBUG, "rime_grpc")
    journal.happened([LetGo(Hold(ROUTE, "r", False, held_for, ((CLUSTER, "c"),), 0.0, 15.0), why)])
    (record,) = caplog.records
    assert (record.levelname, record.event) == (level, "let go")
    assert text in record.getMessage()


def test_what_is_sent_is_said_to_who_debugs(journal, protocol, caplog):
    protocol.receive(DeltaRequest(CLUSTER, Node("envoy-1"), subscribe=["a", "missing"]))
    (response,) = protocol.responses()
    caplog.set_level(logging.INFO, "rime_grpc")
    journal.sent(response)
    assert caplog.records == []
    caplog.set_level(logging.DEBUG, "rime_grpc")
    journal.sent(response)
    (record,) = caplog.records
    assert record.getMessage() == "envoy-1 at 10.0.0.1:5000 is sent clusters a, missing"
    assert (record.resources, record.removed, record.nonce) == (1, 1, response.nonce)
