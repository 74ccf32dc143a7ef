"""Which group a client is served from, by rules of `rime.toml`.

A rule names a group and says which clients are of it (`rime_app.clients`). The first rule that holds decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rime_app.clients import CLIENT_KEYS, Condition, read_conditions
from rime_app.tables import check_keys
from rime_core.errors import UsageError
from rime_core.node import Client

REFUSE: Final = "refuse"
"""What stands for "no group": whoever is of none is not served."""


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

    >>> rule = read_rule("rime.toml", {"name": "edge", "cluster": "edge-*", "metadata": {"stage": ["test", "dev"]}})
    >>> rule.holds(Client(Node(cluster="edge-7", metadata={"stage": "dev"})))
    True

    Raises:
        UsageError: a key is unknown, or not as it should be; the text names it.
    """
    check_keys(origin, table, ("name", *CLIENT_KEYS))
    name = table.get("name")
    if not isinstance(name, str) or name in {"", REFUSE}:
        raise UsageError(f'{origin}: name should be the name of a group, such as "edge"; "{REFUSE}" is none')
    conditions = read_conditions(origin, table)
    if not conditions:
        raise UsageError(
            f'{origin}: nothing says which clients are of {name!r}: add a pattern, such as cluster = "{name}-*";'
            " [serve] unmatched says what all others get"
        )
    return GroupRule(name, conditions, origin)
