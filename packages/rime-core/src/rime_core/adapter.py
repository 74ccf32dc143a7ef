"""What plugins implement, and what they are given.

A *source* writes resources through a `Writer`; a *transport* carries streams from a `Server`
to clients. Both are made from the text of a specification, `kind:place?key=value`: `place` is what stands between the
colon and the question mark, `options` what follows it. Making one must be quick and must not do I/O beyond looking
whether the place can be used; all work happens in `run`.

`rime_core.testing` has the contract tests that each implementation should pass.
"""

from collections.abc import Mapping
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
