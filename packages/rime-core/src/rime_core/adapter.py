"""What plugins implement, and what they are given.

A *source* writes resources through a `Writer`; a *transport* carries streams from a `Server`
to clients. Both are made from the text of a specification, `kind:place?key=value`: `place` is what stands between the
colon and the question mark, `options` what follows it. Making one must be quick and must not do I/O beyond looking
whether the place can be used; all work happens in `run`.

`rime_core.testing` has the contract tests that each implementation should pass.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from rime_core.server import Server
from rime_core.writer import Writer


class Source(Protocol):
    """Something that resources come from: a folder, a Kubernetes cluster, a database of yours.

    Raises, when made:
        UsageError: the place or an option cannot be used; the program ends with this line.
    """

    def __init__(self, place: str, options: Mapping[str, str]) -> None: ...

    async def run(self, writer: Writer) -> None:
        """Keep what `writer` holds equal to what the source holds, until cancelled.

        It must call `writer.ready()` when the first full state is written, `writer.incomplete([...])` while there is
        something that it cannot read, and `writer.incomplete([])` when it can again. Returning or raising is reported,
        what was written stays in service, and `run` is called again after a while, with the same writer.
        """
        ...


@runtime_checkable
class Dated(Protocol):
    """A Source that can tell how old what it delivered may be; none need to."""

    def staleness(self) -> float | None:
        """Seconds since it was last known that what it delivered, or said that it cannot read, is all that there is.

        None where that was never known. It must be quick; it is called in the event loop that the source runs in,
        whether it runs then or not.
        """
        ...


class Started(Protocol):
    """What a transport calls, once, when it listens: `started("127.0.0.1:18000")`."""

    def started(self, address: str) -> None:
        """Report the bound address: what a client connects to, with the real port."""
        ...


class Listening(Protocol):
    """A transport that runs, for who asks whether all is well (`Server.transports`)."""

    @property
    def name(self) -> str:
        """What people call it: `grpc:127.0.0.1:18000`."""
        ...

    @property
    def listens_at(self) -> str | None:
        """Where clients can connect now; None where they cannot."""
        ...


class Transport(Protocol):
    """Something that carries the streams of clients.

    Raises, when made:
        UsageError: the place or an option cannot be used; the program ends with this line.
    """

    def __init__(self, place: str, options: Mapping[str, str]) -> None: ...

    async def run(self, server: Server, *, task_status: Started) -> None:
        """Serve clients from `server` until cancelled, then end their streams so that they come back.

        Raises:
            UsageError: before `task_status.started`: the address is in use or cannot be bound.
        """
        ...


class Siblings(Protocol):
    """The processes that serve the same from the same addresses, of which this is one (`rime serve --workers`)."""

    @property
    def number(self) -> int:
        """Which of them this is, from 1."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def ready(self) -> bool:
        """Whether each of them has answered clients; before, this one must not call itself ready to outsiders."""
        ...

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once that is so, at once where it is; asking twice is asking once."""
        ...

    def not_when_ready(self, callback: Callable[[], None]) -> None:
        """Take that back."""
        ...


@runtime_checkable
class SharedTransport(Transport, Protocol):
    """A transport that can be one of several processes'; others cannot be served by workers."""

    def share(self, siblings: Siblings, folder: Path) -> None:
        """Called before `run`: the address is that of other processes, too, which listen on it with SO_REUSEPORT.

        It must be bound so as well. That nobody else has it is seen to, and its port is not 0. `folder` is where this
        transport and the same one of the others may have sockets by which they reach each other; only this user can
        enter it.
        """
        ...
