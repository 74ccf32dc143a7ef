"""Entry: what one name is, and what it was.

An entry remembers the versions that a cursor still stands on (`past`), so what a slow client had is known without a map
per client: content that went away and came back meanwhile is not sent again. Versions that nobody was sent are not
remembered.
"""

from typing import Final, NamedTuple, Protocol

from rime_core.parties import Owner
from rime_core.resource import Resource

PAST: Final = 8
"""How many past states an entry gathers at least before those on which no cursor stands are dropped."""


class Past(NamedTuple):
    """The state of a name from `ordinal` on; `version` is None where it was removed.

    `fingerprint` is another hash of the body, Python's own: it tells content with equal versions apart.
    """

    ordinal: int
    version: str | None
    aliases: tuple[str, ...]
    on_demand: bool
    ttl: float | None
    fingerprint: int


class Known(Protocol):
    """What is known of a name: what it is, and what it was."""

    @property
    def resource(self) -> Resource | None:
        """What it is; None: removed."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other names that it answers to, or did last."""
        ...

    def state_at(self, cursor: int) -> Past | None:
        """The state as of `cursor`; None where the name did not exist then, or nobody can tell."""
        ...


class Entry:
    """One name of an Index: its resource (`None`: a tombstone), its ordinal, its past, and who wrote it.

    `before` and `after` are its neighbours in the order of changes (`rime_core.chain`).
    """

    __slots__ = ("after", "before", "name", "ordinal", "owner", "past", "resource", "trim_at")

    def __init__(self, name: str, resource: Resource | None, ordinal: int, owner: Owner) -> None:
        self.name: Final = name
        self.resource = resource
        self.ordinal = ordinal
        self.owner = owner
        self.before: Entry | None = None
        self.after: Entry | None = None
        self.past: tuple[Past, ...] = ()
        self.trim_at = PAST
        """How long `past` may get before it is looked through; doubles with what has to stay."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other names that it answers to, or did last."""
        last = self.resource or next(reversed(self.past), None)
        return last.aliases if last is not None else ()

    def state(self) -> Past:
        """The present state, as it will be remembered."""
        resource = self.resource
        if resource is None:
            return Past(self.ordinal, None, (), False, None, 0)
        fingerprint = hash(resource.body)
        return Past(self.ordinal, resource.version, resource.aliases, resource.on_demand, resource.ttl, fingerprint)

    def state_at(self, cursor: int) -> Past | None:
        """The state as of `cursor`; None where the name did not exist then."""
        if self.ordinal <= cursor:
            return self.state()
        for past in reversed(self.past):
            if past.ordinal <= cursor:
                return past
        return None

    def told_apart(self, resource: Resource, ordinal: int) -> Resource:
        """`resource`, with a version of its own where other content had its version: some client may have that."""
        version = _without_suffix(resource.version)
        return resource.with_version(f"{version}~{ordinal}") if self._collides(resource, version) else resource

    def _collides(self, resource: Resource, version: str) -> bool:
        old = self.resource
        if (
            old is not None
            and _without_suffix(old.version) == version
            and (old.body != resource.body or old.aliases != resource.aliases)
        ):
            return True
        return any(
            past.version is not None
            and _without_suffix(past.version) == version
            and past.fingerprint != hash(resource.body)
            for past in self.past
        )


def _without_suffix(version: str) -> str:
    return version.partition("~")[0]
