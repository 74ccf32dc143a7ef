"""DeltaStream: one client's incremental stream, sans I/O. How to drive it: `rime_core.protocol.stream`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rime_core.protocol.messages import DeltaRequest, DeltaResponse
from rime_core.protocol.stream import Channel, Stream, named
from rime_core.protocol.subscription import first_names
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.protocol.allowance import Allowance
    from rime_core.type_urls import XdsType


class DeltaChannel(Channel[DeltaRequest, DeltaResponse]):
    """One type on an incremental stream."""

    __slots__ = ("_known",)

    def __init__(
        self, stream: Stream[DeltaRequest, DeltaResponse], described: "XdsType", allowance: "Allowance"
    ) -> None:
        super().__init__(stream, described, allowance)
        self._known: Mapping[str, str] = {}
        """What the client brings from an earlier stream, until that is answered."""

    def begin(self, request: DeltaRequest) -> Iterable[str]:
        """Known versions count in a type's first request only (R62)."""
        self._known = request.initial_versions
        self.knows = bool(self._known)
        return first_names(self.described, request.subscribe, request.unsubscribe)

    def change(self, request: DeltaRequest) -> None:
        """Its nonce settles what it answers; whatever that is, its subscriptions count (R16, R21)."""
        if request.nonce:
            self.settle(request.nonce, request.error)
        if request.unsubscribe:
            self.discard(named(request.unsubscribe))
        if request.subscribe:
            names = named(request.subscribe)
            self.allowance.limit(names, self.subscriber)
            self.subscriber.add(self.ask(names))

    def first(self) -> Update | None:
        """What it wants and does not know; an empty "*" is told too, for Envoy is not ready without (R44)."""
        known, self._known = self._known, {}
        update = self.subscriber.initial(known)
        self.subscriber.resend([name for name in self.stream.awaited(self.described.url) if name in known])
        nothing = self.allowance.star_refused
        if nothing:
            self.allowance.miss(name for name in known if not self.subscriber.asks_for(name))
        return update if update or ((self.subscriber.wildcard or nothing) and not known) else None

    def warm(self, names: Iterable[str]) -> None:
        """They are sent again: Envoy keeps a changed cluster warming, for 15 s, and does not ask (R63, R72)."""
        self.subscriber.resend(names)

    def respond(self, update: Update, nonce: str, *, shared: bool) -> DeltaResponse:
        """The update as it is."""
        return DeltaResponse(self.described.url, update, nonce, shared)


class DeltaStream(Stream[DeltaRequest, DeltaResponse]):
    """The state of one client's incremental stream."""

    _channel = DeltaChannel
