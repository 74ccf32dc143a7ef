"""What there is in each group, and what is waited for: looked at now and then, and told when it differs.

A source is called as it is configured, and its place may be a URL with a password.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rime_core import describe
from rime_envoy_api import redact_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rime_core import PlaneStatus, Server
    from rime_core.status import WriterStatus
    from rime_ws.times import Times

EVERY: Final = 0.25
"""Seconds from one look to the next."""

LISTED: Final = 100
"""Of what is held, contested or cannot be read; there may be thousands."""

DEFAULT: Final = "default"
"""What the one group is called where there are no others."""


class StatusFeed:
    """What there is, and what is waited for."""

    def __init__(self, id: str, server: "Server", times: "Times") -> None:  # noqa: A002 - the message's own word
        self._id: Final = id
        self._server: Final = server
        self._times: Final = times
        self._told: Mapping[str, Any] | None = None
        self._counted: dict[str, tuple[int, dict[str, int]]] = {}
        self.due: float | None = None
        """When to look again."""

    def take(self, now: float) -> dict[str, Any] | None:
        """The message; None where nothing differs, or it was looked at just before."""
        if self.due is not None and now < self.due:
            return None
        self.due = now + EVERY
        groups = {name: self._group(name, server) for name, server in groups_of(self._server).items()}
        if groups == self._told:
            return None
        first = self._told is None
        self._told = groups
        return {
            "message": "status", "id": self._id, "time": self._times.now(), "first": first, "groups": groups
        }  # fmt: skip

    def close(self) -> None:
        """No more of it."""

    def _group(self, name: str, server: "Server") -> dict[str, Any]:
        status = server.status()
        sequence, counts = self._counted.get(name, (-1, {}))
        if sequence != status.sequence:
            counts = {describe(url).plural: len(found) for url, found in server.snapshot().items() if found}
            self._counted[name] = (status.sequence, counts)
        return {
            "ready": status.ready,
            "complete": status.complete,
            "sequence": status.sequence,
            "resources": counts,
            "sources": [
                {
                    "name": redact_text(writer.name),
                    "ready": writer.ready,
                    "resources": writer.resources,
                    "incomplete": [redact_text(line) for line in writer.incomplete[:LISTED]],
                }
                for writer in sources_of(status)
            ],
            **_waiting(status),
        }


def groups_of(server: "Server") -> "Mapping[str, Server]":
    """The groups that there are, by name."""
    return server.groups or {DEFAULT: server}


def sources_of(status: "PlaneStatus") -> "list[WriterStatus]":
    """Who writes: the sources, and the program that has the Plane where it has written something itself."""
    return [writer for writer in status.writers if writer.name != "the program" or writer.resources]


def _waiting(status: "PlaneStatus") -> dict[str, Any]:
    kinds = Counter(each.waits_for for each in status.held)
    return {
        "held": [
            {
                "type": describe(each.type_url).plural,
                "name": each.name,
                "source": redact_text(each.writer),
                "why": redact_text(each.why),
            }
            for each in status.held[:LISTED]
        ],
        "held_by_reason": dict(kinds),
        "contested": [
            {"type": describe(url).plural, "name": name, "sources": [redact_text(writer) for writer in writers]}
            for (url, name), writers in list(status.contested.items())[:LISTED]
        ],
        "debounced": [
            {
                "type": describe(each.type_url).plural,
                "quiet": each.quiet,
                "max_wait": each.max_wait,
                "waits": each.waits,
                "seconds": each.seconds,
                "longest": each.longest,
            }
            for each in status.delays[:LISTED]
        ],
    }
