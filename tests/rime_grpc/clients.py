"""A grpcio client for these tests: sends DeltaDiscoveryRequests, and reads the answers with another library's decoder.

envoy-data-plane (betterproto2) shares no code with upb nor with rime's encoder.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from rime_core import CLUSTER
from rime_core.testing import Received
from rime_envoy_api import message_class
from tests.rime_grpc.certificates import NAME

DELTA_ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"

Request = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
SotwRequest = message_class("envoy.service.discovery.v3.DiscoveryRequest")


def decode(data: bytes):
    """A DeltaDiscoveryResponse, decoded by envoy-data-plane."""
    from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryResponse  # noqa: PLC0415 - takes a second

    return DeltaDiscoveryResponse.parse(data)


def decode_sotw(data: bytes):
    """A DiscoveryResponse, decoded by envoy-data-plane."""
    from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryResponse  # noqa: PLC0415 - as above

    return DiscoveryResponse.parse(data)


def decode_resource(data: bytes):
    """A Resource, decoded by envoy-data-plane."""
    from envoy_data_plane.envoy.service.discovery.v3 import Resource  # noqa: PLC0415 - as above

    return Resource.parse(data)


class GrpcClient:
    """One stream; what `rime_core.testing.check_transport` needs, and raw access for the rest."""

    def __init__(self, call) -> None:
        self.call = call

    async def send(self, **fields) -> None:
        await self.call.write(Request(**fields).SerializeToString())

    async def subscribe(self, *, known, node_id) -> None:
        await self.send(type_url=CLUSTER, node={"id": node_id}, initial_resource_versions=known)

    async def receive(self) -> Received:
        data = await self.call.read()
        assert isinstance(data, bytes), "the stream has ended"
        response = decode(data)
        await self.send(type_url=response.type_url, response_nonce=response.nonce)
        return Received({each.name: each.version for each in response.resources}, list(response.removed_resources))


@asynccontextmanager
async def connect(address: str, credentials: grpc.ChannelCredentials | None = None) -> AsyncIterator[GrpcClient]:
    """A stream to this address; with credentials over TLS, and over a connection of its own."""
    options = [("grpc.ssl_target_name_override", NAME), ("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(address)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, options) as channel
    ):
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(DELTA_ADS)()
        try:
            yield GrpcClient(call)
        finally:
            call.cancel()
