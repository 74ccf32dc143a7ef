"""A stream's channel: one type on one client's stream, and what becomes of each response of it.

It is a Subscriber, what is on its way, what is tried again of what was rejected, and heartbeats; what requests mean and
what a response holds is each variant's own (`DeltaChannel`, `SotwChannel`).

Nonces. A response that brings what changed is the same for every stream at the same cursor, so its nonce names its
content's place, `clusters.12.0` (type, ordinal, part), and its encoded bytes are shared, nonce included. A stream's
cursor only grows, so such a nonce comes once on a stream. A response at a place that this stream was already sent
something for (what a re-subscription, a re-sent assignment or a late removal brings) is numbered by the stream:
`~7`. Nonces mean something on the stream that they were sent on, nowhere else (R4, R5).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from rime_core.delivery import IN_FLIGHT
from rime_core.errors import FellBehindError
from rime_core.node import Node
from rime_core.protocol.allowance import Allowance
from rime_core.protocol.events import Acknowledged, RejectedResponse
from rime_core.protocol.heartbeat import Heartbeats
from rime_core.protocol.rejection import Healing, culprits
from rime_core.resource import Resource
from rime_core.type_urls import CHILDREN, XdsType
from rime_core.update import Manifest, Update

if TYPE_CHECKING:
    from rime_core.protocol.stream import Stream
    from rime_core.subscriber import Subscriber

MAX_MESSAGE: Final = 4096
"""Characters of a rejection's message that its event has: Envoy dumps the whole resource into some."""

MAX_REASON: Final = 512
"""Characters of it that are kept for as long as the version is; a client may reject thousands."""

_HEALING: Final = IN_FLIGHT // 8
"""Responses on their way up to which what was rejected is sent once more: what changes meanwhile has the rest."""

_NOWHERE: Final = (-1, -1)

_NOTHING: Final = Manifest(-1, {})


class _Request(Protocol):
    """What is read of a request whatever the variant."""

    @property
    def type_url(self) -> str: ...

    @property
    def node(self) -> Node | None: ...


Request = TypeVar("Request", bound=_Request)
Response = TypeVar("Response")


class Flight:
    """A response on its way: what it carries, and its number among all that the stream sent."""

    __slots__ = ("manifest", "number", "renews", "since")

    def __init__(
        self, manifest: Manifest, number: int, *, renews: Mapping[str, str | None] | None, since: float | None
    ) -> None:
        self.manifest: Final = manifest
        self.number: Final = number
        self.renews: Final = renews
        """The names and versions of a heartbeat; it carries nothing else."""
        self.since: Final = since
        """When the oldest change in it was made; None where nobody wants to know."""


class Channel(ABC, Generic[Request, Response]):
    """One type on one stream. Made with the first request of the type."""

    __slots__ = (
        "_place",
        "allowance",
        "answered",
        "described",
        "first_number",
        "flights",
        "healing",
        "heartbeats",
        "knows",
        "since",
        "stream",
        "subscriber",
    )

    def __init__(self, stream: "Stream[Request, Response]", described: XdsType, allowance: Allowance) -> None:
        self.stream: Final = stream
        self.described: Final = described
        self.allowance: Final = allowance
        """What its client may ask for."""
        self.subscriber: Subscriber
        self.knows: bool
        """Whether the client brought versions from an earlier stream."""
        self.answered = False
        """Whether its first request was."""
        self.first_number: int
        """The number of the last response of its first answer."""
        self.flights: dict[str, Flight] = {}
        """Nonce → what is on its way, oldest first."""
        self.healing: Final = Healing()
        """What is sent once more because of a rejection."""
        self.heartbeats: Heartbeats | None = None
        """What keeps the lifetimes of what the client has from ending; None where it is not told any."""
        self.since: float | None = None
        """When the first of the changes was made that its client was not sent yet; None where nobody wants to know."""
        self._place = _NOWHERE
        """(ordinal, part) of the last shared response."""

    # --- what a variant says -----------------------------------------------------------------------------------------

    @abstractmethod
    def begin(self, request: Request) -> Iterable[str]:
        """Take the first request of the type in; the names that it asks for."""

    @abstractmethod
    def change(self, request: Request) -> None:
        """Take a later request in."""

    @abstractmethod
    def first(self) -> Update | None:
        """The answer to the first request; None where there is nothing to say."""

    @abstractmethod
    def brought(self, name: str) -> bool:
        """Whether the client says that it has `name` from an earlier stream; "*": has what there are no names of.

        Asked when its first answer is made.
        """

    @abstractmethod
    def respond(self, update: Update, nonce: str, *, shared: bool) -> Response:
        """The response that carries `update`."""

    @abstractmethod
    def warm(self, names: Iterable[str]) -> None:
        """Something was sent for which its client needs `names`, changed or not; or, of a type with a parent, what is
        under `names`.
        """

    @abstractmethod
    def renew(self, heartbeats: Collection[Update], batch: list[Response]) -> None:
        """Add what renews the lifetimes of what is in each of `heartbeats` to the batch."""

    # --- what all share ----------------------------------------------------------------------------------------------

    @property
    def absent(self) -> Callable[[str], Resource] | None:
        """What answers for a name that does not exist; None: it is reported as removed."""
        return None

    @property
    def max_bytes(self) -> int | None:
        """Where to split what it sends; None: nowhere."""
        return self.stream.max_response_bytes

    @property
    def heals(self) -> bool:
        """Whether what was rejected for the sake of something else is sent once more."""
        return True

    def wake(self) -> None:
        """There may be something to send."""
        if self.since is None:
            self.since = self.stream.moment()
        self.stream.changed(self)

    def settle(self, nonce: str, error: str | None) -> None:
        """Take an acknowledgement or a rejection; a nonce that is not in flight means nothing (R21, R22)."""
        flight = self.flights.pop(nonce, None)
        heartbeats = self.heartbeats
        if heartbeats is not None and flight is not None and flight.renews is not None:
            self._renewed(heartbeats, nonce, flight.renews, error)
            return
        if error is not None:
            versions = flight.manifest.versions if flight is not None else {}
            named = culprits(error, versions)
            if flight is not None:
                self._reject(flight.manifest, nonce, error, named)
            since = flight.since if flight is not None else None
            self.stream.tell(RejectedResponse(self.described.url, nonce, versions, error[:MAX_MESSAGE], named, since))
        elif flight is not None:
            self.subscriber.acknowledge_update(flight.manifest)
            self.healing.accepted(flight.manifest)
            self.stream.tell(Acknowledged(self.described.url, nonce, flight.since))
        if flight is not None:
            self.stream.order.settled(self, flight, accepted=error is None)
            if heartbeats is not None and heartbeats.settled(flight.manifest.versions):
                self.stream.changed(self)
        if self.healing:
            self.stream.changed(self)

    def _reject(self, manifest: Manifest, nonce: str, error: str, named: Collection[str]) -> None:
        """The client refused it, and `named` is why."""
        subscriber = self.subscriber
        refused = None
        if self.heals:
            before = subscriber.rejected if subscriber.has_rejected else {}
            twice = [name for name, each in before.items() if manifest.versions.get(name) == each.version]
            refused = self.healing.rejected(manifest, named, twice)
        subscriber.reject(manifest, error[:MAX_REASON], refused, nonce=nonce, at=self.stream.now)

    def _renewed(
        self, heartbeats: Heartbeats, nonce: str, versions: Mapping[str, str | None], error: str | None
    ) -> None:
        """A heartbeat of `versions` was accepted, or rejected."""
        if error is None:
            heartbeats.accepted(versions)
            self.stream.tell(Acknowledged(self.described.url, nonce))
        else:
            self.subscriber.resend(heartbeats.rejected(versions))
            self.stream.tell(RejectedResponse(self.described.url, nonce, versions, error[:MAX_MESSAGE]))

    def ask(self, names: list[str]) -> list[str]:
        """The client asks for `names`: those that it may have; the others are answered as missing."""
        return self.allowance.granted(names)

    def discard(self, names: Collection[str]) -> None:
        """The client gives up `names`."""
        self.allowance.forget(names)
        self.subscriber.discard(names)
        self.healing.given_up(names)
        self.stream.order.given_up(self.described.url, names)

    def watch(self) -> None:
        """See whether something that the client has has a lifetime."""
        if self.heartbeats is not None:
            self.heartbeats.watch()

    def collect(self, batch: list[Response]) -> None:
        """Add what there is to send to the batch."""
        before = self.stream.number
        if not self.answered:
            self.answered = True
            first = self.first()
            if first is not None:
                self.send(first, batch)
            for update in self._updates():
                self.send(update, batch)
            self.first_number = self.stream.number
            self.stream.order.answered(self)
        for update in self._updates():
            self.send(update, batch)
        while self.healing and len(self.flights) < _HEALING:  # the others when these are settled
            again = self.subscriber.repeat(self.healing.next())
            if again is not None:  # in one part, as what it is of was
                self.send(again, batch)
        if self.since is not None and (self.stream.number > before or not self.subscriber.held):
            self.since = None

    def _updates(self) -> Iterator[Update]:
        """What its subscriber has to send, and that what was refused is missing."""
        subscriber = self.subscriber
        while (update := subscriber.poll()) is not None:
            yield update
        refused = self.allowance.refused()
        if refused:
            missing = self.missing(refused)
            if missing:
                yield from missing.parts(self.max_bytes) if self.max_bytes is not None else (missing,)

    def missing(self, names: tuple[str, ...]) -> Update:
        """The answer that there is nothing of these names."""
        if not self.subscriber.tells_missing:
            names = tuple(name for name in names if self.brought(name))
        return Update((), names, ordinal=self.subscriber.cursor)

    def send(self, update: Update, batch: list[Response]) -> None:
        """Add the response that carries `update` to the batch.

        Raises:
            FellBehindError: it could only be told by a response that says that this is everything.
        """
        if update.full:
            self.stream.close()
            raise FellBehindError(
                f"more {self.described.plural} were removed since this stream last read than are remembered"
            )
        self.carry(update, update, batch)

    def carry(self, news: Update, update: Update, batch: list[Response]) -> None:
        """Add a response with `update` to the batch, by which the client learns `news`."""
        nonce, shared = self._nonce(news, update)
        self.healing.sent(news.manifest)
        batch.append(self.respond(update, nonce, shared=shared))
        warmed_by = self.described.warmed_by
        if warmed_by is not None:
            names = news.references.get(warmed_by)
            if names:
                self.stream.warm(warmed_by, names)
        if self.described.url in CHILDREN:
            self.stream.warm(CHILDREN[self.described.url], tuple(resource.name for resource in news.resources))

    def refresh(self, versions: Mapping[str, str | None], update: Update, batch: list[Response]) -> None:
        """Add a response with `update` to the batch, by which these `versions` are renewed."""
        nonce = self._own_nonce()
        self._fly(nonce, Flight(_NOTHING, self.stream.number, renews=versions, since=None))
        batch.append(self.respond(update, nonce, shared=False))

    def _nonce(self, news: Update, update: Update) -> tuple[str, bool]:
        """The nonce of the response that carries `update`, and whether all streams have it; it is in flight now."""
        nonce = self._own_nonce()
        place = (update.ordinal, update.part)
        shared = place > self._place
        if shared:
            self._place = place
            if update.nonce is None:
                update.nonce = f"{self.described.plural}.{update.ordinal}.{update.part}"
            nonce = update.nonce
        self._fly(nonce, Flight(news.manifest, self.stream.number, renews=None, since=self.since))
        return nonce, shared

    def _own_nonce(self) -> str:
        """A nonce for the next response, by its number on this stream."""
        self.stream.number += 1
        return f"~{self.stream.number}"

    def _fly(self, nonce: str, flight: Flight) -> None:
        if len(self.flights) >= IN_FLIGHT:
            del self.flights[next(iter(self.flights))]
        self.flights[nonce] = flight
