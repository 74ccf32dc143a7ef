"""The source `database:FILE`: each row (name, host, port) of the SQLite table `backends` is a cluster.

The option `every` says how often to look: `database:shop.db?every=200ms`.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints

from rime_app import hookimpl
from rime_core import CLUSTER, OptionReader, Source, UsageError, Writer
from rime_envoy_api import resource


def cluster(name: str, host: str, port: int) -> Cluster:
    """What Envoy is told of one row."""
    address = Address(socket_address=SocketAddress(address=host, port_value=port))
    endpoints = LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=Endpoint(address=address))])
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STRICT_DNS,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(cluster_name=name, endpoints=[endpoints]),
    )


class Database:
    """A `rime_core.Source`."""

    def __init__(self, place: str, options: Mapping[str, str]) -> None:
        if not Path(place).is_file():
            raise UsageError(f"database:{place}: there is no such file")
        read = OptionReader("database", options)
        self.every = read.duration("every", default=1.0)
        read.finish()
        self.place = place

    async def run(self, writer: Writer) -> None:
        """Look, write what is there, wait."""
        while True:
            clusters = await anyio.to_thread.run_sync(self.clusters)
            writer.replace(CLUSTER, clusters)
            writer.ready()
            await anyio.sleep(self.every)

    def clusters(self) -> dict[str, bytes]:
        """Every row's cluster, by its name. It waits for the disk, so it runs in a thread."""
        with closing(sqlite3.connect(self.place)) as database:
            rows = database.execute("SELECT name, host, port FROM backends").fetchall()
        return {name: resource(cluster(name, host, port)).body for name, host, port in rows}


@hookimpl
def rime_sources() -> Mapping[str, type[Source]]:
    """What stands before the colon in `--source database:shop.db`, and what it makes."""
    return {"database": Database}
