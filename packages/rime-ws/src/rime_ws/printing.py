"""What commands print: tables for people, with colour where a person looks; and what differs between two versions."""

import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rime_envoy_api.output import dump_yaml

_COLOURS: Final = {
    "synced": "green",
    "pending": "yellow",
    "sent": "yellow",
    "not sent": "yellow",
    "held": "magenta",
    "missing": "magenta",
    "rejected": "red",
}

_PIPED: Final = 200
"""Columns where nobody looks: what is read by a program should not be broken into lines."""


def console() -> Console:
    """Where people look: standard output."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPED, highlight=False, soft_wrap=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table without lines; texts are shown as they are."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def state(word: str) -> str:
    """A state, coloured."""
    colour = _COLOURS.get(word)
    return f"[{colour}]{word}[/]" if colour else escape(word)


def yaml_of(resource: Mapping[str, Any]) -> str:
    """A resource as YAML, or as a comment that says why it is not shown."""
    if "body" in resource:
        return dump_yaml(resource["body"])
    return f"# not shown: {resource.get('withheld', 'it was not told')}\n"


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    """What differs, a line each: `-` is gone, `+` is new."""
    old, new = (yaml_of(each).splitlines() if each is not None else [] for each in (before, after))
    for line in difflib.unified_diff(old, new, lineterm=""):
        if not line.startswith(("---", "+++")):
            yield line


def coloured(line: str) -> str:
    """A line of a difference."""
    colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return f"[{colour}]{escape(line)}[/]" if colour else escape(line)
