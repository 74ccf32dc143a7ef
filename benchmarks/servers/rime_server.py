"""rime under test: `rime serve`, all of it, with a source that is told what to change.

It takes the commands of process.py, and one more:

    {"do": "rename", "name": "resource-7", "to": "b", "stamp": 9}    one resource goes, and another comes in its place

To "collect" it answers with what Python has then: how many `streams`, how many `objects` of any kind that can hold
others, and how many `blocks` of memory.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, Final

from benchmarks import resources
from rime_app import hookimpl
from rime_app.config import read_config
from rime_app.plugins import Plugin, Plugins, installed_plugins, make_registry
from rime_app.process import run_process
from rime_core import Source, Transaction, Writer
from rime_grpc.stream import Stream

BURST: Final = 0.005
"""Seconds between two looks at the clock while changes are made: what is due by then is made in one go."""

GIVEN_UP: Final = 1.0
"""Seconds that changes may be late before no more are made."""


class CommandedSource:
    """Its place says what there is, such as `clusters?count=200&size=1024`; then it does what its input says."""

    def __init__(self, place: str, options: Mapping[str, str]) -> None:
        self._type_url: Final = resources.TYPE_URLS[place]
        self._size: Final = int(options["size"])
        names = [resources.name(number) for number in range(int(options["count"]))]
        self._templates: Final = {name: resources.template(self._type_url, name, self._size) for name in names}

    async def run(self, writer: Writer) -> None:
        """Load everything, and carry out one command after the other."""
        writer.replace(self._type_url, {name: template.body(0) for name, template in self._templates.items()})
        writer.ready()
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        async for line in commands:
            print(json.dumps(await self._do(writer, json.loads(line))), flush=True)

    async def _do(self, writer: Writer, command: dict[str, Any]) -> dict[str, Any]:
        if command["do"] == "change":
            self._change(writer, command["name"], command["stamp"])
        elif command["do"] == "changes":
            among, together = command["among"], command.get("together", False)
            return await self._changes(writer, command["rate"], command["seconds"], among=among, together=together)
        elif command["do"] == "collect":
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)  # as a Go server's FreeOSMemory
            objects = gc.get_objects()
            streams = sum(isinstance(each, Stream) for each in objects)
            return {"done": True, "streams": streams, "objects": len(objects), "blocks": sys.getallocatedblocks()}
        elif command["do"] == "rename":
            self._rename(writer, command["name"], command["to"], command["stamp"])
        return {"done": True}

    def _change(self, target: Writer | Transaction, name: str, stamp: int) -> None:
        target.apply(self._type_url, name, self._templates[name].body(stamp))

    def _rename(self, writer: Writer, name: str, to: str, stamp: int) -> None:
        del self._templates[name]
        template = self._templates[to] = resources.template(self._type_url, to, self._size)
        with writer.transaction() as change:
            change.remove(self._type_url, name)
            change.apply(self._type_url, to, template.body(stamp))

    async def _changes(
        self, writer: Writer, rate: float, seconds: float, *, among: int, together: bool
    ) -> dict[str, int]:
        """What is due is made, however much that is; stamps say when it was due, so that being late counts."""
        names = list(self._templates)[:among]
        total = round(rate * seconds)
        begun = time.monotonic_ns()
        made = stamp = 0
        while made < total and (passed := (time.monotonic_ns() - begun) / 1e9) < seconds + GIVEN_UP:
            due = min(int(passed * rate) + 1, total)
            with writer.transaction() if together else nullcontext(writer) as target:
                for number in range(made, due):
                    name, stamp = names[number % len(names)], begun + int(number / rate * 1e9)
                    self._change(target, name, stamp)
            made = max(made, due)
            await asyncio.sleep(max(BURST, made / rate - passed))
        return {"made": made, "last": stamp}


class Commanded:
    """The plugin that offers it."""

    @hookimpl
    def rime_sources(self) -> Mapping[str, type[Source]]:
        """The one kind of source there is here."""
        return {"commanded": CommandedSource}


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=resources.TYPE_URLS, default="clusters")
    parser.add_argument("--resources", type=int, required=True)
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    plugins = Plugins(make_registry(), report=partial(print, file=sys.stderr))
    plugins.load(installed_plugins())
    plugins.register(Commanded(), Plugin("benchmarks", ""))
    config = read_config(
        sources=[f"commanded:{options.kind}?count={options.resources}&size={options.size}"],
        transports=["grpc:127.0.0.1:0"],
    )
    run_process(config, plugins, announce)


def announce(ready: str) -> None:
    """Say where it serves, by its ready line."""
    address = ready.split()[1]
    print(json.dumps({"port": int(address.rpartition(":")[2])}), flush=True)


if __name__ == "__main__":
    main()
