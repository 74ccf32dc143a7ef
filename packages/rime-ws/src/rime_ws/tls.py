"""TLS for the port: a certificate that is taken anew when its files have changed, and clients' where one is asked for.

At each handshake the files are looked at, which is a `stat` of each and follows links, so that Kubernetes' way of
replacing a folder by moving one link is seen. What cannot be used then is logged once, and what was in use stays.
Authorities of clients (`client_ca`) are read when serving begins, and not again.
"""

import logging
import ssl
from pathlib import Path
from typing import Final, Never

from rime_core import UsageError
from rime_ws.config import Config
from rime_ws.errors import cannot_use

log = logging.getLogger("rime_ws")


class _PassphraseError(Exception):
    pass


def context_of(config: Config) -> ssl.SSLContext | None:
    """What to listen with; None: nothing is encrypted.

    Raises:
        UsageError: a file cannot be read or used; the text names it.
    """
    if config.cert is None or config.key is None:
        return None
    return _Renewed(config.cert, config.key, config.client_ca).context


class _Renewed:
    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert: Final = cert
        self._key: Final = key
        self._seen = self._look()
        self._authorities: Final = _read_authorities(client_ca) if client_ca is not None else None
        self.context: Final = self._load()
        self._present = self.context
        self.context.sni_callback = self._choose

    def _choose(self, socket: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called at each handshake, whether a name was given or not."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._present = self._load()
            except UsageError as error:
                log.warning("%s; the certificate in use stays", error, extra={"event": "certificates"})
            else:
                log.info("a new certificate is in use, of cert=%s", self._cert, extra={"event": "certificates"})
        if self._present is not self.context:
            socket.context = self._present

    def _load(self) -> ssl.SSLContext:
        context = _load(self._cert, self._key)
        if self._authorities is not None:
            context.load_verify_locations(cadata=self._authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _look(self) -> tuple[object, ...]:
        """What differs when a file does."""
        return tuple(_identity(path) for path in (self._cert, self._key))


def _read_authorities(client_ca: Path) -> str:
    """The certificates in a file, which can be used."""
    try:
        text = client_ca.read_text(encoding="ascii", errors="ignore")  # names in comments
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
    except ValueError as error:
        raise cannot_use("client_ca", client_ca, "there is no certificate in it") from error
    except (ssl.SSLError, OSError) as error:
        raise cannot_use("client_ca", client_ca, _reason(error)) from error
    return text


def _identity(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return str(error)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _load(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=_refuse_passphrase)
    except _PassphraseError as error:
        raise cannot_use("key", key, "it has a passphrase, which nobody is there to type") from error
    except (ssl.SSLError, OSError) as error:
        raise cannot_use("cert", cert, f"{_reason(error)} (key={key})") from error
    return context


def _refuse_passphrase() -> Never:
    raise _PassphraseError


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is not in PEM form").lower().replace("_", " ")
    return error.strerror or str(error)
