import base64

import pytest

from rime_core import SECRET
from rime_envoy_api import message_class
from rime_k8s_source.kinds import SECRETS
from rime_k8s_source.mapping import Trouble, Wanted
from rime_k8s_source.template import Template
from rime_k8s_source.tls_secrets import SecretMapper

UNIT = ("prod", "shop-tls")


@pytest.fixture
def mapper():
    names = Template("{namespace}/{name}", option="secret_names", known=("namespace", "name"), needed=("name",))
    return SecretMapper(names, labels="rime.dev/xds")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def made(mapper, data):
    kept = mapper.keep(SECRETS, {"metadata": {"namespace": "prod", "name": "shop-tls"}, "data": data})
    assert list(mapper.units(SECRETS, UNIT, kept)) == [UNIT]
    return mapper.make(UNIT, {SECRETS: {UNIT: kept}})


def secret(claim):
    return message_class("envoy.extensions.transport_sockets.tls.v3.Secret").FromString(claim.body)


def test_none_is_watched_but_those_of_the_label_and_the_type(mapper):
    assert mapper.wanted == (Wanted(SECRETS, labels="rime.dev/xds", fields="type=kubernetes.io/tls"),)


def test_it_is_the_certificate_with_its_key(mapper):
    found = made(mapper, {"tls.crt": encoded("chain"), "tls.key": encoded("key"), "other": encoded("x")})

    [claim] = found.claims
    assert (claim.type_url, claim.name) == (SECRET, "prod/shop-tls")
    certificate = secret(claim).tls_certificate
    assert certificate.certificate_chain.inline_bytes == b"chain"
    assert certificate.private_key.inline_bytes == b"key"


def test_an_authority_is_a_validation_context_of_its_own(mapper):
    found = made(mapper, {"tls.crt": encoded("chain"), "tls.key": encoded("key"), "ca.crt": encoded("authority")})

    assert [claim.name for claim in found.claims] == ["prod/shop-tls", "prod/shop-tls/ca"]
    assert secret(found.claims[1]).validation_context.trusted_ca.inline_bytes == b"authority"


def test_a_rotated_certificate_leaves_the_authority_as_it_is(mapper):
    before = made(mapper, {"tls.crt": encoded("1"), "tls.key": encoded("1"), "ca.crt": encoded("authority")})
    after = made(mapper, {"tls.crt": encoded("2"), "tls.key": encoded("2"), "ca.crt": encoded("authority")})

    assert before.claims[0] != after.claims[0]
    assert before.claims[1] == after.claims[1]


@pytest.mark.parametrize("data", [None, {}, {"tls.crt": encoded("chain")}, {"tls.crt": encoded("c"), "tls.key": ""}])
def test_without_both_it_is_a_trouble_that_keeps_the_last_good_one(mapper, data):
    found = made(mapper, data)

    assert found.troubles == [
        Trouble("secret prod/shop-tls: tls.crt or tls.key is empty", SECRET, "prod/shop-tls"),
    ]


def test_what_is_not_base64_is_a_trouble(mapper):
    [trouble] = made(mapper, {"tls.crt": "!", "tls.key": encoded("key")}).troubles

    assert trouble.text.startswith("secret prod/shop-tls: ")


def test_no_key_is_shown(mapper):
    kept = mapper.keep(SECRETS, {"metadata": {}, "data": {"tls.crt": "Y2hhaW4=", "tls.key": "a2V5"}})

    assert repr(kept) == "TlsSecret()"
