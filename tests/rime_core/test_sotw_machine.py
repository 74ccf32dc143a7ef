"""State-of-the-world, as `test_machine` for the incremental variant: whatever the order of changes, lists,
acknowledgements, rejections and reconnects, a client ends up with what the Plane has of what it asked for, less what it
rejected; nothing is sent that it has; a rejected version is not sent again, except once to find out what of a response
it was for; and the version that a client brings to another replica never says that it has what it has not.

Clients here do what Envoy and gRPC do: they take responses in, in order, keep the version of the last that they
accepted, put it into each request with the nonce of the last that they took in, and drop what they ask for no longer.
They may read late, answer late, or answer several with the last one's nonce.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, SECRET, Plane, Writer, describe
from rime_core.protocol.messages import DiscoveryRequest, DiscoveryResponse
from rime_core.protocol.progress import progress
from rime_core.protocol.sotw import SotwStream
from tests.rime_core.test_both_variants import NAMES, STAR, refers

TYPES = [CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET]
REPLICAS = 2


@dataclass
class Asking:
    """What one client asks for of a type, has of it, and was told."""

    names: list[str] = field(default_factory=list)
    bare: bool = False
    """Whether it says "*" by an empty list."""
    named: bool = False
    """Whether it gave a name on this stream."""
    begun: bool = False
    """Whether it asked on this stream."""
    have: dict[str, str] = field(default_factory=dict)
    version: str = ""
    """That of the last response that it accepted."""
    nonce: str = ""
    """That of the last response that it took in."""
    last_rejected: bool = False
    """Whether it rejected that."""
    ordinary: bool = False
    """Whether it was the only one on its way when it accepted it, and says the version of all."""
    dropped: set[str] = field(default_factory=set)
    """Names that it gave up, although its version may be of a set with them."""
    unseen: set[str] = field(default_factory=set)
    """Names that it gave up with a stale nonce, so that the server knows nothing of it."""
    excused: set[str] = field(default_factory=set)
    """Names that it dropped and asks for again, and by what it says it has them."""
    # on this stream
    sent: dict[str, str] = field(default_factory=dict)
    doubted: bool = False
    """Whether it rejected something after it had accepted what came later."""
    has_all: bool = False
    """Whether it came back with a version that says all that it has, and nothing was sent yet."""
    may_come: set[str] = field(default_factory=set)
    """Names that it asked for, so that they may be sent although they were."""
    warming: set[str] = field(default_factory=set)
    """Names that may be sent once more because a cluster that waits for them was sent."""
    rejected: dict[str, str] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)
    """What was rejected together with others: nobody knows for which."""
    healing: dict[str, str] = field(default_factory=dict)
    """What of that may be sent once more."""
    told: dict[str, str] = field(default_factory=dict)
    """What was rejected for good."""

    def wants(self, name: str) -> bool:
        return name in self.names or STAR in self.names

    def forget(self, names: Collection[str]) -> None:
        """What was sent of these counts no longer."""
        for name in names:
            for mapping in (self.sent, self.rejected, self.once, self.healing, self.told):
                mapping.pop(name, None)

    def begins(self) -> None:
        self.begun = self.named = self.last_rejected = self.has_all = self.doubted = False
        self.nonce = ""
        self.unseen.clear()
        self.sent, self.may_come, self.warming = {}, set(), set()
        self.rejected, self.once, self.healing, self.told = {}, {}, {}, {}


@dataclass(frozen=True)
class Coming:
    """A response that was sent and is not taken in yet."""

    response: DiscoveryResponse
    listed: frozenset[str]
    """The list that it is for."""
    wanted: dict[str, str] | None
    """What its version says that the client has, where it was the only one of its type on its way."""

    @property
    def url(self) -> str:
        return self.response.type_url

    @property
    def versions(self) -> dict[str, str]:
        return {resource.name: resource.version for resource in self.response.update.resources}


class Client:
    """It is served by one of `planes` at a time, which have the same content."""

    def __init__(self, planes: list[Plane]) -> None:
        self.planes = planes
        self.plane = planes[0]
        self.types = {url: Asking() for url in TYPES}
        self.stream = SotwStream(self.plane.server(), max_response_bytes=150)
        self.coming: list[Coming] = []

    def wanted(self, url: str) -> dict[str, str]:
        """What the Plane has of what it asks for."""
        asking = self.types[url]
        return {name: resource.version for name, resource in self.plane.snapshot()[url].items() if asking.wants(name)}

    # --- what the client says

    def connect(self, replica: int) -> None:
        self.stream.close()
        self.plane = self.planes[replica]
        self.stream = SotwStream(self.plane.server(), max_response_bytes=150)
        self.coming = []
        for url, asking in self.types.items():
            asked = asking.begun and asking.names
            asking.begins()
            if asked:
                self.request(url)
                asking.has_all = asking.ordinary and not asking.dropped

    def request(self, url: str, nonce: str | None = None, error: str | None = None) -> None:
        asking = self.types[url]
        if not asking.begun:
            asking.begun = True
            asking.excused |= {name for name in asking.dropped if asking.wants(name)}
        names = [] if asking.bare else asking.names
        asking.named = asking.named or bool(names)
        nonce = asking.nonce if nonce is None else nonce
        if not self.is_behind(url):
            asking.unseen.clear()
        self.stream.receive(DiscoveryRequest(url, None, list(names), asking.version, nonce, error))

    def is_behind(self, url: str) -> bool:
        """Whether something was sent that it did not take in: what it says has a stale nonce."""
        return any(each.url == url for each in self.coming)

    def ask(self, url: str, names: list[str]) -> None:
        asking = self.types[url]
        before = {name for name in NAMES if asking.wants(name)}
        asked = asking.names
        asking.bare = not names and not asking.named and describe(url).legacy_wildcard
        asking.names = [STAR] if asking.bare else names
        gone = {name for name in before if not asking.wants(name)}
        new = {name for name in NAMES if asking.wants(name)} - before
        asking.excused = (asking.excused - gone) | (new & asking.unseen)
        asking.dropped |= gone
        if self.is_behind(url):
            asking.unseen |= gone
        for name in gone:
            asking.have.pop(name, None)
        if not describe(url).full_set:
            asking.forget(gone)
        asking.may_come |= set(NAMES) if STAR in asking.names and STAR not in asked else set(asking.names) - set(asked)
        asking.has_all = False
        self.request(url)

    def answer(self, accepts: bool) -> None:
        """Take the oldest response in, and answer it."""
        first = self.coming.pop(0)
        self.take_in(first, accepts)
        self.tell(first, accepts)

    def answer_late(self) -> None:
        """Reject one and accept the next of its type, and say so the other way round."""
        first = self.coming[0]
        second = next((each for each in self.coming[1:] if each.url == first.url), None)
        if second is not None:
            self.coming = [each for each in self.coming if each is not first and each is not second]
            self.take_in(first, False)
            self.take_in(second, True)
            self.tell(second, True)
            self.request(first.url, first.response.nonce, "no")
            self.types[first.url].doubted = True

    def answer_together(self) -> None:
        """Accept what came, and say so once for each type."""
        coming, self.coming = self.coming, []
        for each in coming:
            self.take_in(each, True)
        for each in {each.url: each for each in coming}.values():
            self.tell(each, True)

    def take_in(self, coming: Coming, accepts: bool) -> None:
        asking, versions = self.types[coming.url], coming.versions
        versions = {name: version for name, version in versions.items() if asking.wants(name)}
        asking.nonce = coming.response.nonce
        asking.last_rejected = not accepts
        if not accepts:
            asking.rejected.update(versions)
            return
        asking.version = coming.response.version
        asking.have = versions if describe(coming.url).full_set else asking.have | versions
        asking.ordinary = asking.have == coming.wanted and not asking.rejected and not asking.doubted
        asking.excused = set() if describe(coming.url).full_set else asking.excused.difference(versions)
        asking.dropped = {
            name
            for name in asking.dropped
            if (name in coming.listed or STAR in coming.listed) and asking.have.get(name) is None
        }
        for name, version in versions.items():
            if asking.rejected.get(name) == version:
                del asking.rejected[name]

    def tell(self, coming: Coming, accepted: bool) -> None:
        asking, versions = self.types[coming.url], coming.versions
        for name, version in versions.items():
            if accepted:
                for mapping in (asking.told, asking.once, asking.healing):
                    if mapping.get(name) == version:
                        del mapping[name]
            elif asking.sent.get(name) == version:
                if len(versions) == 1 or asking.once.get(name) == version:
                    asking.told[name] = version
                elif asking.told.get(name) != version:
                    asking.once[name] = asking.healing[name] = version
        self.request(coming.url, coming.response.nonce, None if accepted else "no")

    # --- what it is sent

    def take(self) -> bool:
        behind = {url: self.is_behind(url) for url in TYPES}
        batch = self.stream.responses()
        for url, asking in self.types.items():
            if asking.has_all and asking.have == self.wanted(url):
                asking.sent = dict(asking.have)  # as if it had been
            asking.has_all = False
        subscribers = self.stream.subscribers()
        for response in batch:
            url = response.type_url
            asking, subscriber = self.types[url], subscribers[url]
            listed = subscriber.names | ({STAR} if subscriber.wildcard else set())
            self.check(response, is_for_its_list=listed == set(asking.names))
            alone = not behind[url] and sum(each.type_url == url for each in batch) == 1
            update = response.update
            ordinary = alone and update.last and update.label is None and not subscriber.held
            self.coming.append(Coming(response, frozenset(listed), self.wanted(url) if ordinary else None))
        for url, subscriber in subscribers.items():
            if not describe(url).full_set:
                # that it is gone was taken note of, if only by saying nothing
                self.types[url].forget(
                    self.types[url].sent.keys() - self.plane.snapshot()[url] - subscriber.held.keys()
                )
        return bool(batch)

    def check(self, response: DiscoveryResponse, *, is_for_its_list: bool) -> None:
        url = response.type_url
        asking, full_set = self.types[url], describe(url).full_set
        versions = {resource.name: resource.version for resource in response.update.resources}
        changed = {name for name, version in versions.items() if asking.sent.get(name) != version} | asking.may_come
        if full_set:
            assert versions != asking.sent or asking.may_come or not asking.sent, "sent the set that it has"
            asking.sent = versions
        for name, version in versions.items() if not full_set else ():
            if name not in asking.may_come:
                assert asking.told.get(name) != version, "R12: rejected, and sent again"
                if asking.sent.get(name) == version and asking.healing.get(name) != version:
                    assert name in asking.warming, "sent what it has"
                    asking.warming.discard(name)
            asking.sent[name] = version
            asking.healing.pop(name, None)
            for mapping in (asking.told, asking.once):
                if mapping.get(name) != version:
                    mapping.pop(name, None)
        if is_for_its_list:
            asking.may_come = set() if full_set else asking.may_come.difference(versions)
        if url == CLUSTER:
            for resource in response.update.resources:
                if resource.name in changed:
                    self.types[ENDPOINT].warming.update(name for _, name in resource.references)

    # --- what it must end with

    def settle(self) -> None:
        for _ in range(100):
            while self.coming:
                self.answer(True)
            if not self.take():
                break
        else:
            pytest.fail("it never comes to rest")
        for url, asking in self.types.items():
            if asking.begun:
                self.has_what_it_should(url, asking)
        for each in progress(self.stream):
            asking = self.types[each.type_url]
            if each.state == "synced" and not describe(each.type_url).full_set and each.name not in asking.excused:
                assert each.version in (asking.have.get(each.name), asking.rejected.get(each.name)), "it lacks that"

    def has_what_it_should(self, url: str, asking: Asking) -> None:
        held = dict(self.stream.subscribers()[url].held)
        wanted = self.wanted(url)
        if describe(url).full_set:
            if not asking.last_rejected:
                wanted = {name: had for name, had in (wanted | held).items() if had is not None}  # as it was sent
                for name in asking.excused:
                    wanted.pop(name, None)
                assert {name: had for name, had in asking.have.items() if name not in asking.excused} == wanted, url
            return
        for name, version in wanted.items():
            if name not in held and name not in asking.excused:
                assert version in (asking.have.get(name), asking.rejected.get(name)), (url, name)


class Machine(RuleBasedStateMachine):
    """Each run is about two types, and begins with clients that have what they ask for."""

    groups = False

    def __init__(self) -> None:
        super().__init__()
        bases = [Plane(references=refers) for _ in range(REPLICAS)]
        groups = [Plane(base=base) for base in bases] if self.groups else []
        self.planes = [bases, groups] if groups else [bases]
        self.writers = [[plane.writer("source") for plane in planes] for planes in self.planes]
        for writers in self.writers:
            for writer in writers:
                writer.apply(RUNTIME, "so that it is never empty", b"1")
                writer.ready()
        self.clients = [Client(bases), Client(groups or bases)]
        self.types: tuple[str, ...] = ()

    lists = st.lists(st.sampled_from([*NAMES, STAR]), max_size=3, unique=True)
    bodies = st.builds("{}{}".format, st.sampled_from(NAMES), st.integers(0, 2)).map(str.encode)
    two = st.integers(0, 1)

    @initialize(types=st.permutations(TYPES).map(lambda types: types[:2]), names=lists)
    def begin(self, types: list[str], names: list[str]) -> None:
        self.types = tuple(types)
        for which in (0, 1):
            self.change(0, [(which, "a", b"a0"), (which, "b", b"b0")], None)
            for client in (0, 1):
                self.ask(client, which, names)
                self.take_and_answer(client, [])

    def teardown(self) -> None:
        for where in (0, 1):
            self.set_incomplete(where, [])
        for client in self.clients:
            client.settle()
            # and what it brings to another replica says nothing else
            client.connect(1 if client.plane is client.planes[0] else 0)
            client.settle()
            client.stream.close()

    def replicas(self, where: int) -> list[Writer]:
        return self.writers[where % len(self.writers)]

    changes = st.lists(st.tuples(two, st.sampled_from(NAMES), st.none() | bodies), min_size=1, max_size=3)

    @rule(where=two, changes=changes, label=st.sampled_from([None, None, None, None, "commit 1"]))
    def change(self, where: int, changes: list[tuple[int, str, bytes | None]], label: str | None) -> None:
        for writer in self.replicas(where):
            with writer.transaction(version=label) as change:
                for which, name, body in changes:
                    if body is None:
                        change.remove(self.types[which], name)
                    else:
                        change.apply(self.types[which], name, body)

    @rule(where=two, reasons=st.sampled_from([[], ["a file that cannot be read"]]))
    def set_incomplete(self, where: int, reasons: list[str]) -> None:
        for writer in self.replicas(where):
            writer.incomplete(reasons)

    @rule(client=two, which=two, names=lists)
    def ask(self, client: int, which: int, names: list[str]) -> None:
        url = self.types[which]
        self.clients[client].ask(url, [name for name in names if name != STAR or url != SECRET])  # where it gives none

    @rule(client=two)
    def take(self, client: int) -> None:
        self.clients[client].take()

    @rule(client=two, rejected=st.lists(st.integers(0, 3), max_size=2))
    def take_and_answer(self, client: int, rejected: list[int]) -> None:
        """All that comes, one by one."""
        self.clients[client].take()
        for place in range(len(self.clients[client].coming)):
            self.clients[client].answer(place not in rejected)

    @rule(client=two, where=two, changes=changes, rejected=st.lists(st.integers(0, 3), max_size=2))
    def several_on_their_way(
        self, client: int, where: int, changes: list[tuple[int, str, bytes | None]], rejected: list[int]
    ) -> None:
        for each in changes:
            self.change(where, [each], None)
            self.clients[client].take()
        self.take_and_answer(client, rejected)

    @rule(client=two, times=st.integers(1, 3))
    def reject_all(self, client: int, times: int) -> None:
        """And what is sent once more for that."""
        for _ in range(times):
            self.take_and_answer(client, list(range(20)))

    @rule(client=two, accepts=st.booleans())
    def answer(self, client: int, accepts: bool) -> None:
        if self.clients[client].coming:
            self.clients[client].answer(accepts)

    @rule(client=two)
    def answer_late(self, client: int) -> None:
        if self.clients[client].coming:
            self.clients[client].answer_late()

    @rule(client=two)
    def answer_together(self, client: int) -> None:
        self.clients[client].answer_together()

    @rule(client=two, replica=st.integers(0, REPLICAS - 1))
    def reconnect(self, client: int, replica: int) -> None:
        self.clients[client].connect(replica)


class GroupsMachine(Machine):
    """As above, where one client has what its group has of its own, and else the base."""

    groups = True


_often = settings(max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))

TestSotwMachine = Machine.TestCase
TestSotwMachine.settings = _often
TestSotwGroupsMachine = GroupsMachine.TestCase
TestSotwGroupsMachine.settings = _often
