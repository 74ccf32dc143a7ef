"""Feeds of all workers as one: what each says of its own, put together as if one process had said it.

A client is one worker's, so what is told of clients is passed on, with the worker's number, and taken back when that
worker has gone. The first state is whole when each worker has told its own, or cannot be reached.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rime_ws.requests import SubscribeClient, SubscribeClients, SubscribeStatus

if TYPE_CHECKING:
    from rime_ws.requests import Request
    from rime_ws.session import Feed
    from rime_ws.times import Times

Open = Callable[[Mapping[str, Any]], "Mapping[int, Feed]"]
"""Subscribes at every other worker; number → what that has to say."""


def merged(request: "Request", own: "Feed", number: int, others: Open, times: "Times") -> "Feed":
    """What all workers have to say to `request`, to which worker `number` says `own`; resources are its own alone."""
    match request:
        case SubscribeClients(name):
            return MergedClients(name, {number: own, **others({**_SUBSCRIBE, "feed": "clients"})}, times)
        case SubscribeClient(name, client):
            asked = {**_SUBSCRIBE, "feed": "client", "client": client}
            return MergedClient(name, client, {number: own, **others(asked)}, times)
        case SubscribeStatus(name):
            return MergedStatus(name, number, {number: own, **others({**_SUBSCRIBE, "feed": "status"})}, times)
        case _:
            return own


_SUBSCRIBE: Final = {"message": "subscribe", "id": "all"}


class _Merged(ABC):
    """Asks its feeds in turn."""

    def __init__(self, id: str, feeds: "Mapping[int, Feed]", times: "Times") -> None:  # noqa: A002 - the message's own word
        self._id: Final = id
        self._feeds: Final = dict(feeds)
        """By worker, whose turn is next first."""
        self._times: Final = times
        self._awaited: Final = set(feeds)
        """The workers that have not told their first state."""
        self._first = True

    @property
    def due(self) -> float | None:
        """When to look although nothing woke it."""
        return min((feed.due for feed in self._feeds.values() if feed.due is not None), default=None)

    def take(self, now: float) -> dict[str, Any] | None:
        """The next message; None where there is none at present."""
        for number, feed in list(self._feeds.items()):
            said = feed.take(now)
            if said is None:
                continue
            del self._feeds[number]
            self._feeds[number] = feed
            if said["message"] == "error":
                return {**said, "id": self._id}
            message = self._merge(number, said)
            if message is not None:
                return message
        return None

    def close(self) -> None:
        """No more of it."""
        for feed in self._feeds.values():
            feed.close()

    @abstractmethod
    def _merge(self, number: int, said: dict[str, Any]) -> dict[str, Any] | None:
        """The message that what one worker said becomes; None where it brings nothing new."""

    def _envelope(self, message: str) -> dict[str, Any]:
        return {"message": message, "id": self._id, "time": self._times.now()}


class MergedClients(_Merged):
    """Who is connected, to whichever worker."""

    def __init__(self, id: str, feeds: "Mapping[int, Feed]", times: "Times") -> None:  # noqa: A002 - as above
        super().__init__(id, feeds, times)
        self._told: Final[dict[int, set[str]]] = {number: set() for number in feeds}
        """The clients of each worker that were told."""
        self._sequence = 0

    def _merge(self, number: int, said: dict[str, Any]) -> dict[str, Any]:
        told = self._told[number]
        if said["message"] == "lost":
            said = {"clients": [], "removed": list(told), "more": False}
        told.difference_update(said["removed"])
        told.update(each["client"] for each in said["clients"])
        if not said["more"]:
            self._awaited.discard(number)
        first, self._first = self._first, bool(self._awaited)
        self._sequence += 1
        return {
            **self._envelope("clients"),
            "sequence": self._sequence,
            "first": first,
            "more": self._first or said["more"],
            "clients": [{**each, "worker": number} for each in said["clients"]],
            "removed": said["removed"],
        }


class MergedClient(_Merged):
    """How far one client has got, on whichever worker it is."""

    def __init__(self, id: str, key: str, feeds: "Mapping[int, Feed]", times: "Times") -> None:  # noqa: A002 - as above
        super().__init__(id, feeds, times)
        self._key: Final = key
        self._has: int | None = None
        """The worker that has it, or had it last."""
        self._told: Final[dict[tuple[str, str], None]] = {}

    def _merge(self, number: int, said: dict[str, Any]) -> dict[str, Any] | None:
        lost = said["message"] == "lost"
        if not lost and said["connected"]:
            self._has = number
        self._awaited.discard(number)
        if self._has == number:
            return self._message(_GONE | {"removed": [list(of) for of in self._told]} if lost else said)
        if self._has is None and self._first and not self._awaited:
            return self._message(_GONE)
        return None

    def _message(self, said: dict[str, Any]) -> dict[str, Any]:
        for of in said["removed"]:
            self._told.pop(tuple(of), None)
        self._told.update(dict.fromkeys((each["type"], each["name"]) for each in said["resources"]))
        first, self._first = self._first, self._first and said["more"]
        return {
            **self._envelope("client"),
            "client": self._key,
            "first": first,
            **{key: said[key] for key in ("connected", "more", "resources", "removed")},
        }


_GONE: Final[dict[str, Any]] = {"connected": False, "more": False, "resources": [], "removed": []}


class MergedStatus(_Merged):
    """What there is, as worker `number` has it, and what any of the workers waits for."""

    def __init__(self, id: str, number: int, feeds: "Mapping[int, Feed]", times: "Times") -> None:  # noqa: A002 - as above
        super().__init__(id, feeds, times)
        self._number: Final = number
        self._latest: Final[dict[int, Mapping[str, Any] | None]] = dict.fromkeys(sorted(feeds))
        """The groups of each worker; None of one that has gone."""
        self._told: tuple[Any, Any] | None = None

    def _merge(self, number: int, said: dict[str, Any]) -> dict[str, Any] | None:
        self._awaited.discard(number)
        self._latest[number] = said.get("groups")
        if self._awaited:
            return None
        running = {each: groups for each, groups in self._latest.items() if groups is not None}
        own = running[self._number]
        groups = {name: _group([own, *running.values()], name) for name in own}
        workers = [_worker(each, found) for each, found in self._latest.items()]
        if (groups, workers) == self._told:
            return None
        self._told = groups, workers
        first, self._first = self._first, False
        return {**self._envelope("status"), "first": first, "groups": groups, "workers": workers}


def _group(workers: list[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """A group as the first of these has it, with what any of them waits for."""
    found = [groups[name] for groups in workers if name in groups]
    return {
        **found[0],
        "ready": all(each["ready"] for each in found),
        "complete": all(each["complete"] for each in found),
        "sources": [_source(source, found) for source in found[0]["sources"]],
    }


def _source(source: Mapping[str, Any], groups: list[Mapping[str, Any]]) -> dict[str, Any]:
    same = [each for group in groups for each in group["sources"] if each["name"] == source["name"]]
    lines = dict.fromkeys(line for each in same for line in each["incomplete"])
    return {**source, "ready": all(each["ready"] for each in same), "incomplete": list(lines)}


def _worker(number: int, groups: Mapping[str, Any] | None) -> dict[str, Any]:
    is_ready = groups is not None and all(each["ready"] for each in groups.values())
    return {"worker": number, "running": groups is not None, "ready": is_ready}
