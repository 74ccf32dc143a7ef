"""What clients of clusters are sent when a Plane changes, as recorded: the same over every transport.

A trace is lines. Those that happen:

    + a=1 b=2 -c        one transaction: clusters and what is in them, and removals
    client edge a=1     a client comes, as the node of this name, that has this from before
    gone                that client goes

and those that are recorded:

    < a=2 -c            what the client is sent then, in one message or in several, each resource once; and nothing
                        more, for what comes besides would be taken for what the next such line says

Between lines that happen nothing else does: what follows at once has merged when the transport gets to send it.
`rime_core.testing.check_transport` replays each of them.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

TRACES: Final[Mapping[str, str]] = {
    "what is there comes first, then what changed, and nothing else": """
        + a=1 b=1 c=1
        client edge
        < a=1 b=1 c=1
        + a=2
        < a=2
        + b=2 c=2
        < b=2 c=2
    """,
    "what is removed is told, once": """
        + a=1 b=1
        client edge
        < a=1 b=1
        + -a
        < -a
        + b=2
        < b=2
    """,
    "a transaction comes as one": """
        + a=1 b=1
        client edge
        < a=1 b=1
        + a=2 -b c=1
        < a=2 -b c=1
    """,
    "what happens before it is sent merges": """
        + a=1
        client edge
        < a=1
        + a=2 b=1
        + a=3
        + -b
        + c=1
        < a=3 c=1
    """,
    "what went and came back meanwhile is not sent": """
        + a=1 b=1
        client edge
        < a=1 b=1
        + a=2 -b
        + a=1 b=1
        + c=1
        < c=1
    """,
    "what is removed and comes again with other content is sent": """
        + a=1
        client edge
        < a=1
        + -a
        + a=2
        < a=2
    """,
    "who comes back with everything is sent nothing until something changes": """
        + a=1 b=1
        client edge a=1 b=1
        + c=1
        < c=1
    """,
    "who comes back is sent what differs": """
        + a=1 b=2 d=1
        client edge a=1 b=1 c=1
        < b=2 -c d=1
        + a=2
        < a=2
    """,
    "who comes back with what was there once is sent what is there now": """
        + a=1 b=1
        client edge
        < a=1 b=1
        gone
        + a=2
        + -b
        client edge a=1 b=1
        < a=2 -b
    """,
    "who goes is sent nothing, and who comes in their place starts anew": """
        + a=1
        client edge
        < a=1
        gone
        + a=2
        client other
        < a=2
        + a=3
        < a=3
    """,
}


class Change(NamedTuple):
    """One transaction: name → body, None: removed."""

    bodies: Mapping[str, bytes | None]


class Come(NamedTuple):
    """A client comes, and knows name → body from before."""

    node: str
    known: Mapping[str, bytes | None]


class Go(NamedTuple):
    """The client goes."""


class Sent(NamedTuple):
    """What the client is sent: name → body, None: removed."""

    bodies: Mapping[str, bytes | None]


Step = Change | Come | Go | Sent


def steps_of(trace: str) -> list[Step]:
    """The steps that a trace is written down as.

    Raises:
        ValueError: a line is none.
    """
    return [_step(line.split()) for line in trace.strip().splitlines()]


def _step(words: list[str]) -> Step:
    match words:
        case ["+", *contents]:
            return Change(_bodies(contents))
        case ["<", *contents]:
            return Sent(_bodies(contents))
        case ["client", node, *contents]:
            return Come(node, _bodies(contents))
        case ["gone"]:
            return Go()
        case _:
            raise ValueError(f"a line of a trace that is none: {' '.join(words)!r}")


def _bodies(contents: list[str]) -> dict[str, bytes | None]:
    bodies: dict[str, bytes | None] = {}
    for each in contents:
        name, separator, content = each.partition("=")
        bodies[name if separator else name.removeprefix("-")] = content.encode() if separator else None
    return bodies
