"""Secrets of type kubernetes.io/tls as Envoy's secrets: the certificate with its key, and whom it lets believe.

Nothing is watched but what a label selects, so that rime needs no more, and keeps no more, of a cluster's secrets. A
certificate that is rotated changes that one resource.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rime_core.errors import SourceError
from rime_core.type_urls import SECRET
from rime_k8s_source.kinds import SECRETS, Kind
from rime_k8s_source.mapping import Claim, Made, Trouble, Wanted
from rime_k8s_source.reflector import Key, Object
from rime_k8s_source.template import Template

CHAIN: Final = "tls.crt"
PRIVATE_KEY: Final = "tls.key"
AUTHORITY: Final = "ca.crt"


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """What is remembered of a Secret, in base64 as it came; never shown."""

    chain: str = field(repr=False)
    key: str = field(repr=False)
    authority: str = field(repr=False, default="")


class SecretMapper:
    """`namespace/name`: certificate and key; and, where the Secret has a ca.crt as cert-manager writes it,
    `namespace/name/ca`: a validation context that trusts it.
    """

    name: Final = "secret"

    def __init__(self, names: Template, *, labels: str, namespaces: tuple[str, ...] = ()) -> None:
        self._names: Final = names
        self.wanted: Final[Sequence[Wanted]] = (Wanted(SECRETS, labels, "type=kubernetes.io/tls", namespaces),)

    def keep(self, kind: Kind, body: Object) -> Any | None:  # noqa: ANN401, ARG002 - the face of a mapper
        """A `TlsSecret`."""
        data = body.get("data") or {}
        return TlsSecret(data.get(CHAIN) or "", data.get(PRIVATE_KEY) or "", data.get(AUTHORITY) or "")

    def units(self, kind: Kind, key: Key, kept: Any) -> Iterable[Key]:  # noqa: ANN401, ARG002 - the face of a mapper
        """Each Secret is one."""
        return (key,)

    def make(self, unit: Key, objects: Mapping[Kind, Mapping[Key, Any]]) -> Made:
        """The certificate with its key, and the validation context."""
        from rime_envoy_api import message_class, resource  # noqa: PLC0415 - protobuf and Envoy's API

        kept: TlsSecret = objects[SECRETS][unit]
        name = self._names.fill(namespace=unit[0], name=unit[1])
        try:
            chain, key, authority = (_decoded(each) for each in (kept.chain, kept.key, kept.authority))
            if not chain or not key:
                return _trouble(unit, name, f"{CHAIN} or {PRIVATE_KEY} is empty")
            made = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")
            certificate = made(name=name)
            certificate.tls_certificate.certificate_chain.inline_bytes = chain
            certificate.tls_certificate.private_key.inline_bytes = key
            claims = [Claim(*resource(certificate))]
            if authority:
                context = made(name=f"{name}/ca")
                context.validation_context.trusted_ca.inline_bytes = authority
                claims.append(Claim(*resource(context)))
        except (SourceError, binascii.Error) as error:
            return _trouble(unit, name, str(error))
        return Made(claims)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _trouble(unit: Key, name: str, why: str) -> Made:
    return Made(troubles=[Trouble(f"secret {unit[0]}/{unit[1]}: {why}", SECRET, name)])
