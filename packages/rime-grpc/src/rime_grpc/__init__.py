"""Serves a rime Plane to Envoy over gRPC.

    async with rime_grpc.serve(plane.server(), "127.0.0.1:18000") as bound:
        print(bound.address)

Importing this is light: grpc and protobuf (0.1 s) are loaded by the first use of a name below.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rime_grpc.config import Config
    from rime_grpc.serving import Bound, serve
    from rime_grpc.transport import GrpcTransport

__all__ = ["Bound", "Config", "GrpcTransport", "serve"]

_HOMES = {"Bound": "serving", "Config": "config", "GrpcTransport": "transport", "serve": "serving"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has under that name
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
