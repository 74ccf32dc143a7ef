"""What the lower rooms know of the upper ones: a Store of its writers, an Index of its subscribers, and so on."""

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from rime_core.delivery import Rejected
    from rime_core.resource import Resource
    from rime_core.update import Update


BEFORE_INITIAL: Final = -1
"""The cursor of a Reader that was sent nothing yet."""


class Owner(Protocol):
    """Who a resource belongs to (a Writer)."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def rank(self) -> int:
        """Its place in the configuration: the lowest wins a contested name."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether it has delivered its first state."""
        ...

    @property
    def lacks(self) -> tuple[str, ...]:
        """Why its view is not complete, a line each; empty where it is."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether a transaction of it is open."""
        ...

    owned: int
    """How many resources it has in service."""

    @property
    def staleness(self) -> "Callable[[], float | None]":
        """Seconds since its view was last known to be true; None where nobody knows."""
        ...

    def note_written(self) -> bool:
        """It wrote something; True the first time."""
        ...


class Reader(Protocol):
    """Who reads an Index at a cursor (a Subscriber)."""

    def nudge(self) -> None:
        """There may be something to send."""
        ...

    def wants(self, name: str, aliases: Collection[str]) -> bool:
        """Whether it wants the resource of this name, or with one of these aliases."""
        ...

    def is_given(self, resource: "Resource") -> bool:
        """Whether it is to have this resource."""
        ...

    def acknowledged(self, name: str) -> str | None:
        """The version of `name` that its client is known to have applied last."""
        ...

    def refusal(self, name: str) -> "Rejected | None":
        """What its client refused of `name`, where nothing else was sent for it since."""
        ...

    def pins(self) -> Iterator[int]:
        """The ordinals at which its client's state must remain known."""
        ...

    def close(self) -> None:
        """Give everything up."""
        ...


class Feed(Protocol):
    """Where a Reader waits for a change (an Index, a NameSet)."""

    @property
    def waiting(self) -> "dict[Reader, None]":
        """Whom to nudge at the next change."""
        ...


class Gate(Protocol):
    """Who says what one client must not be sent yet, of one type (a stream's Order)."""

    def passes(self, update: "Update") -> bool:
        """Whether nothing in it has to wait; where it does, each name is asked for by itself."""
        ...

    def holds(self, name: str, resource: "Resource | None", had: str | None) -> bool:
        """Whether what became of `name` has to wait; None: its removal. `had`: the version that the client has."""
        ...

    def forget(self, name: str, *, given_up: bool) -> None:
        """`name` need not wait any more: the client has what there is, or `given_up`: does not want it."""
        ...
