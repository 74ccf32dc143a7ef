"""Returning: what a client that came back may have that is not known here.

Another process may have served it, or it missed changes of which nobody remembers what they referred to. So until what
it has is up to date, what is gone stays with it, for what it brought may refer to that. Three things are waited for:

- its requests, which Envoy sends at once and in any order, those for routes and assignments before that for clusters;
- of what it had in another version, or has although it is gone: that it accepts what there is, or gives it up;
- where it had a listener in another version: that this one has drained (`drained`).
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rime_core.resource import STAR, Reference
from rime_core.type_urls import CLUSTER, LISTENER, ROUTE, XdsType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from rime_core.protocol.channel import Channel, Flight

EXPECTED: Final = (CLUSTER, LISTENER, ROUTE)
"""The types that a client which came back is expected to ask for."""


class Drained(NamedTuple):
    """What a client accepted in place of a listener that it had brought, or that this is gone, and when."""

    waits_for: Reference
    since: float


class Returning:
    """Whether one client came back on this stream, and what of that is not over yet."""

    __slots__ = ("_channel", "_unsure", "came_back", "drained", "until")

    def __init__(self, channel: "Callable[[str], Channel[Any, Any] | None]") -> None:
        self._channel: Final = channel
        self._unsure: Final[dict[str, dict[str, bool]]] = {}
        """Type URL → the names of which it may have what is not known here, and whether it said that it has them; "*":
        of a full set that it was sent, there are no names.
        """
        self.came_back = False
        """Whether it brought anything."""
        self.until: float | None = None
        """Until when it may still ask for `EXPECTED`; None: not any more, or it did not come back."""
        self.drained: Drained | None = None
        """The last one."""

    def is_awaited(self, type_url: str) -> bool:
        """Whether it is still to ask for this type, or to be answered."""
        channel = self._channel(type_url)
        if channel is None:
            return self.until is not None and type_url in EXPECTED
        return self.came_back and not channel.answered

    def unknown(self, described: XdsType) -> "Iterator[tuple[Channel[Any, Any], str]]":
        """What it may have and nobody knows what that refers to, of the types that may refer to one of this type."""
        for type_url in described.referred_by:
            channel = self._channel(type_url)
            if channel is not None:
                unsure = self._unsure.get(type_url, ())
                for name in unsure:
                    if _may_have(channel, name):
                        yield channel, name

    # --- what happens on the stream ----------------------------------------------------------------------------------

    def answered(self, channel: "Channel[Any, Any]") -> None:
        """Its first request of a type was."""
        if not self.came_back:
            return
        subscriber = channel.subscriber
        sent = [name for flight in channel.flights.values() for name in flight.manifest.versions]
        missing = [name for name in subscriber.names if subscriber.present(name) is None]
        names = {*sent, *subscriber.held, *missing}
        if channel.brought(STAR) and channel.flights:
            names.add(STAR)
        unsure = {name: channel.brought(name) for name in names if channel.brought(name) or name in subscriber.names}
        if unsure:
            self._unsure[channel.described.url] = unsure

    def accepted(self, channel: "Channel[Any, Any]", flight: "Flight", now: float) -> None:
        """It has accepted what was on its way, in place of what it had."""
        type_url, outlives_removal = channel.described.url, channel.described.outlives_removal
        unsure = self._unsure.get(type_url)
        if not unsure:
            return
        for name, version in (*flight.manifest.versions.items(), (STAR, "")):
            brought = unsure.get(name)
            if brought and channel.described.drains:
                self.drained = Drained((type_url, name), now)
            if version is not None or not outlives_removal:
                unsure.pop(name, None)

    def given_up(self, type_url: str, names: "Collection[str]") -> None:
        """It has these no longer."""
        unsure = self._unsure.get(type_url)
        if unsure:
            for name in names:
                unsure.pop(name, None)


def _may_have(channel: "Channel[Any, Any]", name: str) -> bool:
    """Whether a client may still have of this name what it had when it came back."""
    subscriber = channel.subscriber
    if name == STAR:
        return True
    return subscriber.asks_for(name) and (
        name in subscriber.held
        or any(name in flight.manifest.versions for flight in channel.flights.values())
        or subscriber.refusal(name) is not None
        or subscriber.has_before(name, 0)
        or (channel.described.outlives_removal and subscriber.present(name) is None)
    )
