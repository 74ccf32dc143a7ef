"""Order: what one client must not be sent yet, so that it makes before it breaks (R65–R72).

A batch is already in order: clusters, their assignments, listeners, routes, virtual hosts. That does not suffice where
the client takes time: it warms a new cluster until it has its assignment, and it goes on using what it had until it has
accepted what replaces it. So these are held back, each for one named acknowledgement, and nothing else with them:

- **What names a cluster waits for it.** A route (or listener, or virtual host) is held while a cluster that it names,
  new or changed, is on its way: until the client has acknowledged the cluster's assignment, sent after it, or the
  cluster itself. Envoy withholds the acknowledgement of a cluster for as long as *any* cluster of that response warms;
  so one with an assignment does not wait for it. Sent at once, 60 swaps of a cluster and its route were measured to
  fail 148 requests; sent this way, none.
- **A listener is removed with those that are added.** Envoy rejects a listener whose address another one has, and until
  the new one is there nobody listens. So while a listener is held back for its clusters, those that go wait with it.
- **What something refers to is removed last.** The removal of a cluster (assignment, route, secret …) is held while
  something that this client still asks for refers to it in the version that it last accepted. A route that is in use
  outlives its removal in Envoy, until the listener that uses it has drained; Envoy gives up its name exactly then. A
  listener gives no such sign: what it names directly is kept for as long as it may drain.

A rejection settles nothing: what a rejected replacement would have replaced is still in use, for as long as it is
rejected. Giving up a name, or the end of the stream, lets go at once; mere silence does after a while (`Patience`), and
that is told. A client that comes back with what it knows is sent what is new at once; what is gone waits until its
listeners and routes are up to date, since only then is it known what it refers to.

All of this needs one stream that carries all types, and a Plane that knows what refers to what. On streams of one type
each, or without references, only the order of a batch is left.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rime_core.delivery import IN_FLIGHT
from rime_core.protocol.events import Event, Held, LetGo
from rime_core.protocol.hold import Hold, Why
from rime_core.protocol.returning import Returning
from rime_core.resource import STAR, Reference, Resource
from rime_core.type_urls import CLUSTER, ENDPOINT, XdsType
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.protocol.channel import Channel, Flight
    from rime_core.server import Server


@dataclass(frozen=True)
class Patience:
    """How many seconds a client is waited for that says nothing.

    `warming`: until what names a cluster is sent all the same; Envoy itself gives up warming after 15 s. `silence`:
    until what is gone is removed although something that the client has seems to refer to it; longer than Envoy's
    listeners drain, which is 600 s unless it is told otherwise. `returning`: until a client that came back and does not
    ask for listeners, or routes, is taken to have none.
    """

    warming: float = 15.0
    silence: float = 660.0
    returning: float = 1.0


class _Reason(NamedTuple):
    why: Why
    waits_for: tuple[Reference, ...]
    """What the client must acknowledge, or give up."""
    patience: float | None
    """Seconds after which it is let go all the same; None: not for silence."""


class Order:
    """What is held back from one client, on one aggregated stream."""

    def __init__(
        self,
        channel: "Callable[[str], Channel[Any, Any] | None]",
        tell: Callable[[Event], None],
        clock: Callable[[], float] | None,
        patience: Patience,
    ) -> None:
        self.server: Server
        """Where the client is served from; known after its first request."""
        self._channel = channel
        self._tell = tell
        self._clock: Final = clock
        self._patience: Final = patience
        self._holds: Final[dict[Reference, Hold]] = {}
        self._waiting: Final[dict[Reference, dict[Reference, None]]] = {}
        """What is waited for → what is held for it."""
        self._expired: Final[set[Reference]] = set()
        """What is sent now because the client was silent for too long."""
        self._given_up: Final[set[Reference]] = set()
        """What waited for something that the client gave up."""
        self._assignments: Final[list[Flight]] = []
        """The assignments that were acknowledged while a cluster is on its way, the latest of them."""
        self._earlier: Final[dict[str, int]] = {}
        """Name → number of the response that brought it, of those before."""
        self._drained: Final[list[tuple[int, float]]] = []
        """(ordinal, time) of the listeners' changes that were acknowledged."""
        self._returning = Returning(channel)

    @property
    def due(self) -> float | None:
        """When `tick` should be called; None: never."""
        if self._clock is None or not self._holds:
            return None
        times = [hold.until for hold in self._holds.values() if hold.until is not None]
        if self._returning.until is not None:
            times.append(self._returning.until)
        return min(times, default=None)

    def gate(self, described: XdsType) -> "Gate | None":
        """Who says what of a type has to wait; None where nothing has to."""
        return Gate(self, described) if described.waits_for is not None or described.referred_by else None

    def holds(self) -> Iterator[Hold]:
        """All that is held now."""
        return iter(self._holds.values())

    # --- what happens on the stream ----------------------------------------------------------------------------------

    def returned(self) -> None:
        """The client brings what it knows from an earlier stream."""
        if not self._returning.came_back and self.server.has_references:
            self._returning.came_back = True
            if self._clock is not None and self._patience.returning > 0:
                self._returning.until = self._now() + self._patience.returning

    def answered(self, channel: "Channel[Any, Any]") -> None:
        """The first request of a type was answered."""
        if self._returning.came_back:
            self._returning.answered(channel)
            self._look_again_at_returning()

    def settled(self, channel: "Channel[Any, Any]", flight: "Flight", *, accepted: bool) -> None:
        """The client has accepted what was on its way, or rejected it."""
        described = channel.described
        if described.warmed_by is not None and not channel.flights:
            self._assignments.clear()
            self._earlier.clear()
        if accepted:
            if described.drains and (flight.number > channel.first_number or self._returning.came_back):
                self._drained.append((flight.manifest.ordinal, self._now()))
                del self._drained[:-IN_FLIGHT]
            self._returning.accepted(channel, flight, self._now())
            warmed = self._channel(CLUSTER)
            if described.url == ENDPOINT and warmed is not None and warmed.flights:
                if len(self._assignments) >= IN_FLIGHT:
                    oldest = self._assignments.pop(0)
                    self._earlier.update(dict.fromkeys(oldest.manifest.versions, oldest.number))
                self._assignments.append(flight)
        # of many on their way the oldest are not told apart, and an acknowledgement may be theirs too
        every = described.warmed_by is not None and len(channel.flights) >= IN_FLIGHT - 1
        self.acted(described.url, (STAR,) if every else flight.manifest.versions)

    def given_up(self, type_url: str, names: Collection[str]) -> None:
        """The client gives up `names`."""
        self._returning.given_up(type_url, names)
        for name in names:
            self._given_up.update(self._waiting.get((type_url, name), ()))
        self.acted(type_url, names)

    def close(self) -> None:
        """The stream is over."""
        for hold in self._holds.values():
            self._tell(LetGo(hold, "ended"))
        self._holds.clear()
        self._waiting.clear()
        self._channel = _no_channel  # what was the stream's would keep it
        self._tell = _untold
        self._returning = Returning(_no_channel)

    def acted(self, type_url: str, names: Collection[str]) -> None:
        """The client has settled something of `names`, or gave them up: look again at what waits for them."""
        if self._waiting:
            settled = [
                key
                for key in self._waiting
                if key[0] == type_url and (key[1] in names or STAR in names or key[1] == STAR)
            ]
            for key in settled:
                self._look_again(tuple(self._waiting.get(key, ())))

    def tick(self) -> None:
        """Let go what has waited for too long."""
        now = self._now()
        if self._returning.until is not None and self._returning.until <= now:
            self._returning.until = None
            self._look_again_at_returning()
        over = [(key, hold) for key, hold in self._holds.items() if hold.until is not None and hold.until <= now]
        for key, hold in over:
            if (
                hold.removal
                and hold.why != "swapped"
                and any(self._is_held(awaited, now) for awaited in hold.waits_for)
            ):
                self._wait_anew(key, now)
                continue
            if hold.why != "draining":
                self._expired.add(key)
            self._look_again((key,))

    def _is_held(self, awaited: Reference, now: float) -> bool:
        """Whether what the client should acknowledge has not been sent yet, so that it is not silent."""
        hold = self._holds.get(awaited)
        channel = self._channel(awaited[0])
        return (
            hold is not None
            and (hold.until is None or hold.until > now)
            and channel is not None
            and awaited[1] in channel.subscriber.held
        )

    def _wait_anew(self, key: Reference, now: float) -> None:
        """The client could not say before now what is waited for."""
        hold = self._holds[key]
        if hold.until is not None:
            self._holds[key] = replace(hold, since=now, until=now + (hold.until - hold.since))

    def _look_again_at_returning(self) -> None:
        self._look_again([key for key, hold in self._holds.items() if hold.why == "returning"])

    def _look_again(self, keys: Iterable[Reference]) -> None:
        by_type: dict[str, list[str]] = {}
        for type_url, name in keys:
            by_type.setdefault(type_url, []).append(name)
        for type_url, names in by_type.items():
            channel = self._channel(type_url)
            if channel is not None:
                channel.subscriber.let_go(names)

    # --- what has to wait --------------------------------------------------------------------------------------------

    def passes(self, described: XdsType, update: Update) -> bool:
        """Whether nothing in `update` has to wait."""
        if described.waits_for is not None:
            names = update.references.get(described.waits_for, ())
            if any(self._warming(name, None) for name in names):
                return False
        if described.swapped and update.removed:
            return not self._coming(described)
        return not any(True for name in update.removed for _ in self._referred(described, name))

    def must_wait(self, described: XdsType, name: str, resource: Resource | None, had: str | None) -> bool:
        """Whether what became of one name has to wait."""
        key = (described.url, name)
        reason = waits = next(self._reasons(described, name, resource, had), None)
        if key in self._expired:  # silence ends what waits for a word of the client, and nothing else
            reasons = self._reasons(described, name, resource, had)
            waits = next((each for each in reasons if each.patience is None or each.why == "draining"), None)
        if waits is not None:
            self._hold(key, waits, removal=resource is None)
            return True
        given_up = key in self._given_up
        hold = self._drop(key)
        if hold is not None:
            if reason is not None:
                self._tell(LetGo(hold, "silence"))
            elif given_up:
                self._tell(LetGo(hold, "given up"))
            for waiting in self._waiting.get(key, ()):
                self._wait_anew(waiting, self._now())
        return False

    def forget(self, key: Reference, *, given_up: bool) -> None:
        """It need not wait any more: the client has what there is, or gave it up."""
        hold = self._drop(key)
        if hold is not None and given_up:
            self._tell(LetGo(hold, "given up"))

    def _reasons(self, described: XdsType, name: str, resource: Resource | None, had: str | None) -> Iterator[_Reason]:
        """Why what became of one name has to wait."""
        if resource is not None:
            for url, each in resource.references:
                warming = self._warming(each, had) if url == described.waits_for else None
                if warming is not None:
                    yield warming
        elif described.swapped:
            coming = self._coming(described)
            if coming is not None:
                yield coming
        else:
            yield from self._referred(described, name)

    def _coming(self, described: XdsType) -> _Reason | None:
        """What the client is not sent yet of this type, and what goes must not go before."""
        coming = tuple(key for key, hold in self._holds.items() if key[0] == described.url and not hold.removal)
        return _Reason("swapped", coming, self._patience.warming) if coming else None

    def _warming(self, cluster: str, had: str | None) -> _Reason | None:
        """Why what names `cluster` has to wait, and had the version `had` before."""
        if self._returning.is_awaited(CLUSTER):
            return _Reason("returning", ((CLUSTER, STAR),), self._patience.warming)
        channel = self._channel(CLUSTER)
        if channel is None:
            return None
        subscriber = channel.subscriber
        sent = [flight for flight in channel.flights.values() if cluster in flight.manifest.versions]
        key = (CLUSTER, cluster)
        present = subscriber.present(cluster)
        if sent:
            latest = sent[-1]
            if latest.manifest.versions[cluster] is None:
                return None
            assignments = [each for each in present.references if each[0] == ENDPOINT] if present is not None else []
            if assignments and all(self._has_assignment(name, latest.number) for _, name in assignments):
                return None
            return _Reason("warming", (key, *assignments), self._patience.warming)
        refused = subscriber.refusal(cluster) is not None
        if refused and subscriber.acknowledged(cluster) is None:
            return _Reason("rejected", (key,), self._patience.warming if had is None else None)
        # it may be on its way for longer than responses are told apart, or be sent once more: what was accepted says
        unsure = (len(channel.flights) >= IN_FLIGHT or channel.healing) and subscriber.asks_for(cluster)
        if unsure and not refused and present is not None and subscriber.acknowledged(cluster) != present.version:
            return _Reason("warming", (key,), self._patience.warming)
        return None

    def _has_assignment(self, name: str, since: int) -> bool:
        """Whether the client has acknowledged the assignment that was sent after its cluster."""
        return self._earlier.get(name, 0) > since or any(
            flight.number > since and name in flight.manifest.versions for flight in self._assignments
        )

    def _referred(self, described: XdsType, name: str) -> Iterator[_Reason]:
        """What of that the client still has refers to `name`."""
        awaited = tuple((url, STAR) for url in described.referred_by if self._returning.is_awaited(url))
        if awaited:
            yield _Reason("returning", awaited, None)
        for referrer, ended in self.server.referrers(described.url, name):
            channel = self._channel(referrer[0])
            if channel is None or not channel.subscriber.asks_for(referrer[1]):
                continue
            reason = self._stands_on(channel, referrer, ended)
            if reason is not None:
                yield reason
        yield from self._unknown(described)

    def _unknown(self, described: XdsType) -> Iterator[_Reason]:
        """What the client may have since it came back, of which it is not known what it refers to."""
        for channel, name in self._returning.unknown(described):
            subscriber = channel.subscriber
            rejected = subscriber.has_rejected if name == STAR else subscriber.refusal(name) is not None
            patience = None if rejected else self._patience.silence
            gone = channel.described.outlives_removal and subscriber.present(name) is None
            yield _Reason("in use" if gone else "referred", ((channel.described.url, name),), patience)
        drained = self._returning.drained
        if drained is not None and drained.waits_for[0] in described.referred_by:
            left = drained.since + self._patience.silence - self._now()
            if left > 0 and self._clock is not None:
                yield _Reason("draining", (drained.waits_for,), left)

    def _stands_on(self, channel: "Channel[Any, Any]", referrer: Reference, ended: int | None) -> _Reason | None:
        """Why the client still depends on what `referrer` refers to, or did until the ordinal `ended`."""
        subscriber, described, name = channel.subscriber, channel.described, referrer[1]
        # who rejected what replaces it has it, however long that lasts; who rejected its removal may have it
        refusal = subscriber.refusal(name)
        patience = None if refusal is not None and refusal.version is not None else self._patience.silence
        if ended is None:
            return _Reason("in service", (referrer,), patience)
        if name in subscriber.held or subscriber.has_before(name, ended):
            return _Reason("referred", (referrer,), patience)
        if described.outlives_removal and name in subscriber.names and subscriber.present(name) is None:
            return _Reason("in use", (referrer,), self._patience.silence)
        if described.drains and self._clock is not None:
            since = next((time for ordinal, time in self._drained if ordinal >= ended), None)
            left = since + self._patience.silence - self._now() if since is not None else 0.0
            if left > 0:
                return _Reason("draining", (referrer,), left)
        return None

    # --- what is held ------------------------------------------------------------------------------------------------

    def _hold(self, key: Reference, reason: _Reason, *, removal: bool) -> None:
        before = self._drop(key)
        now = self._now()
        since = now
        if (
            before is not None
            and (before.removal, before.why) == (removal, reason.why)
            # a route waits for all its clusters together, a removal anew for each that refers to it
            and (not removal or before.waits_for == reason.waits_for)
        ):
            since = before.since
        until = None
        if reason.patience is not None and self._clock is not None:
            until = (now if reason.why == "draining" else since) + reason.patience
        hold = self._holds[key] = Hold(*key, removal, reason.why, reason.waits_for, since, until)
        for awaited in reason.waits_for:
            self._waiting.setdefault(awaited, {})[key] = None
        if before is None:
            self._tell(Held(hold))

    def _drop(self, key: Reference) -> Hold | None:
        self._expired.discard(key)
        self._given_up.discard(key)
        hold = self._holds.pop(key, None)
        if hold is not None:
            for awaited in hold.waits_for:
                waiting = self._waiting[awaited]
                del waiting[key]
                if not waiting:
                    del self._waiting[awaited]
        return hold

    def _now(self) -> float:
        return self._clock() if self._clock is not None else 0.0


def _no_channel(_type_url: str) -> None:
    """Of a stream that is over there is none."""


def _untold(_event: Event) -> None:
    """Nobody is told of a stream that is over."""


class Gate:
    """An Order's word on one type."""

    __slots__ = ("_described", "_order")

    def __init__(self, order: Order, described: XdsType) -> None:
        self._order: Final = order
        self._described: Final = described

    def passes(self, update: Update) -> bool:
        """Whether nothing in it has to wait."""
        return self._order.passes(self._described, update)

    def holds(self, name: str, resource: Resource | None, had: str | None) -> bool:
        """Whether what became of `name` has to wait."""
        return self._order.must_wait(self._described, name, resource, had)

    def forget(self, name: str, *, given_up: bool) -> None:
        """`name` need not wait any more."""
        self._order.forget((self._described.url, name), given_up=given_up)
