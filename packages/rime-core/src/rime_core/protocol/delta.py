"""DeltaStream: one client's incremental stream, sans I/O.

How to drive it: give every request to `receive`, then drain `events()`; whenever `wake` was called, take `responses()`
and write them in that order before taking the next. Nothing is queued between two calls: a stream holds cursors, and
what a slow client missed merges. `close()` must be called at the end.

A request's answer has no place of its own; it takes its place in the next batch, which holds what all types have to say
at one moment, in the order of `XdsType.order` (R65–R69: a cluster comes before the endpoints and routes that use it).

Nonces. A response that brings what changed is the same for every stream at the same cursor, so its nonce names its
content's place, `clusters.12.0` (type, ordinal, part), and its encoded bytes are shared, nonce included. A stream's
cursor only grows, so such a nonce comes once on a stream. A response at a place that this stream was already sent
something for (what a re-subscription, a re-sent assignment or a late removal brings) is numbered by the stream:
`~7`. Nonces mean something on the stream that they were sent on, nowhere else (R4, R5).
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rime_core.delivery import IN_FLIGHT
from rime_core.errors import ClosedError, FellBehindError, PeerError
from rime_core.node import Node
from rime_core.protocol.events import Acknowledged, Event, RejectedResponse, UnknownType
from rime_core.protocol.messages import DeltaRequest, DeltaResponse
from rime_core.protocol.subscription import first_names
from rime_core.resource import check_name
from rime_core.server import Server
from rime_core.subscriber import Subscriber
from rime_core.type_urls import XdsType, check_type_url, describe, is_known
from rime_core.update import Manifest, Update

MAX_RESPONSE_BYTES: Final = 4_000_000
"""Below gRPC's default limit of 4 MiB for a message received, with room for what is not counted."""

MAX_TYPES: Final = 64
"""Types on one stream. Envoy asks for ten; each costs a subscription, and their names are the client's to choose."""

MAX_MESSAGE: Final = 4096
"""Characters of a rejection's message that its event has: Envoy dumps the whole resource into some."""

MAX_REASON: Final = 512
"""Characters of it that are kept for as long as the version is; a client may reject thousands."""

_EVENTS: Final = 1000
"""Events kept for who does not drain them."""

_NOWHERE: Final = (-1, -1)


class _Type:
    """One type on one stream."""

    __slots__ = ("described", "known", "nonces", "place", "stream", "subscriber")

    def __init__(self, stream: "DeltaStream", described: XdsType) -> None:
        self.stream: Final = stream
        self.described: Final = described
        self.subscriber: Subscriber
        self.known: Mapping[str, str] | None = {}
        """What the client brought from an earlier stream; None once it has been answered."""
        self.nonces: dict[str, Manifest] = {}
        """The nonces in flight, oldest first."""
        self.place = _NOWHERE
        """(ordinal, part) of the last shared response."""

    def wake(self) -> None:
        """This type may have something to send."""
        self.stream.changed(self)


class DeltaStream:
    """The protocol's state of one incremental stream, aggregated or of one type.

    Args:
        server: where the client is served from, or where to ask (`Server.serving`).
        wake: called when `responses()` may have something, at most once between two calls of it. It must only
            schedule; it may be called inside `receive`, and inside a writer's change.
        type_url: the type that requests have which name none (a stream of one type); "" for an aggregated stream.
        max_response_bytes: where to split a response; one resource is never split.
    """

    def __init__(
        self,
        server: Server,
        *,
        wake: Callable[[], None] | None = None,
        type_url: str = "",
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self.node: Node | None = None
        """Who the client says that it is, from its first request (R1)."""
        self._server = server
        self._wake: Final = wake
        self._type_url: Final = type_url
        self._max_response_bytes: Final = max_response_bytes
        self._types: dict[str, _Type] = {}
        self._changed: set[_Type] = set()
        self._woken = False
        self._closed = False
        self._own_nonces = 0
        self._events: deque[Event] = deque(maxlen=_EVENTS)
        self._unasked: dict[str, list[tuple[str, ...]]] = {}
        """Type URL → names that what was sent waits for, of types that the client has not asked for yet."""

    def receive(self, request: DeltaRequest) -> None:
        """Take one request in.

        Raises:
            PeerError: the protocol does not allow it; the stream must end with its `code`. It is closed already.
            ClosedError: after `close()`.
        """
        if self._closed:
            raise ClosedError("this stream is closed")
        try:
            self._receive(request)
        except PeerError:
            self.close()
            raise

    def responses(self) -> list[DeltaResponse]:
        """The next batch: what all types have to send at this moment, in the order to write it.

        Nothing before the server is ready.

        Raises:
            FellBehindError: the client is further behind than what is remembered; the stream must end with
                UNAVAILABLE. It is closed already.
        """
        batch: list[DeltaResponse] = []
        if self._closed:
            return batch
        if not self._server.ready:
            self._server.when_ready(self._signal)
        elif self._changed:
            self._woken = True  # what one type's answer brings about in another is part of this batch
            for one_type in self._types.values():
                if one_type in self._changed:
                    self._changed.discard(one_type)
                    self._collect(one_type, batch)
        self._woken = False
        return batch

    def events(self) -> list[Event]:
        """What happened since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events

    def subscribers(self) -> Mapping[str, Subscriber]:
        """The client's Subscriber of each type, by type URL: what it wants, was sent, acknowledged and rejected."""
        return {url: one_type.subscriber for url, one_type in self._types.items()}

    def close(self) -> None:
        """Give everything up. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._server.not_when_ready(self._signal)
        for one_type in self._types.values():
            one_type.subscriber.close()
        self._types.clear()
        self._changed.clear()
        self._unasked.clear()

    # --- requests ----------------------------------------------------------------------------------------------------

    def _receive(self, request: DeltaRequest) -> None:
        type_url = request.type_url or self._type_url
        if not type_url:
            raise PeerError("a request on an aggregated stream names no type_url")
        if self._type_url and type_url != self._type_url:
            raise PeerError(f"a request for {type_url} came on the stream of {self._type_url}")
        if self.node is None:
            self.node = request.node or Node()
            self._server = self._server.serving(self.node)
        one_type = self._types.get(type_url)
        if one_type is None:
            self._begin(type_url, request)
        else:
            self._settle(one_type, request)
            _change(one_type.subscriber, request)

    def _begin(self, type_url: str, request: DeltaRequest) -> None:
        try:
            check_type_url(type_url)
        except ValueError:
            self._events.append(UnknownType(type_url))
            return
        if len(self._types) >= MAX_TYPES:
            raise PeerError(f"more than {MAX_TYPES} types on one stream", code="RESOURCE_EXHAUSTED")
        if not is_known(type_url) and not self._server.knows(type_url):
            self._events.append(UnknownType(type_url))
        one_type = _Type(self, describe(type_url))
        names = first_names(one_type.described, request.subscribe, request.unsubscribe)
        one_type.subscriber = self._server.subscribe(
            type_url, _named(names), wake=one_type.wake, max_bytes=self._max_response_bytes
        )
        one_type.known = request.initial_versions
        self._types[type_url] = one_type
        self._types = dict(sorted(self._types.items(), key=_order))
        self.changed(one_type)

    def _settle(self, one_type: _Type, request: DeltaRequest) -> None:
        """Take an acknowledgement or a rejection; a nonce that is not in flight means nothing (R21, R22)."""
        nonce, error = request.nonce, request.error
        if not nonce:
            return
        manifest = one_type.nonces.pop(nonce, None)
        type_url = one_type.described.url
        if error is not None:
            if manifest is not None:
                one_type.subscriber.reject(manifest, error[:MAX_REASON])
            versions = manifest.versions if manifest is not None else {}
            self._events.append(RejectedResponse(type_url, nonce, versions, error[:MAX_MESSAGE]))
        elif manifest is not None:
            one_type.subscriber.acknowledge_update(manifest)
            self._events.append(Acknowledged(type_url, nonce))

    # --- responses ---------------------------------------------------------------------------------------------------

    def changed(self, one_type: _Type) -> None:
        """A type may have something to send (called by its Subscriber)."""
        self._changed.add(one_type)
        self._signal()

    def _signal(self) -> None:
        if not self._woken and not self._closed:
            self._woken = True
            if self._wake is not None:
                self._wake()

    def _collect(self, one_type: _Type, batch: list[DeltaResponse]) -> None:
        """Add to the batch what one type has to send."""
        subscriber = one_type.subscriber
        if one_type.known is not None:
            known, one_type.known = one_type.known, None
            update = subscriber.initial(known)
            # an empty "*" is answered all the same: Envoy is not ready without (R44)
            if update or (subscriber.wildcard and not known):
                self._send(one_type, update, batch)
            subscriber.resend(self._waited_for(one_type.described.url, known))
        while (more := subscriber.poll()) is not None:
            self._send(one_type, more, batch)

    def _send(self, one_type: _Type, update: Update, batch: list[DeltaResponse]) -> None:
        if update.full:
            self.close()
            raise FellBehindError(
                f"more {one_type.described.plural} were removed since this stream last read than are remembered"
            )
        batch.append(self._response(one_type, update))
        warmed_by = one_type.described.warmed_by
        if warmed_by is not None:
            names = update.references.get(warmed_by, ())
            if names:
                self._warm(warmed_by, names)

    def _response(self, one_type: _Type, update: Update) -> DeltaResponse:
        place = (update.ordinal, update.part)
        shared = place > one_type.place
        if shared:
            one_type.place = place
            nonce = f"{one_type.described.plural}.{update.ordinal}.{update.part}"
        else:
            self._own_nonces += 1
            nonce = f"~{self._own_nonces}"
        if len(one_type.nonces) >= IN_FLIGHT:
            del one_type.nonces[next(iter(one_type.nonces))]
        one_type.nonces[nonce] = update.manifest
        return DeltaResponse(one_type.described.url, update, nonce, shared)

    def _warm(self, type_url: str, names: tuple[str, ...]) -> None:
        """Have what a changed resource waits for sent again: Envoy keeps a changed cluster warming, for 15 s, until its
        assignment comes, and does not ask for it (R63, R72).
        """
        waited_for = self._types.get(type_url)
        if waited_for is not None and waited_for.known is None:
            waited_for.subscriber.resend(names)
            return
        unasked = self._unasked.setdefault(type_url, [])
        unasked.append(names)
        if len(unasked) > IN_FLIGHT:  # a client that never asks: names, not their history
            self._unasked[type_url] = [tuple({name for each in unasked for name in each})]

    def _waited_for(self, type_url: str, known: Mapping[str, str]) -> list[str]:
        """The names that are sent although the client knows them: what waits for them was sent before it asked."""
        return [name for names in self._unasked.pop(type_url, ()) for name in names if name in known]


def _change(subscriber: Subscriber, request: DeltaRequest) -> None:
    if request.unsubscribe:
        subscriber.discard(_named(request.unsubscribe))
    if request.subscribe:
        subscriber.add(_named(request.subscribe))


def _named(names: Iterable[str]) -> list[str]:
    """The names, less empty ones, which name nothing."""
    named = [name for name in names if name]
    for name in named:
        if not name.isascii():
            try:
                check_name(name)
            except ValueError as error:
                raise PeerError(str(error)) from error
    return named


def _order(item: tuple[str, _Type]) -> int:
    return item[1].described.order
