"""Bytes to requests, responses to bytes.

Requests are parsed by protobuf (upb: 1 µs for an acknowledgement). Responses are joined from pieces: a resource is
encoded once in its life (`Resource.encoded`), a response once for all streams that are sent it (`Update.encoded`), and
a nonce that is one stream's own is appended to shared bytes, since the order of fields is free. Where there are
lifetimes there are two forms of both, with them and without, each made when the first client needs it.

Field numbers are those of `envoy/service/discovery/v3/discovery.proto`.
"""

from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from rime_core import Bodiless, Node, PeerError, Resource, Update
from rime_core.protocol.messages import DeltaRequest, DeltaResponse
from rime_envoy_api import message_class, redact_text

_LENGTH_DELIMITED: Final = 2


def _tag(field: int) -> bytes:
    return bytes([field << 3 | _LENGTH_DELIMITED])


_RESOURCE_VERSION: Final = _tag(1)
_RESOURCE_BODY: Final = _tag(2)
_RESOURCE_NAME: Final = _tag(3)
_RESOURCE_ALIAS: Final = _tag(4)
_RESOURCE_TTL: Final = _tag(6)
_DURATION_SECONDS: Final = bytes([1 << 3])
_DURATION_NANOS: Final = bytes([2 << 3])
_ANY_TYPE_URL: Final = _tag(1)
_ANY_VALUE: Final = _tag(2)
_RESPONSE_VERSION: Final = _tag(1)
_RESPONSE_RESOURCE: Final = _tag(2)
_RESPONSE_TYPE_URL: Final = _tag(4)
_RESPONSE_NONCE: Final = _tag(5)
_RESPONSE_REMOVED: Final = _tag(6)


_REDACTED: Final = 64 << 10
"""Characters of a rejection's message that are looked at: what stands behind them is dropped, not shown."""


class _Form:
    """The bytes of an Update in one form, and how many of them come before the nonce that all share."""

    __slots__ = ("bare_size", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bare_size = len(data)


class _Forms:
    """What is kept on an Update: its forms, as far as they are made; one and the same where it has no lifetimes."""

    __slots__ = ("plain", "with_ttl")

    def __init__(self) -> None:
        self.plain: _Form | None = None
        self.with_ttl: _Form | None = None


def encode(response: DeltaResponse) -> bytes:
    """The response as a serialized `DeltaDiscoveryResponse`."""
    forms = response.update.encoded
    if not isinstance(forms, _Forms):
        forms = response.update.encoded = _Forms()
    form = (forms.with_ttl if response.ttl else forms.plain) or _make(forms, response)
    if not response.shared:
        return form.data[: form.bare_size] + _field(_RESPONSE_NONCE, response.nonce.encode())
    if len(form.data) == form.bare_size:
        form.data += _field(_RESPONSE_NONCE, response.nonce.encode())
    return form.data


def _make(forms: _Forms, response: DeltaResponse) -> _Form:
    update = response.update
    form = _Form(_encode_update(response.type_url, update, with_ttl=response.ttl))
    are_same = all(resource.ttl is None for resource in update.resources)
    if are_same or not response.ttl:
        forms.plain = form
    if are_same or response.ttl:
        forms.with_ttl = form
    return form


def _encode_update(type_url: str, update: Update, *, with_ttl: bool) -> bytes:
    pieces = [_encode_resource(resource, with_ttl=with_ttl) for resource in update.resources]
    pieces += [_field(_RESPONSE_REMOVED, name.encode()) for name in update.removed]
    pieces.append(_field(_RESPONSE_TYPE_URL, type_url.encode()))
    if update.label is not None:
        pieces.append(_field(_RESPONSE_VERSION, update.label.encode()))
    return b"".join(pieces)


def _encode_resource(resource: Resource, *, with_ttl: bool) -> bytes:
    if with_ttl and resource.ttl is not None:
        if resource.encoded_with_ttl is None:
            ttl = _field(_RESOURCE_TTL, _duration(resource.ttl))
            resource.encoded_with_ttl = _field(_RESPONSE_RESOURCE, _resource_fields(resource) + ttl)
        return resource.encoded_with_ttl
    if resource.encoded is None:
        resource.encoded = _field(_RESPONSE_RESOURCE, _resource_fields(resource))
    return resource.encoded


def _resource_fields(resource: Resource) -> bytes:
    fields = [_field(_RESOURCE_VERSION, resource.version.encode()), _field(_RESOURCE_NAME, resource.name.encode())]
    fields += [_field(_RESOURCE_ALIAS, alias.encode()) for alias in resource.aliases]
    if not isinstance(resource, Bodiless):
        body = _field(_ANY_TYPE_URL, resource.type_url.encode()) + _field(_ANY_VALUE, resource.body)
        fields.append(_field(_RESOURCE_BODY, body))
    return b"".join(fields)


def _duration(seconds: float) -> bytes:
    """A `google.protobuf.Duration`, to the millisecond."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return _DURATION_SECONDS + _varint(whole) + _DURATION_NANOS + _varint(milliseconds * 1_000_000)


def _field(tag: bytes, value: bytes) -> bytes:
    return tag + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


class Decoder:
    """Parses the requests of one stream; the node is read from the first one only, for it may be 60 KB in each."""

    __slots__ = ("_message", "_node_read")

    def __init__(self) -> None:
        self._message: Final[Any] = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
        self._node_read = False

    def decode(self, data: bytes) -> DeltaRequest:
        """The request that `data` holds; the message of a rejection is redacted.

        Raises:
            PeerError: it is no `DeltaDiscoveryRequest`, or its node's metadata hold what JSON has no number for.
        """
        try:
            message = self._message.FromString(data)
        except DecodeError:
            raise PeerError(f"{len(data)} bytes that are no DeltaDiscoveryRequest") from None
        node = None
        if not self._node_read:
            self._node_read = True
            try:
                node = _node(message.node)
            except ValueError as error:
                raise PeerError(f"the node's metadata cannot be read: {error}") from error
        return DeltaRequest(
            type_url=message.type_url,
            node=node,
            subscribe=tuple(message.resource_names_subscribe),
            unsubscribe=tuple(message.resource_names_unsubscribe),
            initial_versions=dict(message.initial_resource_versions),
            nonce=message.response_nonce,
            error=redact_text(message.error_detail.message[:_REDACTED]) if message.HasField("error_detail") else None,
        )


def _node(message: Any) -> Node:  # noqa: ANN401 - made from a descriptor at run time
    return Node(
        id=message.id,
        cluster=message.cluster,
        region=message.locality.region,
        zone=message.locality.zone,
        sub_zone=message.locality.sub_zone,
        metadata=MessageToDict(message.metadata),
        client_features=frozenset(message.client_features),
    )
