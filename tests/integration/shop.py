"""A shop: a Plane in this process, a real Envoy that is served from it, and upstreams that a cluster may lead to."""

import rime_grpc
from rime_core import Plane
from rime_core.protocol.order import Patience
from rime_envoy_api import parse, references

from . import resources
from .waiting import eventually

COLOURS = ("blue", "green", "red")


class Shop:
    """A Plane over gRPC, an Envoy, and three upstreams that a cluster may lead to."""

    def __init__(self, stage):
        self._stage = stage
        self._files = {}
        self.plane = Plane(references=references)

    async def stock(self):
        """The upstreams run, and nothing else."""
        self.upstreams = {name: await self._stage.upstream(name) for name in COLOURS}
        return self

    async def open(self, *, patience=None, drain=None, api_type=None):
        """All of it runs; `drain` is Envoy's default, ten minutes, unless said."""
        await self.stock()
        config = rime_grpc.Config(patience=patience or Patience())
        bound = await self._stage.enter(rime_grpc.serve(self.plane.server(), "127.0.0.1:0", config))
        self.envoy = self._stage.envoy(bound.address, drain=drain, api_type=api_type)
        return self

    def save(self, **files):
        """Change these files in one transaction; None deletes one."""
        with self.plane.transaction() as change:
            for name, text in files.items():
                now = parse(text, origin=name).resources if text is not None else ()
                gone = {(each.type_url, each.name) for each in self._files.get(name, ())}
                for each in now:
                    change.apply(each.type_url, each.name, each.body)
                    gone.discard((each.type_url, each.name))
                for type_url, removed in gone:
                    change.remove(type_url, removed)
                self._files[name] = now

    def swap(self, number, **others):
        """The cluster behind the route is another one from now on, and the one before is gone; what it answers."""
        old, new, colour = f"shop-{number - 1}", f"shop-{number}", COLOURS[number % 3]
        files = {new: resources.cluster(new), f"{new}-endpoints": resources.endpoints(self.upstreams[colour], new)}
        if number:
            files |= {old: None, f"{old}-endpoints": None}
        self.save(**files, **{"route": resources.route(new), **others})
        return colour

    async def answers(self, body, listener="web"):
        """The port of a listener, once this is what comes there."""
        port = await self.envoy.port(listener)
        await self._stage.answers(port, body)
        return port

    async def has_only(self, *clusters):
        """Wait until Envoy has these clusters and no others."""

        async def has():
            there = set(await self.envoy.clusters())
            assert there == set(clusters)
            return True

        await eventually(has)
