"""Traffic: what was sent to clients and what became of it, in numbers that only grow.

They are sums, so those of several processes can be added up. The delay is that from a change to the client's
acknowledgement of the response which told it; of several changes in one response, the oldest. It is known from what a
stream keeps of a response anyway, so that measuring it keeps nothing for each change; a change that was overwritten
before it was sent is not measured, nor is what a client was sent because it asked for it.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from rime_core.protocol.events import Acknowledged, Event, RejectedResponse

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rime_core.clients import Connected
    from rime_core.protocol.messages import DeltaResponse, DiscoveryResponse

DELAYS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: the upper bounds of the histogram's buckets, from loopback to Envoy's patience with a warming cluster."""

MOST: Final = 256
"""Transports and types that are told apart; the names of types are the clients' to choose."""

OTHER: Final = "other"
"""What the type of all others is called."""


class Flow:
    """The sums of one transport and type."""

    __slots__ = ("acknowledged", "bytes", "delay", "delays", "rejected", "resources", "responses")

    def __init__(self) -> None:
        self.responses = 0
        self.resources = 0
        """In responses; what is removed is none."""
        self.bytes = 0
        """Of responses, as the transport encodes them."""
        self.acknowledged = 0
        """Responses."""
        self.rejected = 0
        """Responses."""
        self.delays = [0] * (len(DELAYS) + 1)
        """How many delays are up to each of `DELAYS`, and above the one before it; the last are above all of them."""
        self.delay = 0.0
        """Their sum, in seconds."""

    def took(self, seconds: float) -> None:
        """A change was acknowledged after this delay."""
        self.delays[bisect_left(DELAYS, seconds)] += 1
        self.delay += seconds


class Traffic:
    """The sums of one process. Made by `Clients.traffic`."""

    __slots__ = ("flows",)

    def __init__(self) -> None:
        self.flows: Final[dict[tuple[str, str], Flow]] = {}
        """By transport and type URL."""

    def committed(self, source: str, changed: "Mapping[str, Collection[str]]", label: str | None) -> None:
        """Commits are counted by their Plane."""

    def wrote(self, connected: "Connected", response: "DeltaResponse | DiscoveryResponse", size: int) -> None:
        """A response was written, in so many bytes."""
        flow = self._flow(connected.transport, response.type_url)
        flow.responses += 1
        flow.resources += len(response.update.resources)
        flow.bytes += size

    def happened(self, connected: "Connected", event: Event) -> None:
        """Something that the stream tells."""
        if isinstance(event, Acknowledged):
            flow = self._flow(connected.transport, event.type_url)
            flow.acknowledged += 1
            now = connected.stream.now
            if event.since is not None and now is not None:
                flow.took(now - event.since)
        elif isinstance(event, RejectedResponse):
            self._flow(connected.transport, event.type_url).rejected += 1

    def _flow(self, transport: str, type_url: str) -> Flow:
        key = (transport, type_url)
        flow = self.flows.get(key)
        if flow is None:
            if len(self.flows) >= MOST:
                key = (transport, OTHER)
            flow = self.flows.setdefault(key, Flow())
        return flow
