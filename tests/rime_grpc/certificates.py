"""Certificates for these tests, made by trustme in the moment: nothing here expires while nobody looks."""

import datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "rime.example"


def write_server(authority, folder: Path, *, client_ca=None, expires_at=None, names=(NAME,)) -> dict[str, Path]:
    """A server's files in this folder, as the options of TLS name them."""
    certificate = authority.issue_cert(*names, not_after=expires_at)
    files = {"cert": folder / "tls.crt", "key": folder / "tls.key"}
    certificate.private_key_pem.write_to_path(str(files["key"]))
    files["cert"].write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))
    if client_ca is not None:
        files["client_ca"] = folder / "ca.crt"
        client_ca.cert_pem.write_to_path(str(files["client_ca"]))
    return files


def client_credentials(authority, certificate: tuple[bytes, bytes] | None = None) -> grpc.ChannelCredentials:
    """A client's that trusts this authority, and shows this certificate (key, chain)."""
    return grpc.ssl_channel_credentials(authority.cert_pem.bytes(), *(certificate or ()))


def issue_client(authority, common_name: str, *names: x509.GeneralName) -> tuple[bytes, bytes]:
    """Key and chain of a client's certificate; trustme signs none with a URI in it, as SPIFFE has."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(
        x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject,
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]),
        key.public_key(),
        x509.random_serial_number(),
        now - day,
        now + day,
    )
    made = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(signer, hashes.SHA256())
    return (
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        made.public_bytes(serialization.Encoding.PEM),
    )
