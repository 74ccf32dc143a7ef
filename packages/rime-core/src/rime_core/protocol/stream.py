"""A client's stream, sans I/O: what the variants of the protocol have in common.

How to drive it: give every request to `receive`, then drain `events()`; whenever `wake` was called, and at the time
that `due` says, take `responses()` and write them in that order before taking the next. Nothing is queued between two
calls: a stream holds cursors, and what a slow client missed merges. `close()` must be called at the end.

A stream has a Channel for each type that its client asks for: a Subscriber, and what the variant does with requests
and updates. A request's answer has no place of its own; it takes its place in the next batch, which holds what all
types have to say at one moment, in the order of `XdsType.order` (R65–R69: a cluster comes before the endpoints and
routes that use it). What must wait longer than that is held back by the stream's Order.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Final, Generic

from rime_core.delivery import IN_FLIGHT
from rime_core.errors import ClosedError, PeerError
from rime_core.index import call_all
from rime_core.node import Client, Node, Peer
from rime_core.plane import Plane
from rime_core.protocol.allowance import MAX_NAMES, Allowance
from rime_core.protocol.channel import Channel, Request, Response
from rime_core.protocol.events import Event, UnknownType
from rime_core.protocol.heartbeat import Heartbeats
from rime_core.protocol.order import Order, Patience
from rime_core.protocol.rejection import Rejection
from rime_core.protocol.subscription import named
from rime_core.resource import Resource
from rime_core.server import Server
from rime_core.subscriber import Subscriber
from rime_core.type_urls import LEAVES, check_type_url, describe, is_known

if TYPE_CHECKING:
    from rime_core.permissions import Permissions

MAX_RESPONSE_BYTES: Final = 1_000_000
"""What processors keep at hand between the copies that are made of it (docs/performance.md has the figures). gRPC's
clients refuse more than 4 MiB by default.
"""

MAX_TYPES: Final = 64
"""Types on one stream. Envoy asks for ten; each costs a subscription, and their names are the client's to choose."""

_EVENTS: Final = 1000
"""Events kept for who does not drain them."""


class Stream(ABC, Generic[Request, Response]):
    """The protocol's state of one client's stream, aggregated or of one type.

    Args:
        server: where the client is served from, or where to ask (`Server.serving`).
        wake: called when `responses()` may have something, at most once between two calls of it. It must only
            schedule; it may be called inside `receive`, and inside a writer's change.
        clock: the time in seconds, of any origin; without one, nobody is waited for that says nothing.
        peer: what the connection says of the client.
        patience: how long a client is waited for that says nothing.
        type_url: the type that requests have which name none (a stream of one type); "" for an aggregated stream.
        max_response_bytes: where to split a response; one resource is never split.
        max_names: how many names of one type the client may ask for, and bring beyond what there is; None: any.
    """

    _channel: ClassVar[type[Channel]]  # type: ignore[type-arg]  # each variant says which

    def __init__(
        self,
        server: Server,
        *,
        wake: Callable[[], None] | None = None,
        clock: Callable[[], float] | None = None,
        peer: Peer | None = None,
        patience: Patience | None = None,
        type_url: str = "",
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        max_names: int | None = MAX_NAMES,
    ) -> None:
        self.node: Node | None = None
        """Who the client says that it is, from its first request (R1)."""
        self.peer: Final = peer or Peer()
        """What its connection says of it."""
        self.number = 0
        """How many responses were made."""
        self.tells_ttl = False
        """Whether the client is told lifetimes."""
        self.order: Final = Order(self.channel, self.tell, clock, patience or Patience())
        """What is held back from this client."""
        self._server = server
        self._clients: Final = server.clients
        self._clock: Final = clock
        self._wake = wake
        self._type_url: Final = type_url
        self.max_response_bytes: Final = max_response_bytes
        self._max_names: Final = max_names
        self._permissions: Permissions | None = None
        """What the client may be given; None: everything."""
        self._channels: dict[str, Channel[Request, Response]] = {}
        """By type URL, in the order of a batch."""
        self._changed: set[Channel[Request, Response]] = set()
        self._woken = False
        self._puts_off = False
        """Whether there are types that it is told of later than they change."""
        self._called: bool
        """Whether it is in `receive` or in `responses`; known from the first request on."""
        self._closed = False
        self._events: deque[Event] = deque(maxlen=_EVENTS)
        self._awaited: dict[str, list[tuple[str, ...]]] = {}
        """Type URL → names that what was sent waits for, of types that the client has not asked for yet."""

    def receive(self, request: Request) -> None:
        """Take one request in.

        Raises:
            PeerError: the protocol does not allow it, or the client is refused; the stream must end with its `code`. It
                is closed already, as it is when `group`, `authorize` or what that gave raises anything else.
            ClosedError: after `close()`.
        """
        if self._closed:
            raise ClosedError("this stream is closed")
        self._called = True
        try:
            self._receive(request)
        except BaseException:
            self.close()
            raise
        self._called = False

    def responses(self) -> list[Response]:
        """The next batch: what all types have to send at this moment, in the order to write it.

        Nothing before the server is ready.

        Raises:
            FellBehindError: the client is further behind than what is remembered; the stream must end with
                UNAVAILABLE. It is closed already.
        """
        batch: list[Response] = []
        if self._closed:
            return batch
        self._called = True
        due = self.order.due
        if due is not None and self._clock is not None and self._clock() >= due:
            self.order.tick()
        if not self._server.ready:
            self._server.when_ready(self._signal)
        else:
            self._woken = True  # what one type's answer brings about in another is part of this batch
            since = self.number
            if self._puts_off:
                self._take_along()
            if self._changed:
                for channel in self._channels.values():
                    if channel in self._changed:
                        self._changed.discard(channel)
                        channel.collect(batch)
                        channel.watch()
            if self.tells_ttl:
                self._renew(since, batch)
        self._called = self._woken = False
        if self._changed and self._server.ready:
            self._signal()
        return batch

    @property
    def due(self) -> float | None:
        """The time of the clock at which `responses()` must be called although `wake` was not; None: never."""
        due = self.order.due
        if self.tells_ttl and self._server.ready:
            for channel in self._channels.values():
                due = _earlier(due, channel.heartbeats.due if channel.heartbeats is not None else None)
        return due

    def events(self) -> list[Event]:
        """What happened since the last call, oldest first."""
        if not self._events:
            return []
        events = list(self._events)
        self._events.clear()
        return events

    def subscribers(self) -> Mapping[str, Subscriber]:
        """The client's Subscriber of each type, by type URL: what it wants, was sent, acknowledged and rejected."""
        return {url: channel.subscriber for url, channel in self._channels.items()}

    def rejections(self) -> Iterator[Rejection]:
        """What the client rejected of each type and did not accept since, until something else is sent for it."""
        for url, channel in self._channels.items():
            for name, (version, why, nonce, at) in channel.subscriber.rejected.items():
                yield Rejection(url, name, version, nonce, why, at, channel.subscriber.acknowledged(name))

    @property
    def now(self) -> float | None:
        """The time of its clock; None where it has none."""
        return self._clock() if self._clock is not None else None

    def is_behind(self, type_url: str) -> bool:
        """Whether there may be something of a type that the client was not sent yet, apart from what is held back."""
        channel = self._channels.get(type_url)
        return channel is not None and (channel in self._changed or channel.subscriber.is_put_off)

    def close(self) -> None:
        """Give everything up; what is left of it is freed without the garbage collector. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self.order.close()
        self._server.not_when_ready(self._signal)
        subscribers = [channel.subscriber for channel in self._channels.values()]
        for channel in self._channels.values():
            channel.heartbeats = None
        self._wake = None
        self._channels.clear()
        self._changed.clear()
        self._awaited.clear()
        call_all([subscriber.close for subscriber in subscribers])

    # --- for its channels --------------------------------------------------------------------------------------------

    def channel(self, type_url: str) -> "Channel[Request, Response] | None":
        """The channel of a type; None where the client has not asked for it."""
        return self._channels.get(type_url)

    def moment(self) -> float | None:
        """When what wakes one of its types now was made; None for what its client has brought about itself, and where
        nobody observes.
        """
        return None if self._called or not self._clients.observers else self.now

    def changed(self, channel: Channel[Request, Response]) -> None:
        """A type may have something to send."""
        self._changed.add(channel)
        self._signal()

    def warm(self, type_url: str, names: tuple[str, ...]) -> None:
        """What was sent needs `names`: now, or when their type is first asked for."""
        channel = self._channels.get(type_url)
        if channel is not None and channel.answered:
            channel.warm(names)
            return
        awaited = self._awaited.setdefault(type_url, [])
        awaited.append(names)
        if len(awaited) > IN_FLIGHT:  # a client that never asks: names, not their history
            self._awaited[type_url] = [tuple({name for each in awaited for name in each})]

    def awaited(self, type_url: str) -> list[str]:
        """The names that were needed before their type was asked for; once."""
        return [name for names in self._awaited.pop(type_url, ()) for name in names]

    def asked_for(self, type_url: str) -> Iterable[Resource]:
        """What there is of a type that the client asks for: on a stream of another type, all that it may ask for."""
        channel = self._channels.get(type_url)
        if channel is not None:
            everything = channel.subscriber.everything()
            return everything.resources if everything is not None else ()
        if not self._type_url:
            return ()
        resources = self._server.snapshot()[type_url].values()
        permissions = self._permissions
        if permissions is None:
            return resources
        if permissions.type(type_url) is not None:
            return ()
        why_not = permissions.names(type_url)
        return resources if why_not is None else [each for each in resources if why_not(each.name) is None]

    def count(self, type_url: str) -> int | None:
        """How many resources of a type there are, at most; None where nobody knows."""
        return self._server.count(type_url)

    @abstractmethod
    def understands_ttl(self, features: Collection[str]) -> bool:
        """Whether a client with these features understands lifetimes in this variant (R73)."""

    def tell(self, event: Event) -> None:
        """Something happened that is not a response."""
        self._events.append(event)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _receive(self, request: Request) -> None:
        type_url = request.type_url or self._type_url
        if not type_url:
            raise PeerError("a request on an aggregated stream names no type_url")
        if self._type_url and type_url != self._type_url:
            raise PeerError(f"a request for {type_url} came on the stream of {self._type_url}")
        if self.node is None:
            self.node = request.node or Node()
            client = Client(self.node, self.peer)
            self._permissions = self._server.permissions(client)
            self._server = self._server.serving(client)
            self.order.server = self._server
            self._puts_off = self._server.puts_off
            self.tells_ttl = self.understands_ttl(self.node.client_features)
        channel = self._channels.get(type_url)
        if channel is None:
            self._begin(type_url, request)
        else:
            channel.change(request)

    def _begin(self, type_url: str, request: Request) -> None:
        try:
            check_type_url(type_url)
        except ValueError:
            self.tell(UnknownType(type_url))
            return
        if len(self._channels) >= MAX_TYPES:
            raise PeerError(f"more than {MAX_TYPES} types on one stream", code="RESOURCE_EXHAUSTED")
        if not is_known(type_url) and not self._server.knows(type_url):
            self.tell(UnknownType(type_url))
        described = describe(type_url)
        allowance = Allowance(described, most=self._max_names, permissions=self._permissions, tell=self.tell)
        channel: Channel[Request, Response] = self._channel(self, described, allowance)
        names = named(channel.begin(request))
        allowance.limit(names)
        # a type that is refused is to this client as one of which there is nothing
        server = self._server if allowance.whole else Plane().server()
        channel.subscriber = server.subscribe(
            type_url,
            channel.ask(names),
            wake=channel.wake,
            max_bytes=channel.max_bytes,
            gate=self.order.gate(described) if allowance.whole and not self._type_url else None,
            absent=channel.absent,
        )
        self._channels[type_url] = channel
        self._channels = dict(sorted(self._channels.items(), key=_order))
        if self.tells_ttl and self._clock is not None:
            channel.heartbeats = Heartbeats(channel, self._clock, overdue=channel.knows)
        if channel.knows:
            self.order.returned()
        self.changed(channel)

    def _take_along(self) -> None:
        """Have what is put off be part of this batch, where that may refer to it, or renew what it replaces."""
        refers = any(channel.described.url not in LEAVES for channel in self._changed)
        due, now = self.due, self.now
        renews = due is not None and now is not None and due <= now
        if refers or renews or any(self.order.holds()):
            self._changed.update(channel for channel in self._channels.values() if channel.subscriber.is_put_off)

    def _renew(self, since: int, batch: list[Response]) -> None:
        """Add what must be renewed now to the batch; `since`: the number of the last response before it."""
        for channel in self._channels.values():
            if channel.heartbeats is not None:
                heartbeats = channel.heartbeats.take(since)
                if heartbeats:
                    channel.renew(heartbeats, batch)

    def _signal(self) -> None:
        if not self._woken and not self._closed:
            self._woken = True
            if self._wake is not None:
                self._wake()


def _earlier(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _order(item: tuple[str, Channel[Request, Response]]) -> int:
    return item[1].described.order
