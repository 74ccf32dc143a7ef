"""A client in tests that asks as Envoy does, in either variant, of resources that say what they refer to."""

from typing import Any

from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.order import Patience
from rime_core.protocol.sotw import SotwStream
from rime_core.protocol.stream import Stream
from rime_core.type_urls import TYPES, by_short_name

URLS = {each.singular: each.url for each in TYPES}


def refers(_url, body):
    """A body is a text such as `1 cluster:c`, by which it refers to the cluster `c`."""
    return [(URLS[kind], name) for kind, _, name in (word.partition(":") for word in body.decode().split()) if name]


def put(plane, **bodies):
    """Changes at once: `cluster_c="1 endpoint:e"`; None removes."""
    with plane.transaction() as change:
        for key, body in bodies.items():
            kind, _, name = key.partition("_")
            if body is None:
                change.remove(URLS[kind], name)
            else:
                change.apply(URLS[kind], name, body.encode())


def known_of(plane):
    """What an incremental client knows that has all there is."""
    return {
        kind: {name: resource.version for name, resource in plane.snapshot()[url].items()} for kind, url in URLS.items()
    }


class Envoy:
    """A client that asks as Envoy does, and acknowledges when it is told to."""

    variant: type[Stream[Any, Any]] = DeltaStream

    def __init__(self, plane, known=None, **patience):
        self.now = 1000.0
        self.plane = plane
        self.woken = False
        self.stream = self.variant(
            plane.server(), wake=self.wake, clock=lambda: self.now, patience=Patience(**patience)
        )
        self.open = {}
        self.known = known or {}

    def ask(self, kind, *names, discard=()):
        url = URLS[kind]
        known = self.known.pop(kind, {})
        self.stream.receive(DeltaRequest(url, subscribe=names, unsubscribe=discard, initial_versions=known))

    def wake(self):
        self.woken = True

    def take(self):
        """What it is sent: `cluster:c`, or `-cluster:c` where that is removed."""
        said = self.take_batch()
        while self.woken:
            said += self.take_batch()
        return said

    def take_batch(self):
        self.woken = False
        said = []
        for response in self.stream.responses():
            kind = by_short_name(response.type_url).singular
            self.open.setdefault(kind, []).append(response.nonce)
            said += self.read(kind, response)
        return said

    def read(self, kind, response):
        added = [f"{kind}:{resource.name}" for resource in response.update.resources]
        return added + [f"-{kind}:{name}" for name in response.update.removed]

    def settle(self, kind, error=None):
        """Acknowledge, or reject, the oldest of its kind."""
        self.stream.receive(DeltaRequest(URLS[kind], nonce=self.open[kind].pop(0), error=error))

    def answer(self, *kinds, error=None):
        """Acknowledge, or reject, the oldest of each kind; what it is sent then."""
        for kind in kinds:
            self.settle(kind, error)
        return self.take()

    def later(self, seconds):
        self.now += seconds
        return self.take()

    def holds(self):
        return [str(hold) for hold in self.stream.order.holds()]

    def running(self):
        """All asked for, sent and acknowledged."""
        self.ask("cluster")
        self.ask("endpoint", "old")
        self.ask("listener")
        self.ask("route", "r")
        self.take()
        return self.settled()

    def settled(self):
        """All acknowledged that it was sent."""
        while any(self.open.values()):
            for kind in URLS:
                while self.open.get(kind):
                    self.answer(kind)
        self.stream.events()
        return self


class SotwEnvoy(Envoy):
    """The same in state-of-the-world. What it is sent are whole responses: `clusters: c d`."""

    variant = SotwStream

    def __init__(self, plane, known=None, **patience):
        super().__init__(plane, known, **patience)
        self.names = {}
        self.last = {}
        self.versions = {}

    def ask(self, kind, *names):  # type: ignore[override]  # it names all that it wants, and so gives up the others
        self.names[kind] = names
        self.request(kind, self.last.get(kind, ""))

    def request(self, kind, nonce, error=None):
        version = self.known.pop(kind, "")
        self.stream.receive(DiscoveryRequest(URLS[kind], None, self.names[kind], version, nonce, error))

    def read(self, kind, response):
        self.last[kind], self.versions[kind] = response.nonce, response.version
        names = sorted(resource.name for resource in response.update.resources)
        return [f"{by_short_name(kind).plural}: {' '.join(names)}".strip()]

    def settle(self, kind, error=None):
        self.request(kind, self.open[kind].pop(0), error)
