"""Certificates over SDS: rotated without a restart; and a private key that Envoy quotes is in no log."""

import asyncio
import logging
import ssl

import pytest
import trustme

import rime_grpc
from rime_core import SECRET, Plane
from rime_envoy_api import message_class, parse

from . import resources
from .waiting import eventually

pytestmark = pytest.mark.asyncio

HOST = "shop.example"

TLS_LISTENER = (
    resources.listener()
    + f"""\
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": {resources.TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext
        common_tls_context:
          tls_certificate_sds_secret_configs:
          - name: shop-certificate
            sds_config: {{ads: {{}}, resource_api_version: V3}}
"""
)


def secret(certificate, key_of=None):
    return f"""\
resources:
- "@type": {resources.TYPE}.extensions.transport_sockets.tls.v3.Secret
  name: shop-certificate
  tls_certificate:
    certificate_chain: {{inline_string: {_quoted(certificate.cert_chain_pems[0])}}}
    private_key: {{inline_string: {_quoted((key_of or certificate).private_key_pem)}}}
"""


def _quoted(pem):
    return '"' + pem.bytes().decode().replace("\n", "\\n") + '"'


def shows(port, authority, certificate):
    """Whether Envoy shows this certificate, to a client that trusts the authority."""
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    expected = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())

    async def look():
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=HOST)
        try:
            return writer.get_extra_info("ssl_object").getpeercert(binary_form=True) == expected
        finally:
            writer.transport.abort()

    return look


async def serve_over_tls(stage, certificate):
    stage.save(
        secret=secret(certificate),
        cluster=resources.cluster(),
        endpoints=resources.endpoints(await stage.upstream("blue")),
        route=resources.route(),
        listener=TLS_LISTENER,
    )
    rime = await stage.rime()
    relay = await stage.relay(rime.address)
    envoy = stage.envoy(relay.address)
    return rime, relay, await envoy.port()


async def test_a_certificate_is_rotated(stage):
    authority = trustme.CA()
    first, second = authority.issue_cert(HOST), authority.issue_cert(HOST)
    _, relay, port = await serve_over_tls(stage, first)
    await eventually(shows(port, authority, first))
    relay.clear()

    stage.save(secret=secret(second))
    await eventually(shows(port, authority, second))

    assert relay.travelled == [("Secret", "shop-certificate")]
    assert relay.removed == []


async def test_a_certificate_with_another_ones_key_is_refused_and_the_good_one_stays(stage):
    authority = trustme.CA()
    first, second, third = (authority.issue_cert(HOST) for _ in range(3))
    rime, relay, port = await serve_over_tls(stage, first)
    await eventually(shows(port, authority, first))
    relay.clear()

    stage.save(secret=secret(second, key_of=third))
    await eventually(lambda: rime.events("rejected"))
    assert await shows(port, authority, first)()

    stage.save(secret=secret(third))
    await eventually(shows(port, authority, third))
    assert relay.travelled == [("Secret", "shop-certificate")] * 2
    assert len(rime.events("rejected")) == 1


async def test_a_private_key_that_envoy_quotes_is_not_in_the_log(stage, caplog):
    """A Secret that `rime serve` would refuse to send: it is written as bytes, which rime takes as they are."""
    caplog.set_level(logging.DEBUG, "rime_grpc")
    key = trustme.CA().issue_cert(HOST).private_key_pem.bytes().decode()
    broken = message_class(SECRET.rpartition("/")[2])(name="shop-certificate")
    broken.tls_certificate.private_key.inline_string = key
    broken.tls_certificate.certificate_chain.SetInParent()  # a chain that is nowhere
    plane = Plane()
    (listener,) = parse(TLS_LISTENER, origin="listener.yaml").resources
    plane.apply(listener.type_url, listener.name, listener.body)
    plane.apply(SECRET, "shop-certificate", broken.SerializeToString())

    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound:
        relay = await stage.relay(bound.address)
        stage.envoy(relay.address)
        await eventually(lambda: "rejected secrets shop-certificate" in caplog.text)

    secret_line = key.splitlines()[1]
    assert any(secret_line in request.error_detail.message for request in relay.requests)
    assert secret_line not in caplog.text
    assert "SecretValidationError" in caplog.text
