"""Whatever the order of changes, subscriptions, acknowledgements, rejections and reconnects: a client ends up with what
the Plane has of what it asked for; nothing is sent that it was sent already, except where a rule demands it; and a
version whose rejection was told does not come twice; and nothing is removed that what the client has refers to.

Clients here do what Envoy does, and worse: they answer late, out of order, with stale nonces, or not at all.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rime_core import CLUSTER, ENDPOINT, SECRET, FellBehindError, Plane, Resource, Writer, describe
from rime_core.group import GroupStore
from rime_core.node import Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest, DeltaResponse
from rime_core.resource import content_digest

TYPES = [CLUSTER, ENDPOINT, SECRET]
NAMES = ["a", "b", "c", "d"]
STAR = "*"


def refers(type_url: str, body: bytes) -> list[tuple[str, str]]:
    return [(ENDPOINT, body.split(b":")[0].decode())] if type_url == CLUSTER else []


def body_of(name: str, content: int) -> bytes:
    return f"{name}:{content}".encode()


@dataclass
class Asking:
    """What one client wants, has, and was sent of one type on its present stream."""

    star: bool = False
    names: set[str] = field(default_factory=set)
    begun: bool = False
    have: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    """What the server knows of that."""
    once: dict[str, str] = field(default_factory=dict)
    """What was told to be rejected together with others: nobody knows for which."""
    healing: dict[str, str] = field(default_factory=dict)
    """What of that may be sent once more."""
    asked: set[str] = field(default_factory=set)
    """Names that must be answered whatever was sent."""
    starred: set[str] = field(default_factory=set)
    """Names that may be sent whatever was sent, for "*" was asked for."""
    warming: set[str] = field(default_factory=set)
    """Names that may be sent again because a cluster that waits for them was sent."""
    refused: bool = False
    """Whether it ever refused something on this stream: what waits for that to be accepted may wait on."""

    def wants(self, name: str, on_demand: bool) -> bool:
        return name in self.names or (self.star and not on_demand)


class Client:
    def __init__(self, plane: Plane, forgetful: bool) -> None:
        self.plane = plane
        self.forgetful = forgetful
        self.doubtful = forgetful and isinstance(plane.store, GroupStore)
        """Whether it may be forgotten that a name was not covered, so that what it has is sent to be sure."""
        self.types = {url: Asking() for url in TYPES}
        self.stream: DeltaStream | None = None
        self.unanswered: list[tuple[str, str, bool, dict[str, str | None]]] = []
        self.nonces: set[str] = set()
        self.old_nonces: list[str] = []
        self.wakes = 0

    # --- what the client does

    def connect(self, with_known: bool) -> None:
        self.stream = DeltaStream(self.plane.server(), wake=self.woken, max_response_bytes=200)
        self.unanswered, self.nonces, self.wakes = [], set(), 0
        for url, asking in self.types.items():
            asking.begun = False
            asking.rejected, asking.told, asking.once, asking.healing = {}, {}, {}, {}
            asking.asked, asking.starred, asking.warming = set(), set(), set()
            if not with_known:
                asking.have = {}
            asking.sent = {name: version for name, (version, _) in asking.have.items()}
            if asking.star or asking.names:
                self.request(url, [], [])

    def woken(self) -> None:
        self.wakes += 1
        assert self.wakes == 1, "woken twice between two batches"

    def request(self, url: str, add: list[str], discard: list[str], nonce: str = "", error: str | None = None) -> None:
        assert self.stream is not None
        asking = self.types[url]
        known: dict[str, str] = {}
        if not asking.begun:
            wanted = ([STAR] if asking.star else []) + sorted(asking.names) + add
            both = STAR in wanted and STAR in discard
            if not wanted and not discard:
                asking.star = describe(url).legacy_wildcard
            add = wanted
            asking.star = (asking.star or STAR in wanted) and not both
            asking.names = {name for name in wanted if name != STAR}
            asking.begun = True
            known = {name: version for name, (version, _) in asking.have.items() if asking.star or name in asking.names}
            asking.have = {name: asking.have[name] for name in known}
            asking.sent = dict(known)
            asking.asked = {name for name in asking.names if name not in known}
        else:
            for name in discard:
                self.discard(asking, name)
            for name in add:
                if name == STAR:
                    asking.star = True
                    asking.starred = set(NAMES)
                else:
                    asking.names.add(name)
                    asking.asked.add(name)
        self.stream.receive(
            DeltaRequest(url, Node("n"), add, discard, initial_versions=known, nonce=nonce, error=error)
        )

    def discard(self, asking: Asking, name: str) -> None:
        if name == STAR:
            if asking.star:
                asking.star = False
                for each in set(asking.sent) - asking.names:
                    self.forget(asking, each)
        elif name in asking.names:
            asking.names.discard(name)
            if asking.star:
                asking.asked.add(name)
            else:
                self.forget(asking, name)

    def forget(self, asking: Asking, name: str) -> None:
        for mapping in (asking.sent, asking.have, asking.rejected, asking.told, asking.once, asking.healing):
            mapping.pop(name, None)
        asking.asked.discard(name)

    def answer(self, which: int) -> None:
        url, nonce, accepted, versions = self.unanswered.pop(which)
        self.old_nonces.append(nonce)
        asking = self.types[url]
        resources = {name: to for name, to in versions.items() if to}
        for name, to in resources.items():
            if accepted:
                for mapping in (asking.told, asking.once, asking.healing):
                    if mapping.get(name) == to:
                        del mapping[name]
            elif asking.sent.get(name) == to:
                if len(resources) == 1 or asking.once.get(name) == to:
                    asking.told[name] = to
                elif asking.told.get(name) != to:
                    asking.once[name] = asking.healing[name] = to
        self.request(url, [], [], nonce, None if accepted else "no")

    # --- what it is sent

    def take(self, accepts: bool) -> bool:
        """One batch, checked and applied; whether anything came."""
        assert self.stream is not None
        self.wakes = 0
        batch = self.stream.responses()
        sent_clusters: set[str] = set()
        for response in batch:
            self.check(response, sent_clusters)
            self.apply(response, accepts)
        endpoints = self.types[ENDPOINT]
        answered = {name for r in batch if r.type_url == ENDPOINT for name in r.update.manifest.versions}
        for name in sent_clusters:
            if endpoints.begun and name in endpoints.names and name in self.plane.snapshot()[ENDPOINT]:
                version = self.plane.snapshot()[ENDPOINT][name].version
                assert name in answered or endpoints.told.get(name) == version, "R72: the assignment must go again"
        for asking in self.types.values():
            asking.starred = set()
            if asking.begun and self.plane.complete:
                assert not asking.asked & asking.names, "R27, R28: what is asked for is answered in the next batch"
        return bool(batch)

    def check(self, response: DeltaResponse, sent_clusters: set[str]) -> None:
        update, asking = response.update, self.types[response.type_url]
        assert response.nonce
        assert response.nonce not in self.nonces, "R4"
        self.nonces.add(response.nonce)
        names = [resource.name for resource in update.resources]
        assert len(set(names)) == len(names), "R7"
        assert not set(names) & set(update.removed), "R57"
        for resource in update.resources:
            assert resource.type_url == response.type_url, "R6"
            assert asking.wants(resource.name, resource.on_demand)
            excused = resource.name in asking.asked or resource.name in asking.starred
            again = resource.name in asking.warming or asking.healing.get(resource.name) == resource.version
            if not excused:
                assert asking.told.get(resource.name) != resource.version, "R12: rejected, and sent again"
                again = again or self.doubtful or (self.forgetful and resource.name in asking.names)
                assert asking.sent.get(resource.name) != resource.version or again, "sent what it has"
        for name in update.removed:
            known = name in asking.sent or name in asking.asked or name in asking.warming
            assert known or self.forgetful, "removed what it never had"
            told = name in asking.asked or name not in asking.sent
            if response.type_url == ENDPOINT and not told and self.types[CLUSTER].begun:
                assert name not in self.referred(), "R70: what the client has refers to it"
        if response.type_url == CLUSTER:
            referred = {name for _, name in (ref for r in update.resources for ref in r.references)}
            sent_clusters |= referred
            self.types[ENDPOINT].warming |= referred

    def referred(self) -> set[str]:
        """The assignments that the clusters which it has refer to."""
        return {name for _, body in self.types[CLUSTER].have.values() for _, name in refers(CLUSTER, body)}

    def apply(self, response: DeltaResponse, accepts: bool) -> None:
        update, asking = response.update, self.types[response.type_url]
        asking.refused |= not accepts
        for resource in update.resources:
            asking.sent[resource.name] = resource.version
            asking.asked.discard(resource.name)
            if accepts:
                asking.have[resource.name] = (resource.version, resource.body)
                asking.rejected.pop(resource.name, None)
            else:
                asking.rejected[resource.name] = resource.version
            asking.healing.pop(resource.name, None)
            for mapping in (asking.told, asking.once):
                if mapping.get(resource.name) != resource.version:
                    mapping.pop(resource.name, None)
        for name in update.removed:
            asking.sent.pop(name, None)
            asking.asked.discard(name)
            asking.rejected.pop(name, None)
            for mapping in (asking.told, asking.once, asking.healing):
                mapping.pop(name, None)
            asking.have.pop(name, None)
        self.unanswered.append((response.type_url, response.nonce, accepts, dict(update.manifest.versions)))

    # --- what it must end with

    def settle(self) -> None:
        assert self.stream is not None
        while self.unanswered:
            self.answer(0)
        for _ in range(50):
            if not self.take(True) and not self.wakes:  # an empty batch may let go what comes with the next
                break
            while self.unanswered:
                self.answer(0)
        else:
            pytest.fail("it never comes to rest")
        snapshot = self.plane.snapshot()
        for url, asking in self.types.items():
            if not asking.begun:
                continue
            wanted = {
                name: resource
                for name, resource in snapshot[url].items()
                if asking.wants(name, resource.on_demand or url == SECRET)
            }
            held = set(self.stream.subscribers()[url].held)
            assert held == {hold.name for hold in self.stream.order.holds() if hold.type_url == url}
            in_service = {name for each in snapshot[CLUSTER].values() for _, name in each.references}
            unsettled = {
                hold.name
                for hold in self.stream.order.holds()
                if any(self.types[waited].refused for waited, _ in hold.waits_for)
            }
            assert held <= self.referred() | in_service | unsettled, "held for nothing"
            assert set(asking.sent) == set(wanted) | held, (url, "has other names than it should")
            for name, resource in wanted.items():
                assert asking.sent[name] == resource.version
                if name not in asking.rejected:
                    assert asking.have[name] == (resource.version, resource.body), (url, name)


class Machine(RuleBasedStateMachine):
    tombstones = 10_000
    collides = False
    groups = 0

    def __init__(self) -> None:
        super().__init__()
        digest = (lambda body: f"h{body[-1] % 2}") if self.collides else content_digest
        base = Plane(digest=digest, references=refers, tombstones=self.tombstones)
        self.planes = [base] + [Plane(base=base, tombstones=self.tombstones) for _ in range(self.groups)]
        self.writers = [plane.writer("source") for plane in self.planes]
        served_from = [base, base, *(plane for plane in self.planes[1:] for _ in range(2))]
        self.clients = [Client(plane, self.tombstones < 10) for plane in served_from]

    @initialize()
    def begin(self) -> None:
        self.writers[0].apply(CLUSTER, "a", body_of("a", 0))
        for writer in self.writers:
            writer.ready()

    def own(self, where: int, url: str, name: str) -> Resource | None:
        """What a Plane has itself of this name."""
        index = self.planes[where % len(self.planes)].store.indexes.get(url)
        entry = index.entries.get(name) if index is not None else None
        return entry.resource if entry is not None else None

    def writer(self, where: int) -> Writer:
        return self.writers[where % len(self.writers)]

    def client(self, which: int) -> Client:
        return self.clients[which % len(self.clients)]

    types = st.sampled_from(TYPES)
    names = st.sampled_from(NAMES)
    contents = st.integers(0, 3)
    which = st.integers(0, 5)
    where = st.integers(0, 2)
    changes = st.lists(st.tuples(types, names, st.none() | contents), max_size=5)

    @rule(where=where, url=types, name=names, content=contents, on_demand=st.booleans())
    def apply(self, where: int, url: str, name: str, content: int, on_demand: bool) -> None:
        before = self.own(where, url, name)
        changed = self.writer(where).apply(url, name, body_of(name, content), on_demand=on_demand)
        same = before is not None and before.body == body_of(name, content) and before.on_demand == on_demand
        assert changed != same
        after = self.own(where, url, name)
        assert after is not None
        if before is not None and before.body != after.body:
            assert before.version != after.version, "R10"

    @rule(where=where, url=types, name=names)
    def remove(self, where: int, url: str, name: str) -> None:
        self.writer(where).remove(url, name)

    @rule(where=where, changes=changes, fails=st.booleans())
    def transact(self, where: int, changes: list[tuple[str, str, int | None]], fails: bool) -> None:
        plane = self.planes[where % len(self.planes)]
        before = {url: dict(plane.snapshot()[url]) for url in TYPES}
        sequence = plane.sequence
        try:
            with self.writer(where).transaction() as change:
                for url, name, content in changes:
                    if content is None:
                        change.remove(url, name)
                    else:
                        change.apply(url, name, body_of(name, content))
                if fails:
                    raise KeyError("on purpose")  # noqa: TRY301 - what fails is the block
        except KeyError:
            assert {url: dict(plane.snapshot()[url]) for url in TYPES} == before
        assert plane.sequence - sequence in (0, 1)

    @rule(where=where, url=types, contents=st.dictionaries(names, contents, max_size=3))
    def replace(self, where: int, url: str, contents: dict[str, int]) -> None:
        self.writer(where).replace(url, {name: body_of(name, content) for name, content in contents.items()})

    @rule(where=where, reasons=st.sampled_from([[], ["a file that cannot be read"]]))
    def incomplete(self, where: int, reasons: list[str]) -> None:
        self.writer(where).incomplete(reasons)

    @rule(
        which=which,
        url=types,
        add=st.lists(st.sampled_from([*NAMES, STAR]), max_size=3),
        discard=st.lists(st.sampled_from([*NAMES, STAR, "phantom"]), max_size=2),
    )
    def subscribe(self, which: int, url: str, add: list[str], discard: list[str]) -> None:
        client = self.client(which)
        if client.stream is not None:
            stale = client.old_nonces[-1] if client.old_nonces else ""
            client.request(url, add, discard, stale)

    @rule(which=which, accepts=st.booleans())
    def take(self, which: int, accepts: bool) -> None:
        client = self.client(which)
        if client.stream is not None:
            try:
                client.take(accepts)
            except FellBehindError:
                assert self.tombstones < 10
                client.stream = None
                client.connect(True)

    @rule(which=which, last=st.booleans())
    def answer(self, which: int, last: bool) -> None:
        client = self.client(which)
        if client.stream is not None and client.unanswered:
            client.answer(-1 if last else 0)

    @rule(which=which, with_known=st.booleans())
    def reconnect(self, which: int, with_known: bool) -> None:
        client = self.client(which)
        if client.stream is not None:
            client.stream.close()
        # where digests collide on purpose, a version is not enough to know content by after a while away
        client.connect(with_known and not self.collides)

    def teardown(self) -> None:
        for writer in self.writers:
            writer.incomplete([])
        for client in self.clients:
            if client.stream is not None:
                try:
                    client.settle()
                except FellBehindError:
                    client.connect(not self.collides)
                    client.settle()
                client.stream.close()
        for plane in reversed(self.planes):
            assert not any(index.subscribers or index.waiting for index in plane.store.indexes.values())
            assert not any(index.interest for index in plane.store.indexes.values()), "names of closed streams are kept"
            plane.close()
            assert not any(index.groups for index in plane.store.indexes.values())


class ForgetfulMachine(Machine):
    """As above, where hardly any removed name is remembered."""

    tombstones = 1


class CollidingMachine(Machine):
    """As above, with a digest that gives different content equal versions."""

    collides = True


class GroupsMachine(Machine):
    """As above, with two groups: what a client has is what its group has of its own, and else the base."""

    groups = 2


class ForgetfulGroupsMachine(GroupsMachine):
    """As above, where hardly any removed name is remembered."""

    tombstones = 1


_often = settings(max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))

TestMachine = Machine.TestCase
TestMachine.settings = _often
TestForgetfulMachine = ForgetfulMachine.TestCase
TestForgetfulMachine.settings = _often
TestGroupsMachine = GroupsMachine.TestCase
TestGroupsMachine.settings = _often
TestForgetfulGroupsMachine = ForgetfulGroupsMachine.TestCase
TestForgetfulGroupsMachine.settings = _often
TestCollidingMachine = CollidingMachine.TestCase
TestCollidingMachine.settings = _often
