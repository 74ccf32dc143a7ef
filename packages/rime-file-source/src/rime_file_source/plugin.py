"""What this distribution adds to rime: the source `file`, and the command `rime check`."""

from typing import TYPE_CHECKING

from rime_app import hookimpl
from rime_file_source.check import check
from rime_file_source.source import FileSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

    from rime_core.adapter import Source


@hookimpl
def rime_sources() -> "Mapping[str, type[Source]]":
    """`file:PATH`."""
    return {"file": FileSource}


@hookimpl
def rime_commands() -> "Mapping[str, click.Command]":
    """`rime check PATH`."""
    return {"check": check}
