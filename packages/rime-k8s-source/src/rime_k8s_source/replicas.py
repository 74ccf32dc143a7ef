"""Which replicas of rime there are, as far as one of them can tell: a state machine without I/O and clock.

Each renews a Lease of its own, and all watch the Leases of their namespace. Who has not been heard for `PATIENCE` is
gone. That is measured on the clock of who watches, so that clocks need not agree, and against its own Lease, which it
hears by the same watch: while that watch, or the API server, is silent, nobody seems gone; and when it is heard again
after a silence, all others are given as long as ever.
"""

import random
from collections.abc import Callable, Iterable
from typing import Any, Final

from rime_k8s_source.reflector import Change

RENEW: Final = 15.0
"""Seconds between two renewals. Kubernetes' own API servers renew theirs every 10."""

PATIENCE: Final = 60.0
"""Seconds: three renewals may be lost."""

_SILENCE: Final = 2.5 * RENEW
"""Seconds without a renewal of its own after which a replica knows nothing of the others."""


def replica_name(host: str, chance: Callable[[], float] = random.random) -> str:
    """A name that no other process has, by which people see where it runs, and which a Lease can have."""
    kept = "".join(char if char.isalnum() else "-" for char in host.lower() if char.isascii())
    return f"{kept[:40].strip('-') or 'rime'}-{int(chance() * 0x10000):04x}"


class Replicas:
    """What the replica `own` knows; an id is `namespace/name`, the place of its Lease. Times are seconds."""

    def __init__(self, own: str) -> None:
        self.own: Final = own
        self.namespace: Final = own.partition("/")[0]
        self._heard: dict[str, float] = {}
        self._missing: dict[str, float] = {}
        """Those that have no Lease, and since when that is known."""
        self._gone: set[str] = set()
        self._since = 0.0
        """Since when it hears its own Lease without a gap."""

    @property
    def is_heard(self) -> bool:
        """Whether its own Lease has come by the watch: others know of it too."""
        return self.own in self._heard

    def take(self, changes: Iterable[Change[Any]], now: float) -> None:
        """Take in what differs of the Leases; whatever is kept of one, each renewal makes it another."""
        for change in changes:
            replica = "/".join(change.key)
            if change.new is None:
                del self._heard[replica]
                self._gone.add(replica)
                continue
            if replica == self.own and now - self._heard.get(replica, 0.0) > _SILENCE:
                self._since = now
            self._heard[replica] = now
            self._gone.discard(replica)

    def is_stale(self, replica: str, now: float) -> bool:
        """Whether a replica is gone; one that has no Lease is, unless that is on its way.

        Those of other namespaces are another deployment's affair.
        """
        if replica == self.own or replica.partition("/")[0] != self.namespace or not self.is_heard:
            return False
        if replica in self._gone:
            return True
        if replica in self._heard:
            return self._heard[self.own] - max(self._heard[replica], self._since) > PATIENCE
        return self._heard[self.own] - self._missing.setdefault(replica, now) > RENEW

    def stale(self, now: float) -> list[str]:
        """Those that have a Lease and do not renew it."""
        return [replica for replica in self._heard if self.is_stale(replica, now)]
