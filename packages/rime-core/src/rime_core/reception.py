"""Reception: what clients made of one resource, for a source that tells it to those who wrote it.

It is read from what Subscribers keep anyway, when somebody asks: O(subscribers of the type), and nothing between.
"""

from dataclasses import dataclass
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rime_core.parties import Reader
    from rime_core.resource import Resource


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of the `version` in service with the clients that are to have it.

    Of `clients`, so many have `acknowledged` it and so many have `rejected` it; the others have not answered yet.
    `reason` is what the client said that rejected it last, redacted and cut; "" where none has. `rejected_at` is when,
    by the clock of the streams; -inf where none has, or that is not known.
    """

    version: str
    clients: int
    acknowledged: int
    rejected: int
    reason: str
    rejected_at: float = -inf


def reception_of(resource: "Resource", readers: "Iterable[Reader]") -> Reception:
    """What became of `resource` with `readers`; those that do not ask for it do not count."""
    name, version = resource.name, resource.version
    clients = acknowledged = 0
    refusals = []
    for reader in readers:
        if reader.is_given(resource):
            clients += 1
            refusal = reader.refusal(name)
            if refusal is not None and refusal.version == version:
                refusals.append((-inf if refusal.at is None else refusal.at, refusal.why))
            elif reader.acknowledged(name) == version:
                acknowledged += 1
    at, reason = max(refusals, key=itemgetter(0), default=(-inf, ""))
    return Reception(version, clients, acknowledged, len(refusals), reason, at)
