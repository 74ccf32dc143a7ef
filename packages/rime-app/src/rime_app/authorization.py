"""What a client may be given: by rules of `rime.toml`, and by what plugins say.

A rule says which resources it is about, by their types and names, and which clients may have them
(`rime_app.clients`). A name that rules are about is given to the clients of which one of these rules holds, and to no
others; what no rule is about, everyone may have. So a rule takes from all, and gives to some. "*" is a name as well:
rules without `names` are about it.

What the rules or any plugin refuse is refused (`rime_core.permissions`), and a client that a plugin fails for is sent
away.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rime_app.clients import CLIENT_KEYS, Condition, read_conditions, read_pattern
from rime_app.tables import check_keys
from rime_core import PeerError, UsageError, by_short_name

if TYPE_CHECKING:
    from rime_app.plugins import Plugins
    from rime_core import Client
    from rime_core.permissions import Permissions, WhyNot

log: Final = logging.getLogger(__name__)

_WHY: Final = "rules under [[authorize]] give it to others"


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Resources of these types (by type URL) and names are for clients of which every condition holds.

    `names` is None where it is about whole types.
    """

    types: frozenset[str]
    names: re.Pattern[str] | None
    conditions: tuple[Condition, ...]

    def holds(self, client: "Client") -> bool:
        """Whether `client` may have them."""
        return all(condition.holds(client) for condition in self.conditions)

    def is_about(self, name: str) -> bool:
        """Whether it is about this name of one of its types."""
        return self.names is None or self.names.fullmatch(name) is not None


def read_access_rule(origin: str, table: Mapping[str, Any]) -> AccessRule:
    """The rule that a table `[[authorize]]` is.

    >>> read_access_rule("rime.toml", {"types": "secrets", "names": "team-a/*", "certificate": "spiffe://prod/team-a"})

    Raises:
        UsageError: a key is unknown, or not as it should be; the text names it.
    """
    check_keys(origin, table, ("types", "names", *CLIENT_KEYS))
    listed = table.get("types", [])
    types = listed if isinstance(listed, list) else [listed]
    if not types or not all(isinstance(each, str) for each in types):
        raise UsageError(f'{origin}: types should be one, such as "secrets", or a list of them')
    try:
        urls = frozenset(by_short_name(each).url for each in types)
    except ValueError as error:
        raise UsageError(f"{origin}: types: {error}") from error
    names = read_pattern(f"{origin}: names", table["names"]) if "names" in table else None
    conditions = read_conditions(origin, table)
    if not conditions:
        raise UsageError(
            f"{origin}: nothing says which clients may have these: add a pattern,"
            ' such as certificate = "spiffe://example.com/team-a/*"'
        )
    return AccessRule(urls, names, conditions)


class Authorization:
    """Says what a client may be given; a `rime_core.permissions.Authorize`."""

    def __init__(self, rules: Sequence[AccessRule], plugins: "Plugins") -> None:
        self._rules: Final = rules
        self._plugins: Final = plugins

    @property
    def is_needed(self) -> bool:
        """Whether anything may be refused."""
        return bool(self._rules) or self._plugins.has_authorization

    def __call__(self, client: "Client") -> "Permissions | None":
        """What this client may be given; None: everything.

        Raises:
            PeerError: nothing: a plugin says so, or failed.
        """
        try:
            given = self._plugins.permissions(client)
        except PeerError:
            raise
        except (Exception, SystemExit) as error:  # whatever a hook raises refuses its client alone
            log.exception("what client %r may be given cannot be told, so its stream ends", client.node.id)
            raise PeerError(
                "what this client may be given cannot be told; rime's log says why", code="UNAVAILABLE"
            ) from error
        kept = [(rule, rule.holds(client)) for rule in self._rules]
        if not all(holds for _, holds in kept):
            given.append(_ByRules(kept))
        return _Together(given) if given else None


class _ByRules:
    """What one client may be given by the rules, of each of which is known whether it holds."""

    def __init__(self, rules: Sequence[tuple[AccessRule, bool]]) -> None:
        self._rules: Final = rules

    def type(self, type_url: str) -> str | None:
        about = [(rule, holds) for rule, holds in self._rules if type_url in rule.types]
        closed = any(rule.names is None for rule, _ in about) and not any(holds for _, holds in about)
        return _WHY if closed else None

    def names(self, type_url: str) -> "WhyNot | None":
        about = [(rule, holds) for rule, holds in self._rules if type_url in rule.types]
        return None if all(holds for _, holds in about) else partial(_refused, about)


def _refused(rules: Sequence[tuple[AccessRule, bool]], name: str) -> str | None:
    about = [holds for rule, holds in rules if rule.is_about(name)]
    return None if any(about) or not about else _WHY


class _Together:
    """What several have to say; what one of them refuses is refused."""

    def __init__(self, several: Sequence["Permissions"]) -> None:
        self._several: Final = several

    def type(self, type_url: str) -> str | None:
        return next((why for each in self._several if (why := each.type(type_url)) is not None), None)

    def names(self, type_url: str) -> "WhyNot | None":
        asked = [why_not for each in self._several if (why_not := each.names(type_url)) is not None]
        if len(asked) < 2:
            return asked[0] if asked else None
        return lambda name: next((why for each in asked if (why := each(name)) is not None), None)
