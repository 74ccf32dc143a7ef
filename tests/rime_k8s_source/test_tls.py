import ssl

import pytest
import trustme

from rime_k8s_source.access import Access
from rime_k8s_source.credentials import Credentials
from rime_k8s_source.errors import CredentialsError
from rime_k8s_source.tls import Contexts

AUTHORITY = trustme.CA()
ISSUED = AUTHORITY.issue_cert(common_name="me")
CERTIFICATE, KEY = ISSUED.cert_chain_pems[0].bytes(), ISSUED.private_key_pem.bytes()
PEM = AUTHORITY.cert_pem.bytes()


def contexts(**access):
    return Contexts(Access("context dev", "https://h", **access))


def test_the_servers_certificate_and_name_are_verified():
    context = contexts(authority=PEM).context(Credentials())

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1


def test_unless_it_is_said_that_they_are_not():
    context = contexts(authority=PEM, verify=False).context(Credentials())

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_the_same_is_made_once_and_what_is_rotated_anew(tmp_path):
    path = tmp_path / "ca.crt"
    path.write_bytes(PEM)
    made = contexts(authority=path)
    first = made.context(Credentials("1", CERTIFICATE, KEY))

    assert made.context(Credentials("2", CERTIFICATE, KEY)) is first
    assert made.context(Credentials("2")) is not first
    path.write_bytes(trustme.CA().cert_pem.bytes())
    assert made.context(Credentials("1", CERTIFICATE, KEY)) is not first


@pytest.mark.parametrize(
    ("authority", "credentials", "line"),
    [
        (b"x", Credentials(), "the certificate authority is not PEM"),
        (b"\xff", Credentials(), "the certificate authority is not PEM"),
        (
            PEM,
            Credentials("", CERTIFICATE, AUTHORITY.private_key_pem.bytes()),
            "the client's certificate and key are not PEM, or do not belong together",
        ),
        (PEM, Credentials("", b"x", b"y"), "the client's certificate and key are not PEM, or do not belong together"),
    ],
)
def test_what_cannot_be_used_is_one_line(authority, credentials, line):
    with pytest.raises(CredentialsError) as caught:
        contexts(authority=authority).context(credentials)
    assert str(caught.value) == line


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(CredentialsError, match=r"ca\.crt: the certificate authority cannot be read: No such file"):
        contexts(authority=tmp_path / "ca.crt").context(Credentials())
