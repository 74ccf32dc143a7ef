"""The stage of these tests: a folder, rime serving it, a relay that listens in, and a real Envoy."""

import os
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from . import resources
from .envoy import ABSENT, find_envoy, run_envoy
from .relay import Relay
from .rime import Rime, rime
from .waiting import eventually
from .web import Answer, get, upstream


def require(binary, environment):
    """The binary. Without one: in CI a failure, since nothing was proven; elsewhere the tests are left out."""
    if binary is None:
        absent = pytest.fail if environment.get("CI") else pytest.skip
        absent(ABSENT)
    return binary


@pytest.fixture(scope="session")
def envoy_binary():
    return require(find_envoy(), os.environ)


class Stage:
    """What a test plays on; all of it ends with the test."""

    def __init__(self, folder, envoy_binary, stack):
        self.conf = folder / "conf"
        self.conf.mkdir()
        self._folder = folder
        self._envoy_binary = envoy_binary
        self._stack = stack
        self._started = 0

    def save(self, **files):
        """Write files of the folder that is served, as an editor does: whole, and put in place. None deletes one."""
        for name, text in files.items():
            path = self.conf / f"{name}.yaml"
            if text is None:
                path.unlink()
            else:
                aside = path.with_suffix(".new")
                aside.write_text(text)
                aside.replace(path)

    async def enter(self, context):
        """What this context gives, until the test ends."""
        return await self._stack.enter_async_context(context)

    async def upstream(self, name, host="127.0.0.1", port=0):
        return await self.enter(upstream(name, host, port))

    async def rime(self, source=None, at="127.0.0.1:0", config=None, more=(), looked_at=False):
        """A `rime serve` that is ready; `config`: the text of a `rime.toml`, `more`: sources besides the folder.

        `looked_at`: with the debug stream.
        """
        self._started += 1
        file = self._folder / f"rime-{self._started}.toml" if config is not None else None
        if file is not None:
            file.write_text(config)
        started = Rime(
            source or self.conf,
            self._folder / f"rime-{self._started}",
            at=at,
            config=file,
            more=more,
            looked_at=looked_at,
        )
        self._stack.callback(started.kill)
        await started.ready()
        return started

    async def relay(self, target, rewrite=bytes):
        return await self.enter(Relay(target, rewrite))

    async def shop(self, *, looked_at=False):
        """The usual: a listener, its route, a cluster, and its one endpoint, "blue"; Envoy answers through a relay."""
        self.blue = await self.upstream("blue")
        self.save(
            cluster=resources.cluster(),
            endpoints=resources.endpoints(self.blue),
            route=resources.route(),
            listener=resources.listener(),
        )
        rime = await self.rime(looked_at=looked_at)
        relay = await self.relay(rime.address)
        envoy = self.envoy(relay.address)
        await self.answers(await envoy.port(), "blue")
        return rime, relay, envoy

    async def answers(self, port, body, path="/", status=200):
        """Wait until Envoy answers so on this port."""

        async def answered():
            return await get(port, path) == Answer(status, body)

        await eventually(answered)

    def envoy(
        self, address, bootstrap=resources.ADMIN, *, name="envoy", options=(), drain="1", api_type=None, by_type=False
    ):
        """An Envoy that connects to a rime, or a relay; `bootstrap` is its user's own, `options` of the command.

        `api_type`: how it speaks xDS, where not as the command says. `by_type`: over one stream for each type.
        """
        mine = self._folder / "mine.yaml"
        mine.write_text(bootstrap)
        made = rime("bootstrap", str(mine), "--at", address, "--node-id", name, *options)
        if api_type is not None:
            made = made.replace("DELTA_GRPC", api_type)
        if by_type:
            made = resources.with_streams_of_their_own(made)
        return self._stack.enter_context(run_envoy(self._envoy_binary, made, self._folder / name, drain))


@pytest_asyncio.fixture
async def stage(tmp_path, envoy_binary):
    async with AsyncExitStack() as stack:
        yield Stage(tmp_path, envoy_binary, stack)
