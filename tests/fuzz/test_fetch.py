"""Whatever is sent to a `Fetch…` method: one answer, or a status that blames the client; and nothing is left of it."""

import asyncio
from typing import Any, cast

import grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from rime_core import CLUSTER, ENDPOINT, Peer
from rime_envoy_api import message_class
from rime_grpc.config import Config
from rime_grpc.fetch import Fetch
from rime_grpc.gate import Gate
from rime_grpc.services import METHODS
from tests.fuzz.test_delta_stream import a_plane, assert_serves, some_names, type_urls
from tests.rime_grpc.fake_context import FakeContext
from tests.rime_grpc.virtual_loop import VirtualLoop

FETCHES = [method for method in METHODS.values() if method.once]
BLAMES = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}

Request: Any = message_class("envoy.service.discovery.v3.DiscoveryRequest")

requests = st.builds(
    lambda **fields: Request(**fields).SerializeToString(),
    type_url=type_urls | st.just(""),
    resource_names=some_names,
    version_info=st.text(max_size=5),
    response_nonce=st.text(max_size=5),
    node=st.just({"id": "n"}),
)


class Call(FakeContext):
    """Keeps the status that it is ended with."""

    status: grpc.StatusCode | None = None

    async def abort(self, code, details):
        self.status = code


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FETCHES), requests | st.binary(max_size=60))
def test_any_bytes(method, data):
    plane = a_plane()

    async def fetched() -> Call:
        call, config = Call(), Config(max_names=3)
        call.requests.put_nowait(data)
        await Fetch(method, plane.server(), cast("Any", call), Peer(), config, Gate(config)).run()
        return call

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        call = runner.run(fetched())
    if call.status is None:
        assert call.responses.qsize() == 1
    else:
        assert call.status in BLAMES
        assert call.responses.qsize() == 0
    assert not any(plane.store.indexes[url].subscribers for url in (CLUSTER, ENDPOINT))
    assert_serves(plane)
