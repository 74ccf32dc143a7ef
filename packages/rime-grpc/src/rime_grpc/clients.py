"""Who is connected: each client with what it said of itself, and how far it has got.

One client may have several streams, on one connection: one for each type, or one for all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rime_core import Node, Peer
from rime_core.protocol.progress import Progress, progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rime_core.protocol.hold import Hold
    from rime_core.protocol.rejection import Rejection
    from rime_core.protocol.stream import Stream as Protocol
    from rime_grpc.stream import Stream


@dataclass(frozen=True, slots=True)
class ConnectedClient:
    """One client, as it is when it is asked; for as long as it is connected.

    `silent` is how many seconds ago it was last heard. Times of its holds and rejections are of the event loop's clock.
    """

    node: Node
    peer: Peer
    silent: float
    _streams: "tuple[Protocol[Any, Any], ...]"

    def progress(self) -> Iterator[Progress]:
        """How far it has got with each resource that it asks for: O(what it asks for)."""
        return (each for stream in self._streams for each in progress(stream))

    def holds(self) -> "Iterator[Hold]":
        """What is held back from it, and what for."""
        return (hold for stream in self._streams for hold in stream.order.holds())

    def rejections(self) -> "Iterator[Rejection]":
        """What it rejected and did not accept since."""
        return (rejection for stream in self._streams for rejection in stream.rejections())


def connected(streams: "Iterable[Stream]", now: float) -> list[ConnectedClient]:
    """The clients that have said who they are; `now` is the event loop's time."""
    found: dict[tuple[str, str], list[Stream]] = {}
    for stream in streams:
        node = stream.protocol.node
        if node is not None:
            found.setdefault((stream.protocol.peer.address, node.id), []).append(stream)
    return [
        ConnectedClient(
            of_one[0].protocol.node or Node(),
            of_one[0].protocol.peer,
            now - max(stream.heard for stream in of_one),
            tuple(stream.protocol for stream in of_one),
        )
        for of_one in found.values()
    ]
