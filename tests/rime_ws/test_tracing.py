"""Traces: a change from the commit of a source to each client's acknowledgement, through OpenTelemetry's own SDK."""

import asyncio
import logging
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import StatusCode

import rime_grpc
import rime_ws
from rime_core import CLUSTER, LISTENER, Node, Plane, UsageError
from rime_ws import tracing
from rime_ws.times import Times
from tests.rime_grpc.clients import connect
from tests.rime_ws.talk import Clock, FakeEnvoy

WALL = 1_700_000_000


class Stage:
    """A Plane, clients that have all that is there, and the spans since."""

    def __init__(self, sampler=None):
        self.clock, self.exporter = Clock(), InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        times = Times(lambda: WALL + self.clock.time, self.clock)
        self.plane = Plane()
        self.writer = self.plane.writer("file:conf")
        self.writer.apply(CLUSTER, "a", b"1")
        self.writer.ready()
        self.server = self.plane.server()
        self.tracing = tracing.Tracing(provider.get_tracer("rime"), times)
        self.server.clients.observe(self.tracing)

    def client(self, name):
        return FakeEnvoy(self.server, Node(id=name), self.clock, peer=f"10.0.0.1:{ord(name)}").ask(CLUSTER).catch_up()

    def spans(self, name):
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


def test_a_change_is_a_trace_with_a_span_for_each_client_that_was_told_of_it():
    stage = Stage()
    clients = [stage.client("x"), stage.client("y")]
    assert stage.exporter.get_finished_spans() == (), "what a client asks for is no change"
    begun = stage.clock.time
    with stage.writer.transaction("abc123") as change:
        change.apply(CLUSTER, "a", b"2")
        change.apply(CLUSTER, "b", b"1")
        change.apply(LISTENER, "l", b"1")
    nonces = []
    for client in clients:
        stage.clock.time += 1
        batch = client.read()
        nonces += [response.nonce for response in batch]
        stage.clock.time += 1
        client.answer(batch)

    (change,) = stage.spans("rime.change")
    assert change.parent is None
    assert change.start_time == change.end_time == (WALL + begun) * 1e9
    assert dict(change.attributes) == {
        "rime.source": "file:conf",
        "rime.version": "abc123",
        "rime.changed.clusters": ("a", "b"),
        "rime.changed.clusters.count": 2,
        "rime.changed.listeners": ("l",),
        "rime.changed.listeners.count": 1,
    }
    deliveries = stage.spans("rime.delivery")
    assert [span.attributes["rime.client"] for span in deliveries] == ["x", "y"]
    assert {span.parent.span_id for span in deliveries} == {change.context.span_id}
    assert {span.context.trace_id for span in deliveries} == {change.context.trace_id}
    assert [(span.start_time / 1e9, span.end_time / 1e9) for span in deliveries] == [
        (WALL + begun, WALL + begun + 2),
        (WALL + begun, WALL + begun + 4),
    ]
    (sent,) = deliveries[1].events
    assert (sent.name, sent.timestamp / 1e9, dict(sent.attributes)) == (
        "sent",
        WALL + begun + 3,
        {"rime.resources": 2, "rime.bytes": FakeEnvoy.SIZE},
    )
    assert dict(deliveries[0].attributes) == {
        "rime.client": "x",
        "rime.address": "10.0.0.1:120",
        "rime.transport": "grpc",
        "rime.type": "clusters",
        "rime.nonce": nonces[0],
    }


def test_a_delivery_is_below_the_change_that_it_told_first():
    stage = Stage()
    client = stage.client("x")
    for body in (b"2", b"3"):
        stage.clock.time += 1
        with stage.writer.transaction() as change:
            change.apply(CLUSTER, "a", body)
    client.catch_up()
    stage.clock.time += 1
    stage.writer.apply(CLUSTER, "a", b"4")
    client.catch_up()
    first, _, last = stage.spans("rime.change")
    parents = [span.parent.span_id for span in stage.spans("rime.delivery")]
    assert parents == [first.context.span_id, last.context.span_id]


def test_a_rejection_is_an_error_in_the_clients_words():
    stage = Stage()
    client = stage.client("x")
    stage.writer.apply(CLUSTER, "a", b"2")
    client.answer(client.read(), error="clusters a: no")
    (delivery,) = stage.spans("rime.delivery")
    assert (delivery.status.status_code, delivery.status.description) == (StatusCode.ERROR, "clusters a: no")


def test_what_is_not_sampled_makes_no_delivery():
    stage = Stage(ParentBased(ALWAYS_OFF))
    client = stage.client("x")
    stage.writer.apply(CLUSTER, "a", b"2")
    client.catch_up()
    assert stage.exporter.get_finished_spans() == ()


def test_nothing_is_kept_of_who_has_gone_nor_much_of_who_never_answers(monkeypatch):
    monkeypatch.setattr(tracing, "IN_FLIGHT", 2)
    stage = Stage()
    written = stage.tracing._written
    client = stage.client("x")
    batches = []
    for number in range(5):
        stage.writer.apply(CLUSTER, "a", b"%d" % (number + 2))
        batches.append(client.read())
    assert len(written[client.connected]) == 2
    client.answer(batches.pop())
    assert len(written[client.connected]) == 1
    client.go()
    del client
    assert len(written) == 0


@pytest.fixture
def collector():
    """A collector of traces on a real port; what it was sent."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


@pytest.mark.asyncio
async def test_traces_reach_a_collector_from_clients_on_grpc(collector, monkeypatch):
    endpoint, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    plane = Plane()
    edge = Plane(base=plane)
    edge.apply(CLUSTER, "a", b"1")
    server = plane.server(lambda _: edge.server(), groups={"default": plane.server(), "edge": edge.server()})
    async with (
        rime_grpc.serve(server, "127.0.0.1:0") as grpc,
        rime_ws.serve(server, "127.0.0.1:0", rime_ws.Config(traces=True)),
        connect(grpc.address) as client,
    ):
        await client.subscribe(known={}, node_id="edge-1")
        await client.receive()
        edge.apply(CLUSTER, "a", b"2")
        await client.receive()
        flow = server.clients.traffic().flows
        async with asyncio.timeout(20):  # until an answer has come
            while not any(sum(each.delays) for each in flow.values()):
                plane.apply(CLUSTER, "b", b"1")
                edge.apply(CLUSTER, "a", str(asyncio.get_running_loop().time()).encode())
                await client.receive()
                await asyncio.sleep(0)
    assert [each.clients.observers for each in (server.groups["edge"],)] == [()]
    spans = [
        span for each in received for of in each.resource_spans for scope in of.scope_spans for span in scope.spans
    ]
    (service,) = {
        a.value.string_value for a in received[0].resource_spans[0].resource.attributes if a.key == "service.name"
    }
    assert service == "rime"
    changes = {span.span_id for span in spans if span.name == "rime.change"}
    deliveries = [span for span in spans if span.name == "rime.delivery"]
    assert deliveries
    assert {span.parent_span_id for span in deliveries} <= changes


@pytest.mark.asyncio
async def test_a_collector_that_is_not_there_holds_up_nothing(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its thread goes on when the test is over
    plane = Plane()
    async with rime_ws.serve(plane.server(), "127.0.0.1:0", rime_ws.Config(traces=True)):
        plane.apply(CLUSTER, "a", b"1")
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 0.9


@pytest.mark.asyncio
async def test_without_opentelemetry_it_is_said_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UsageError, match=r"traces=true needs OpenTelemetry.*pip install rime-ws\[otel\]") as error:
        async with rime_ws.serve(Plane().server(), "127.0.0.1:0", rime_ws.Config(traces=True)):
            pass
    assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "rime_ws.tracing", None)
    with pytest.raises(UsageError, match="traces=true needs OpenTelemetry"):
        async with rime_ws.serve(Plane().server(), "127.0.0.1:0", rime_ws.Config(traces=True)):
            pass


def test_while_it_is_off_nothing_of_it_is_loaded():
    script = (
        "import asyncio, sys, rime_ws\n"
        "from rime_core import Plane\n"
        "async def main():\n"
        "    plane = Plane()\n"
        "    async with rime_ws.serve(plane.server(), '127.0.0.1:0'):\n"
        "        plane.apply('type.googleapis.com/a.B', 'a', b'1')\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if 'opentelemetry' in name])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
