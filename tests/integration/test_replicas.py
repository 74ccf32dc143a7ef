"""Three rimes serve the same folder, and know nothing of each other. Envoys move between them while it changes: nothing
is sent that an Envoy has, and nothing is missed.

Endpoints, clusters and the route change; shops are removed, and added again as they were. One Envoy speaks
state-of-the-world: for it, what is said again has the version that it had before.
"""

import random

import pytest

from rime_core.resource import content_digest, version_of
from rime_envoy_api import message_class, parse
from rime_envoy_api.names import name_of

from . import resources
from .waiting import eventually

pytestmark = pytest.mark.asyncio

SHOPS = [f"shop-{number}" for number in range(12)]
STEPS = 40

CLUSTER, ENDPOINTS, ROUTE, LISTENER = "Cluster", "ClusterLoadAssignment", "RouteConfiguration", "Listener"


def short(type_url):
    return type_url.rpartition(".")[2]


def version(body):
    """The version that it has wherever it is served."""
    return version_of(content_digest, body, ())


class Folder:
    """What is written now, and what of that an Envoy should have."""

    def __init__(self, stage, decide):
        self._stage = stage
        self._decide = decide
        self._files = {}
        self.open = []
        self.closed = {}
        self._routed = SHOPS[0]

    def save(self, **files):
        self._stage.save(**files)
        self._files |= files

    def fill(self):
        for name in SHOPS:
            self.save(**self._shop(name))
            self.open.append(name)
        self.save(route=resources.route(self._routed), listener=resources.listener())

    def _shop(self, name):
        decide = self._decide
        return {
            f"cluster-{name}": resources.cluster(name, f"{decide.randrange(1, 10_000)}s"),
            f"endpoints-{name}": resources.endpoints(decide.randrange(1, 65536), name),
        }

    def change(self):
        """Some of what may change does."""
        decide = self._decide
        for name in decide.sample(self.open, decide.randrange(4)):
            self.save(**{f"endpoints-{name}": self._shop(name)[f"endpoints-{name}"]})
        if decide.random() < 0.4:
            name = decide.choice(self.open)
            self.save(**{f"cluster-{name}": self._shop(name)[f"cluster-{name}"]})
        if decide.random() < 0.4:
            self._routed = decide.choice(self.open)
            self.save(route=resources.route(self._routed))
        if decide.random() < 0.3:
            name = decide.choice([each for each in self.open if each != self._routed])
            self.open.remove(name)
            files = (f"cluster-{name}", f"endpoints-{name}")
            self.closed[name] = {each: self._files[each] for each in files}
            self.save(**dict.fromkeys(files))
        elif self.closed and decide.random() < 0.5:
            name = decide.choice(sorted(self.closed))
            self.save(**self.closed.pop(name))
            self.open.append(name)

    def current(self):
        """(type, name) → version of all that is written."""
        found = {}
        for text in self._files.values():
            for each in parse(text, origin="the test").resources if text is not None else ():
                found[short(each.type_url), each.name] = version(each.body)
        return found


class Known:
    """What an Envoy has, told by what passed its relay."""

    def __init__(self, relay):
        self.relay = relay
        self.versions = {}
        self.sent_again = []
        self._of_all = {}
        """State-of-the-world: type → the version that it was told last."""
        self._warming = set()
        """The clusters that came, or changed, since their assignment was sent: those bring it, changed or not."""

    def look(self):
        """Take in what passed since the last look; what the Envoy has now."""
        passed, self.relay.responses[:] = list(self.relay.responses), []
        for response in passed:
            self._take(response)
        return self.versions

    def _take(self, response):
        kind = short(response.type_url)
        delta = hasattr(response, "removed_resources")
        if delta:
            here = {each.name: each.version for each in response.resources}
            gone = list(response.removed_resources)
        else:
            bodies = [(each.type_url.rpartition("/")[2], each.value) for each in response.resources]
            here = {name_of(message_class(type_name).FromString(body)): version(body) for type_name, body in bodies}
            gone = [name for of, name in self.versions if of == kind and name not in here]
            if kind not in {CLUSTER, LISTENER}:
                gone = []
        # a set is said again whole where it has another version, and so is all that is named on a new stream
        same = delta or self._of_all.get(kind) == response.version_info
        if same and not delta and not here:
            self.sent_again.append((kind, response.version_info))
        for name, each in here.items():
            warms = kind == ENDPOINTS and name in self._warming
            if same and not warms and self.versions.get((kind, name)) == each:
                self.sent_again.append((kind, name))
            if kind == CLUSTER and self.versions.get((kind, name)) != each:
                self._warming.add(name)
            if kind == ENDPOINTS:
                self._warming.discard(name)
            self.versions[kind, name] = each
        for name in gone:
            self.versions.pop((kind, name), None)
            if kind == CLUSTER:
                # with it goes its assignment, which nobody need say
                self.versions.pop((ENDPOINTS, name), None)
                self._warming.discard(name)
        if not delta:
            self._of_all[kind] = response.version_info


async def test_envoys_that_move_between_replicas_are_sent_each_change_once(stage):
    decide = random.Random(4)  # noqa: S311 - the same moves each time
    folder = Folder(stage, decide)
    folder.fill()
    rimes = [await stage.rime() for _ in range(3)]
    relays = [await stage.relay(rime.address) for rime in rimes]
    envoys = [
        stage.envoy(relay.address, name=f"envoy-{number}", api_type="GRPC" if number == 2 else None)
        for number, relay in enumerate(relays)
    ]
    for envoy in envoys:
        await envoy.port()
    known = [Known(relay) for relay in relays]

    def all_have_all():
        current = folder.current()
        lacking = [dict(each.look().items() ^ current.items()) for each in known]
        assert lacking == [{}, {}, {}]
        return True

    await eventually(all_have_all)
    for step in range(STEPS):
        folder.change()
        decide.choice(relays).switch(decide.choice(rimes).address)
        if step % 4 == 0:
            await eventually(all_have_all)
    await eventually(all_have_all)

    assert [each.sent_again for each in known] == [[], [], []]
    assert all(rime.events("opened") for rime in rimes), "no replica was left out"
    assert not any(rime.events("rejected") for rime in rimes)
