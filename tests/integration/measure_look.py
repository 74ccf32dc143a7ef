"""How soon the page shows what there is, and what changed; and how much memory those cost who look.

python -m tests.integration.measure_look [SECONDS]

10,000 resources and 1,000 clients, in a process of their own, with Debian's Chromium in front of it: the page is opened
ten times, and 30 changes are made to the resource that it shows. Then the clients change for a minute (or SECONDS),
with one who reads all that is told of them and one who never reads. No test: the figures are those of a machine, and
should be had of a quiet one.
"""

import asyncio
import json
import statistics
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import rime_ws
from rime_core import CLUSTER, ENDPOINT, Node, Plane
from rime_envoy_api import message_class, references, resource
from tests.rime_ws.clients import connect
from tests.rime_ws.talk import FakeEnvoy

from .chromium import browser, find_chromium

RESOURCES, CLIENTS = 10_000, 1_000
OPENINGS, CHANGES = 10, 30
EVERY = 0.25
"""Seconds from one change to the next while clients change."""

OPEN_WITHIN, PAINTED_WITHIN = 1.0, 0.1
"""Seconds that are promised."""

SHOWN = "shop-0042"

WATCH = """
window.painted = (select, has) => new Promise((resolve) => {
  const look = () => has(document.querySelector(select)?.textContent ?? "") &&
    (observer.disconnect(), requestAnimationFrame(() => setTimeout(() => resolve(Date.now()))));
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, characterData: true });
  look();
});
"""
"""`painted`: resolves with the time when the first frame was drawn in which a text is as it should be."""

OPENED = f"""
window.opened = new Promise((resolve) => document.addEventListener("DOMContentLoaded", async () => {{
  const times = await Promise.all([
    painted("#resources-count", (text) => text === "{RESOURCES}"),
    painted("#clients-count", (text) => text === "{CLIENTS}"),
    painted("#list .row", (text) => text.includes("edge-")),
  ]);
  resolve(Math.max(...times) - performance.timeOrigin);
}}));
"""


# --- the process that is looked at


async def serve():
    """Serve, and do what the lines on standard input say; each is answered with the time."""
    cluster = message_class("envoy.config.cluster.v3.Cluster")
    assignment = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")
    names = [f"shop-{number:04}" for number in range(RESOURCES // 2)]

    def made(name, seconds):
        message = cluster(name=name, type="EDS", connect_timeout={"seconds": seconds})
        message.eds_cluster_config.eds_config.ads.SetInParent()
        return resource(message)

    plane = Plane(references=references)
    with plane.transaction() as change:
        for name in names:
            change.apply(*made(name, 1))
            change.apply(*resource(assignment(cluster_name=name)))
    server, loop = plane.server(), asyncio.get_running_loop()
    envoys = [
        FakeEnvoy(server, Node(id=f"edge-{number:04}", cluster="edge"), loop.time, peer=f"10.0.0.1:{number}")
        for number in range(CLIENTS)
    ]
    for envoy in envoys:
        envoy.ask(CLUSTER).catch_up().ask(ENDPOINT, *names).catch_up()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with rime_ws.serve(server, "127.0.0.1:0") as bound:
        print(bound.address, flush=True)
        while line := await lines.readline():
            now = time.time()
            plane.apply(*made(SHOWN, int(line)))
            for number, envoy in enumerate(envoys):
                envoy.catch_up()
                if number % 10 == 0:
                    await asyncio.sleep(0)  # each comes when it comes
            print(now, flush=True)


class Looked:
    """That process."""

    def __init__(self, process, address):
        self._process, self.address = process, address
        self.changes = 0

    @property
    def next(self):
        """How the resource will be after the next change."""
        return f"connect_timeout: {self.changes + 2}s"

    async def change(self):
        """Have the resource changed, and acknowledged by all; when it was."""
        self.changes += 1
        self._process.stdin.write(f"{self.changes + 1}\n".encode())
        return float(await self._process.stdout.readline())

    def _of(self, file, key):
        return Path(f"/proc/{self._process.pid}/{file}").read_text().partition(key)[2].split()

    @property
    def memory(self):
        """In MiB."""
        return int(self._of("status", "VmRSS:")[0]) / 1024

    @property
    def cpu(self):
        """Seconds of a core."""
        user, system = self._of("stat", ")")[11:13]
        return (int(user) + int(system)) / 100


@asynccontextmanager
async def looked_at():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, "serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Looked(process, (await process.stdout.readline()).decode().strip())
    finally:
        process.stdin.close()
        await process.wait()


# --- what is measured


async def open_page(context, looked):
    """Milliseconds until it shows everything, and what of a core that took of rime."""
    page = await context.new_page()
    before = looked.cpu
    await page.goto(f"http://{looked.address}/")
    took = await page.evaluate("opened")
    cpu = looked.cpu - before
    await page.close()
    return took, cpu * 1000


async def paint_changes(context, looked):
    """Milliseconds from each change until it is painted."""
    page = await context.new_page()
    await page.goto(f"http://{looked.address}/#/resources/clusters/{SHOWN}")
    await page.evaluate("painted('#detail pre', (text) => text.includes('connect_timeout: 1s'))")
    found = []
    for _ in range(CHANGES):
        await asyncio.sleep(0.4)
        painting = asyncio.ensure_future(
            page.evaluate(f"painted('#detail pre', (text) => text.includes('{looked.next}'))")
        )
        await asyncio.sleep(0.1)  # until it waits
        made = await looked.change()
        found.append(await painting - made * 1000)
    await page.close()
    return found


class Reader:
    """Who reads all that is told of clients."""

    def __init__(self):
        self.messages = self.bytes = self.latest = 0

    async def read(self, address):
        async with connect(address) as reader:
            await reader.send(message="subscribe", feed="clients", id="all")
            async for text in reader.websocket:
                message = json.loads(text)
                self.messages += 1
                self.bytes += len(text)
                told = [
                    of["sent"]
                    for client in message.get("clients", ())
                    for of in client["types"]
                    if of["type"] == "clusters"
                ]
                self.latest = max(self.latest, *told, 0)


async def change_clients(looked, seconds):
    """Print what the process has while its clients change."""
    reader, memory = Reader(), []
    async with connect(looked.address, max_queue=1) as stuck:
        await stuck.send(message="subscribe", feed="clients", id="all")
        stuck.websocket.transport.pause_reading()
        reading = asyncio.ensure_future(reader.read(looked.address))
        begun, cpu = time.monotonic(), looked.cpu
        while time.monotonic() - begun < seconds:
            await looked.change()
            memory.append(looked.memory)
            await asyncio.sleep(EVERY)
        cpu = (looked.cpu - cpu) / (time.monotonic() - begun)
        await asyncio.sleep(1)
        reading.cancel()
    tenth = max(1, len(memory) // 10)
    print(
        f"{CLIENTS} clients change {len(memory)} times in {seconds:.0f} s, one reads and one never does: "
        f"{max(memory[:tenth]):.1f} MiB at most in the first tenth, {max(memory[-tenth:]):.1f} in the last; "
        f"{cpu:.2f} of a core, {reader.messages} messages, {reader.bytes / 1e6:.0f} MB"
    )
    print(f"  the last change is number {RESOURCES // 2 + looked.changes}; the reader was told of {reader.latest}")


async def main(seconds):
    if find_chromium() is None:
        sys.exit("measure_look: needs Chromium (on Debian: apt install chromium)")
    async with looked_at() as looked:
        async with browser() as chromium:
            context = await chromium.new_context(viewport={"width": 1280, "height": 800})
            await context.add_init_script(WATCH + OPENED)
            opened = [await open_page(context, looked) for _ in range(OPENINGS)]
            tell("the page is open", [took for took, _ in opened], OPEN_WITHIN)
            print(f"  of which rime computes for {statistics.median(cpu for _, cpu in opened):.0f} ms")
            tell("a change is painted", await paint_changes(context, looked), PAINTED_WITHIN)
        await change_clients(looked, seconds)


def tell(what, milliseconds, within):
    median, most = statistics.median(milliseconds), max(milliseconds)
    kept = "yes" if median <= within * 1000 else "NO"
    print(f"{what}: {median:.0f} ms, at most {most:.0f}, of {len(milliseconds)}; within {within * 1000:.0f} ms: {kept}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        asyncio.run(main(float(sys.argv[1]) if sys.argv[1:] else 60.0))
