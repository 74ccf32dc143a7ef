"""Nothing secret leaves: keys are planted wherever rime could know of one, and all that it says is searched for them.

Over every feed, the metrics and the pages, traces and the log, in every form that a key could take on its way. What
CSDS tells is searched in tests/rime_grpc/test_csds.py.
"""

import json
from urllib.parse import quote

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rime_core import CLUSTER, LISTENER, SECRET, Node
from rime_ws.pages import FILES, Pages
from rime_ws.times import Times
from rime_ws.tracing import Tracing
from tests.planted import PEM, PLANTED, Cluster, found_in, planted_plane
from tests.rime_ws.talk import FakeEnvoy, Talk
from tests.rime_ws.test_pages import Running


@pytest.fixture
def plane():
    return planted_plane()


def said(plane):
    """All that can be said of the plane, and of a client that has all of it and refuses it."""
    place = f"db:postgres://rime:{quote(PLANTED, safe='')}@db/x"
    server = plane.server(transports=[Running(place)])
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    talk = Talk(server)
    server.clients.observe(Tracing(provider.get_tracer("rime"), Times(talk.clock, talk.clock)))
    yield json.dumps(talk.hello)
    types = [each["type_url"] for each in talk.hello["types"]]
    for number, type_url in enumerate(types):
        names = [*server.snapshot()[type_url]]
        yield from talk.ask(id=f"all {number}", type=type_url, previous=True)
        yield from talk.ask(id=f"named {number}", type=type_url, names=names, previous=True, bodies="changes")
    envoy = FakeEnvoy(server, Node(id="n", metadata={"token": PLANTED}), talk.clock)
    for type_url in types:
        envoy.ask(type_url, *server.snapshot()[type_url])
    dump = f"Error adding/updating secret(s) generic: inline_string: {json.dumps(PLANTED)} password={PLANTED} {PEM}"
    while batch := envoy.read():
        envoy.answer(batch, error=dump)
    yield from talk.ask(id="who", feed="clients")
    yield from talk.ask(id="one", feed="client", client="n@10.0.0.1:4000")
    writer = plane.writer(place, allow_empty=True)
    writer.staleness = lambda: 1.0
    with writer.transaction() as change:
        change.apply(CLUSTER, "c", Cluster(name="c").SerializeToString())
        change.apply(CLUSTER, "held", Cluster(name="held").SerializeToString())
    writer.ready()
    envoy.answer(envoy.read(), error=dump)
    writer.incomplete([f"vault: refused: password={PLANTED}", f"Bearer {PLANTED}"])
    writer.remove(CLUSTER, "held")
    yield from talk.ask(id="status", feed="status")
    writer.incomplete([])
    for name in [*server.snapshot()[SECRET]]:
        plane.remove(SECRET, name)
    plane.apply(CLUSTER, "c", Cluster(name="c").SerializeToString())
    plane.apply(LISTENER, "l", b"\xff" + PLANTED.encode())
    yield from talk.heard()
    pages = Pages(server)
    for path in (*FILES, "/healthz", "/readyz", "/metrics"):
        yield pages.answer(path, lambda: None).body.decode()
    assert len(exporter.get_finished_spans()) >= 3
    yield from (span.to_json() for span in exporter.get_finished_spans())


def test_no_key_is_in_anything_that_is_said(plane, caplog):
    caplog.set_level("DEBUG")
    texts = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in said(plane)]
    everything = "\n".join([*texts, caplog.text])

    assert everything.count("[redacted]") > 20
    assert everything.count("withheld") >= 3
    assert '"state": "rejected"' in everything
    assert found_in(everything) == []


def test_the_search_would_find_them():
    assert all(found_in(text) for text in [PLANTED, PEM, json.dumps({"a": PLANTED}), quote(PLANTED)])
