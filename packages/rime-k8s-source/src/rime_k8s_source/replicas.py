"""Which replicas of rime there are, as far as one of them can tell: state machines without I/O and clock.

Each renews a Lease of its own, and all watch the Leases of their namespace. Who has not been heard for `PATIENCE` is
gone. That is measured on the clock of who watches, so that clocks need not agree, and against its own Lease, which it
hears by the same watch: while that watch, or the API server, is silent, nobody seems gone; and when it is heard again
after a silence, all others are given as long as ever.

Leases of other namespaces cannot be seen: no permission is asked for beyond one's own. A replica that has its Lease
elsewhere is known by its entries in statuses alone. So where a status has entries of several namespaces, and only
there, each replica writes its own anew every `ENTRY_RENEW` although nothing is different, and an entry that has not
been written for `ENTRY_PATIENCE` is of one that is gone. That is measured as with Leases, and takes long since each
renewal is a write of each such object.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from rime_k8s_source.reflector import Change, Key

RENEW: Final = 15.0
"""Seconds between two renewals. Kubernetes' own API servers renew theirs every 10."""

PATIENCE: Final = 60.0
"""Seconds: three renewals may be lost."""

ENTRY_RENEW: Final = 600.0
"""Seconds between two writes of an entry in which nothing is different."""

ENTRY_PATIENCE: Final = 2400.0
"""Seconds: as with Leases, three may be lost."""


def replica_name(host: str, chance: Callable[[], float] = random.random) -> str:
    """A name that no other process has, by which people see where it runs, and which a Lease can have."""
    kept = "".join(char if char.isalnum() else "-" for char in host.lower() if char.isascii())
    return f"{kept[:40].strip('-') or 'rime'}-{int(chance() * 0x10000):04x}"


class _Hearing:
    """Who of several has been silent for `patience`, where each is to be heard every `renew` seconds.

    It is heard by `own`, who is one of them, and by which it is known whether anybody could be heard.
    """

    def __init__(self, own: str, renew: float, patience: float) -> None:
        self._own: Final = own
        self._gap: Final = 2.5 * renew
        """Seconds without a renewal of its own after which it knows nothing of the others."""
        self._patience: Final = patience
        self._since = 0.0
        """Since when it hears itself without a gap."""
        self.heard: Final[dict[str, float]] = {}
        """When each was heard last."""

    def hear(self, who: str, now: float) -> None:
        """One was heard."""
        if who == self._own and now - self.heard.get(who, 0.0) > self._gap:
            self._since = now
        self.heard[who] = now

    def is_silent(self, who: str) -> bool:
        """Whether one who has been heard once is not any more."""
        return self.heard[self._own] - max(self.heard[who], self._since) > self._patience


class Replicas:
    """What the replica `own` knows; an id is `namespace/name`, the place of its Lease. Times are seconds."""

    def __init__(self, own: str) -> None:
        self.own: Final = own
        self.namespace: Final = own.partition("/")[0]
        self._hearing: Final = _Hearing(own, RENEW, PATIENCE)
        self._missing: dict[str, float] = {}
        """Those that have no Lease, and since when that is known."""
        self._gone: set[str] = set()

    @property
    def is_heard(self) -> bool:
        """Whether its own Lease has come by the watch: others know of it too."""
        return self.own in self._hearing.heard

    def take(self, changes: Iterable[Change[Any]], now: float) -> None:
        """Take in what differs of the Leases; whatever is kept of one, each renewal makes it another."""
        for change in changes:
            replica = "/".join(change.key)
            if change.new is None:
                del self._hearing.heard[replica]
                self._gone.add(replica)
                continue
            self._hearing.hear(replica, now)
            self._gone.discard(replica)

    def is_stale(self, replica: str, now: float) -> bool:
        """Whether a replica is gone; one that has no Lease is, unless that is on its way.

        Of those of other namespaces `Strangers` knows.
        """
        if replica == self.own or replica.partition("/")[0] != self.namespace or not self.is_heard:
            return False
        if replica in self._gone:
            return True
        if replica in self._hearing.heard:
            return self._hearing.is_silent(replica)
        return self._hearing.heard[self.own] - self._missing.setdefault(replica, now) > RENEW

    def stale(self, now: float) -> list[str]:
        """Those that have a Lease and do not renew it."""
        return [replica for replica in self._hearing.heard if self.is_stale(replica, now)]


class Strangers:
    """The replicas of other namespaces than that of `own`, by their entries in the statuses of objects."""

    def __init__(self, own: str) -> None:
        self._own: Final = own
        self._namespace: Final = own.partition("/")[0]
        self._hearing: Final[dict[Key, _Hearing]] = {}
        self._entries: Final[dict[Key, Mapping[str, Any]]] = {}

    def look(self, key: Key, entries: Mapping[str, Any], now: float) -> list[str]:
        """Take in the entries that an object has now; those of replicas that are gone."""
        strangers = [who for who in entries if who.partition("/")[0] != self._namespace]
        if not strangers:
            self.forget(key)
            return []
        before = self._entries.get(key, {})
        hearing = self._hearing.setdefault(key, _Hearing(self._own, ENTRY_RENEW, ENTRY_PATIENCE))
        for who in {self._own, *strangers} & entries.keys():
            if entries[who] != before.get(who):
                hearing.hear(who, now)
        self._entries[key] = entries
        return [who for who in strangers if self._own in hearing.heard and hearing.is_silent(who)]

    def is_due(self, key: Key, now: float) -> bool:
        """Whether its own entry in an object has to be written anew, for the sake of strangers that are in it."""
        hearing = self._hearing.get(key)
        return hearing is not None and now - hearing.heard.get(self._own, now) >= ENTRY_RENEW

    def forget(self, key: Key) -> None:
        """An object has gone, or has no strangers in it."""
        self._hearing.pop(key, None)
        self._entries.pop(key, None)
