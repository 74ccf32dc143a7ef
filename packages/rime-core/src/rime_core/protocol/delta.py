"""DeltaStream: one client's incremental stream, sans I/O. How to drive it: `rime_core.protocol.stream`."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from rime_core.node import TTL
from rime_core.protocol.channel import Channel
from rime_core.protocol.messages import DeltaRequest, DeltaResponse
from rime_core.protocol.stream import Stream
from rime_core.protocol.subscription import first_names, named
from rime_core.resource import STAR, Resource, unknown, unknown_number
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.protocol.allowance import Allowance
    from rime_core.type_urls import XdsType


class DeltaChannel(Channel[DeltaRequest, DeltaResponse]):
    """One type on an incremental stream."""

    __slots__ = ("_known", "_unknown", "_untold")

    def __init__(
        self, stream: Stream[DeltaRequest, DeltaResponse], described: "XdsType", allowance: "Allowance"
    ) -> None:
        super().__init__(stream, described, allowance)
        self._known: Mapping[str, str] = {}
        """What the client brings from an earlier stream, until that is answered."""
        self._unknown = 0
        """The number of the last answer that there is nothing of a name."""
        self._untold: dict[str, None] = {}
        """Names that the client waits to be told something beside (R77)."""

    @property
    def absent(self) -> Callable[[str], Resource] | None:
        """Where a client waits on for a name that is removed, it is told that it is unknown (R77)."""
        return self._unknown_host if self.described.asked_by_alias else None

    def _unknown_host(self, name: str) -> Resource:
        self._unknown += 1
        return unknown(self.described.url, name, self._unknown)

    def begin(self, request: DeltaRequest) -> Iterable[str]:
        """Known versions count in a type's first request only (R62); that of what is unknown is none."""
        self._known = request.initial_versions
        if self._known:
            self.allowance.limit_known(self._known, self.stream.count(self.described.url))
        if self.described.asked_by_alias:
            numbers = {name: unknown_number(version) for name, version in self._known.items()}
            self._known = {name: version for name, version in self._known.items() if numbers[name] is None}
            self._unknown = max((number for number in numbers.values() if number is not None), default=0)
        self.knows = bool(self._known)
        return first_names(self.described, request.subscribe, request.unsubscribe)

    def change(self, request: DeltaRequest) -> None:
        """Its nonce settles what it answers; whatever that is, its subscriptions count (R16, R21)."""
        if request.nonce:
            self.settle(request.nonce, request.error)
        if request.unsubscribe:
            self.discard(named(request.unsubscribe))
        if request.subscribe:
            names = named(request.subscribe)
            self.allowance.limit(names, self.subscriber)
            self.subscriber.add(self.ask(names))

    def first(self) -> Update | None:
        """What it wants and does not know; an empty "*" is told too, for Envoy is not ready without (R44)."""
        known = self._known
        update = self.subscriber.initial(known)
        needed = self._needed(self.stream.awaited(self.described.url))
        told = update.manifest.versions
        self.subscriber.resend([name for name in needed if name in known and name not in told])
        if self.described.parent is not None:
            parents = self.stream.asked_for(self.described.parent)
            self._answer_under(parents, (*self.subscriber.names, *known))
        nothing = self.allowance.star_refused
        if nothing:
            self.allowance.miss([name for name in known if not self.subscriber.asks_for(name)])
        return update if update or ((self.subscriber.wildcard or nothing) and not known) else None

    def collect(self, batch: list[DeltaResponse]) -> None:
        """Add what there is to send to the batch."""
        super().collect(batch)
        self._known = {}

    def brought(self, name: str) -> bool:
        """Whether it is among the known versions."""
        return name in self._known

    def missing(self, names: tuple[str, ...]) -> Update:
        """What the client brings is removed; of the rest it is told as of what does not exist."""
        absent = self.absent
        if absent is None or not self.subscriber.tells_missing:
            return super().missing(names)
        answers = tuple(absent(name) for name in names if name not in self._known)
        removed = tuple(name for name in names if name in self._known)
        return Update(answers, removed, ordinal=self.subscriber.cursor)

    def warm(self, names: Iterable[str]) -> None:
        """They are sent again, for Envoy does not ask: it keeps a changed cluster warming, for 15 s (R63, R72), and
        forgets the hosts of a changed route configuration (R78).
        """
        needed = self._needed(names)
        self.subscriber.resend(needed)
        if self.described.parent is not None:
            above = self.stream.channel(self.described.parent)
            parents = [above.subscriber.present(name) for name in names] if above is not None else ()
            self._answer_under(filter(None, parents), needed)
            if self._untold:
                self.wake()

    def _answer_under(self, parents: Iterable[Resource], told: Iterable[str]) -> None:
        """Have the client told something under each of `parents`: that there is no `<parent>/*`, where it is not, or
        was not, told one of the names in `told` under it.

        Envoy opens a listener whose hosts are on demand when it was told something under its route configuration, else
        after 15 s, and asks for no host before. It has to be a removal: a resource without a body, as for an unknown
        host, is but a heartbeat to Envoy where it has that version from before, such as when a listener comes again.
        """
        answered = {name.rpartition("/")[0] for name in told}
        for parent in parents:
            if parent.name not in answered and self._is_parent(parent):
                name = f"{parent.name}/{STAR}"
                while self.subscriber.present(name) is not None or name in self.subscriber.names:
                    name += STAR  # so called, the client may have it
                self._untold[name] = None

    def _updates(self) -> Iterator[Update]:
        """And that there is nothing of names that nobody asked for (R77)."""
        yield from super()._updates()
        if self._untold:
            names, self._untold = tuple(sorted(self._untold)), {}
            yield from Update((), names, ordinal=self.subscriber.cursor).parts(self.stream.max_response_bytes)

    def _is_parent(self, resource: Resource) -> bool:
        """Whether anything can be under it: it refers to that, where it is known what refers to what."""
        under = (self.described.url, f"{resource.name}/{STAR}")
        return under in resource.references or not self.stream.order.server.has_references

    def _needed(self, names: Iterable[str]) -> Iterable[str]:
        return names if self.described.parent is None else self.subscriber.under(frozenset(names))

    def renew(self, heartbeats: Collection[Update], batch: list[DeltaResponse]) -> None:
        """As they are."""
        for update in heartbeats:
            for part in update.parts(self.stream.max_response_bytes):
                self.refresh(part.manifest.versions, part, batch)

    def respond(self, update: Update, nonce: str, *, shared: bool) -> DeltaResponse:
        """The update as it is."""
        return DeltaResponse(self.described.url, update, nonce, shared, self.stream.tells_ttl)


class DeltaStream(Stream[DeltaRequest, DeltaResponse]):
    """The state of one client's incremental stream."""

    _channel = DeltaChannel

    def understands_ttl(self, features: Collection[str]) -> bool:
        """Whether a client with these features understands lifetimes (R73)."""
        return TTL in features
