"""Which clients a table of `rime.toml` speaks of: what must hold of what they say of themselves, and can prove.

All that a table says must hold of a client; of several patterns for one thing one must. Of what a node says nothing is
proven: only `certificate` tells one client from another that lies.

Patterns are as in a shell: `*` is any text, `?` any character, `[ab]` one of these. Capitals count.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Final

from rime_core.errors import UsageError
from rime_core.node import Client

_PLAIN: Final = ("id", "cluster", "region", "zone", "sub_zone", "certificate")
CLIENT_KEYS: Final = (*_PLAIN[:-1], "metadata", "certificate")
"""The keys of a table that say something of clients."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a client: that one of the texts at `key` fits `pattern`."""

    key: tuple[str, ...]
    pattern: re.Pattern[str]

    def holds(self, client: Client) -> bool:
        """Whether it does."""
        return any(self.pattern.fullmatch(text) for text in _texts(client, self.key))


def read_conditions(origin: str, table: Mapping[str, Any]) -> tuple[Condition, ...]:
    """What a table says of clients; other keys are not looked at.

    Raises:
        UsageError: a key is not as it should be; the text names it.
    """
    metadata = table.get("metadata", {})
    if not isinstance(metadata, dict):
        raise UsageError(f'{origin}: metadata should say which key, such as metadata.team = "payments"')
    plain = [Condition((key,), read_pattern(f"{origin}: {key}", table[key])) for key in _PLAIN if key in table]
    return (*plain, *_metadata_conditions(origin, ("metadata",), metadata))


def read_pattern(where: str, value: object) -> re.Pattern[str]:
    """What a pattern, or a list of which one must fit, means.

    Raises:
        UsageError: it is none; the text begins with `where`.
    """
    values = value if isinstance(value, list) else [value]
    patterns = [each for each in values if isinstance(each, str | int | float)]
    if not patterns or len(patterns) < len(values):
        raise UsageError(f'{where} should be a pattern, such as "edge-*", or a list of them')
    return re.compile("|".join(translate(_text(each)) for each in patterns))


def _metadata_conditions(origin: str, path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[Condition]:
    for key, value in table.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield from _metadata_conditions(origin, here, value)
        else:
            yield Condition(here, read_pattern(f"{origin}: {'.'.join(here)}", value))


def _texts(client: Client, key: tuple[str, ...]) -> Sequence[str]:
    """What a client has at a key: nothing, a text, or, of a certificate, its names."""
    match key:
        case ("certificate",):
            certificate = client.peer.certificate
            return (certificate.common_name, *certificate.alternative_names) if certificate is not None else ()
        case ("metadata", *path):
            value: Any = client.node.metadata
            for each in path:
                value = value.get(each) if isinstance(value, Mapping) else None
            return (_text(value),) if isinstance(value, str | int | float) else ()
        case _:
            return (str(getattr(client.node, key[0])),)


def _text(value: float | str) -> str:
    """A value as it is written: Envoy sends every number of its metadata as a float."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
