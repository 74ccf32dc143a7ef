"""Who is at the other end: over real connections in test_tls_connections; here what no real client does."""

from types import SimpleNamespace
from typing import Any

import pytest

from rime_core import Certificate, Peer
from rime_grpc.peer import peer_of


def peer(uri, properties):
    """The peer where gRPC says this of a call."""
    context: Any = SimpleNamespace(peer=lambda: uri, auth_context=lambda: properties)
    return peer_of(context)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("ipv4:127.0.0.1:5000", "127.0.0.1:5000"),
        ("ipv6:%5B::1%5D:5000", "[::1]:5000"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "[fe80::1%eth0]:5000"),
        ("unix:/tmp/a%20b", "unix:/tmp/a%20b"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_the_address_is_written_as_people_do(uri, address):
    assert peer(uri, {}) == Peer(address)


def test_without_a_certificate_there_is_none():
    properties = {"security_level": [b"TSI_PRIVACY_AND_INTEGRITY"], "transport_security_type": [b"ssl"]}
    assert peer("ipv4:127.0.0.1:1", properties).certificate is None


def test_all_that_the_certificate_says_is_given():
    properties = {
        "x509_pem_cert": [b"-----BEGIN"],
        "x509_common_name": [b"envoy-1"],
        "x509_subject_alternative_name": [b"spiffe://shop.example/envoy", b"envoy-1.shop.example"],
    }
    assert peer("ipv4:127.0.0.1:1", properties).certificate == Certificate(
        "envoy-1", ("spiffe://shop.example/envoy", "envoy-1.shop.example")
    )


def test_a_certificate_may_name_nobody():
    assert peer("ipv4:127.0.0.1:1", {"x509_pem_cert": [b"-----BEGIN"]}).certificate == Certificate()


def test_names_that_are_no_utf8_stay_different():
    properties = {"x509_pem_cert": [b""], "x509_subject_alternative_name": [b"a\xfe", b"a\xff"]}
    certificate = peer("ipv4:127.0.0.1:1", properties).certificate
    assert certificate is not None
    assert certificate.alternative_names == ("a\\xfe", "a\\xff")
