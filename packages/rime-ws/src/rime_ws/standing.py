"""Where a client stands with each type that it asks for: O(types), whatever the number of resources.

Sent, on its way, held back and rejected are facts that the protocol keeps anyway; they are only read here. Of what is
out of the ordinary (rejected, held back) the first few are listed and all are counted, for a client may reject
thousands, and each look at it costs that much.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from rime_core import describe
from rime_envoy_api import redact_text

if TYPE_CHECKING:
    from rime_core.protocol.channel import Channel
    from rime_core.protocol.hold import Hold
    from rime_core.protocol.stream import Stream

State = Literal["synced", "held", "pending", "rejected"]
"""What is to be said of a client and a type in one word, the worst last.

- synced: it has acknowledged all that there is;
- held: all but what is held back from it, in order;
- pending: something is on its way, or about to be sent;
- rejected: it has refused something, and accepted nothing in its place.
"""

TimeOf = Callable[[float], str]
"""A time of the stream's clock as text: `2026-01-31T12:03:01.123Z`."""

STATES: Final[tuple[State, ...]] = ("synced", "held", "pending", "rejected")

LISTED: Final = 20
"""Of what is rejected, and of what is held back, in one type of one client."""


def standing(stream: "Stream[Any, Any]", time_of: TimeOf) -> Iterator[dict[str, Any]]:
    """Of each type that the client of this stream asks for; `time_of` gives a time of its clock as text."""
    held: dict[str, list[Hold]] = {}
    for hold in stream.order.holds():
        held.setdefault(hold.type_url, []).append(hold)
    for type_url in stream.subscribers():
        channel = stream.channel(type_url)
        if channel is not None:
            yield _of_type(stream, channel, held.get(type_url, []), time_of)


def worst(states: Iterable[State]) -> State:
    """The one that is to be said of all of them."""
    return max(states, key=STATES.index, default="synced")


def _of_type(
    stream: "Stream[Any, Any]", channel: "Channel[Any, Any]", held: "list[Hold]", time_of: TimeOf
) -> dict[str, Any]:
    subscriber = channel.subscriber
    rejected = subscriber.rejected if subscriber.has_rejected else {}
    oldest = next(iter(channel.flights.values()), None)
    told: dict[str, Any] = {
        "type": describe(channel.described.url).plural,
        "state": _state(bool(rejected), stream.is_behind(channel.described.url) or bool(channel.flights), bool(held)),
        "all": subscriber.wildcard,
        "names": subscriber.named,
        "sent": max(subscriber.cursor, 0),
        "acknowledged": max(subscriber.answered, 0),
        "behind": stream.is_behind(channel.described.url),
        "unacknowledged": len(channel.flights),
    }
    if oldest is not None:
        told["oldest"] = oldest.manifest.ordinal
    if rejected:
        told["rejections"] = len(rejected)
        told["rejected"] = [
            {
                "name": name,
                "version": each.version,
                "error": redact_text(each.why),
                **({"time": time_of(each.at)} if each.at is not None else {}),
            }
            for name, each in islice(rejected.items(), LISTED)
        ]
    if held:
        told["holds"] = len(held)
        told["held"] = [{"name": hold.name, "why": str(hold)} for hold in held[:LISTED]]
    return told


def _state(rejected: bool, pending: bool, held: bool) -> State:
    return "rejected" if rejected else "pending" if pending else "held" if held else "synced"
