"""Nothing secret leaves: keys are planted wherever rime could know of one, and all that it says is searched for them.

Over every feed, the metrics and the pages, and the log, in every form that a key could take on its way.
"""

import json
from urllib.parse import quote

import pytest

from rime_core import CLUSTER, LISTENER, SECRET, Node
from rime_ws.pages import FILES, Pages
from tests.planted import PEM, PLANTED, Cluster, found_in, planted_plane
from tests.rime_ws.talk import FakeEnvoy, Talk


@pytest.fixture
def plane():
    return planted_plane()


def said(plane):
    """All that can be said of the plane, and of a client that has all of it and refuses it."""
    server = plane.server()
    talk = Talk(server)
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
    writer = plane.writer("vault", allow_empty=True)
    writer.ready()
    writer.incomplete([f"vault: refused: password={PLANTED}", f"Bearer {PLANTED}"])
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


def test_no_key_is_in_anything_that_is_said(plane):
    texts = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in said(plane)]
    everything = "\n".join(texts)

    assert everything.count("[redacted]") > 20
    assert everything.count("withheld") >= 3
    assert '"state": "rejected"' in everything
    assert found_in(everything) == []


def test_the_search_would_find_them():
    assert all(found_in(text) for text in [PLANTED, PEM, json.dumps({"a": PLANTED}), quote(PLANTED)])
