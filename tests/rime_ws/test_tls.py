"""The certificate of the port: read, refused where it cannot be used, and taken anew when it has changed."""

import ssl
from contextlib import suppress
from typing import Any

import pytest
import trustme

from rime_core import UsageError
from rime_ws.config import Config
from rime_ws.tls import context_of


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def files(tmp_path, authority):
    made = {"cert": tmp_path / "tls.crt", "key": tmp_path / "tls.key"}
    write(authority, made, "one.example")
    return made


def write(authority, files, name):
    certificate = authority.issue_cert(name)
    certificate.private_key_pem.write_to_path(str(files["key"]))
    files["cert"].write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))


def shown(server, authority):
    """The name in the certificate that a client is shown, in a handshake in memory."""
    client = ssl.create_default_context()
    client.check_hostname = False
    authority.configure_trust(client)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server)
    while True:
        try:
            client_end.do_handshake()
        except ssl.SSLWantReadError:
            with suppress(ssl.SSLWantReadError):
                server_end.do_handshake()
        else:
            certificate: Any = client_end.getpeercert()
            return certificate["subjectAltName"][0][1]


def test_nothing_is_encrypted_where_there_is_no_certificate():
    assert context_of(Config()) is None


def test_tls_is_1_2_at_least(files):
    context = context_of(Config(**files))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_is_replaced_is_shown_from_the_next_connection_on(files, authority, caplog):
    caplog.set_level("INFO")
    context = context_of(Config(**files))
    assert shown(context, authority) == "one.example"
    write(authority, files, "another.example")
    assert [shown(context, authority) for _ in range(2)] == ["another.example"] * 2
    assert [record.message for record in caplog.records] == [f"a new certificate is in use, of cert={files['cert']}"]


def test_one_that_cannot_be_used_is_a_warning_and_the_one_in_use_stays(files, authority, caplog):
    context = context_of(Config(**files))
    files["cert"].write_text("nothing")
    assert [shown(context, authority) for _ in range(2)] == ["one.example"] * 2
    files["cert"].unlink()
    assert shown(context, authority) == "one.example"
    assert [record.message.endswith("the certificate in use stays") for record in caplog.records] == [True, True]
    write(authority, files, "another.example")
    assert shown(context, authority) == "another.example"


def test_what_cannot_be_used_is_refused_at_the_start(files, tmp_path, authority):
    files["cert"].write_text("nothing")
    with pytest.raises(UsageError, match=r"ws: cannot use cert=.*tls\.crt: .*\(key=.*tls\.key\)"):
        context_of(Config(**files))
    with pytest.raises(UsageError, match="No such file"):
        context_of(Config(cert=tmp_path / "nothing", key=files["key"]))
    write(authority, files, "one.example")
    with pytest.raises(UsageError, match="ws: cannot use client_ca="):
        context_of(Config(**files, client_ca=files["key"]))
    (tmp_path / "empty.crt").touch()
    with pytest.raises(UsageError, match=r"ws: cannot use client_ca=.*empty\.crt: there is no certificate in it"):
        context_of(Config(**files, client_ca=tmp_path / "empty.crt"))


def test_a_key_with_a_passphrase_is_refused_since_nobody_is_there_to_type_it(files):
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - takes a moment

    key = serialization.load_pem_private_key(files["key"].read_bytes(), None)
    files["key"].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hush"),
        )
    )
    with pytest.raises(UsageError, match="it has a passphrase"):
        context_of(Config(**files))


def test_clients_have_to_show_a_certificate_where_authorities_are_given(files, tmp_path, authority):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    context = context_of(Config(**files, client_ca=tmp_path / "ca.crt"))
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED


def lets_in(server, authority, certificate=None):
    """Whether a client that shows this certificate, or none, is let in."""
    client = ssl.create_default_context()
    client.check_hostname = False
    authority.configure_trust(client)
    if certificate is not None:
        certificate.configure_cert(client)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server)
    for _ in range(4):
        for end in (client_end, server_end):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return True


@pytest.mark.parametrize("renewed", [False, True])
def test_who_is_let_in_stays_the_same_when_the_certificate_is_replaced(files, tmp_path, authority, renewed):
    (tmp_path / "ca.crt").write_bytes("# Autorité\n".encode() + authority.cert_pem.bytes())
    context = context_of(Config(**files, client_ca=tmp_path / "ca.crt"))
    if renewed:
        write(authority, files, "another.example")
    for _ in range(2):
        assert lets_in(context, authority, authority.issue_cert("ops@rime.example"))
        assert not lets_in(context, authority, trustme.CA().issue_cert("ops@rime.example"))
        assert not lets_in(context, authority)
