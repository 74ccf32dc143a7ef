"""The certificates that the port shows and asks for: read, checked, and read again when their files change.

Before each handshake gRPC asks for certificates, in a thread of its own, holding up the other handshakes of the port
until it has an answer. So the answer is nearly always "as before", and costs little: the files are looked at ten times
a second at most, and looking is a `stat` of each, which follows symbolic links, so that Kubernetes' way of replacing a
whole folder by moving one link is seen too. Streams that are open keep the connection that they have.

What has changed is checked before it is used, by OpenSSL: that the key is the certificate's by loading both, that
clients will accept the certificate (expired, not yet valid, not meant for a server) by a handshake in memory with a
client that trusts this very certificate. What fails is logged once, and what was in use stays in use.

TLS 1.2 is the least that gRPC speaks, and it offers no way to ask for less.
"""

import logging
import ssl
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

import grpc

from rime_core import UsageError
from rime_grpc.errors import cannot_read, cannot_use

log = logging.getLogger("rime_grpc")

LOOK: Final = 0.1
"""Seconds within which the files are looked at once: 5,000 clients that come back at once are 5,000 handshakes."""

RETRY: Final = 60.0
"""Seconds after which files with a fault are read again though they have not changed: a certificate that was not yet
valid may be so now, and a process that had too many files open may have fewer."""

LARGEST: Final = 1 << 20
"""Bytes of a file: the bundle of all public authorities is a fifth of that."""

_ATTEMPTS: Final = 5
"""Readings during which files may change before they are given up until the next look."""

_UNUSABLE_KEYS: Final = {
    bytes.fromhex("302a300506032b6570032100"): "Ed25519",
    bytes.fromhex("3043300506032b6571033a00"): "Ed448",
    bytes.fromhex("301006072a8648ce3d020106052b81040023"): "ECDSA P-521",
}
"""How the public key begins in a certificate that OpenSSL takes and BoringSSL, which gRPC and Envoy have, by default
does not: no handshake would succeed, and only the clients would say so."""

_NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED


@dataclass(frozen=True, slots=True)
class _Material:
    """What the files held when they were found good; `valid_until` as OpenSSL writes it."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    valid_until: str

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.key, self.cert)], root_certificates=self.client_ca)


class Certificates:
    """The certificates of one port; `client_ca` makes clients show one of their own.

    `clock` gives seconds that never go back.

    Raises:
        UsageError: a file cannot be read or used; the text names it and says what to do.
    """

    def __init__(
        self, cert: Path, key: Path, client_ca: Path | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cert: Final = cert
        self._key: Final = key
        self._client_ca: Final = client_ca
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._fault = ""
        self._seen = self._look()
        self._material = self._read()
        self._looked = self._read_at = clock()

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC listens with."""
        # the stubs do not know that None stands for "no change", as grpc's own documentation has it
        fetch: Callable[[], grpc.ServerCertificateConfiguration] = self.renewed  # type: ignore[assignment]
        return grpc.dynamic_ssl_server_credentials(
            self._material.configuration(), fetch, require_client_authentication=self._client_ca is not None
        )

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What to use from now on; None: what is in use. May be called from any thread."""
        with self._lock:
            now = self._clock()
            if now - self._looked < LOOK:
                return None
            self._looked = now
            seen = self._look()
            if seen == self._seen and not (self._fault and now - self._read_at >= RETRY):
                return None
            self._seen, self._read_at = seen, now
            return self._read_again()

    def _read_again(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            material = self._read()
        except UsageError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                log.warning("%s; the certificates in use stay", error, extra={"event": "certificates"})
            return None
        self._fault = ""
        if material == self._material:
            return None
        self._material = material
        log.info(
            "new certificates are in use; cert=%s is valid until %s",
            self._cert,
            material.valid_until,
            extra={"event": "certificates"},
        )
        return material.configuration()

    def _look(self) -> tuple[object, ...]:
        """What differs when a file does."""
        return tuple(_identity(path) for path in (self._cert, self._key, self._client_ca) if path is not None)

    def _read(self) -> _Material:
        """What the files hold, checked.

        OpenSSL reads them itself, once more: what it checked is what was read only if they did not change meanwhile.
        """
        for _ in range(_ATTEMPTS):
            before = self._look()
            try:
                material = self._read_once()
            except UsageError:
                if before == self._look():
                    raise
            else:
                if before == self._look():
                    return material
        raise cannot_use("cert", self._cert, "it, or a file that goes with it, changes all the time")

    def _read_once(self) -> _Material:
        cert, key = _content("cert", self._cert), _content("key", self._key)
        client_ca = None if self._client_ca is None else _content("client_ca", self._client_ca)
        valid_until = _check_server(self._cert, self._key)
        if self._client_ca is not None:
            _check_authorities(self._client_ca)
        return _Material(cert, key, client_ca, valid_until)


def _identity(path: Path) -> object:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return str(error)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _content(option: str, path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for somebody to write
            raise cannot_read(option, path, "it is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise cannot_read(option, path, error.strerror or str(error)) from error
    except ValueError as error:
        raise cannot_read(option, path, str(error)) from error
    if len(content) > LARGEST:
        raise cannot_read(option, path, "it is larger than 1 MiB, which no certificate is")
    return content


class _PassphraseError(Exception):
    pass


def _refuse_passphrase() -> Never:
    raise _PassphraseError


def _check_server(cert: Path, key: Path) -> str:
    """Check that clients will accept this certificate and that the key is its own; gives until when it is valid."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False  # whatever the name is: clients check theirs
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trust the certificate itself, not only an authority
    try:
        client.load_verify_locations(cert)
    except (ssl.SSLError, OSError) as error:
        raise _no_certificate("cert", cert) from error
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(cert, key, password=_refuse_passphrase)
    except _PassphraseError as error:
        fault = f"it has a passphrase, which nobody is there to type; take it off: openssl pkey -in {key} -out FILE"
        raise cannot_use("key", key, fault) from error
    except (ssl.SSLError, OSError) as error:
        raise _no_pair(cert, key, error) from error
    try:
        shown, valid_until = _shake_hands(server, client)
    except ssl.SSLError as error:
        raise cannot_use("cert", cert, _complaint(error)) from error
    for beginning, kind in _UNUSABLE_KEYS.items():
        if beginning in shown:
            fault = f"its key is of the kind {kind}, which neither gRPC nor Envoy takes; make one with ECDSA P-256"
            raise cannot_use("cert", cert, fault)
    return valid_until


def _no_certificate(option: str, path: Path) -> UsageError:
    return cannot_use(option, path, "it should hold certificates in PEM form, -----BEGIN CERTIFICATE-----")


def _no_pair(cert: Path, key: Path, error: OSError) -> UsageError:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        fault = f"it is not the private key of the first certificate in cert={cert}; give two that belong together"
        return cannot_use("key", key, fault)
    if reason.startswith(("EE_", "CA_")):  # such as EE_KEY_TOO_SMALL
        return cannot_use("cert", cert, f"{_words(reason)}; make a new one")
    return cannot_use("key", key, "it should hold a private key in PEM form, -----BEGIN PRIVATE KEY-----")


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[bytes, str]:
    """Let this client connect to this server; gives the server's certificate, and until when it is valid."""
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
            fields = client_end.getpeercert() or {}
            return client_end.getpeercert(binary_form=True) or b"", str(fields["notAfter"])


def _complaint(error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"{_words(error.reason or str(error))}; make a new one"
    if error.verify_code == _EXPIRED:
        return "it has expired; renew it"
    if error.verify_code == _NOT_YET_VALID:
        return "it is not valid yet; wait, or set this machine's clock"
    return f"clients would refuse it: {error.verify_message}; make a new one, for a server"


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


def _check_authorities(client_ca: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError) as error:
        raise _no_certificate("client_ca", client_ca) from error
    authorities = context.get_ca_certs()
    if not authorities:
        raise cannot_use("client_ca", client_ca, "none of its certificates is that of an authority")
    # of several one may have expired: an old one is often left for a while beside the new
    if all(ssl.cert_time_to_seconds(str(each["notAfter"])) <= time.time() for each in authorities):
        raise cannot_use("client_ca", client_ca, "it has expired; renew it")
