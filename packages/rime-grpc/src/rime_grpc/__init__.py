"""Serves a rime Plane to Envoy over gRPC.

async with rime_grpc.serve(plane.server(), "127.0.0.1:18000") as bound:
    print(bound.address)
"""

from rime_grpc.config import Config
from rime_grpc.serving import Bound, serve
from rime_grpc.transport import GrpcTransport

__all__ = ["Bound", "Config", "GrpcTransport", "serve"]
