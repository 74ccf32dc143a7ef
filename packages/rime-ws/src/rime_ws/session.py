"""One client's conversation over the debug stream, sans I/O: JSON messages in, JSON messages out.

How to drive it: give every text that comes to `receive`; whenever `wake` was called, and at the time that `due` says,
write what `message()` gives, until it gives None, and take the next only when the last is written. Nothing is queued:
what a slow client misses merges, as it does for every client of a Plane. Read no further while `owes_an_answer`: what a
client says and is answered would pile up otherwise. `close()` must be called at the end.

Nothing that a client says ends its connection. What makes no sense is answered by an `error`, and the rest goes on.
"""

import json
from collections import deque
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol

from rime_core import TYPES, Client, ClosedError, Peer, PeerError, RimeError, Server, describe
from rime_ws.client_feeds import ClientFeed, ClientsFeed
from rime_ws.merged import merged
from rime_ws.requests import (
    MisunderstoodError,
    SubscribeClient,
    SubscribeClients,
    SubscribeResources,
    SubscribeStatus,
    Unsubscribe,
    read,
)
from rime_ws.resource_feed import ResourceFeed
from rime_ws.status_feed import DEFAULT, StatusFeed, groups_of

if TYPE_CHECKING:
    from rime_ws.merged import Open
    from rime_ws.requests import Request
    from rime_ws.times import Times

PROTOCOL: Final = 1
"""The version of what is said here; it grows when a client of the last one would not understand."""

MAX_SUBSCRIPTIONS: Final = 32
"""The page has 14: one for each type, the clients, one of them, a resource, the status."""

MAX_NAMES: Final = 100_000
"""Names, and known versions, in one subscription, as many as on a client's stream."""


class Feed(Protocol):
    """What one subscription has to say."""

    @property
    def due(self) -> float | None:
        """The time at which to look although nothing woke it; None: at no time."""
        ...

    def take(self, now: float) -> dict[str, Any] | None:
        """The next message; None where there is none at present."""
        ...

    def close(self) -> None:
        """No more of it."""
        ...


class Session:
    """The state of one connection.

    Args:
        server: what is looked at.
        wake: called when `message()` may have something. It must only schedule: it is called inside `receive`, inside
            a writer's change, and inside what another transport does for its client.
        times: what the time is.
        peer: what the connection says of who looks.
        max_subscriptions: how many there may be at once.
        max_names: how many names, and known versions, one of them may have.
        number, others: which of several workers this is, and what subscribes at the others; None: there are none.
    """

    def __init__(
        self,
        server: Server,
        *,
        wake: Callable[[], None],
        times: "Times",
        peer: Peer,
        max_subscriptions: int = MAX_SUBSCRIPTIONS,
        max_names: int = MAX_NAMES,
        number: int = 1,
        others: "Open | None" = None,
    ) -> None:
        self._server: Final = server
        self._wake: Final = wake
        self._times: Final = times
        self._peer: Final = peer
        self._max_subscriptions: Final = max_subscriptions
        self._max_names: Final = max_names
        self._number: Final = number
        self._others: Final = others
        self._feeds: Final[dict[str, Feed]] = {}
        """By the name that the client gave, whose turn is next first."""
        self._answers: Final[deque[dict[str, Any]]] = deque([self._hello()])

    def receive(self, text: str) -> None:
        """Take one message in."""
        try:
            self._carry_out(read(text, max_names=self._max_names))
        except MisunderstoodError as error:
            self._refuse(str(error), error.id)

    def receive_binary(self) -> None:
        """The client sent bytes, which mean nothing here."""
        self._refuse("binary is not understood here: a message is JSON, as text", None)

    @property
    def owes_an_answer(self) -> bool:
        """Whether something that the client said is not answered yet."""
        return bool(self._answers)

    @property
    def due(self) -> float | None:
        """The time of the clock at which to call `message()` although `wake` was not; None: never."""
        times = [feed.due for feed in self._feeds.values()]
        return min((each for each in times if each is not None), default=None)

    def message(self) -> str | None:
        """The next message to write; None where there is none at present."""
        if self._answers:
            return _text(self._answers.popleft())
        for name, feed in list(self._feeds.items()):
            try:
                said = feed.take(self._times.clock())
            except ClosedError:
                self._end(name)
                return _text(_error("the group that was looked at has gone", name))
            if said is not None:
                del self._feeds[name]
                self._feeds[name] = feed
                return _text(said)
        return None

    def close(self) -> None:
        """Give everything up. Closing twice is fine."""
        for name in list(self._feeds):
            self._end(name)

    def _hello(self) -> dict[str, Any]:
        return {
            "message": "hello",
            "protocol": PROTOCOL,
            "version": version("rime-ws"),
            "groups": list(groups_of(self._server)),
            "types": [
                {"type": each.plural, "singular": each.singular, "short": each.abbreviation, "type_url": each.url}
                for each in self._types()
            ],
        }

    def _types(self) -> "list[Any]":
        """Those of Envoy's, and those of the user's own that there are."""
        known = {each.url: each for each in TYPES}
        own = {url: describe(url) for server in groups_of(self._server).values() for url in server.snapshot()}
        return list({**known, **own}.values())

    def _carry_out(self, request: "Request") -> None:
        if isinstance(request, Unsubscribe):
            if request.id not in self._feeds:
                raise MisunderstoodError(f"there is no subscription {json.dumps(request.id)}", id=request.id)
            self._end(request.id)
            return
        if request.id in self._feeds:
            raise MisunderstoodError(
                f"there is a subscription {json.dumps(request.id)}: unsubscribe first, or give another id",
                id=request.id,
            )
        if len(self._feeds) >= self._max_subscriptions:
            raise MisunderstoodError(
                f"there are {self._max_subscriptions} subscriptions on this connection, and there may be no more",
                id=request.id,
            )
        try:
            feed = self._feed(request)
            if self._others is not None:
                feed = merged(request, feed, self._number, self._others, self._times)
            self._feeds[request.id] = feed
        except (RimeError, ValueError) as error:
            raise MisunderstoodError(str(error), id=request.id) from error
        self._wake()

    def _feed(self, request: "Request") -> Feed:
        match request:
            case SubscribeResources():
                return ResourceFeed(request, self._seen_by(request), self._wake, self._times.now)
            case SubscribeClients(name):
                return ClientsFeed(name, self._server, self._wake, self._times)
            case SubscribeClient(name, client):
                return ClientFeed(name, client, self._server, self._wake, self._times)
            case SubscribeStatus(name):
                return StatusFeed(name, self._server, self._times)
            case _:
                raise AssertionError(request)

    def _seen_by(self, request: SubscribeResources) -> Server:
        """Where the resources are as the subscription wants them seen."""
        groups = groups_of(self._server)
        if request.group is not None and request.group not in groups:
            raise PeerError(f"there is no group {json.dumps(request.group)}: there are {', '.join(groups)}")
        if request.group is not None:
            return groups[request.group]
        if request.node is not None:
            return self._server.serving(Client(request.node, self._peer))
        return groups.get(DEFAULT) or next(iter(groups.values()))

    def _refuse(self, why: str, name: str | None) -> None:
        self._answers.append(_error(why, name))
        self._wake()

    def _end(self, name: str) -> None:
        self._feeds.pop(name).close()


def _error(why: str, name: str | None) -> dict[str, Any]:
    return {"message": "error", "error": why, **({"id": name} if name is not None else {})}


def _text(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
