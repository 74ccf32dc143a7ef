"""Sources and transports for the tests, and plugins that offer them, registered nowhere but where a test says so."""

from typing import Any, ClassVar

import anyio

from rime_app import hookimpl
from rime_app.plugins import Plugin, Plugins, make_registry
from rime_core import CLUSTER, SourceError, UsageError


def plugins_with(*modules):
    """A registry with these plugins, each called after its class; what goes wrong is in its `faults`."""
    plugins = Plugins(make_registry(), report=lambda _fault: None)
    for module in modules:
        plugins.register(module, Plugin(getattr(module, "distribution", type(module).__name__), "1.0"))
    return plugins


class FakeSource:
    """Writes one cluster, named by its place, and then waits for ever; `made` has all that were made."""

    made: ClassVar[list[Any]] = []

    def __init__(self, place, options):
        self.place, self.options = place, options
        self.runs = 0
        self.made.append(self)

    async def run(self, writer):
        self.runs += 1
        self.writer = writer
        writer.replace(CLUSTER, {self.place: b"body"})
        writer.ready()
        await anyio.sleep_forever()


class NeverReadySource(FakeSource):
    async def run(self, writer):
        self.writer = writer
        await anyio.sleep_forever()


class BrokenSource(FakeSource):
    async def run(self, writer):
        raise SourceError(f"{self.place} cannot be read")


class LeavingSource(FakeSource):
    """Its first run fails and leaves a transaction open."""

    async def run(self, writer):
        if self.runs == 0:
            self.runs += 1
            self.left = writer.transaction()
            self.left.__enter__()
            self.left.apply(CLUSTER, "half", b"")
            raise SourceError("failed in the middle")
        await super().run(writer)


class PickySource:
    def __init__(self, place, options):
        raise UsageError(f"picky: there is no place {place!r}")


class BuggySource:
    def __init__(self, place, options):
        raise KeyError(place)


class ExitingSource:
    def __init__(self, place, options):
        raise SystemExit(3)


class FakeTransport:
    """Listens at its place, until cancelled; the instance knows the server that it was given."""

    made: ClassVar[list[Any]] = []

    def __init__(self, place, options):
        self.place, self.options = place, options
        self.server = None
        self.ended = False
        self.made.append(self)

    async def run(self, server, *, task_status):
        self.server = server
        task_status.started(self.place)
        try:
            await anyio.sleep_forever()
        finally:
            self.ended = True


class PortInUseTransport(FakeTransport):
    async def run(self, server, *, task_status):
        raise UsageError(f"{self.place} is in use by another program")


class BuggyTransport(FakeTransport):
    async def run(self, server, *, task_status):
        raise ZeroDivisionError("division by zero")


class ExitingTransport(FakeTransport):
    async def run(self, server, *, task_status):
        raise SystemExit(3)


class SilentTransport(FakeTransport):
    async def run(self, server, *, task_status):
        return


class DyingTransport(FakeTransport):
    """Listens, and dies when told to; the second run stays."""

    runs = 0

    async def run(self, server, *, task_status):
        self.runs += 1
        self.die = anyio.Event()
        task_status.started(f"{self.place}:{self.runs}")
        await self.die.wait()
        raise OSError("the socket is gone")


class Fakes:
    """The plugin that offers all of these."""

    distribution = "rime-fakes"

    @hookimpl
    def rime_sources(self):
        return {
            "fake": FakeSource,
            "never": NeverReadySource,
            "broken": BrokenSource,
            "leaving": LeavingSource,
            "exiting": ExitingSource,
            "picky": PickySource,
            "buggy": BuggySource,
        }

    @hookimpl
    def rime_transports(self):
        return {
            "fake": FakeTransport,
            "taken": PortInUseTransport,
            "buggy": BuggyTransport,
            "exiting": ExitingTransport,
            "silent": SilentTransport,
            "dying": DyingTransport,
        }
