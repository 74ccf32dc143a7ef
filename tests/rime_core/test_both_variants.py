"""One trace to two clients, one that speaks the incremental variant and one that speaks state-of-the-world: they end in
the same state, which is the Plane's, whatever the order of changes, subscriptions and acknowledgements.
"""

from abc import ABC, abstractmethod
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, Plane, describe
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream

TYPES = [CLUSTER, ENDPOINT, LISTENER, ROUTE]
NAMES = ["a", "b", "c"]
STAR = "*"
BELOW = {LISTENER: ROUTE, ROUTE: CLUSTER, CLUSTER: ENDPOINT}


def refers(type_url: str, body: bytes) -> list[tuple[str, str]]:
    """A body is a name of the type below, and a number."""
    below = BELOW.get(type_url)
    return [(below, body.decode()[0])] if below is not None else []


class Client(ABC):
    """What it asks for of each type, and what it has."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.asked: dict[str, list[str]] = {}
        self.have: dict[str, dict[str, str]] = {}
        self.unanswered: list[tuple[str, str]] = []
        self.latest: dict[str, str] = {}

    @property
    @abstractmethod
    def stream(self) -> Any:
        """Its stream."""

    @abstractmethod
    def ask(self, url: str, add: list[str], discard: list[str]) -> None:
        """Ask for `add`, and no longer for `discard`."""

    @abstractmethod
    def answer(self) -> None:
        """Acknowledge the oldest response."""

    @abstractmethod
    def apply(self, response: Any) -> None:
        """Take in one response."""

    def is_told_what_goes(self, url: str) -> bool:
        """Whether it knows by itself what is gone; others find out when nothing refers to it any more."""
        return isinstance(self, DeltaClient) or describe(url).full_set

    def take(self) -> bool:
        batch = self.stream.responses()
        for response in batch:
            self.have.setdefault(response.type_url, {})
            self.apply(response)
            self.latest[response.type_url] = response.nonce
            self.unanswered.append((response.type_url, response.nonce))
        return bool(batch)

    def wanted(self, url: str) -> dict[str, str]:
        """What the Plane has of what it asks for."""
        asked = self.asked[url]
        return {
            name: resource.version
            for name, resource in self.plane.snapshot()[url].items()
            if STAR in asked or name in asked
        }

    def settle(self) -> None:
        for _ in range(100):
            while self.unanswered:
                self.answer()
            if not self.take():
                return
        pytest.fail("it never comes to rest")


class DeltaClient(Client):
    def __init__(self, plane: Plane) -> None:
        super().__init__(plane)
        self._stream = DeltaStream(plane.server())

    @property
    def stream(self) -> DeltaStream:
        return self._stream

    def ask(self, url: str, add: list[str], discard: list[str]) -> None:
        self._stream.receive(DeltaRequest(url, subscribe=add, unsubscribe=discard))
        if STAR not in self.asked[url]:
            for name in discard:
                self.have.get(url, {}).pop(name, None)

    def answer(self) -> None:
        url, nonce = self.unanswered.pop(0)
        self._stream.receive(DeltaRequest(url, nonce=nonce))

    def apply(self, response: Any) -> None:
        have = self.have[response.type_url]
        have.update((resource.name, resource.version) for resource in response.update.resources)
        for name in response.update.removed:
            have.pop(name, None)


class SotwClient(Client):
    def __init__(self, plane: Plane) -> None:
        super().__init__(plane)
        self._stream = SotwStream(plane.server())

    @property
    def stream(self) -> SotwStream:
        return self._stream

    def ask(self, url: str, add: list[str], discard: list[str]) -> None:
        self._stream.receive(DiscoveryRequest(url, names=self.asked[url], nonce=self.latest.get(url, "")))
        for name in discard:
            if STAR not in self.asked[url]:
                self.have.get(url, {}).pop(name, None)

    def answer(self) -> None:
        url, nonce = self.unanswered.pop(0)
        self._stream.receive(DiscoveryRequest(url, names=self.asked[url], nonce=nonce))

    def apply(self, response: Any) -> None:
        sent = {resource.name: resource.version for resource in response.update.resources}
        if describe(response.type_url).full_set:
            self.have[response.type_url] = sent
        else:
            self.have[response.type_url].update(sent)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.plane = Plane(references=refers)
        self.clients = [DeltaClient(self.plane), SotwClient(self.plane)]

    types = st.sampled_from(TYPES)
    names = st.sampled_from(NAMES)
    bodies = st.builds("{}{}".format, names, st.integers(0, 2)).map(str.encode)

    @initialize(url=types)
    def begin(self, url: str) -> None:
        self.plane.apply(url, "a", b"a0")

    @rule(changes=st.lists(st.tuples(types, names, st.none() | bodies), min_size=1, max_size=5))
    def change(self, changes: list[tuple[str, str, bytes | None]]) -> None:
        with self.plane.transaction() as change:
            for url, name, body in changes:
                if body is None:
                    change.remove(url, name)
                else:
                    change.apply(url, name, body)

    @rule(url=types, add=st.sets(st.sampled_from([*NAMES, STAR]), min_size=1, max_size=3))
    def ask(self, url: str, add: set[str]) -> None:
        for client in self.clients:
            asked = client.asked.setdefault(url, [])
            new = [name for name in sorted(add) if name not in asked]
            asked += new
            client.ask(url, new, [])

    @rule(url=types, discard=st.sets(st.sampled_from([*NAMES, STAR]), min_size=1, max_size=2))
    def give_up(self, url: str, discard: set[str]) -> None:
        for client in self.clients:
            asked = client.asked.get(url, [])
            gone = [name for name in sorted(discard) if name in asked]
            if gone and len(gone) < len(asked):
                client.asked[url] = [name for name in asked if name not in gone]
                client.ask(url, [], gone)
                if STAR in gone:
                    have = client.have.get(url, {})
                    for name in set(have) - set(client.asked[url]):
                        del have[name]

    @rule(which=st.integers(0, 1))
    def take(self, which: int) -> None:
        self.clients[which].take()

    @rule(which=st.integers(0, 1))
    def answer(self, which: int) -> None:
        if self.clients[which].unanswered:
            self.clients[which].answer()

    @invariant()
    def all_asked_for_the_same(self) -> None:
        assert self.clients[0].asked == self.clients[1].asked

    def teardown(self) -> None:
        for client in self.clients:
            client.settle()
            for url in client.asked:
                # what something in service refers to stays with who had it, until that changes
                held = client.stream.subscribers()[url].held
                have = {name: version for name, version in client.have.get(url, {}).items() if name not in held}
                wanted = client.wanted(url)
                if client.is_told_what_goes(url):
                    assert have == wanted, url
                else:
                    assert {name: have.get(name) for name in wanted} == wanted, url


TestBothVariants = Machine.TestCase
TestBothVariants.settings = settings(
    max_examples=300, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
