"""Delivery: what became of what one client was sent.

Sent, acknowledged and rejected are three facts. They are kept for whole responses, by their manifests (names and
versions, no bodies), so that acknowledging is O(1) for any interest; a client that reads and never acknowledges costs
at most `IN_FLIGHT` of them, and what it has not acknowledged merges into "since the last one that it did".
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from rime_core.resource import Resource
from rime_core.update import Manifest, Update

IN_FLIGHT: Final = 64
"""How many unacknowledged updates are told apart; Envoy withholds an acknowledgement for up to 15 s while it warms."""


FEW: Final = 64
"""Up to how many names a rejection is kept by name; that of more is kept as one, shared by all who refused the same."""

MANY: Final = 4
"""How many rejections of many names are kept as one each; older ones are kept by name."""


class Rejected(NamedTuple):
    """A version that the client refused, and the reason that it gave."""

    version: str
    why: str


class Refusal(NamedTuple):
    """The same, and the ordinal up to which the client had settled what it was sent before."""

    rejected: Rejected
    since: int


class Rejection:
    """A response of many names that was refused; `over`: the names for which something else was sent since."""

    __slots__ = ("over", "since", "versions", "why")

    def __init__(self, versions: Mapping[str, str | None], why: str, since: int, over: set[str]) -> None:
        self.versions: Final = versions
        self.why: Final = why
        self.since: Final = since
        # a refused removal is not repeated in any case
        self.over: Final = over | {name for name, version in versions.items() if version is None}

    def of(self, name: str) -> Refusal | None:
        """What it says of one name."""
        version = self.versions.get(name)
        return (
            Refusal(Rejected(version, self.why), self.since) if version is not None and name not in self.over else None
        )


class Delivery:
    """The part of a Subscriber that keeps account of its client."""

    __slots__ = ("_acknowledged", "_cursor", "_in_flight", "_late", "_mass_rejections", "_partly", "_rejected")

    def __init__(self, cursor: int) -> None:
        self._cursor = cursor
        """The ordinal up to which everything of its interest was sent."""
        self._acknowledged = 0
        """The ordinal up to which everything that was sent is settled, as of the last acknowledgement."""
        self._in_flight: list[Manifest] = []
        self._partly: dict[Manifest, set[str]] | None = None
        """What is missing of updates that are acknowledged one resource at a time."""
        self._late: dict[str, str | None] | None = None
        """What was held back and sent since: name → the version that the client has until it accepts the other."""
        self._rejected: dict[str, Refusal] = {}
        self._mass_rejections: list[Rejection] = []

    def acknowledge(self, name: str, version: str) -> None:
        """The client has applied this one resource; what was never sent, or is no longer in flight, is ignored."""
        for place, manifest in enumerate(self._in_flight):
            if manifest.versions.get(name) == version:
                if self._partly is None:
                    self._partly = {}
                left = self._partly.get(manifest)
                if left is None:
                    left = {each for each, sent in manifest.versions.items() if sent is not None}
                    self._partly[manifest] = left
                left.discard(name)
                # of an update that only removes nothing can be acknowledged by name; what came later was applied later
                settled = [earlier for earlier in self._in_flight[:place] if _only_removes(earlier)]
                for each in settled if left else (*settled, manifest):
                    self.acknowledge_update(each)
                return

    def acknowledge_update(self, update: Update | Manifest) -> None:
        """The client has applied all of `update`; one that is not in flight is ignored. O(1) for any interest."""
        manifest = update if isinstance(update, Manifest) else update.manifest
        in_flight = self._in_flight
        oldest = bool(in_flight) and in_flight[0] is manifest
        self._land(manifest)
        if self._late:
            for name in manifest.versions:
                self._late.pop(name, None)
        if oldest and not in_flight:
            self._acknowledged = self._cursor
        elif oldest and in_flight[0].ordinal > manifest.ordinal:
            self._acknowledged = max(self._acknowledged, manifest.ordinal)

    def forgive(self) -> Collection[str]:
        """The client has accepted a full set: nothing is refused any more of what was; the names."""
        names = self.rejected.keys()
        self._rejected.clear()
        self._mass_rejections.clear()
        return names

    def _refuse(self, manifest: Manifest, why: str, over: set[str]) -> None:
        """The client refused what is in flight; `over`: names for which something else was sent since."""
        rejection = Rejection(manifest.versions, why, self._acknowledged, over)
        self._land(manifest)
        if len(manifest.versions) <= FEW:
            self._keep_by_name(rejection)
            return
        self._mass_rejections.append(rejection)
        if len(self._mass_rejections) > MANY:
            self._keep_by_name(self._mass_rejections.pop(0))

    def _land(self, manifest: Manifest) -> None:
        """It is in flight no longer."""
        if manifest in self._in_flight:
            self._in_flight.remove(manifest)
        if self._partly is not None:
            self._partly.pop(manifest, None)

    @property
    def in_flight(self) -> int:
        """How many updates were sent and neither acknowledged nor rejected, up to `IN_FLIGHT`."""
        return len(self._in_flight)

    @property
    def rejected(self) -> Mapping[str, Rejected]:
        """Name → version and reason, of what the client refused last and nothing else was sent for since."""
        found = {name: refusal.rejected for name, refusal in self._rejected.items()}
        for rejection in self._mass_rejections:
            for name in rejection.versions:
                refusal = rejection.of(name)
                if refusal is not None:
                    found[name] = refusal.rejected
        return found

    @property
    def has_rejected(self) -> bool:
        """Whether there is anything that the client refused, and nothing else was sent for since."""
        return bool(self._rejected or self._mass_rejections)

    def refusal(self, name: str) -> Rejected | None:
        """What the client refused last of `name`, where nothing else was sent for it since."""
        if not self._rejected and not self._mass_rejections:
            return None
        refusal = self._refusal(name)
        return refusal.rejected if refusal is not None else None

    def has_before(self, name: str, ordinal: int) -> bool:
        """Whether the client may still have `name` as it was before `ordinal`."""
        return (self._late is not None and name in self._late) or self.settled(name) < ordinal

    def pins(self) -> Iterator[int]:
        """The ordinals at which this client's state must remain known."""
        yield self._cursor
        yield self._acknowledged
        for manifest in self._in_flight:
            yield manifest.ordinal
        for refusal in self._rejected.values():
            yield refusal.since
        for rejection in self._mass_rejections:
            yield rejection.since

    def settled(self, name: str) -> int:
        """The ordinal up to which what was sent of `name` is acknowledged."""
        refusal = self._refusal(name)
        if refusal is not None:
            return refusal.since
        settled = self._acknowledged
        if len(self._in_flight) >= IN_FLIGHT:
            return settled
        for manifest in self._in_flight:
            if name in manifest.versions:
                left = self._partly.get(manifest) if self._partly is not None else None
                if left is None or name in left:
                    return settled
                settled = max(settled, manifest.ordinal)
        return self._cursor

    def _sent(self, update: Update) -> Update:
        in_flight = self._in_flight
        if len(in_flight) >= IN_FLIGHT:
            # what is acknowledged after this no longer says anything of the oldest, only of those since
            self._land(in_flight[0])
        in_flight.append(update.manifest)
        return update

    def _refusal(self, name: str) -> Refusal | None:
        refusal = self._rejected.get(name)
        for rejection in self._mass_rejections:
            refusal = _after(refusal, rejection.of(name))
        return refusal

    def _refused(self, resource: Resource) -> bool:
        refusal = self._refusal(resource.name)
        return refusal is not None and refusal.rejected.version == resource.version

    def _supersede(self, name: str) -> None:
        """Something else was sent for `name`, or it was given up: what was refused before no longer counts."""
        self._rejected.pop(name, None)
        for rejection in tuple(self._mass_rejections):
            if name in rejection.versions:
                rejection.over.add(name)
                if len(rejection.over) == len(rejection.versions):
                    self._mass_rejections.remove(rejection)

    def _keep_by_name(self, rejection: Rejection) -> None:
        for name in rejection.versions:
            refusal = _after(self._rejected.get(name), rejection.of(name))
            if refusal is not None:
                self._rejected[name] = refusal


def _after(earlier: Refusal | None, later: Refusal | None) -> Refusal | None:
    """The later one, and what the client had before the earlier."""
    if earlier is None or later is None:
        return later or earlier
    return Refusal(later.rejected, earlier.since)


def _only_removes(manifest: Manifest) -> bool:
    return all(version is None for version in manifest.versions.values())
