"""From which Plane a client is served: its group's, by the rules of the configuration, else by what plugins say.

Whoever is of no group is served from that which `[serve] unmatched` names, or sent away. Nobody is ever answered from
what no source writes to: an empty answer would take everything from a client.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from rime_app.grouping import REFUSE, GroupRule
from rime_app.spec import DEFAULT_GROUP, SourceSpec
from rime_core import PeerError, UsageError

if TYPE_CHECKING:
    from rime_app.config import Config
    from rime_app.plugins import Plugins
    from rime_core import Client, Server

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Routing:
    """Says from which Server a client is served; a `rime_core.server.Route`."""

    rules: Sequence[GroupRule]
    plugins: "Plugins"
    servers: Mapping[str, "Server"]
    unmatched: str

    @property
    def is_needed(self) -> bool:
        """Whether it depends on the client: else all are served from the one group that there is."""
        return set(self.servers) != {DEFAULT_GROUP} or bool(self.rules) or self.unmatched != DEFAULT_GROUP

    def __call__(self, client: "Client") -> "Server":
        """The Server of this client's group.

        Raises:
            PeerError: it is of none, nobody writes to its group, or a plugin failed; its stream ends.
        """
        node = client.node
        group = self._group(client)
        if group is not None and group in self.servers:
            return self.servers[group]
        server = self.servers.get(self.unmatched)
        if server is not None:
            if group is not None:
                log.warning(
                    "client %r is of group %r, which no source writes to; it gets the group %s",
                    node.id,
                    group,
                    self.unmatched,
                )
            return server
        if group is None and self.unmatched == REFUSE:
            log.warning("client %r is of no group, so it is refused", node.id)
            raise PeerError("this client is of no group that is served here", code="PERMISSION_DENIED")
        group = group or self.unmatched
        log.warning("client %r is of group %r, which no source writes to, so its stream ends", node.id, group)
        raise PeerError(f"no source writes to group {group!r}", code="UNAVAILABLE")

    def _group(self, client: "Client") -> str | None:
        for rule in self.rules:
            if rule.holds(client):
                return rule.group
        try:
            return self.plugins.group(client)
        except Exception as error:
            log.exception("the group of client %r cannot be told, so its stream ends", client.node.id)
            raise PeerError(
                "the group of this client cannot be told; rime's log says why", code="UNAVAILABLE"
            ) from error


def check_groups(config: "Config", plugins: "Plugins") -> None:
    """Whether each group that is spoken of is written to, and has clients.

    Raises:
        UsageError: one is not, or has none.
    """
    written = {spec.group for spec in config.sources}
    served = {DEFAULT_GROUP, config.settings.base, config.settings.unmatched, *(rule.group for rule in config.groups)}
    for spec in config.sources:
        _check_source(spec, served, plugins)
    for rule in config.groups:
        _check_written(rule.origin, rule.group, written)
    if config.settings.base:
        _check_written("[serve] base", config.settings.base, written)
    if config.settings.unmatched not in {DEFAULT_GROUP, REFUSE}:
        _check_written("[serve] unmatched", config.settings.unmatched, written)


def _check_source(spec: SourceSpec, served: set[str], plugins: "Plugins") -> None:
    if spec.group == REFUSE:
        raise UsageError(f'{spec.origin}: a group cannot be called "{REFUSE}": [serve] unmatched means something else')
    if spec.group not in served and not plugins.has_groups:
        raise UsageError(
            f"{spec.origin}: no client is of group={spec.group!r}: no rule under [[groups]] names it"
            " (docs/configuration.md), and no installed plugin says which clients are of which group"
        )


def _check_written(where: str, group: str, written: set[str]) -> None:
    if group not in written:
        near = get_close_matches(group, written, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f'give a source the option group = "{group}"'
        raise UsageError(f"{where}: no source writes to group {group!r}; {hint}")
