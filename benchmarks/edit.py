"""From saving a file until a real Envoy's traffic has moved, and where the time goes.

A folder holds what one listener needs and a thousand other resources, and a file of it is saved as editors do: written
beside it, and put in its place. Then either one endpoint is another, or the route leads to a new cluster, which comes
with its assignment in the same file: Envoy must have warmed that before it is sent the route.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from benchmarks import envoy
from benchmarks.figures import Figure, figure
from benchmarks.machine import wait_until_fast

ROUNDS: Final = 50
OTHERS: Final = 500
"""Clusters beside the one that is looked at, each with its assignment."""

REST: Final = 0.4
"""Seconds between two edits: by then what is gone is removed, too."""

TOLD: Final = {
    "event": "the watch tells of the file",
    "parsed": "read and parsed",
    "applied": "nothing follows, and it is written",
    "sent": "on the socket",
    "moved": "the first answer from there",
}
"""Stage → how it is called in the results, of those that follow one another up to the traffic."""

_TYPE: Final = "type.googleapis.com/envoy"

_LISTENER: Final = f"""\
resources:
- "@type": {_TYPE}.config.listener.v3.Listener
  name: web
  address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": {_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: web
        rds: {{route_config_name: web, config_source: {{ads: {{}}, resource_api_version: V3}}}}
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {{"@type": {_TYPE}.extensions.filters.http.router.v3.Router}}
"""


def measure(progress: Callable[[str], object]) -> Iterator[Figure]:
    """Milliseconds from saving to the first answer, and of each stage between.

    Raises:
        NoEnvoyError: there is no Envoy here.
    """
    binary = envoy.find()
    progress(f"edits, through a real Envoy, {ROUNDS} of each kind")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        upstreams = {name: envoy.Upstream(name) for name in ("blue", "green")}
        edits = Edits(folder / "conf", {name: upstream.port for name, upstream in upstreams.items()})
        with Rime(edits.folder) as rime, envoy.running(binary, rime.port, folder) as admin:
            traffic = envoy.Traffic(envoy.port_of("web", admin))
            traffic.until("blue", may_fail=True)
            n = 2 * OTHERS + 4
            for kind, edit in (("endpoint", edits.move_endpoint), ("new cluster", edits.swap_cluster)):
                took = [_edit(edit, rime, traffic) for _ in range(ROUNDS)]
                yield figure(f"edit to traffic, {kind}", "rime", n, "ms", [each["moved"] / 1e6 for each in took])
                if kind == "endpoint":
                    yield from _stages(took, n)
            traffic.close()


def _edit(edit: Callable[[], tuple[int, str]], rime: "Rime", traffic: envoy.Traffic) -> dict[str, int]:
    """Nanoseconds from saving to the end of each stage, and to the first answer."""
    time.sleep(REST)
    wait_until_fast()
    rime.forget()
    begun, name = edit()
    moved = traffic.until(name)
    time.sleep(0.05)  # an acknowledgement may come after the traffic
    return {**{stage: at - begun for stage, at in rime.stages(begun).items()}, "moved": moved - begun}


def _stages(took: list[dict[str, int]], n: int) -> Iterator[Figure]:
    for before, stage in itertools.pairwise((None, *TOLD)):
        assert stage is not None
        values = [(each[stage] - (each[before] if before is not None else 0)) / 1e6 for each in took]
        yield figure(f"edit stage, {TOLD[stage]}", "rime", n, "ms", values)
    values = [(each["acknowledged"] - each["sent"]) / 1e6 for each in took]
    yield figure("edit, from the socket to the acknowledgement", "rime", n, "ms", values)


class Edits:
    """The folder, and what is done to it."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder: Final = folder
        self._ports: Final = ports
        self._now = "blue"
        self._number = 0
        folder.mkdir()
        others = [_cluster(f"other-{each}") + _endpoint(f"other-{each}", ports["blue"]) for each in range(OTHERS)]
        (folder / "others.yaml").write_text("resources:\n" + "".join(others))
        (folder / "listener.yaml").write_text(_LISTENER)
        self._save("shop.yaml", self._shop())

    def move_endpoint(self) -> tuple[int, str]:
        """When the file was saved, and who is to answer from then on."""
        self._turn()
        return self._save("shop.yaml", self._shop()), self._now

    def swap_cluster(self) -> tuple[int, str]:
        """When the file was saved, and who is to answer from then on."""
        self._turn()
        self._number += 1
        return self._save("shop.yaml", self._shop()), self._now

    def _turn(self) -> None:
        self._now = "green" if self._now == "blue" else "blue"

    def _shop(self) -> str:
        name = f"shop-{self._number}"
        return "resources:\n" + _cluster(name) + _endpoint(name, self._ports[self._now]) + _route(name)

    def _save(self, name: str, text: str) -> int:
        """When its new content stood in its place, by the monotonic clock; just before."""
        aside = self.folder / f".{name}.new"
        aside.write_text(text)
        now = time.monotonic_ns()
        aside.replace(self.folder / name)
        return now


def _cluster(name: str) -> str:
    return f"""\
- "@type": {_TYPE}.config.cluster.v3.Cluster
  name: {name}
  type: EDS
  connect_timeout: 1s
  eds_cluster_config: {{eds_config: {{ads: {{}}, resource_api_version: V3}}}}
"""


def _endpoint(name: str, port: int) -> str:
    return f"""\
- "@type": {_TYPE}.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: {name}
  endpoints:
  - lb_endpoints:
    - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"""


def _route(cluster: str) -> str:
    return f"""\
- "@type": {_TYPE}.config.route.v3.RouteConfiguration
  name: web
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes: [{{match: {{prefix: /}}, route: {{cluster: {cluster}}}}}]
"""


class Rime:
    """servers/folder_server.py, and what it has noted."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.servers.folder_server", "--folder", str(folder)]
        self._process: Final = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._noted: list[tuple[str, int]] = []
        self.port: Final[int] = next(line["port"] for line in self._lines() if "port" in line)
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """What was noted until now is of edits before."""
        self._noted = []

    def stages(self, since: int) -> dict[str, int]:
        """When each stage was first reached after `since`."""
        first: dict[str, int] = {}
        for stage, at in self._noted:
            if at >= since:
                first.setdefault(stage, at)
        return first

    def _lines(self) -> Iterator[dict[str, int]]:
        assert self._process.stdout is not None
        return (json.loads(line) for line in self._process.stdout)

    def _read(self) -> None:
        for line in self._lines():
            self._noted.append((str(line["stage"]), line["at"]))
