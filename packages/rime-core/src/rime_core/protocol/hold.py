"""Hold: something that is held back from one client, and what for."""

from dataclasses import dataclass
from typing import Literal

from rime_core.resource import STAR, Reference
from rime_core.type_urls import describe

Why = Literal["warming", "rejected", "swapped", "referred", "in service", "in use", "draining", "returning"]
"""Why something is held back from a client.

- warming: a cluster that it names is on its way to the client;
- rejected: the client rejected a cluster that it names;
- swapped: it is removed together with what is added, which is held back;
- referred: the client has something that refers to it, although nothing that there is does;
- in service: something that there is refers to it;
- in use: a route that refers to it is gone, and the client still asks for that route;
- draining: a listener that referred to it may still drain;
- returning: the client came back, and what it refers to is not known yet.
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that is held back from this client, by order.

    `waits_for` are the (type URL, name) pairs that the client must acknowledge, or give up. `since` and `until` are
    times of the stream's clock; at `until` it is let go all the same, None: not for the client's silence.
    """

    type_url: str
    name: str
    removal: bool
    why: Why
    waits_for: tuple[Reference, ...]
    since: float
    until: float | None

    def __str__(self) -> str:
        what = f"{describe(self.type_url).singular} {self.name!r}"
        awaited = ", ".join(
            f"all {describe(type_url).plural}" if name == STAR else f"{describe(type_url).singular} {name!r}"
            for type_url, name in self.waits_for
        )
        held = f"the removal of {what}" if self.removal else what
        return f"{held} waits for {awaited} ({self.why})"
