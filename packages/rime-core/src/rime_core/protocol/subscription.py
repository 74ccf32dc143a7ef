"""What a request says about the names a client wants, as a table with the rule of each branch.

A client holds names, and it may hold "*", which stands for what the server's own logic gives it. For some types a first
request without any name means "*" too: the *legacy wildcard*. From the xDS protocol document, "How the client specifies
what resources to return" and, for the incremental variant, "Subscribing to Resources" and "Unsubscribing from
Resources". The rules are numbered as in docs/protocol.md.

| request, incremental                           | becomes                       | rule     |
|------------------------------------------------|-------------------------------|----------|
| the first of a type, both lists empty          | + "*", where the type has the | R38, R45 |
|                                                | legacy wildcard, else nothing |          |
| the first of a type, "*" in both lists         | "*" is not subscribed to      | R46      |
| a name in both lists                           | unsubscribed, then subscribed | R50      |
| a later one, both lists empty                  | nothing                       | R30, R41 |
| an unsubscription of what is not held          | nothing                       | R47      |
| an unsubscription of a name while "*" is held  | an answer for that name       | R43      |

The last two are `Subscriber.discard`'s own.

| request, state-of-the-world                    | becomes                       | rule     |
|------------------------------------------------|-------------------------------|----------|
| the first of a type, no names                  | "*", where the type has the   | R37, R45 |
|                                                | legacy wildcard, else nothing |          |
| a later one, no names, and none named before   | the same                      | R37, R39 |
| a later one, no names, after some were named   | nothing                       | R33, R41 |
| names                                          | these, and no others          | R32, R39 |
| "*" among them                                 | these, and everything         | R39      |
"""

from collections.abc import Iterable, Sequence

from rime_core.errors import PeerError
from rime_core.resource import STAR, check_name
from rime_core.type_urls import XdsType

NOTHING: tuple[str, ...] = ()


def first_names(described: XdsType, subscribe: Sequence[str], unsubscribe: Sequence[str]) -> Sequence[str]:
    """What a stream's first incremental request of a type subscribes to."""
    if not subscribe and not unsubscribe:
        return _unnamed(described)
    if STAR in subscribe and STAR in unsubscribe:
        return [name for name in subscribe if name != STAR]
    return subscribe


def listed_names(described: XdsType, names: Sequence[str], *, named_before: bool) -> Sequence[str]:
    """What a state-of-the-world request asks for.

    `named_before`: whether an earlier request of the type, on the same stream, gave a name.
    """
    return names if names or named_before else _unnamed(described)


def _unnamed(described: XdsType) -> Sequence[str]:
    return (STAR,) if described.legacy_wildcard else NOTHING


def named(names: Iterable[str]) -> list[str]:
    """The names that a request gives, less empty ones, which name nothing.

    Raises:
        PeerError: one cannot be encoded.
    """
    given = [name for name in names if name]
    for name in given:
        if not name.isascii():
            try:
                check_name(name)
            except ValueError as error:
                raise PeerError(str(error)) from error
    return given
