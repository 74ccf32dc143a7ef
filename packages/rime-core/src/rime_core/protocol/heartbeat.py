"""Heartbeats: what keeps the lifetimes of what one client has from ending (R73-R76).

A client drops a resource of which it has heard nothing for the resource's lifetime. So what it has is renewed before
half of that is over: by a heartbeat, which is the name, the version, the lifetime, and no body.

- *Rounds.* Each lifetime has its own, and each round renews all that has it. What came between two rounds is renewed by
  the next, so its client hears of it again before half of the lifetime is over. Rounds are counted from when the stream
  first had to do with a lifetime, so that those of thousands of clients do not come at one moment.
- *Only what the client acknowledged*, at that version: Envoy rejects a heartbeat of another one, and the rest of that
  response with it. What is on its way when its round comes is renewed as soon as the client has answered it.
- *Also what is not here any more.* What the client has in place of what it rejected, or of what is held back from it
  (`rime_core.selection`), it is to keep until it has accepted the other. The body may be gone; a heartbeat needs none,
  and a version says what lifetime it has (`lifetime_of`). A removal that the client rejected is no reason to renew what
  it was of: that goes when its lifetime ends.
- *Who comes back* may have little time left, so its first round is at once.
- *A rejected heartbeat* says that the client does not have that version: Envoy drops what was not renewed in time (this
  process was stopped, or too busy) without a word. So what the response named is sent once more, whole. Where the
  next heartbeat of a version is rejected too, none of it is sent any more. What is not here any more cannot be sent
  whole, so it has a response of its own: the rest is not rejected for its sake.

A heartbeat tells nothing new: it counts neither as sent nor as acknowledged or rejected (`rime_core.delivery`). Nothing
is kept, and nothing runs, for a client that does not understand lifetimes, or of a type in which nothing has one. All
clients that have the same are sent the same bytes, and who has just what there is costs the same whatever that is.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from rime_core.resource import Bodiless, heartbeat_of, lifetime_of
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.protocol.channel import Channel


SHARE: Final = 0.4
"""Of a lifetime, between two rounds: less than half, for a response may have to wait for its turn."""


class Heartbeats:
    """When a client must hear again of what it has of one type, and of what."""

    __slots__ = ("_channel", "_clock", "_doubted", "_ended", "_late", "_missed", "_next", "_overdue")

    def __init__(self, channel: "Channel[Any, Any]", clock: Callable[[], float], *, overdue: bool) -> None:
        self._channel: Final = channel
        self._clock: Final = clock
        self._overdue = overdue
        """Whether the client brings what must be renewed at once."""
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
        lifetimes = self._channel.subscriber.lifetimes
        if self._overdue:
            self._overdue = False
            self._next.update(dict.fromkeys((*lifetimes, *self._apart().values()), self._clock()))
        for ttl in lifetimes:
            self._next.setdefault(ttl, self._clock() + ttl * SHARE)

    def take(self, since: int) -> list[Update]:
        """What must be renewed now, as heartbeats: of what there is, and of what the client has instead.

        `since` is the number of the last response before this batch: what is in the batch itself needs no renewal.
        """
        now = self._clock()
        late, self._late = self._late, {}
        ttls = [ttl for ttl, at in self._next.items() if at <= now]
        if not (ttls or late):
            return []
        for ttl in ttls:
            self._next[ttl] = now + ttl * SHARE
        subscriber = self._channel.subscriber
        if len(ttls) == 1 and not (late or self._ended):
            update = subscriber.renewal_of_all(ttls[0])
            if update is not None:
                return [update]
        here: list[Bodiless] = []
        gone: list[Bodiless] = []
        flights = [(flight.number, flight.manifest.versions) for flight in self._channel.flights.values()]
        for name in dict.fromkeys((*self._due(ttls), *late)):
            numbers = [number for number, versions in flights if name in versions]
            if not numbers:
                self._renew(name, here, gone)
            elif numbers[0] <= since:
                self._missed[name] = None
        updates = (subscriber.update_with(here), subscriber.update_with(gone))
        return [update for update in updates if update is not None]

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
        subscriber = self._channel.subscriber
        for name, version in versions.items():
            if self._doubted.get(name) == version:
                self._ended[name] = version
                continue
            self._doubted[name] = version
            present = subscriber.present(name)
            if present is not None and present.version == version:
                again.append(name)
        return again

    def _due(self, ttls: list[float]) -> dict[str, None]:
        """The names of what the client has, or may have, with one of these lifetimes."""
        subscriber = self._channel.subscriber
        apart = self._apart() if ttls else {}
        found: dict[str, None] = {}
        for ttl in ttls:
            names = [resource.name for resource in subscriber.with_ttl(ttl)]
            names += [name for name, had in apart.items() if had == ttl]
            if not names:
                del self._next[ttl]
            found.update(dict.fromkeys(names))
        return found

    def _apart(self) -> dict[str, float]:
        """Name → the lifetime of what the client has, where that may be something else than there is now."""
        subscriber = self._channel.subscriber
        names = dict.fromkeys(subscriber.held)
        if subscriber.has_rejected:
            names.update(dict.fromkeys(subscriber.rejected))
        for flight in self._channel.flights.values():
            names.update(dict.fromkeys(flight.manifest.versions))
        had = [(name, subscriber.acknowledged(name)) for name in names]
        ttls = [(name, lifetime_of(version)) for name, version in had if version is not None]
        return {name: ttl for name, ttl in ttls if ttl is not None}

    def _renew(self, name: str, here: list[Bodiless], gone: list[Bodiless]) -> None:
        """Add the heartbeat of what the client has of `name`, where it takes one: to `here` where that is what there
        is, to `gone` where it is not.
        """
        subscriber = self._channel.subscriber
        version = subscriber.acknowledged(name)
        if version is None or self._ended.get(name) == version or not subscriber.asks_for(name):
            return
        present = subscriber.present(name)
        if present is not None and present.version == version:
            if present.ttl is not None:
                here.append(heartbeat_of(present))
            return
        ttl = lifetime_of(version)
        if ttl is not None and self._is_to_keep(name):
            gone.append(Bodiless(self._channel.described.url, name, version, ttl=ttl))

    def _is_to_keep(self, name: str) -> bool:
        """Whether the client is not sent, or does not take, what there is in place of what it has."""
        subscriber = self._channel.subscriber
        refusal = subscriber.refusal(name)
        return name in subscriber.held or (refusal is not None and refusal.version is not None)
