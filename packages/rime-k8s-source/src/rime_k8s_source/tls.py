"""TLS to the API server: whom to believe, and the client's own certificate.

A context is made anew when what it is made of has changed, so that rotated files count from the next connection on.
"""

import ssl
import tempfile
from pathlib import Path
from typing import Final

from rime_k8s_source.access import Access
from rime_k8s_source.credentials import Credentials, read
from rime_k8s_source.errors import CredentialsError


class Contexts:
    """The contexts for one access."""

    def __init__(self, access: Access) -> None:
        self._access: Final = access
        self._made_of: object = None
        self._context: ssl.SSLContext | None = None

    def context(self, credentials: Credentials) -> ssl.SSLContext:
        """The one for these credentials.

        Raises:
            CredentialsError: a file cannot be read, or is not PEM, or the key is not the certificate's.
        """
        authority = read(self._access.authority, "certificate authority")
        made_of = (authority, credentials.certificate, credentials.key)
        if self._context is None or made_of != self._made_of:
            self._context = self._make(authority, credentials)
            self._made_of = made_of
        return self._context

    def _make(self, authority: bytes | None, credentials: Credentials) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cadata=authority.decode() if authority is not None else None)
        except (ssl.SSLError, ValueError) as error:
            raise CredentialsError("the certificate authority is not PEM") from error
        if not self._access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if credentials.certificate is not None and credentials.key is not None:
            _load(context, credentials.certificate, credentials.key)
        return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # OpenSSL's Python face takes a certificate from files alone; these are its owner's only, and gone at once.
    with tempfile.TemporaryDirectory() as folder:
        of_certificate, of_key = Path(folder, "certificate"), Path(folder, "key")
        of_key.touch(mode=0o600)
        of_certificate.write_bytes(certificate)
        of_key.write_bytes(key)
        try:
            context.load_cert_chain(of_certificate, of_key)
        except (ssl.SSLError, OSError) as error:
            raise CredentialsError("the client's certificate and key are not PEM, or do not belong together") from error
