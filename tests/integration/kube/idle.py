"""A Follower that does nothing but wait, in a thread of its own, while other tests run."""

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rime_k8s_source.config import KubernetesOptions
from rime_k8s_source.follow import Follower, Timing

from .faults import FaultyRelay
from .objects import Namespace
from .test_list_and_watch import following


@dataclass(frozen=True)
class Idle:
    """A Follower in a thread of its own, and the relay that it goes through."""

    follower: Follower[str]
    relay: FaultyRelay
    namespace: Namespace

    @property
    def opened(self):
        """When its present watch was opened; the watch itself is known by this."""
        return self.follower._opened

    @property
    def seconds(self):
        """For how long that has brought no event. No other ConfigMap is in its namespace."""
        opened = self.opened
        return time.monotonic() - opened if opened is not None and self.follower.reflector.is_following else 0.0


@asynccontextmanager
async def waiting(kube):
    namespace = Namespace(kube, "idle")
    kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace.name}})
    # as long as a rime without options waits; and the server is to end no watch by itself
    patience, timing = KubernetesOptions().idle, Timing(renew=3600, longest_pause=0.2)
    async with (
        FaultyRelay(kube) as relay,
        following(namespace, url=relay.url, idle=patience, timing=timing) as follower,
    ):
        yield Idle(follower, relay, namespace)
