"""DeltaStream: one client's incremental stream, sans I/O. How to drive it: `rime_core.protocol.stream`."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rime_core.node import TTL
from rime_core.protocol.messages import DeltaRequest, DeltaResponse
from rime_core.protocol.stream import Channel, Stream, named
from rime_core.protocol.subscription import first_names
from rime_core.resource import STAR, UNKNOWN_VERSION, Resource, unknown
from rime_core.update import Update

if TYPE_CHECKING:
    from rime_core.protocol.allowance import Allowance
    from rime_core.type_urls import XdsType


class DeltaChannel(Channel[DeltaRequest, DeltaResponse]):
    """One type on an incremental stream."""

    __slots__ = ("_brought", "_known", "_untold")

    def __init__(
        self, stream: Stream[DeltaRequest, DeltaResponse], described: "XdsType", allowance: "Allowance"
    ) -> None:
        super().__init__(stream, described, allowance)
        self._known: Mapping[str, str] = {}
        """What the client brings from an earlier stream, until that is answered."""
        self._brought: Collection[str] = ()
        """The names of that, what is unknown included."""
        self._untold: dict[str, None] = {}
        """Names that the client waits to be told something beside (R77)."""

    @property
    def absent(self) -> Callable[[str], Resource] | None:
        """Where a client waits on for a name that is removed, it is told that it is unknown (R77)."""
        return partial(unknown, self.described.url) if self.described.asked_by_alias else None

    def begin(self, request: DeltaRequest) -> Iterable[str]:
        """Known versions count in a type's first request only (R62); that of what is unknown is none."""
        self._known = request.initial_versions
        self._brought = self._known.keys()
        if self.described.asked_by_alias:
            self._known = {name: version for name, version in self._known.items() if version != UNKNOWN_VERSION}
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
        self.subscriber.resend([name for name in needed if name in known])
        if self.described.parent is not None:
            parents = self.stream.asked_for(self.described.parent)
            self._answer_under(parents, (*self.subscriber.names, *self._brought))
        nothing = self.allowance.star_refused
        if nothing:
            self.allowance.miss(name for name in known if not self.subscriber.asks_for(name))
        return update if update or ((self.subscriber.wildcard or nothing) and not known) else None

    def collect(self, batch: list[DeltaResponse]) -> None:
        """Add what there is to send to the batch."""
        super().collect(batch)
        self._known, self._brought = {}, ()

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
        after 15 s, and asks for no host before. No host is called `*`; if one were, the client would not lose it by
        this, which is no removal.
        """
        answered = {name.rpartition("/")[0] for name in told}
        for parent in parents:
            if parent.name not in answered and self._is_parent(parent):
                self._untold[f"{parent.name}/{STAR}"] = None

    def _updates(self) -> Iterator[Update]:
        """And that there is nothing of names that nobody asked for (R77)."""
        yield from super()._updates()
        if self._untold:
            names, self._untold = self._untold, {}
            answers = tuple(unknown(self.described.url, name) for name in names)
            yield from Update(answers, (), ordinal=self.subscriber.cursor).parts(self.stream.max_response_bytes)

    def _is_parent(self, resource: Resource) -> bool:
        """Whether anything can be under it: it refers to that, where it is known what refers to what."""
        under = (self.described.url, f"{resource.name}/{STAR}")
        return under in resource.references or not self.stream.order.server.has_references

    def _needed(self, names: Iterable[str]) -> Iterable[str]:
        return names if self.described.parent is None else self.subscriber.under(frozenset(names))

    def renew(self, heartbeats: Update, batch: list[DeltaResponse]) -> None:
        """As they are."""
        for part in heartbeats.parts(self.stream.max_response_bytes):
            self.refresh(part, part, batch)

    def respond(self, update: Update, nonce: str, *, shared: bool) -> DeltaResponse:
        """The update as it is."""
        return DeltaResponse(self.described.url, update, nonce, shared, self.stream.tells_ttl)


class DeltaStream(Stream[DeltaRequest, DeltaResponse]):
    """The state of one client's incremental stream."""

    _channel = DeltaChannel

    def understands_ttl(self, features: Collection[str]) -> bool:
        """Whether a client with these features understands lifetimes (R73)."""
        return TTL in features
