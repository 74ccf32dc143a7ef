"""Which group a client is served from, by rules of `rime.toml`.

A rule names a group and says which clients are of it: by what a client says of itself (its *node*), and by the
certificate that its connection has proven. All that a rule says must hold; of several patterns for one thing one must.
The first rule that holds decides. Of what a node says nothing is proven: only `certificate` keeps a client from a group
that is not meant for it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import translate
from typing import Any, Final

from rime_core.errors import UsageError
from rime_core.node import Client

REFUSE: Final = "refuse"
"""What stands for "no group": whoever is of none is not served."""

NODE_KEYS: Final = ("id", "cluster", "region", "zone", "sub_zone")
KEYS: Final = ("name", *NODE_KEYS, "metadata", "certificate")

_Read = Callable[[Client], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a client: that one of the texts at `key` fits `pattern`."""

    key: tuple[str, ...]
    pattern: re.Pattern[str]

    def holds(self, client: Client) -> bool:
        """Whether it does."""
        return any(self.pattern.fullmatch(text) for text in _texts(client, self.key))


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Clients of which every condition holds are of `group`; `origin` is where it was written, for errors."""

    group: str
    conditions: tuple[Condition, ...]
    origin: str = field(default="", compare=False)

    def holds(self, client: Client) -> bool:
        """Whether `client` is of its group, unless an earlier rule says otherwise."""
        return all(condition.holds(client) for condition in self.conditions)


def read_rule(origin: str, table: Mapping[str, Any]) -> GroupRule:
    """The rule that a table `[[groups]]` is.

    Patterns are as in a shell: `*` is any text, `?` any character, `[ab]` one of these. Capitals count.

    >>> rule = read_rule("rime.toml", {"name": "edge", "cluster": "edge-*", "metadata": {"stage": ["test", "dev"]}})
    >>> rule.holds(Client(Node(cluster="edge-7", metadata={"stage": "dev"})))
    True

    Raises:
        UsageError: a key is unknown, or not as it should be; the text names it.
    """
    for key in table:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KEYS)}"
            raise UsageError(f"{origin}: there is no key {key!r}; {hint}")
    name = table.get("name")
    if not isinstance(name, str) or name in {"", REFUSE}:
        raise UsageError(f'{origin}: name should be the name of a group, such as "edge"; "{REFUSE}" is none')
    metadata = table.get("metadata", {})
    if not isinstance(metadata, dict):
        raise UsageError(f'{origin}: metadata should say which key, such as metadata.team = "payments"')
    conditions = [
        Condition((key,), _pattern(f"{origin}: {key}", table[key]))
        for key in (*NODE_KEYS, "certificate")
        if key in table
    ]
    conditions += _metadata_conditions(origin, ("metadata",), metadata)
    if not conditions:
        raise UsageError(
            f'{origin}: nothing says which clients are of {name!r}: add a pattern, such as cluster = "{name}-*";'
            " [serve] unmatched says what all others get"
        )
    return GroupRule(name, tuple(conditions), origin)


def _metadata_conditions(origin: str, path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[Condition]:
    for key, value in table.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield from _metadata_conditions(origin, here, value)
        else:
            yield Condition(here, _pattern(f"{origin}: {'.'.join(here)}", value))


def _pattern(where: str, value: object) -> re.Pattern[str]:
    values = value if isinstance(value, list) else [value]
    patterns = [each for each in values if isinstance(each, str | int | float)]
    if not patterns or len(patterns) < len(values):
        raise UsageError(f'{where} should be a pattern, such as "edge-*", or a list of them')
    return re.compile("|".join(translate(_text(each)) for each in patterns))


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
