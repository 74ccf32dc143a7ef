"""Clients, as changes: who is connected and where each stands; of one client, how far it has got with each resource.

A client is known by its node's id and the address of its connection; it may have several streams on that, one for each
type. A feed follows `Server.clients`, which notes which streams changed, each once. It speaks at a pace: a change of
one resource makes a thousand clients say something within a second, and what is told of each is its latest state.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rime_core import describe
from rime_core.protocol.progress import progress
from rime_envoy_api import redact_text
from rime_ws.pace import Pace
from rime_ws.standing import standing, worst
from rime_ws.status_feed import groups_of

if TYPE_CHECKING:
    from rime_core import Connected, Server
    from rime_core.protocol.progress import Progress
    from rime_ws.times import Times

MOST_CLIENTS: Final = 100
"""Clients in one message: some milliseconds, after which others have their turn."""

MOST_RESOURCES: Final = 1000
"""Resources of one client in one message."""


def key_of(connected: "Connected") -> str | None:
    """What the client of a stream is called here, by its node's id and its address; None before it said who it is."""
    node = connected.stream.node
    return f"{node.id}@{connected.stream.peer.address}" if node is not None else None


class Roster:
    """The clients that there are, each with its streams, and which of them changed since it was asked last."""

    def __init__(self, server: "Server", wake: Callable[[], None]) -> None:
        self._clients: Final = server.clients
        self._follower: Final = server.clients.follow(wake)
        self._keys: Final[dict[Connected, str]] = {}
        self._streams: Final[dict[str, dict[Connected, None]]] = {}
        self._unseen: list[Connected] = list(server.clients)

    def changed(self) -> Iterator[str]:
        """The clients that came, went or changed."""
        seen, self._unseen = [*self._unseen, *self._follower.take()], []
        for connected in seen:
            key = self._keys.get(connected) or key_of(connected)
            if key is None:
                continue
            streams = self._streams.setdefault(key, {})
            if connected in self._clients:
                self._keys[connected] = key
                streams[connected] = None
            else:
                self._keys.pop(connected, None)
                streams.pop(connected, None)
                if not streams:
                    del self._streams[key]
            yield key

    def streams(self, key: str) -> "tuple[Connected, ...]":
        """The streams of a client; none where it has gone."""
        return tuple(self._streams.get(key, ()))

    def close(self) -> None:
        """Follow no longer."""
        self._follower.close()


class ClientsFeed:
    """Who is connected, and where each client stands with each type."""

    def __init__(self, id: str, server: "Server", wake: Callable[[], None], times: "Times") -> None:  # noqa: A002 - the message's own word
        self._id: Final = id
        self._server: Final = server
        self._times: Final = times
        self._pace: Final = Pace()
        self._roster: Final = Roster(server, wake)
        self._changed: Final[dict[str, None]] = {}
        """The clients that are to be told."""
        self._first = True
        self._sequence = 0

    @property
    def due(self) -> float | None:
        """When to look although nothing woke it."""
        return self._pace.due if self._changed else None

    def take(self, now: float) -> dict[str, Any] | None:
        """The next message; None where there is none at present."""
        self._changed.update(dict.fromkeys(self._roster.changed()))
        if not self._first and (not self._changed or now < self._pace.due):
            return None
        told = list(islice(self._changed, MOST_CLIENTS))
        for key in told:
            del self._changed[key]
        streams = {key: self._roster.streams(key) for key in told}
        groups = {id(server.clients): name for name, server in groups_of(self._server).items()}
        self._sequence += 1
        message = {
            "message": "clients",
            "id": self._id,
            "sequence": self._sequence,
            "time": self._times.now(),
            "first": self._first,
            "more": bool(self._changed),
            "clients": [_client(key, of_one, groups, self._times) for key, of_one in streams.items() if of_one],
            "removed": [key for key, of_one in streams.items() if not of_one],
        }
        self._first = self._first and bool(self._changed)
        self._pace.spoke(now, self._times.clock())
        return message

    def close(self) -> None:
        """No more of it."""
        self._roster.close()


def _client(key: str, streams: "tuple[Connected, ...]", groups: Mapping[int, str], times: "Times") -> dict[str, Any]:
    stream = streams[0].stream
    node = stream.node
    assert node is not None  # noqa: S101 - who has a key has said who it is
    types = [each for connected in streams for each in standing(connected.stream, times.of)]
    told = {
        "client": key,
        "node": {
            field: getattr(node, field)
            for field in ("id", "cluster", "region", "zone", "sub_zone")
            if getattr(node, field)
        },
        "address": stream.peer.address,
        "transport": streams[0].transport,
        "since": times.of(min(connected.since for connected in streams)),
        "heard": times.of(max(connected.heard for connected in streams)),
        "state": worst(each["state"] for each in types),
        "types": types,
    }
    group = groups.get(id(stream.order.server.clients))
    return {**told, "group": group} if group is not None else told


class ClientFeed:
    """How far one client has got with each resource that it asks for; what changed of that."""

    def __init__(self, id: str, key: str, server: "Server", wake: Callable[[], None], times: "Times") -> None:  # noqa: A002 - as above
        self._id: Final = id
        self._key: Final = key
        self._times: Final = times
        self._pace: Final = Pace()
        self._roster: Final = Roster(server, wake)
        self._stale = True
        self._told: Final[dict[tuple[str, str], dict[str, Any]]] = {}
        """(type, name) → what was told of it."""
        self._to_tell: Iterator[tuple[tuple[str, str], dict[str, Any] | None]] = iter(())
        """What differs from that; None for what the client asks for no more."""
        self._next: tuple[tuple[str, str], dict[str, Any] | None] | None = None
        self._first = True
        self._was_connected = False

    @property
    def due(self) -> float | None:
        """When to look although nothing woke it."""
        return self._pace.due if self._stale else None

    def take(self, now: float) -> dict[str, Any] | None:
        """The next message; None where there is none at present."""
        if any(key == self._key for key in list(self._roster.changed())):
            self._stale = True
        if self._next is None:
            if not self._stale or now < self._pace.due:
                return None
            self._stale = False
            self._look()
        connected = bool(self._roster.streams(self._key))
        if self._next is None and not self._first and connected == self._was_connected:
            self._pace.spoke(now, self._times.clock())
            return None
        self._was_connected = connected
        told = self._part()
        message = {
            "message": "client",
            "id": self._id,
            "client": self._key,
            "connected": connected,
            "time": self._times.now(),
            "first": self._first,
            "more": self._next is not None,
            "resources": [each for _, each in told if each is not None],
            "removed": [list(of) for of, each in told if each is None],
        }
        self._first = self._first and self._next is not None
        self._pace.spoke(now, self._times.clock())
        return message

    def close(self) -> None:
        """No more of it."""
        self._roster.close()

    def _look(self) -> None:
        there = {(each["type"], each["name"]): each for each in self._progress()}
        changed = {of: each for of, each in there.items() if self._told.get(of) != each}
        gone = dict.fromkeys(of for of in self._told if of not in there)
        self._to_tell = iter({**changed, **gone}.items())
        self._next = next(self._to_tell, None)

    def _part(self) -> "list[tuple[tuple[str, str], dict[str, Any] | None]]":
        part: list[tuple[tuple[str, str], dict[str, Any] | None]] = []
        while self._next is not None and len(part) < MOST_RESOURCES:
            of, each = self._next
            part.append((of, each))
            if each is None:
                del self._told[of]
            else:
                self._told[of] = each
            self._next = next(self._to_tell, None)
        return part

    def _progress(self) -> Iterator[dict[str, Any]]:
        for connected in self._roster.streams(self._key):
            held = {(hold.type_url, hold.name): str(hold) for hold in connected.stream.order.holds()}
            subscribers = connected.stream.subscribers()
            for each in progress(connected.stream):
                has = each.version if each.state == "synced" else subscribers[each.type_url].acknowledged(each.name)
                yield _resource(each, has, held.get((each.type_url, each.name)))


def _resource(of: "Progress", has: str | None, waits: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": describe(of.type_url).plural,
        "name": of.name,
        "state": of.state,
        "version": of.version,
        "has": has,
    }
    if of.rejection is not None:
        told["error"] = redact_text(of.rejection.message)
    if waits is not None:
        told["waits"] = waits
    return told
