"""Bytes to requests, responses to bytes.

Requests are parsed by protobuf (upb: 1 µs for an acknowledgement). Responses are joined from pieces: a resource is
encoded once in its life (`Resource.encoded`), a response once for all streams that are sent it (`Update.encoded`), and
what is one stream's own, such as a nonce, is appended to shared bytes, since the order of fields is free. Where there
are lifetimes there are two forms of both, with them and without, each made when the first client needs it.

Field numbers are those of `envoy/service/discovery/v3/discovery.proto`. Both variants have the same for what both have,
and what a state-of-the-world response holds of a resource, its body as an Any, is the end of what an incremental one
holds of it, tag and all. So a resource's bytes are kept once for both: the one is a view of the other.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, Generic, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from rime_core import Bodiless, Node, PeerError, Resource
from rime_core.protocol.messages import DeltaRequest, DeltaResponse, DiscoveryRequest, DiscoveryResponse
from rime_envoy_api import message_class, redact_text
from rime_grpc.initial_versions import InitialVersions, request_class

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


_RESOURCE_TYPE: Final = b"type.googleapis.com/envoy.service.discovery.v3.Resource"

_REDACTED: Final = 64 << 10
"""Characters of a rejection's message that are looked at: what stands behind them is dropped, not shown."""


_ENDINGS: Final = 16
"""How many endings of one response are kept: clients that want different names are told different versions."""

_Piece = bytes | memoryview


class _Form:
    """The bytes of an Update in one form: the first `bare_size` are the same for all, then comes the first ending."""

    __slots__ = ("bare_size", "data", "endings")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bare_size: Final = len(data)
        self.endings: Final[dict[tuple[str | None, str], bytes]] = {}
        """(version, nonce) → the whole."""


_Kind = tuple[type[DeltaResponse] | type[DiscoveryResponse], bool]
"""The variant, and whether lifetimes are told."""


def encode(response: DeltaResponse | DiscoveryResponse) -> bytes:
    """The response as a serialized `DeltaDiscoveryResponse` or `DiscoveryResponse`."""
    forms = response.update.encoded
    if not isinstance(forms, dict):
        forms = response.update.encoded = {}
    kind: _Kind = (type(response), response.ttl)
    form: _Form | None = forms.get(kind)
    if form is None:
        form = forms[kind] = _Form(b"".join(_pieces(response)))
        if all(resource.ttl is None for resource in response.update.resources):
            forms[type(response), not response.ttl] = form
    version = response.version if isinstance(response, DiscoveryResponse) else None
    if not response.shared:
        return form.data[: form.bare_size] + _ending(version, response.nonce)
    data = form.endings.get((version, response.nonce))
    if data is None:
        if form.endings:
            data = form.data[: form.bare_size] + _ending(version, response.nonce)
        else:
            data = form.data = form.data + _ending(version, response.nonce)
        if len(form.endings) >= _ENDINGS:
            del form.endings[next(iter(form.endings))]
        form.endings[version, response.nonce] = data
    return data


def _ending(version: str | None, nonce: str) -> bytes:
    """What may differ between those who are sent an Update."""
    tail = _field(_RESPONSE_NONCE, nonce.encode())
    return tail if version is None else tail + _field(_RESPONSE_VERSION, version.encode())


def _pieces(response: DeltaResponse | DiscoveryResponse) -> list[_Piece]:
    """All that is the same for whoever is sent the Update in this form."""
    update = response.update
    pieces: list[_Piece] = [_field(_RESPONSE_TYPE_URL, response.type_url.encode())]
    if isinstance(response, DiscoveryResponse):
        pieces += [_encode_alone(resource, with_ttl=response.ttl) for resource in update.resources]
        return pieces
    pieces += [_encode_resource(resource, with_ttl=response.ttl) for resource in update.resources]
    pieces += [_field(_RESPONSE_REMOVED, name.encode()) for name in update.removed]
    if update.label is not None:
        pieces.append(_field(_RESPONSE_VERSION, update.label.encode()))
    return pieces


def _encode_alone(resource: Resource, *, with_ttl: bool) -> _Piece:
    """What a state-of-the-world response holds of it: its body, or where a lifetime is told all of it, as an Any."""
    whole = _encode_resource(resource, with_ttl=with_ttl)
    if with_ttl and resource.ttl is not None:
        # an Any's value has the tag that a response's resource has
        return _field(_RESPONSE_RESOURCE, _field(_ANY_TYPE_URL, _RESOURCE_TYPE) + whole)
    return memoryview(whole)[-_body_size(resource) :]


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
    fields += [_field(_RESOURCE_ALIAS, alias.encode()) for alias in resource.told_aliases]
    if not isinstance(resource, Bodiless):
        # the last, for _encode_alone
        body = _field(_ANY_TYPE_URL, resource.type_url.encode()) + _field(_ANY_VALUE, resource.body)
        fields.append(_field(_RESOURCE_BODY, body))
    return b"".join(fields)


def _duration(seconds: float) -> bytes:
    """A `google.protobuf.Duration`, to the millisecond."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return _DURATION_SECONDS + _varint(whole) + _DURATION_NANOS + _varint(milliseconds * 1_000_000)


def _body_size(resource: Resource) -> int:
    return _field_size(_field_size(len(resource.type_url.encode())) + _field_size(len(resource.body)))


def _field(tag: bytes, value: bytes) -> bytes:
    return tag + _varint(len(value)) + value


def _field_size(length: int) -> int:
    return 1 + max(1, (length.bit_length() + 6) // 7) + length


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


_SHORT: Final = 512
"""Bytes up to which a request is kept for those who say the same: an acknowledgement has some hundred."""

_ALIKE: Final = 64
"""Requests that are kept: as many changes as may be acknowledged at the same time, and more."""

Request = TypeVar("Request")


class Decoder(ABC, Generic[Request]):
    """Parses the requests of one stream; the node is read from the first one only, for it may be 60 KB in each.

    A thousand clients acknowledge a shared response in the same bytes, which are parsed once for all of them.
    """

    __slots__ = ("_message", "_node_read")

    _name: ClassVar[str]
    _known: ClassVar[dict[bytes, Any]]
    """Bytes → the request that they are, of what was said last."""

    def __init__(self) -> None:
        self._message: Final = self._class()
        self._node_read = False

    def decode(self, data: bytes) -> Request:
        """The request that `data` holds; the message of a rejection is redacted.

        Raises:
            PeerError: it is no request of this variant, or its node's metadata hold what JSON has no number for.
        """
        is_short = self._node_read and len(data) <= _SHORT
        if is_short:
            known: Request | None = self._known.get(data)
            if known is not None:
                return known
        try:
            return self._decode(data, is_short=is_short)
        except DecodeError:
            raise PeerError(f"{len(data)} bytes that are no {self._name}") from None

    def _decode(self, data: bytes, *, is_short: bool) -> Request:
        message = self._message.FromString(data)
        node = None
        if not self._node_read:
            self._node_read = True
            try:
                node = _node(message.node)
            except ValueError as error:
                raise PeerError(f"the node's metadata cannot be read: {error}") from error
        why = redact_text(message.error_detail.message[:_REDACTED]) if message.HasField("error_detail") else None
        request = self._request(message, node, why)
        # a rejection is redacted, and its bytes are not; a node is one client's
        if is_short and why is None and not message.HasField("node"):
            if len(self._known) >= _ALIKE:
                self._known.clear()
            self._known[data] = request
        return request

    @classmethod
    def _class(cls) -> Any:  # noqa: ANN401 - made from a descriptor
        return message_class(f"envoy.service.discovery.v3.{cls._name}")

    @abstractmethod
    def _request(self, message: Any, node: Node | None, error: str | None) -> Request:  # noqa: ANN401 - as _node
        """What the message says, with what both variants have read of it."""


class DeltaDecoder(Decoder[DeltaRequest]):
    """Parses the requests of an incremental stream."""

    __slots__ = ()

    _name = "DeltaDiscoveryRequest"
    _known: ClassVar[dict[bytes, DeltaRequest]] = {}
    _initial_versions: ClassVar = InitialVersions()

    @classmethod
    def _class(cls) -> Any:  # noqa: ANN401 - as above
        return request_class()

    def _request(self, message: Any, node: Node | None, error: str | None) -> DeltaRequest:  # noqa: ANN401 - as above
        return DeltaRequest(
            type_url=message.type_url,
            node=node,
            subscribe=tuple(message.resource_names_subscribe),
            unsubscribe=tuple(message.resource_names_unsubscribe),
            initial_versions=self._initial_versions.read(message),
            nonce=message.response_nonce,
            error=error,
        )


class SotwDecoder(Decoder[DiscoveryRequest]):
    """Parses the requests of a state-of-the-world stream."""

    __slots__ = ()

    _name = "DiscoveryRequest"
    _known: ClassVar[dict[bytes, DiscoveryRequest]] = {}

    def _request(self, message: Any, node: Node | None, error: str | None) -> DiscoveryRequest:  # noqa: ANN401 - as above
        return DiscoveryRequest(
            type_url=message.type_url,
            node=node,
            names=tuple(message.resource_names),
            version=message.version_info,
            nonce=message.response_nonce,
            error=error,
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
