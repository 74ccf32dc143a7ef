"""Whether each client has acknowledged what there was at one moment: what a deployment waits for.

The moment is that of the first message of the feed of clients. Resources may go on changing, so that a client is never
quite up to date, and yet it may have acknowledged all that there was then. Of a client and a type it is known up to
which change it was sent everything (`sent`), and which change the oldest response that is on its way has (`oldest`):
everything before that one is acknowledged. So what is waited for is

- that it is sent what it was behind with, and that all that was on its way then is settled;
- that nothing is held back from it, and that it has not refused anything.

A client that goes is not waited for, and one that comes is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class _Waited:
    """What is waited for of one client and one type; `until` is the change that it has to acknowledge."""

    latest: Mapping[str, Any]
    begun_at: int
    until: int | None

    @property
    def is_rejected(self) -> bool:
        return bool(self.latest.get("rejections"))

    @property
    def is_done(self) -> bool:
        oldest = self.latest.get("oldest")
        settled = self.until is not None and (oldest is None or oldest > self.until)
        return settled and not self.is_rejected and not self.latest.get("holds")

    def take(self, standing: Mapping[str, Any]) -> None:
        self.latest = standing
        if self.until is None and (not standing["behind"] or standing["sent"] > self.begun_at):
            self.until = standing["sent"]


class Settled:
    """Takes the messages of the feed of clients."""

    def __init__(self) -> None:
        self._waited: dict[str, dict[str, _Waited]] = {}
        self._done: dict[str, set[str]] = {}
        self._whole = False

    def take(self, message: Mapping[str, Any]) -> None:
        """One message of the feed."""
        for client in message["clients"]:
            waited = self._waited.setdefault(client["client"], {})
            done = self._done.setdefault(client["client"], set())
            for standing in client["types"]:
                name = standing["type"]
                if name in done:
                    continue
                if name not in waited:
                    waited[name] = _Waited(standing, standing["sent"], None)
                waited[name].take(standing)
                if waited[name].is_done:
                    del waited[name]
                    done.add(name)
        for key in message["removed"]:
            self._waited.pop(key, None)
            self._done.pop(key, None)
        if not message["more"]:
            self._whole = True

    @property
    def clients(self) -> int:
        """How many clients there are."""
        return len(self._waited)

    @property
    def is_done(self) -> bool:
        """Whether each has acknowledged all."""
        return self._whole and not any(self._waited.values())

    @property
    def is_hopeless(self) -> bool:
        """Whether what is left was refused: it stays so until somebody changes something."""
        left = [each for waited in self._waited.values() for each in waited.values()]
        return self._whole and bool(left) and all(each.is_rejected for each in left)

    def left(self) -> Iterator[str]:
        """A line for each client and type that is waited for, with why."""
        for client, waited in self._waited.items():
            for name, each in waited.items():
                yield f"{client}: {name}: {_why(each.latest)}"


def _why(standing: Mapping[str, Any]) -> str:
    if standing.get("rejections"):
        first = standing["rejected"][0]
        return f"rejected {first['name']}: {' '.join(first['error'].split())}" + _more(standing["rejections"])
    if standing.get("holds"):
        return str(standing["held"][0]["why"]) + _more(standing["holds"])
    if standing["behind"]:
        return "was not sent everything yet"
    return f"has not acknowledged {standing['unacknowledged']} of what it was sent"


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""
