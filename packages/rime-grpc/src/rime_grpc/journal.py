"""What the log says of one client's streams: who came, what was refused or rejected and why, what was sent.

A client's own text is cut, and lines that a client can cause at will are let in one at a time (`Gate.warn`), but for
rejections, each of which somebody should see.
"""

import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from rime_core import Peer, PeerError, describe
from rime_core.protocol.events import Acknowledged, Deferred, Event, Held, LetGo, Refused, RejectedResponse, UnknownType
from rime_core.protocol.messages import DeltaResponse, DiscoveryResponse
from rime_grpc.errors import told
from rime_grpc.gate import Gate

if TYPE_CHECKING:
    from rime_core.protocol.stream import Stream as Protocol

log = logging.getLogger("rime_grpc")

_LISTED: Final = 5
"""Names in a log line; Envoy rejects a response of thousands as a whole."""

_LET_GO: Final = {
    "silence": "%s was waited for too long: %s",
    "given up": "%s gave up what was held back, or what was waited for: %s",
    "ended": "%s is gone, and with it what was held back: %s",
}

_CUT: Final = 200
"""Characters of a client's own text in a log line."""


class Journal:
    """Writes of one stream; as text it is who the client is."""

    __slots__ = ("_gate", "_peer", "_protocol")

    def __init__(self, protocol: "Protocol[Any, Any]", peer: Peer, gate: Gate) -> None:
        self._protocol: Final = protocol
        self._peer: Final = peer
        self._gate: Final = gate

    def __str__(self) -> str:
        node = self._protocol.node
        who = (node and _cut(node.id)) or ("a client" if node is None else "a client without id")
        return f"{who} at {self._peer.address}"

    def come(self) -> None:
        """It has said who it is."""
        log.info("%s has come", self, extra={"event": "opened"})

    def gone(self) -> None:
        """Its stream is over."""
        log.info("%s has gone", self, extra={"event": "closed"})

    def broken(self, error: PeerError) -> None:
        """It is refused, or did what the protocol does not allow."""
        if error.code == "PERMISSION_DENIED":
            self._gate.warn("refused", "authorize", f"{self} is refused: {told(error)}")
        else:
            self._gate.warn("refused", "protocol", f"{self} broke the protocol: {told(error)}")

    def failed(self, error: Exception) -> None:
        """A fault of rime's."""
        log.error("serving %s failed", self, exc_info=error, extra={"event": "failed"})

    def slowed(self, rate: float) -> None:
        """It asks too fast."""
        self._gate.warn(
            "slowed",
            "max_request_rate",
            f"{self} sends more than {rate} requests a second; they are read more slowly",
        )

    def happened(self, events: Iterable[Event]) -> None:
        """What the protocol tells."""
        for event in events:
            match event:
                case Acknowledged():
                    pass
                case RejectedResponse(type_url, nonce, versions, message, culprits):
                    log.warning(
                        "%s rejected %s %s: %s",
                        self,
                        describe(type_url).plural,
                        _listed(culprits or versions),
                        message,
                        extra={"event": "rejected", "type_url": type_url, "nonce": nonce},
                    )
                case Held(hold):
                    # a name in use that is gone is somebody's mistake; anything else is what order is for
                    level = logging.WARNING if hold.why == "in service" else logging.DEBUG
                    log.log(level, "%s: %s", self, hold, extra={"event": "held", "type_url": hold.type_url})
                case LetGo(hold, why):
                    # what was a warning has an end that is seen as well
                    level = logging.INFO if hold.why == "in service" else logging.DEBUG
                    log.log(
                        logging.WARNING if why == "silence" else level,
                        _LET_GO[why],
                        self,
                        hold,
                        extra={"event": "let go", "type_url": hold.type_url},
                    )
                case Refused(type_url, why, names):
                    what = describe(type_url).plural + (f" {_listed(names)}" if names else "")
                    self._gate.warn("refused", "authorize", f"{self} is refused {what}: {_cut(why)}")
                case Deferred(type_url):
                    log.warning(
                        "%s came back, and is sent no %s before everything can be read: it would lose what is missing",
                        self,
                        describe(type_url).plural,
                        extra={"event": "deferred", "type_url": type_url},
                    )
                case UnknownType(type_url):
                    self._gate.warn("unknown", "type", f"{self} asks for {_cut(type_url)!r}, which rime does not know")

    def sent(self, response: DeltaResponse | DiscoveryResponse) -> None:
        """It has taken a response."""
        if not log.isEnabledFor(logging.DEBUG):
            return
        update = response.update
        removed = update.removed if isinstance(response, DeltaResponse) else ()
        log.debug(
            "%s is sent %s %s",
            self,
            describe(response.type_url).plural,
            _listed([*(resource.name for resource in update.resources), *removed]),
            extra={
                "event": "sent",
                "type_url": response.type_url,
                "resources": len(update.resources),
                "removed": len(removed),
                "nonce": response.nonce,
            },
        )


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text)} characters)"


def _listed(names: Collection[str]) -> str:
    if not names:
        return "(nothing)"
    listed = ", ".join(_cut(name) for name in sorted(names)[:_LISTED])
    return f"{listed} and {len(names) - _LISTED} more" if len(names) > _LISTED else listed
