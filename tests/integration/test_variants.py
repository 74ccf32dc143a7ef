"""The ways to speak xDS beside the one of `rime bootstrap`: state-of-the-world, and a stream for each type.

Each is a real Envoy before `rime serve`, with a relay between them.
"""

from dataclasses import dataclass

import pytest
import trustme

from . import resources
from .test_secrets import HOST, TLS_LISTENER, secret, shows
from .waiting import eventually

pytestmark = pytest.mark.asyncio


@dataclass(frozen=True)
class Way:
    api_type: str
    by_type: bool

    def __str__(self):
        return f"{self.api_type}-{'by-type' if self.by_type else 'aggregated'}"

    @property
    def full_sets(self):
        """Whether a changed cluster travels with all others."""
        return self.api_type == "GRPC"

    def text(self, text):
        return resources.by_stream_of_its_own(text, self.api_type) if self.by_type else text


@pytest.fixture(params=[Way("GRPC", False), Way("GRPC", True), Way("DELTA_GRPC", True)], ids=str)
def way(request):
    return request.param


class Scene:
    """A shop whose Envoy speaks so, and which answers "blue"."""

    def __init__(self, stage, way):
        self.stage = stage
        self.way = way

    async def open(self, **files):
        self.save(
            cluster=resources.cluster(),
            endpoints=resources.endpoints(await self.stage.upstream("blue")),
            route=resources.route(),
            listener=resources.listener(),
            **files,
        )
        self.rime = await self.stage.rime()
        self.relay = await self.stage.relay(self.rime.address)
        self.envoy = self.stage.envoy(self.relay.address, api_type=self.way.api_type, by_type=self.way.by_type)
        self.port = await self.envoy.port()
        return self

    def save(self, **files):
        self.stage.save(**{name: self.way.text(text) if text else None for name, text in files.items()})

    async def answers(self, body):
        await self.stage.answers(self.port, body)

    async def has_clusters(self, *names):
        async def has():
            return set(await self.envoy.clusters()) == set(names)

        await eventually(has)


@pytest.fixture
def scene(stage, way):
    return Scene(stage, way)


async def test_from_nothing_to_the_first_answer_and_another_endpoint(scene):
    await scene.open()
    await scene.answers("blue")
    assert sorted(scene.relay.travelled) == [
        ("Cluster", "shop"),
        ("ClusterLoadAssignment", "shop"),
        ("Listener", "web"),
        ("RouteConfiguration", "web"),
    ]
    scene.relay.clear()

    scene.save(endpoints=resources.endpoints(await scene.stage.upstream("green")))
    await scene.answers("green")
    assert scene.relay.travelled == [("ClusterLoadAssignment", "shop")]


async def test_a_changed_cluster_is_not_left_warming(scene):
    await scene.open(more=resources.cluster("more"), more_endpoints=resources.endpoints(1, "more"))
    await scene.answers("blue")
    await scene.has_clusters("shop", "more")
    scene.relay.clear()

    scene.save(cluster=resources.cluster(timeout="7s"))

    async def changed():
        return (await scene.envoy.clusters())["shop"]["connect_timeout"] == "7s"

    # a third of what Envoy waits by itself
    await eventually(changed, within=5)
    await scene.answers("blue")
    assert await scene.envoy.clusters("warming") == {}
    assert sorted(scene.relay.sent("Cluster")) == (["more", "shop"] if scene.way.full_sets else ["shop"])


async def test_a_route_to_a_new_cluster_and_the_old_one_removed(scene):
    await scene.open()
    await scene.answers("blue")
    scene.save(
        green=resources.cluster("green"),
        green_endpoints=resources.endpoints(await scene.stage.upstream("green"), "green"),
        route=resources.route("green"),
    )
    await scene.answers("green")

    scene.save(cluster=None, endpoints=None)
    await scene.has_clusters("green")
    await scene.answers("green")


async def test_after_a_restart_of_rime_nothing_that_is_current_is_sent(scene):
    await scene.open(more=resources.cluster("more"), more_endpoints=resources.endpoints(1, "more"))
    await scene.answers("blue")
    await scene.has_clusters("shop", "more")
    streams = len(scene.rime.events("opened"))
    scene.relay.clear()

    scene.rime.end()  # how it ends is for test_restart to say
    again = await scene.stage.rime()
    scene.relay.switch(again.address)
    await eventually(lambda: len(again.events("opened")) >= streams)

    # one change, so that it can be told that all there is to come has come
    scene.save(endpoints=resources.endpoints(await scene.stage.upstream("green")))
    await scene.answers("green")
    assert scene.relay.travelled == [("ClusterLoadAssignment", "shop")]
    assert scene.relay.removed == []


async def test_a_certificate_is_rotated(scene):
    authority = trustme.CA()
    first, second = authority.issue_cert(HOST), authority.issue_cert(HOST)
    scene.save(tls=TLS_LISTENER.replace("name: web\n", "name: tls\n", 1), secret=secret(first))
    await scene.open()
    port = await scene.envoy.port("tls")
    await eventually(shows(port, authority, first))
    scene.relay.clear()

    scene.save(secret=secret(second))
    await eventually(shows(port, authority, second))
    assert scene.relay.travelled == [("Secret", "shop-certificate")]
