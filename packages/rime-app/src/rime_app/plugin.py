"""What rime-app itself brings: the commands `serve` and `plugins`, by the same hook as everyone else's."""

from collections.abc import Mapping

import click

from rime_app import hookimpl
from rime_app.commands import list_plugins, serve


@hookimpl
def rime_commands() -> Mapping[str, click.Command]:
    """The commands that need no other distribution."""
    return {"plugins": list_plugins, "serve": serve}
