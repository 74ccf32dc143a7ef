"""What this distribution adds to rime: the transport `ws`, and the commands that look at what it shows.

Each hook imports what it needs when it is called: `rime --help` must not pay for websockets.
"""

from typing import TYPE_CHECKING

from rime_app import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

    from rime_core import Transport


@hookimpl
def rime_transports() -> "Mapping[str, type[Transport]]":
    """`ws:HOST:PORT`."""
    from rime_ws.transport import WsTransport  # noqa: PLC0415 - loads websockets

    return {"ws": WsTransport}


@hookimpl
def rime_commands() -> "Mapping[str, click.Command]":
    """`rime status`, `rime clients`, `rime get`, `rime watch`, `rime diff`."""
    from rime_ws.commands import COMMANDS  # noqa: PLC0415 - only where commands are asked for

    return COMMANDS
