"""Server: the readers' handle on a Plane. It hands out Subscribers and Snapshots; it has no way to write."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from rime_core.clients import Clients
from rime_core.node import Client
from rime_core.permissions import Authorize, Permissions
from rime_core.resource import Reference, Resource
from rime_core.snapshot import Snapshot
from rime_core.status import PlaneStatus
from rime_core.store import Store
from rime_core.subscriber import Subscriber

if TYPE_CHECKING:
    from rime_core.adapter import Listening
    from rime_core.parties import Gate

Route = Callable[[Client], "Server"]
"""From which Server a client is served: by its node, which it chooses itself, and its peer, which it does not."""


class Server:
    """What transports, and programs that only read, are given. Made by `Plane.server`."""

    __slots__ = ("_authorize", "_group", "_store", "groups", "transports")

    def __init__(
        self,
        store: Store,
        group: Route | None = None,
        authorize: Authorize | None = None,
        groups: "Mapping[str, Server] | None" = None,
        transports: "Sequence[Listening]" = (),
    ) -> None:
        self._store: Final = store
        self._group: Final = group
        self._authorize: Final = authorize
        self.groups: Final[Mapping[str, Server]] = MappingProxyType(groups or {})
        """Name → the Server of a group, for who looks at them all; as `Plane.server` was told."""
        self.transports: Final[Sequence[Listening]] = transports
        """What carries clients' streams, for who asks whether it listens; as `Plane.server` was told."""

    @property
    def ready(self) -> bool:
        """Whether clients may be answered: every source has delivered its first full state."""
        return self._store.answering

    @property
    def complete(self) -> bool:
        """Whether what is not here is gone; else it may only be unreadable."""
        return self._store.complete

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once clients may be answered, at once where they may; asking twice is asking once."""
        self._store.when_ready(callback)

    def not_when_ready(self, callback: Callable[[], None]) -> None:
        """Take that back."""
        self._store.not_when_ready(callback)

    def knows(self, type_url: str) -> bool:
        """Whether there are, or were, resources of this type, or somebody asks for it."""
        return self._store.knows(type_url)

    def count(self, type_url: str) -> int | None:
        """How many resources of this type there are, at most; None where nobody knows, for it is not ready."""
        return self._store.count(type_url) if self.ready else None

    @property
    def puts_off(self) -> bool:
        """Whether there are types whose changes are told later than they are made (`rime_core.debounce`)."""
        return self._store.delays.any

    @property
    def has_references(self) -> bool:
        """Whether it is known what refers to what; else there is only the order of types."""
        return self._store.preparation.has_references

    def referrers(self, type_url: str, name: str) -> Iterator[tuple[Reference, int | None]]:
        """Who refers to `name`, and who did until which ordinal of its type (`Referrers.of`)."""
        return self._store.referrers_of((type_url, name))

    def serving(self, client: Client) -> "Server":
        """The Server that this client is served from."""
        return self if self._group is None else self._group(client)

    def permissions(self, client: Client) -> Permissions | None:
        """What this client may be given; None: everything. To be asked before `serving`.

        Raises:
            PeerError: nothing, so its stream must end.
        """
        return self._authorize(client) if self._authorize is not None else None

    def subscribe(
        self,
        type_url: str,
        names: Iterable[str] | None = None,
        *,
        wake: Callable[[], None] | None = None,
        max_bytes: int | None = None,
        gate: "Gate | None" = None,
        absent: Callable[[str], Resource] | None = None,
        is_client: bool = True,
    ) -> Subscriber:
        """A new Subscriber; close it when its client goes (it is a context manager).

        Args:
            type_url: such as `rime_core.CLUSTER`.
            names: what it wants: None for everything, an empty collection for nothing yet; "*" among them stands for
                everything.
            wake: called when there may be something to send, at most once between two polls. It must return soon; what
                it raises reaches the writer, after all others were called and with the change done.
            max_bytes: split updates so that none is much larger on the wire.
            gate: says what has to wait before this client is sent it; `Subscriber.let_go` ends that.
            absent: makes what answers for a name that is asked for and does not exist; without, it is in `removed`.
            is_client: whether it stands for a client, whose answers are told to sources (`Writer.reception`); who only
                looks does not.

        Raises:
            TypeError: `type_url` is not a `str`; `names` is one `str`, or holds something else.
            ValueError: `type_url` is none; a name is empty or cannot be encoded.
            ClosedError: the Plane is closed.
        """
        view = self._store.view(type_url)
        return Subscriber(self._store, view, names, wake, max_bytes, gate, absent, is_client=is_client)

    def snapshot(self) -> Snapshot:
        """Everything as it is now; may be read from any thread."""
        return self._store.snapshot()

    def status(self) -> PlaneStatus:
        """What there is, what is waited for, and what is held."""
        return self._store.status()

    @property
    def clients(self) -> Clients:
        """Who is connected: transports enter the streams that they serve from here, whatever group these are of."""
        return self._store.clients
