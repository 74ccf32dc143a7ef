"""gRPC's own xDS client, `xds:///`: state-of-the-world, everything by name."""

import asyncio
import json
import logging
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
import pytest_asyncio

import rime_grpc
from rime_core import Plane
from rime_envoy_api import parse, references

from . import resources
from .grpc_calls import METHOD
from .waiting import eventually

pytestmark = pytest.mark.asyncio


def listener(name="shop", route="web"):
    return f"""\
resources:
- "@type": {resources.TYPE}.config.listener.v3.Listener
  name: {name}
  api_listener:
    api_listener:
      "@type": {resources.TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: {name}
      rds: {{route_config_name: {route}, config_source: {{ads: {{}}, resource_api_version: V3}}}}
      http_filters:
      - name: envoy.filters.http.router
        typed_config: {{"@type": {resources.TYPE}.extensions.filters.http.router.v3.Router}}
"""


def endpoints(port, name="shop"):
    return f"""\
resources:
- "@type": {resources.TYPE}.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: {name}
  endpoints:
  - locality: {{region: here}}
    load_balancing_weight: 1
    lb_endpoints:
    - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"""


@asynccontextmanager
async def backend(name):
    """A gRPC server that answers with its name; gives its port."""

    async def ask(_request, _context):
        return name.encode()

    service, _, method = METHOD.removeprefix("/").partition("/")
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {method: grpc.unary_unary_rpc_method_handler(ask)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


class Calls:
    """A program that calls through the xDS client."""

    def __init__(self, address):
        self._bootstrap = {
            "xds_servers": [
                {"server_uri": address, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
            ],
            "node": {"id": "grpc"},
        }

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", f"{__package__}.grpc_calls", "xds:///shop"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(self._bootstrap)},
        )
        return self

    async def __aexit__(self, *_):
        self._process.kill()
        await self._process.wait()

    async def next(self):
        """The next answer."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        assert line, "the program has ended"
        return line.decode().strip()

    async def until(self, answer):
        """The answers up to this one."""
        answers: list[str] = []
        while not answers or answers[-1] != answer:
            answers.append(await self.next())
        return answers


def save(plane, *texts):
    with plane.transaction() as change:
        for text in texts:
            for each in parse(text, origin="test").resources:
                change.apply(each.type_url, each.name, each.body)


def shop(port):
    """A Plane with all that `xds:///shop` needs."""
    plane = Plane(references=references)
    save(plane, listener(), resources.route(), resources.cluster(), endpoints(port))
    return plane


@pytest_asyncio.fixture
async def blue():
    async with backend("blue") as port:
        yield port


@pytest_asyncio.fixture
async def green():
    async with backend("green") as port:
        yield port


async def test_a_call_finds_its_way_and_follows_an_endpoint(blue, green):
    plane = shop(blue)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, Calls(bound.address) as calls:
        assert await calls.until("blue") == ["blue"]
        save(plane, endpoints(green))
        assert set(await calls.until("green")) <= {"blue", "green"}


async def test_a_route_to_a_new_cluster(blue, green):
    plane = shop(blue)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, Calls(bound.address) as calls:
        await calls.until("blue")
        for number in range(20):
            name, port, body = f"shop-{number}", (green, blue)[number % 2], ("green", "blue")[number % 2]
            save(plane, resources.cluster(name), endpoints(port, name), resources.route(name))
            assert set(await calls.until(body)) <= {"blue", "green"}


async def test_a_changed_cluster_does_not_hurt(blue, green):
    plane = shop(blue)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, Calls(bound.address) as calls:
        await calls.until("blue")
        save(plane, resources.cluster(timeout="7s"))
        assert set(await calls.until("blue")) == {"blue"}
        save(plane, endpoints(green))
        assert set(await calls.until("green")) <= {"blue", "green"}


async def test_what_comes_later_is_found_when_it_comes(blue, caplog):
    caplog.set_level(logging.INFO, "rime_grpc")
    plane = Plane(references=references)
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, Calls(bound.address) as calls:
        await eventually(lambda: "has come" in caplog.text)
        save(plane, listener(), resources.route(), resources.cluster(), endpoints(blue))
        assert await calls.until("blue") == ["blue"]


async def test_what_is_not_there_is_said_at_once_and_a_listener_that_goes_is_known_at_once(blue, caplog):
    """By a set that lacks it. gRPC believes that of what it had; of what it never had it waits 15 s for more."""
    caplog.set_level(logging.DEBUG, "rime_grpc")
    plane = Plane(references=references)
    save(plane, listener("other"))
    async with rime_grpc.serve(plane.server(), "127.0.0.1:0") as bound, Calls(bound.address) as calls:
        await eventually(lambda: "is sent listeners (nothing)" in caplog.text, within=5)
        save(plane, listener(), resources.route(), resources.cluster(), endpoints(blue))
        await calls.until("blue")

        (goes,) = parse(listener(), origin="test").resources
        plane.remove(goes.type_url, goes.name)
        answers = [await calls.next()]
        while answers[-1] == "blue":
            answers.append(await calls.next())
        assert "LDS resource shop: does not exist" in answers[-1]
        save(plane, listener())
        await calls.until("blue")


async def test_who_comes_back_to_another_rime_is_sent_what_changed(blue, green, caplog):
    caplog.set_level(logging.DEBUG, "rime_grpc")
    async with AsyncExitStack() as stack:
        async with rime_grpc.serve(shop(blue).server(), "127.0.0.1:0") as bound:
            calls = await stack.enter_async_context(Calls(bound.address))
            await calls.until("blue")
        # longer than what may have been answered before rime was gone
        assert {await calls.next() for _ in range(300)} == {"blue"}
        caplog.clear()
        plane = shop(blue)
        await stack.enter_async_context(rime_grpc.serve(plane.server(), bound.address))
        await eventually(lambda: "has come" in caplog.text)
        save(plane, endpoints(green))
        assert set(await calls.until("green")) <= {"blue", "green"}
    sent = [record.getMessage() for record in caplog.records if getattr(record, "event", None) == "sent"]
    assert [message.partition(" is sent ")[2] for message in sent] == ["endpoints shop"]
