"""Heartbeats: what keeps the lifetimes of what one client has from ending (R73-R76).

A client drops a resource of which it has heard nothing for the resource's lifetime. So what it has is renewed before
half of that is over: by a heartbeat, which is the name, the version, the lifetime, and no body.

- *Rounds.* Each lifetime has its own, and each round renews all that has it. What came between two rounds is renewed by
  the next, so its client hears of it again before half of the lifetime is over. Rounds are counted from when the stream
  first had to do with a lifetime, so that those of thousands of clients do not come at one moment.
- *Only what the client acknowledged*, at that version: Envoy rejects a heartbeat of another one, and the rest of that
  response with it. What is on its way when its round comes is renewed as soon as it is acknowledged.
- *Who comes back* may have little time left, so its first round is at once.
- *A rejected heartbeat* says that the client does not have that version: Envoy drops what was not renewed in time (this
  process was stopped, or too busy) without a word. So what the response named is sent once more, whole. Where the next
  heartbeat of a version is rejected too, none of it is sent any more.

A heartbeat tells nothing new: it counts neither as sent nor as acknowledged or rejected (`rime_core.delivery`). Nothing
is kept, and nothing runs, for a client that does not understand lifetimes, or of a type in which nothing has one. All
clients that have the same are sent the same bytes.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from rime_core.resource import Bodiless, Resource, heartbeat_of
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.protocol.stream import Channel


SHARE: Final = 0.4
"""Of a lifetime, between two rounds: less than half, for a response may have to wait for its turn."""


class Heartbeats:
    """When a client must hear again of what it has of one type, and of what."""

    __slots__ = ("_channel", "_clock", "_doubted", "_ended", "_late", "_missed", "_next", "_overdue")

    def __init__(self, channel: "Channel[Any, Any]", clock: Callable[[], float], *, overdue: bool) -> None:
        self._channel: Final = channel
        self._clock: Final = clock
        self._overdue: Final = overdue
        """Whether a first round is at once."""
        self._next: Final[dict[float, float]] = {}
        """Lifetime → when its next round is."""
        self._missed: Final[dict[str, None]] = {}
        """What was on its way when its round came."""
        self._late: dict[str, None] = {}
        """What of that has arrived."""
        self._doubted: Final[dict[str, str | None]] = {}
        """Name → the version of a heartbeat that was rejected, and none was accepted since."""
        self._ended: Final[dict[str, str | None]] = {}
        """Name → the version of which no heartbeat is sent any more."""

    @property
    def due(self) -> float | None:
        """When the next round is; None: nothing that the client has has a lifetime."""
        return min(self._next.values(), default=None)

    def watch(self) -> None:
        """The client was sent something, or what it has is known: begin with the lifetimes that are new."""
        for ttl in self._channel.subscriber.lifetimes:
            now = self._clock()
            self._next.setdefault(ttl, now if self._overdue else now + ttl * SHARE)

    def take(self, since: int) -> Update | None:
        """What must be renewed now, as heartbeats.

        `since` is the number of the last response before this batch: what is in the batch itself needs no renewal.
        """
        now = self._clock()
        late, self._late = self._late, {}
        ttls = [ttl for ttl, at in self._next.items() if at <= now]
        for ttl in ttls:
            self._next[ttl] = now + ttl * SHARE
        subscriber = self._channel.subscriber
        if len(ttls) == 1 and not (late or self._ended):
            update = subscriber.renewal_of_all(ttls[0])
            if update is not None:
                return update
        heartbeats: dict[str, Bodiless] = {}
        for resource in (*self._of(ttls), *self._present(late)):
            if self._is_in_flight(resource.name, since):
                self._missed[resource.name] = None
            elif self._has(resource):
                heartbeats[resource.name] = heartbeat_of(resource)
        return subscriber.update_with(heartbeats.values())

    def settled(self, names: Collection[str]) -> bool:
        """Something with `names` has arrived; whether some of it must be renewed now."""
        late = [name for name in self._missed if name in names]
        for name in late:
            del self._missed[name]
            self._late[name] = None
        return bool(late)

    def accepted(self, versions: Mapping[str, str | None]) -> None:
        """The client has accepted heartbeats of `versions`."""
        if self._doubted:
            for name in versions:
                self._doubted.pop(name, None)

    def rejected(self, versions: Mapping[str, str | None]) -> list[str]:
        """The client has rejected heartbeats of `versions`; the names that it should be sent again, whole."""
        again = []
        for name, version in versions.items():
            present = self._channel.subscriber.present(name)
            if present is None or present.version != version:
                continue
            if self._doubted.get(name) == version:
                self._ended[name] = version
            else:
                self._doubted[name] = version
                again.append(name)
        return again

    def _of(self, ttls: list[float]) -> list[Resource]:
        found = []
        for ttl in ttls:
            resources = list(self._channel.subscriber.with_ttl(ttl))
            if not resources:
                del self._next[ttl]
            found += resources
        return found

    def _present(self, names: Collection[str]) -> list[Resource]:
        subscriber = self._channel.subscriber
        present = [subscriber.present(name) for name in names if subscriber.asks_for(name)]
        return [resource for resource in present if resource is not None and resource.ttl is not None]

    def _is_in_flight(self, name: str, since: int) -> bool:
        return any(
            flight.number <= since and name in flight.manifest.versions for flight in self._channel.flights.values()
        )

    def _has(self, resource: Resource) -> bool:
        """Whether the client has acknowledged it, and takes heartbeats of it."""
        name, version = resource.name, resource.version
        on_its_way = any(name in flight.manifest.versions for flight in self._channel.flights.values())
        acknowledged = not on_its_way and self._channel.subscriber.acknowledged(name) == version
        return acknowledged and self._ended.get(name) != version
