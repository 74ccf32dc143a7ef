"""SotwStream: one client's state-of-the-world stream, sans I/O. How to drive it: `rime_core.protocol.stream`.

It stands on the same Subscribers as the incremental variant, which know what a client lacks; what differs is what a
request means and what a response holds.

**Requests.** Each gives the whole list of what the client wants (R32). Its nonce settles the response that it answers,
also one that comes late; but a request whose nonce is not the latest of its type says nothing else (R20): the answer to
the newer response is still to come, and has the newest list. A client answers in order, and may answer several with the
last one's nonce (Envoy does when its connection is slow), so an acknowledgement holds for all that was sent before.

**Full sets.** For listeners, clusters, scoped routes and types of the user's own, a response holds all that the client
needs (R51), for it deletes what is left out (R53). So whatever there is to say is said with the whole set: the present
versions, a rejected one too, and what is held back (`Subscriber.held`) as the client has it, from the set that it was
sent last. All clients that want the same share one set, made and encoded once. It is never split, and may be empty.

**Other types.** What changed is sent alone (R52). What is gone is not said, since the client drops it when nothing
refers to it any more (R54); a name that does not exist is not answered.

**Versions.** A response carries the version of all that the client wants (`rime_core.set_version`), or the label that
the user gave it. A client that comes back with the present one is sent nothing (R64), by any replica; content alone
decides that. A client keeps the version of the last response that it accepted, and nothing tells what it rejected
before that. So where a response does not hold all, it has the true version only if whoever accepts it has everything:
something else of the type was not rejected, is not on its way (what a newer version in this response replaces aside:
that may be rejected), and is not to be sent once more because of a rejection. Else it has a version that no state has.
Whoever acknowledges one change before the next always has the true one. Whoever is sent several at once, or one in
parts, may have another until the next change, and is sent all that it wants when it comes back before that. No
response is made to say the version, nor does one wait for another: that would cost every such client what it costs
those who come back.

**Lifetimes** travel in a wrapper around the resource, and are renewed by the resource itself, in a full set with all
others: Envoy (1.40) deletes a cluster for which a heartbeat stands in a set, and renews nothing by one elsewhere. A set
that renews has what was rejected as its client accepted it last, from the set that it accepted last. Of other types
nobody keeps the bodies of what is not present any more; there what was rejected, or waits, is not renewed.

**Warming.** Envoy warms a changed cluster until its assignment comes, and asks for it by repeating its last request. So
a repetition is answered with the names that something was sent for since; nothing goes unasked (gRPC does not warm). A
repetition that crossed a newer response is answered at the next request.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from rime_core.delivery import IN_FLIGHT
from rime_core.node import TTL, WRAPPED
from rime_core.protocol.channel import Channel
from rime_core.protocol.events import Deferred
from rime_core.protocol.messages import DiscoveryRequest, DiscoveryResponse
from rime_core.protocol.stream import Stream
from rime_core.protocol.subscription import listed_names, named
from rime_core.resource import STAR, Resource
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.protocol.allowance import Allowance
    from rime_core.type_urls import XdsType


_SETS: Final = 2
"""Envoy answers a set before it reads the one after the next, unless its connection is slow."""


class SotwChannel(Channel[DiscoveryRequest, DiscoveryResponse]):
    """One type on a state-of-the-world stream."""

    __slots__ = (
        "_accepted",
        "_deferred",
        "_denied",
        "_early",
        "_known",
        "_latest",
        "_named",
        "_repeated",
        "_set",
        "_sets",
        "_star_owed",
        "_unknown_rejected",
        "_warming",
    )

    def __init__(
        self, stream: Stream[DiscoveryRequest, DiscoveryResponse], described: "XdsType", allowance: "Allowance"
    ) -> None:
        super().__init__(stream, described, allowance)
        self._accepted: tuple[Resource, ...] = ()
        """The full set that its client accepted last, where it is told lifetimes."""
        self._deferred = False
        """Whether it was told that its first answer waits."""
        self._denied: set[str] = set()
        """The names that the latest list has and that its client may not have."""
        self._early: set[str] = set()
        """The names that it asked for anew before its first request was answered."""
        self._known: str
        """The version that the client brings from an earlier stream, until that is answered."""
        self._latest = ""
        """The nonce of the last response."""
        self._named = False
        """Whether any request gave a name."""
        self._repeated = False
        """Whether a request was repeated since something else was sent."""
        self._set: tuple[Resource, ...] = ()
        """The full set that was sent last."""
        self._sets: Final[dict[str, tuple[Resource, ...]]] = {}
        """Nonce → what becomes `_accepted` when that is acknowledged; of the last two, for bodies are in them."""
        self._star_owed = False
        """Whether "*" was asked for since it was sent a full set."""
        self._unknown_rejected = False
        """Whether it rejected a response of which nothing is known any more: it counts as accepted."""
        self._warming: dict[str, None] = {}
        """Names that something was sent for."""

    @property
    def max_bytes(self) -> int | None:
        """A full set is never split."""
        return None if self.described.full_set else super().max_bytes

    @property
    def heals(self) -> bool:
        """A full set comes whole, with what was rejected as well."""
        return not self.described.full_set

    def begin(self, request: DiscoveryRequest) -> Iterable[str]:
        """A version counts in a type's first request only; its nonce is of another stream (R5)."""
        self._known = request.version
        self.knows = bool(request.version)
        return self._listed(request)

    def change(self, request: DiscoveryRequest) -> None:
        """Its nonce settles what it answers; unless it is stale, its list is what the client wants now."""
        nonce = request.nonce
        repeats = nonce not in self.flights
        if nonce:
            self._settle(nonce, request.error)
        if nonce and nonce != self._latest:
            self._repeated |= repeats
            return
        names = self._listed(request)
        self.allowance.limit(names)
        listed = set(names)
        subscriber = self.subscriber
        held = {*subscriber.names, STAR} if subscriber.wildcard else subscriber.names
        gone = held - listed
        if gone:
            self.discard(gone)
        if self._denied:
            self.allowance.forget(self._denied - listed)
            self._denied &= listed
        new = listed - held - self._denied
        if new:
            subscriber.add(self.ask(list(new)))
            if not self.answered:
                self._early |= new
        if self.described.full_set:
            self._star_owed = subscriber.wildcard and (self._star_owed or STAR in new)
        if self._warming and (repeats or self._repeated):
            subscriber.resend(self._warming)
            self._warming.clear()
        self._repeated = False

    def ask(self, names: list[str]) -> list[str]:
        """A name that it may not have is asked for once for as long as it is listed."""
        granted = super().ask(names)
        if len(granted) < len(names):
            self._denied.update(set(names).difference(granted))
        return granted

    def discard(self, names: Collection[str]) -> None:
        """The client gives up `names`; that is not answered, also where "*" gives them."""
        self.subscriber.discard(names, answered=False)
        self.healing.given_up([name for name in names if not self.subscriber.asks_for(name)])
        for name in names:
            self._warming.pop(name, None)
        self.stream.order.given_up(self.described.url, names)

    def collect(self, batch: list[DiscoveryResponse]) -> None:
        """Add what there is to send to the batch; for who comes back, a full set once everything can be read.

        What cannot be read now would be left out of it, and deleted. Who asks for "*" anew is sent a full set in any
        case: what it was sent by name may be gone since.
        """
        if (
            self._known  # until it is answered
            and self.described.full_set
            and self._known != self.subscriber.version()
            and not self.subscriber.is_view_complete()
        ):
            if not self._deferred:
                self._deferred = True
                self.stream.tell(Deferred(self.described.url))
            return
        super().collect(batch)
        if self._star_owed:
            present = {resource.name for resource in self.subscriber.full_set(self._set).resources}
            gone = tuple(resource.name for resource in self._set if resource.name not in present)
            self.send(Update((), gone, ordinal=self.subscriber.cursor), batch)

    def first(self) -> Update | None:
        """All that it wants, unless that is what it brings; a full set also where it is empty (R44).

        A name that it asked for anew meanwhile is sent (R26): what it brings may be from before it gave that name up.
        Nothing of a full set waits here: what is left out of it would be deleted by a client that has it already.
        """
        known, self._known = self._known, ""
        early, self._early = self._early, set()
        self.allowance.refused()  # which leaves out what is refused, as it does what is missing
        subscriber = self.subscriber
        awaited = self.stream.awaited(self.described.url)
        if known and known == subscriber.version():
            if self.described.full_set:
                everything = subscriber.everything()
                self._set = everything.resources if everything is not None else ()
                if self.heartbeats is not None:
                    self._accepted = self._set
            subscriber.resume()
            subscriber.resend(awaited)
            if early:
                names = subscriber.names
                subscriber.add([name for name in early if (subscriber.wildcard if name == STAR else name in names)])
            return None
        update = subscriber.initial(at_once=self.described.full_set)
        return update if update or self.described.full_set else None

    def brought(self, name: str) -> bool:
        """Whether it brought any version: that says nothing of one name, and a full set replaces what has none."""
        return self.knows and (name == STAR) == self.described.full_set

    def warm(self, names: Iterable[str]) -> None:
        """They are sent when the client repeats its request."""
        self._warming.update((name, None) for name in names if self.subscriber.wants(name, ()))

    def send(self, update: Update, batch: list[DiscoveryResponse]) -> None:
        """With a full set, or what is new of others; what only removes is the client's to find out."""
        self._star_owed = False
        if self.described.full_set:
            whole = self.subscriber.full_set(self._set)
            self._set = whole.resources
            self.carry(update, whole, batch)
            if self.heartbeats is not None:
                self._sets[batch[-1].nonce] = whole.resources
                while len(self._sets) > _SETS:
                    del self._sets[next(iter(self._sets))]
        elif update.resources:
            super().send(update, batch)
        else:
            self.subscriber.acknowledge_update(update)
            return
        self._latest = batch[-1].nonce

    def renew(self, heartbeats: Collection[Update], batch: list[DiscoveryResponse]) -> None:
        """By what they stand for, whole: with a full set, or of others where it is still here."""
        subscriber = self.subscriber
        versions = {name: version for each in heartbeats for name, version in each.manifest.versions.items()}
        if self.described.full_set:
            self._renew_set(versions, batch)
            return
        present = [subscriber.present(name) for name in versions]
        whole = subscriber.update_with(
            [resource for resource in present if resource is not None and resource.version == versions[resource.name]]
        )
        for part in whole.parts(self.stream.max_response_bytes) if whole is not None else ():
            self.refresh(part.manifest.versions, part, batch)
            self._latest = batch[-1].nonce

    def _renew_set(self, versions: Mapping[str, str | None], batch: list[DiscoveryResponse]) -> None:
        """By the set that the client is to have; what it rejected as it accepted that last, where that is still here.

        What it rejected would be rejected again, and what is left out would be deleted.
        """
        subscriber = self.subscriber
        whole = subscriber.full_set(self._set)
        if not subscriber.has_rejected:
            self.refresh(versions, whole, batch)
        else:
            accepted = subscriber.update_with(self._as_accepted(whole.resources))
            if accepted is None:
                return
            self.refresh(versions, accepted, batch)
            batch[-1] = batch[-1]._replace(version=f"{batch[-1].version}+rejected")
        self._latest = batch[-1].nonce

    def _as_accepted(self, resources: tuple[Resource, ...]) -> list[Resource]:
        """These, with what the client rejected as it accepted that last; none where one of that is not kept."""
        subscriber = self.subscriber
        rejected = subscriber.rejected
        accepted = {resource.name: resource for resource in self._accepted}
        found = []
        for resource in resources:
            name = resource.name
            if name not in rejected:
                found.append(resource)
                continue
            version = subscriber.acknowledged(name)
            if version is None:
                continue  # it has none
            if name not in accepted or accepted[name].version != version:
                return []
            found.append(accepted[name])
        return found

    def respond(self, update: Update, nonce: str, *, shared: bool) -> DiscoveryResponse:
        """The update, with the version of all that its client wants, or one that no state has."""
        version = update.label
        if version is None:
            version = self.subscriber.version()
            if not update.last:
                version += f"+{update.part}"
            elif not self.described.full_set:
                version += self._lacking(update)
        return DiscoveryResponse(self.described.url, update, version, nonce, shared, self.stream.tells_ttl)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _listed(self, request: DiscoveryRequest) -> Sequence[str]:
        names = named(request.names)
        listed = listed_names(self.described, names, named_before=self._named)
        self._named = self._named or bool(names)
        return listed

    def _lacking(self, update: Update) -> str:
        """What makes the version of `update` another one; "" where whoever accepts it has everything."""
        subscriber = self.subscriber
        if subscriber.has_rejected or self._unknown_rejected:
            return "+rejected"
        carried = update.manifest.versions
        if (
            self.healing
            or len(self.flights) >= IN_FLIGHT  # older ones are not known any more
            or any(
                name not in carried
                for flight in self.flights.values()
                for name in flight.renews or flight.manifest.versions
            )
            or any(subscriber.acknowledged(name) != had for name, had in subscriber.held.items())
        ):
            return "+pending"
        return ""

    def _settle(self, nonce: str, error: str | None) -> None:
        self._unknown_rejected |= error is not None and nonce not in self.flights
        accepted = []
        if error is None and nonce in self.flights:
            accepted = [*takewhile(lambda each: each != nonce, self.flights), nonce]
        news = any(self.flights[each].renews is None for each in accepted)
        for each in accepted:
            self._accepted = self._sets.pop(each, self._accepted)
        for earlier in accepted[:-1]:
            self.settle(earlier, None)
        self.settle(nonce, error)
        if news and self.described.full_set and self.subscriber.has_rejected:
            self.stream.order.acted(self.described.url, self.subscriber.forgive())


class SotwStream(Stream[DiscoveryRequest, DiscoveryResponse]):
    """The state of one client's state-of-the-world stream."""

    _channel = SotwChannel

    def understands_ttl(self, features: Collection[str]) -> bool:
        """Whether a client with these features understands lifetimes, which travel in a wrapper here (R73)."""
        return TTL in features and not WRAPPED.isdisjoint(features)
