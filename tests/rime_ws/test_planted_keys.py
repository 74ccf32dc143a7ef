"""Nothing secret leaves: keys are planted wherever rime could know of one, and all that it says is searched for them.

Over every feed, the metrics and the pages, and the log, in every form that a key could take on its way.
"""

import base64
import json
from urllib.parse import quote

import pytest

from rime_core import CLUSTER, LISTENER, SECRET, Node, Plane, Policy
from rime_envoy_api import message_class
from rime_ws.pages import FILES, Pages
from tests.rime_ws.talk import FakeEnvoy, Talk

PLANTED = "p1anted-K3y/with+odd=chars&é"
PEM = f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(PLANTED.encode() * 9).decode()}\n-----END PRIVATE KEY-----\n"

Cluster = message_class("envoy.config.cluster.v3.Cluster")
Listener = message_class("envoy.config.listener.v3.Listener")
Secret = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")
UpstreamTls = message_class("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext")


def forms(key):
    """What a key may look like in a text."""
    raw = key.encode()
    middle = base64.b64encode(raw)[4:-4].decode()  # however it is aligned in what surrounds it
    yield from (key, json.dumps(key)[1:-1], repr(key)[1:-1], quote(key), raw.hex(), middle)
    yield from (base64.b64encode(raw[shift:])[4:-4].decode() for shift in (1, 2))
    yield base64.urlsafe_b64encode(raw)[4:-4].decode()


def secrets():
    generic = Secret(name="generic")
    generic.generic_secret.secret.inline_string = PLANTED
    yield generic
    certificate = Secret(name="certificate")
    certificate.tls_certificate.private_key.inline_bytes = PLANTED.encode()
    certificate.tls_certificate.password.inline_string = PEM
    yield certificate
    tickets = Secret(name="tickets")
    tickets.session_ticket_keys.keys.add().inline_bytes = PLANTED.encode()
    yield tickets


def cluster():
    made = Cluster(name="c")
    context = UpstreamTls()
    context.common_tls_context.tls_certificates.add().private_key.inline_string = PLANTED
    made.transport_socket.name = "tls"
    made.transport_socket.typed_config.Pack(context)
    made.metadata.filter_metadata["shop"].update(
        {"db": {"password": PLANTED}, "url": f"redis://u:{quote(PLANTED)}@cache"}
    )
    return made


def listener():
    """A key in an Any of a type that nobody knows, and one in an Any of a type that it is not."""
    made = Listener(name="l")
    filters = made.filter_chains.add().filters
    for name, type_url in (("unknown", "type.googleapis.com/acme.v1.Vault"), ("wrong", SECRET)):
        config = filters.add(name=name).typed_config
        config.type_url, config.value = type_url, b"\xff" + PLANTED.encode()
    headers = made.filter_chains[0].filters.add(name="headers").typed_config
    option = message_class("envoy.config.core.v3.HeaderValueOption")()
    option.header.key, option.header.value = "authorization", f"Bearer {PLANTED}"
    headers.Pack(option)
    return made


@pytest.fixture
def plane():
    plane = Plane(policies={SECRET: Policy(removal="at once")})
    for message in secrets():
        plane.apply(SECRET, message.name, message.SerializeToString())
    plane.apply(CLUSTER, "c", cluster().SerializeToString())
    plane.apply(LISTENER, "l", listener().SerializeToString())
    plane.apply("type.googleapis.com/acme.v1.Vault", "own", PLANTED.encode())
    return plane


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
    assert [form for form in forms(PLANTED) if form in everything] == []
    assert [form for form in forms(PLANTED * 9) if form in everything] == []


def test_the_search_would_find_them():
    assert all(
        any(form in text for form in forms(PLANTED))
        for text in [PLANTED, PEM, json.dumps({"a": PLANTED}), quote(PLANTED)]
    )
