"""Three rimes serve the same folder, and know nothing of each other. Envoys move between them while it changes: nothing
is sent that an Envoy has, and nothing is missed.
"""

import random

import pytest

from rime_core.resource import content_digest, version_of
from rime_envoy_api import parse

from . import resources
from .waiting import eventually

pytestmark = pytest.mark.asyncio

SHOPS = [f"shop-{number}" for number in range(12)]
STEPS = 40


def version(text):
    """The version that what a file holds has, wherever it is served."""
    (resource,) = parse(text, origin="the test").resources
    return version_of(content_digest, resource.body, resource.aliases)


class Known:
    """What an Envoy has, told by what passed its relay."""

    def __init__(self, relay):
        self.relay = relay
        self.versions = {}
        self.sent_again = []

    def look(self):
        """Take in what passed since the last look."""
        passed, self.relay.responses[:] = list(self.relay.responses), []
        for response in passed:
            for each in response.resources:
                key = (response.type_url.rpartition(".")[2], each.name)
                if self.versions.get(key) == each.version:
                    self.sent_again.append(key)
                self.versions[key] = each.version
            for name in response.removed_resources:
                self.versions.pop((response.type_url.rpartition(".")[2], name), None)
        return {name: each for (kind, name), each in self.versions.items() if kind == "ClusterLoadAssignment"}


async def test_envoys_that_move_between_replicas_are_sent_each_change_once(stage):
    decide = random.Random(4)  # noqa: S311 - the same moves each time
    files = {}
    for name in SHOPS:
        files[name] = resources.endpoints(decide.randrange(1, 65536), name)
        stage.save(**{f"cluster-{name}": resources.cluster(name), f"endpoints-{name}": files[name]})
    stage.save(route=resources.route(SHOPS[0]), listener=resources.listener())
    rimes = [await stage.rime() for _ in range(3)]
    relays = [await stage.relay(rime.address) for rime in rimes[:2]]
    envoys = [stage.envoy(relay.address, name=f"envoy-{number}") for number, relay in enumerate(relays)]
    for envoy in envoys:
        await envoy.port()
    known = [Known(relay) for relay in relays]

    async def all_have_all():
        current = {name: version(text) for name, text in files.items()}
        return all(each.look() == current for each in known)

    await eventually(all_have_all)
    for step in range(STEPS):
        for name in decide.sample(SHOPS, decide.randrange(4)):
            files[name] = resources.endpoints(decide.randrange(1, 65536), name)
            stage.save(**{f"endpoints-{name}": files[name]})
        decide.choice(relays).switch(decide.choice(rimes).address)
        if step % 4 == 0:
            await eventually(all_have_all)
    await eventually(all_have_all)

    assert [each.sent_again for each in known] == [[], []]
    assert all(rime.events("opened") for rime in rimes), "no replica was left out"
