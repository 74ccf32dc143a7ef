"""Clients: who is connected, over whichever transport, and for who looks at them, whose state has changed.

A transport enters each stream that it serves, says so when something about it may have changed, and takes it out at its
end. Who looks follows: it is woken, and takes what changed since it looked last. What is noted for it is which streams
changed, each once however often it did, so that a slow one costs no more than there are streams. While nobody looks
nothing is noted.

It also says what it wrote, and hands on what the stream tells. Who wants to know of each (counters, traces) observes;
while nobody does nothing is measured.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from rime_core.index import call_all
from rime_core.traffic import Traffic

if TYPE_CHECKING:
    from rime_core.protocol.events import Event
    from rime_core.protocol.messages import DeltaResponse, DiscoveryResponse
    from rime_core.protocol.stream import Stream


class Connected:
    """One stream of a client, as its transport enters it. Its `stream` says who the client is, once that is known.

    `transport` is its kind, such as "grpc"; `since` is when the client came, and `heard`, which the transport keeps,
    when it last sent something: seconds of the clock that the stream has.
    """

    __slots__ = ("__weakref__", "heard", "since", "stream", "transport")

    def __init__(self, stream: "Stream[Any, Any]", transport: str, since: float) -> None:
        self.stream: Final = stream
        self.transport: Final = transport
        self.since: Final = since
        self.heard = since


class Observer(Protocol):
    """What is told of each response, and of what clients say to it. It must be quick, and must not raise."""

    def committed(self, source: str, changed: Mapping[str, Collection[str]], label: str | None) -> None:
        """What `source` wrote has changed something: types with the names in its commit, and what it calls the state.

        Told before whom it concerns is woken.
        """
        ...

    def wrote(self, connected: Connected, response: "DeltaResponse | DiscoveryResponse", size: int) -> None:
        """A response was written, in so many bytes."""
        ...

    def happened(self, connected: Connected, event: "Event") -> None:
        """Something that the stream tells: what was acknowledged, rejected, held ..."""
        ...


class Clients:
    """The streams of one Plane's clients. It belongs to the Plane's thread."""

    __slots__ = ("_connected", "_followers", "_traffic", "observers")

    def __init__(self) -> None:
        self._connected: Final[dict[Connected, None]] = {}
        self._followers: Final[dict[Follower, None]] = {}
        self._traffic: Traffic | None = None
        self.observers: tuple[Observer, ...] = ()
        """Who is told of each response; while there is nobody, nothing is measured."""

    def __len__(self) -> int:
        return len(self._connected)

    def __iter__(self) -> Iterator[Connected]:
        """The streams, in the order in which they came."""
        return iter(self._connected)

    def __contains__(self, connected: object) -> bool:
        return connected in self._connected

    def enter(self, connected: Connected) -> None:
        """A client's stream has begun."""
        self._connected[connected] = None
        self.changed(connected)

    def changed(self, connected: Connected) -> None:
        """Something about a stream may have changed: what it was sent, what it acknowledged, or when it was heard."""
        if self._followers:
            call_all([follower.note(connected) for follower in self._followers])

    def leave(self, connected: Connected) -> None:
        """It is over; leaving twice is fine."""
        if self._connected.pop(connected, connected) is None:
            self.changed(connected)

    def observe(self, observer: Observer) -> None:
        """Have it told of each response from now on."""
        self.observers = (*self.observers, observer)

    def ignore(self, observer: Observer) -> None:
        """Tell it no longer; one that is not told is ignored."""
        self.observers = tuple(each for each in self.observers if each is not observer)

    def traffic(self) -> Traffic:
        """What was sent to clients, and what became of it, since this was asked for first; the same for all who ask."""
        if self._traffic is None:
            self._traffic = Traffic()
            self.observe(self._traffic)
        return self._traffic

    def committed(self, source: str, changed: Mapping[str, Collection[str]], label: str | None) -> None:
        """Something changed, and who waits for it has not been told yet."""
        for observer in self.observers:
            observer.committed(source, changed, label)

    def wrote(self, connected: Connected, response: "DeltaResponse | DiscoveryResponse", size: int) -> None:
        """A transport has written a response of this stream, in so many bytes."""
        for observer in self.observers:
            observer.wrote(connected, response, size)

    def happened(self, connected: Connected, events: "Iterable[Event]") -> None:
        """What this stream tells; a transport says so at once, for the present time is when it happened."""
        for observer in self.observers:
            for event in events:
                observer.happened(connected, event)

    def follow(self, wake: Callable[[], None]) -> "Follower":
        """Be told of changes from now on; close it at the end (it is a context manager).

        `wake` is called when there is something to take, at most once between two calls of `take`. It must only
        schedule: it is called inside what a transport does for its client.
        """
        follower = Follower(self._followers, wake)
        self._followers[follower] = None
        return follower


class Follower:
    """Who looks at clients. Made by `Clients.follow`."""

    __slots__ = ("_changed", "_followers", "_wake")

    def __init__(self, followers: "dict[Follower, None]", wake: Callable[[], None]) -> None:
        self._followers: Final = followers
        self._wake: Final = wake
        self._changed: dict[Connected, None] = {}

    def note(self, connected: Connected) -> Callable[[], None]:
        """A stream changed; what is to be called for it."""
        woken = bool(self._changed)
        self._changed[connected] = None
        return _nothing if woken else self._wake

    def take(self) -> list[Connected]:
        """The streams that changed, came or went since the last call, each once."""
        changed, self._changed = self._changed, {}
        return list(changed)

    def close(self) -> None:
        """Be told no longer. Twice is fine."""
        self._followers.pop(self, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _nothing() -> None:
    """Who was woken already need not be."""
