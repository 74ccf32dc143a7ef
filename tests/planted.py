"""Keys planted wherever rime could know of one, and every form that one could take on its way out."""

import base64
import json
from urllib.parse import quote

from rime_core import CLUSTER, LISTENER, SECRET, Plane, Policy
from rime_envoy_api import message_class

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
    yield from (key, json.dumps(key)[1:-1], repr(key)[1:-1], quote(key), quote(key, safe=""), raw.hex(), middle)
    yield raw.decode("latin-1")  # bytes among which it stands, read as text
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


def planted_plane():
    """A Plane with all of them, one in a resource of a type that nobody knows."""
    plane = Plane(policies={SECRET: Policy(removal="at once")})
    for message in secrets():
        plane.apply(SECRET, message.name, message.SerializeToString())
    plane.apply(CLUSTER, "c", cluster().SerializeToString())
    plane.apply(LISTENER, "l", listener().SerializeToString())
    plane.apply("type.googleapis.com/acme.v1.Vault", "own", PLANTED.encode())
    return plane


def found_in(text):
    """The forms of a planted key that are in a text."""
    return [form for key in (PLANTED, PLANTED * 9) for form in forms(key) if form in text]
