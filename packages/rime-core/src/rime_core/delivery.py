"""Delivery: what became of what one client was sent.

Sent, acknowledged and rejected are three facts. They are kept for whole responses, by their manifests (names and
versions, no bodies), so that acknowledging is O(1) for any interest, and nothing is kept by name for a client that
accepts what it gets.

What the client accepted last of a name is known without a map of all names. It is what the client was sent last, but
for the names in the responses that it has not accepted (`Flight`); of such a name it is what it had been sent before
the first of these, and that was the state of the Plane at the cursor at that time (`Flight.prior`), which the Index
remembers for as long as somebody stands on it. By name are kept (`_behind`): the names of small responses that were
rejected, what was held back and sent late, and what was asked for later than at first.

A rejection is for good: the version is not sent again until another one was sent, the name was given up, or the client
took it after all (it asked for it again). Of a response that was rejected for some of its resources, nothing is known
of the others, until they are sent again and accepted.

A client that reads and never acknowledges costs `IN_FLIGHT` manifests; what is older merges into "since then", and
counts as accepted as soon as something later is, since a client answers in order.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from rime_core.flight import Flight, Reason, common
from rime_core.parties import BEFORE_INITIAL
from rime_core.update import Manifest, Update
from rime_core.view import View

IN_FLIGHT: Final = 256
"""How many unacknowledged updates are told apart. Envoy withholds an acknowledgement for up to 15 s while it warms, and
the parts of a first answer are all on their way at once: as many as 200 MB has.
"""

FEW: Final = 64
"""Up to how many names a rejection is kept by name; that of more is kept as one, whose names all share who refused
the same.
"""

MANY: Final = 4
"""How many rejections of many names are kept as one each; older ones are kept by name."""

_NOTHING_KNOWN: Final[Mapping[str, str]] = MappingProxyType({})


class Rejected(NamedTuple):
    """A version that the client refused (None: the removal), and the reason that it gave."""

    version: str | None
    why: str
    nonce: str = ""
    at: float | None = None


class Had(NamedTuple):
    """The version that the client accepted last of a name (None: nothing), and an ordinal at which that was so."""

    version: str | None
    ordinal: int


NOTHING: Final = Had(None, BEFORE_INITIAL)


class Delivery:
    """The part of a Subscriber that keeps account of its client."""

    __slots__ = (
        "_behind",
        "_cursor",
        "_flights",
        "_held",
        "_known",
        "_lost",
        "_masses",
        "_prior",
        "_rejected",
        "_view",
    )

    def __init__(self, view: View) -> None:
        self._view: Final = view
        self._cursor = BEFORE_INITIAL
        """The ordinal up to which everything of its interest was sent."""
        self._prior = BEFORE_INITIAL
        """The cursor before that."""
        self._known: Mapping[str, str] = _NOTHING_KNOWN
        """What the client brought from an earlier stream, until the first answer is settled."""
        self._held: dict[str, str | None] = {}
        """Name → the version that the client was sent (None: nothing) while it is not sent what the Plane has."""
        self._flights: list[Flight] = []
        """What the client has not accepted, in the order in which it was sent."""
        self._masses = 0
        """How many of these are refused as a whole."""
        self._lost: int | None = None
        """The cursor before the first of those that are not told apart any more."""
        self._behind: dict[str, Had] = {}
        """What the client accepted last, of names of which neither the cursor nor a flight tells it."""
        self._rejected: dict[str, Rejected] = {}
        """All names in it are in `_behind` too."""

    # --- acknowledging -----------------------------------------------------------------------------------------------

    def acknowledge(self, name: str, version: str) -> None:
        """The client has applied this one resource; what was never sent, or is no longer in flight, is ignored."""
        for place, flight in enumerate(self._flights):
            versions = flight.manifest.versions
            if not flight.on_its_way or versions.get(name) != version:
                continue
            flight = self._own(place)  # noqa: PLW2901 - the same, to be changed
            if flight.left is None:
                flight.left = {each for each, sent in versions.items() if sent is not None}
            flight.left.discard(name)
            # of an update that only removes nothing can be acknowledged by name; what came later was applied later
            settled = [each for each in self._flights[:place] if each.on_its_way and _only_removes(each.manifest)]
            if not flight.left:
                settled.append(flight)
            elif flight.says(name):
                flight.drop((name,))
                self._accept(flight.manifest, (name,), place)
            for each in settled:
                self.acknowledge_update(each.manifest)
            return

    def acknowledge_update(self, update: Update | Manifest) -> None:
        """The client has applied all of `update`; one that is not in flight is ignored. O(1) for any interest."""
        manifest = update.manifest if isinstance(update, Update) else update
        flights = self._flights
        is_first = flights and flights[0].manifest is manifest and flights[0].on_its_way
        place = 0 if is_first else self._place(manifest)
        if place is None:
            return
        flight = flights.pop(place)
        if place or self._rejected or self._behind or self._lost is not None:
            self._accept(flight.manifest, frozenset(flight.names()) if flight.over else flight.manifest.versions, place)
        if self._known:
            self._forget_known()

    def acknowledged(self, name: str) -> str | None:
        """The version of `name` that the client is known to have applied last; None where there is none."""
        return self._accepted(name).version

    def has_before(self, name: str, ordinal: int) -> bool:
        """Whether the client may still have `name` as it was before `ordinal`."""
        return self._accepted(name).ordinal < ordinal

    @property
    def in_flight(self) -> int:
        """How many updates were sent and neither acknowledged nor rejected, up to `IN_FLIGHT`."""
        return sum(flight.on_its_way for flight in self._flights)

    @property
    def answered(self) -> int:
        """The ordinal up to which the client has answered everything that it was sent; `BEFORE_INITIAL`: nothing."""
        first = next((flight.prior for flight in self._flights if flight.on_its_way), self._cursor)
        return first if self._lost is None else self._lost

    # --- rejecting ---------------------------------------------------------------------------------------------------

    def reject(
        self,
        update: Update | Manifest,
        why: str,
        names: Collection[str] | None = None,
        *,
        nonce: str = "",
        at: float | None = None,
    ) -> None:
        """The client refused `update`: none of its versions is sent again; the next version of each is.

        One that is not in flight is ignored, and so is a name for which something else was sent since. Where `names`
        are given, only these, and what it removes, were the reason; of the others nothing is known (`repeat`).
        `nonce` and `at` are kept with the reason, for who asks.
        """
        place = self._place(update.manifest if isinstance(update, Update) else update)
        if place is None:
            return
        flight = self._own(place)
        reason = Reason(why, nonce, at)
        versions = flight.manifest.versions
        if names is None and len(versions) > FEW:
            flight.on_its_way, flight.reason = False, reason
        else:
            refused = [
                name
                for name, version in versions.items()
                if (names is None or version is None or name in names) and flight.says(name)
            ]
            few = len(versions) <= FEW
            told = list(flight.names()) if few else refused
            for name in told:
                self._behind.setdefault(name, self._accepted(name))
            changed: set[str] = set()
            for earlier in reversed(self._flights[:place]):
                if earlier.reason is not None:  # no longer, where something else was sent since
                    sent = earlier.manifest.versions
                    changed.update(name for name in common(sent, told) if sent[name] != versions[name])
                    earlier.drop(changed)
            for name in refused:
                self._refuse(name, Rejected(versions[name], *reason), place)
            if few:
                del self._flights[place]
            else:
                flight.on_its_way = False
                flight.drop(refused)
        self._tidy()
        self._forget_known()

    def forgive(self) -> Collection[str]:
        """The client has accepted a full set: nothing is refused any more of what was; the names."""
        names = self.rejected.keys()
        for name in names:
            self._behind.pop(name, None)
        self._rejected.clear()
        self._flights = [flight for flight in self._flights if flight.reason is None]
        self._masses = 0
        return names

    @property
    def rejected(self) -> Mapping[str, Rejected]:
        """Name → version and reason, of what the client refused and did not accept since; until something else is sent
        for it.
        """
        found = dict(self._rejected)
        for flight in self._flights:
            if flight.reason is not None:
                for name in flight.names():
                    refusal = self.refusal(name)
                    if refusal is not None:
                        found[name] = refusal
        return found

    @property
    def has_rejected(self) -> bool:
        """Whether there is anything that the client refused."""
        return bool(self._rejected or self._masses)

    def refusal(self, name: str) -> Rejected | None:
        """What the client refused of `name`, where nothing else was sent for it since."""
        refusal = self._rejected.get(name)
        return self._refused_in_mass(name) if refusal is None and self._masses else refusal

    def _refused_in_mass(self, name: str) -> Rejected | None:
        """What was refused of `name` with all of a response, where nothing else was sent for it since."""
        sent = set()
        for flight in reversed(self._flights):
            if flight.says(name):
                version = flight.manifest.versions[name]
                sent.add(version)
                if len(sent) > 1:
                    return None
                if flight.reason is not None:
                    return Rejected(version, *flight.reason)
        return None

    # --- what must remain known --------------------------------------------------------------------------------------

    def pins(self) -> Iterator[int]:
        """The ordinals at which this client's state must remain known."""
        yield self._cursor
        yield self._prior
        if self._lost is not None:
            yield self._lost
        for flight in self._flights:
            yield flight.prior

    # --- inside ------------------------------------------------------------------------------------------------------

    def _own(self, place: int) -> Flight:
        """The flight at `place`, to be changed."""
        flight = self._flights[place] = self._flights[place].owned()
        return flight

    def _sent(self, update: Update) -> Update:
        """It is on its way now."""
        if len(self._flights) >= IN_FLIGHT:
            on_their_way = [flight for flight in self._flights if flight.on_its_way]
            if len(on_their_way) >= IN_FLIGHT:
                self._lose(on_their_way[0])
        flight = update.flight
        if flight is None or flight.prior != self._prior:
            flight = Flight.shared(update, self._prior)
        self._flights.append(flight)
        if self._rejected:
            versions = update.manifest.versions
            for name in common(self._rejected, versions):
                if self._rejected[name].version != versions[name]:
                    del self._rejected[name]
        return update

    def _accepted(self, name: str) -> Had:
        """What the client accepted last of `name`."""
        if name in self._behind:
            return self._behind[name]
        ordinal = self._cursor
        first = next((flight for flight in self._flights if flight.says(name)), None)
        if first is not None:
            ordinal = first.prior
        elif name in self._held:
            return Had(self._held[name], BEFORE_INITIAL)
        if self._lost is not None:
            ordinal = min(ordinal, self._lost)
        if ordinal == BEFORE_INITIAL:
            return Had(self._known.get(name), ordinal)
        entry = self._view.entry(name)
        state = entry.state_at(ordinal) if entry is not None else None
        return Had(state.version if state is not None else None, ordinal)

    def _accept(self, manifest: Manifest, names: Collection[str], place: int) -> None:
        """The client has `names` as in `manifest`, which was sent before the flights from `place` on."""
        versions, later = manifest.versions, self._flights[place:]
        if place:
            for earlier in range(place):
                flight = self._own(earlier)
                flight.drop(names)
                flight.passed = True
            self._tidy()
        for name in common(self._rejected, names):
            if self._rejected[name].version == versions[name]:  # it asked for it again, and took it
                del self._rejected[name]
        for name in common(self._behind, names):
            if name in self._rejected or any(flight.says(name) for flight in later):
                self._behind[name] = Had(versions[name], manifest.ordinal)
            else:
                del self._behind[name]
        if self._lost is not None:
            self._lost = None
            for name in [name for name in self._behind if name not in self._rejected]:
                if not any(flight.says(name) for flight in self._flights):
                    del self._behind[name]

    def _refuse(self, name: str, rejected: Rejected, place: int) -> None:
        """`name` was refused in the flight at `place`, unless something else was sent for it since."""
        before = self._rejected.get(name)
        if (before is None or before.version == rejected.version) and not any(
            flight.says(name) and flight.manifest.versions[name] != rejected.version
            for flight in self._flights[place + 1 :]
        ):
            self._rejected[name] = rejected

    def _give_up(self, name: str) -> None:
        """The client gave the name up: what was sent, accepted or refused of it counts no longer."""
        self._behind.pop(name, None)
        self._rejected.pop(name, None)
        for place, flight in enumerate(self._flights):
            if flight.says(name):
                self._own(place).drop((name,))
        self._tidy()

    def _lose(self, flight: Flight) -> None:
        """It is told apart no longer: it counts as accepted when something later is."""
        if flight.passed:
            self.acknowledge_update(flight.manifest)
            return
        versions = flight.manifest.versions
        for place, earlier in enumerate(self._flights):
            if earlier is flight:
                break
            refused = common(earlier.manifest.versions, versions)
            for name in refused:
                self._behind.setdefault(name, self._accepted(name))
            if refused:
                self._own(place).drop(refused)
        for name in common(self._held, versions):
            self._behind.setdefault(name, self._accepted(name))
        if self._lost is None:
            self._lost = flight.prior
        self._flights.remove(flight)
        self._tidy()

    def _tidy(self) -> None:
        """Keep no rejected flight that says nothing, and few that do."""
        rejected = [flight for flight in self._flights if not flight.on_its_way]
        if not rejected:
            return
        for flight in rejected[:-MANY]:
            for name in flight.names():
                self._behind.setdefault(name, self._accepted(name))
                refusal = self._refused_in_mass(name)
                if refusal is not None:
                    self._rejected.setdefault(name, refusal)
            flight.drop(flight.manifest.versions)
        self._flights = [flight for flight in self._flights if flight.on_its_way or not flight.is_empty]
        self._masses = sum(flight.reason is not None for flight in self._flights)

    def _forget_known(self) -> None:
        if self._lost is None and all(flight.prior != BEFORE_INITIAL for flight in self._flights):
            self._known = _NOTHING_KNOWN

    def _place(self, manifest: Manifest) -> int | None:
        """Where it is among the flights; None where it is not on its way."""
        for place, flight in enumerate(self._flights):
            if flight.manifest is manifest and flight.on_its_way:
                return place
        return None


def _only_removes(manifest: Manifest) -> bool:
    return all(version is None for version in manifest.versions.values())
