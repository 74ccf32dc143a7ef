"""What this distribution adds to rime: the transport `grpc`, the command `rime bootstrap`, and what refers to what.

Each hook imports what it needs when it is called: `rime --help` must not pay for grpc and protobuf.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from rime_app import hookimpl

if TYPE_CHECKING:
    import click

    from rime_core import Transport


@hookimpl
def rime_transports() -> "Mapping[str, type[Transport]]":
    """`grpc:HOST:PORT`."""
    # read when grpc is loaded: a client that TLS refuses would be a line of gRPC's amid the log, which may be JSON
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from rime_grpc.transport import GrpcTransport  # noqa: PLC0415 - loads grpc

    return {"grpc": GrpcTransport}


@hookimpl
def rime_commands() -> "Mapping[str, click.Command]":
    """`rime bootstrap`."""
    from rime_grpc.bootstrap import bootstrap  # noqa: PLC0415 - only where commands are asked for

    return {"bootstrap": bootstrap}


@hookimpl
def rime_references() -> Callable[[str, bytes], Iterable[tuple[str, str]]]:
    """Which resources one of Envoy's refers to: a cluster to its assignment, a route to its clusters."""
    from rime_envoy_api import references  # noqa: PLC0415 - loads protobuf

    return references
