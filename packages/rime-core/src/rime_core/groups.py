"""Groups: Planes on a base that are made when a client first needs one, and closed when none has for a while.

Where a group is named by something that clients choose (a node's id, its cluster), there may be as many names as
anybody cares to send. So there is a bound on how many groups there are at once, and one that nobody is served from is
closed after a time; when the bound is reached one that is not in use makes room, and if all are, the client is sent
away and comes back. Looking for those costs a few look-ups for each client that comes, however many groups there are:
they are kept in the order in which they were last known to be in use.
"""

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice, takewhile
from typing import Final

from rime_core.errors import PeerError
from rime_core.plane import Plane
from rime_core.server import Server

LOOKS: Final = 16
"""How many groups are looked at for one that is not in use, for each client that finds no room."""


class Groups:
    """Groups on demand; `server` says from where a client of a group is served, for `Plane.server(group=...)`.

    >>> import time
    >>> base = Plane()
    >>> groups = Groups(base, lambda name, plane: None, clock=time.monotonic)
    >>> server = base.server(group=lambda client: groups.server(client.node.cluster))

    It belongs to the base's thread.

    Args:
        base: what all groups stand on.
        fill: called with the name and the Plane of a group when it is made; it writes what is the group's own, or has
            it written. What it raises is raised, and there is no group. Who writes to one that was closed is told so by
            a `ClosedError`.
        clock: the time in seconds, of any origin.
        most: how many groups there may be at once.
        linger: how many seconds a group is kept that nobody is served from.

    Raises:
        ValueError: `most` is less than one, or `linger` is negative.
    """

    def __init__(
        self,
        base: Plane,
        fill: Callable[[str, Plane], None],
        *,
        clock: Callable[[], float],
        most: int = 1000,
        linger: float = 600.0,
    ) -> None:
        if most < 1:
            raise ValueError(f"most is how many groups there may be, not {most}")
        if linger < 0:
            raise ValueError(f"linger is seconds, not {linger}")
        self._base: Final = base
        self._fill: Final = fill
        self._clock: Final = clock
        self._most: Final = most
        self._linger: Final = linger
        self._planes: Final[dict[str, Plane]] = {}
        self._used: Final[OrderedDict[str, float]] = OrderedDict()
        """Name → when it was last known to be in use; the longest ago first."""

    def __len__(self) -> int:
        return len(self._planes)

    def __contains__(self, name: object) -> bool:
        return name in self._planes

    def server(self, name: str) -> Server:
        """From where clients of the group `name` are served; it is made where there is none.

        Raises:
            PeerError: there are as many as there may be, and all are in use; the stream must end with its `code`.
            Exception: what `fill` raised.
        """
        self.expire()
        plane = self._planes.get(name)
        if plane is None:
            plane = self._made(name)
        self._in_use(name)
        return plane.server()

    def expire(self) -> None:
        """Close the groups that nobody has been served from for long enough.

        It happens with every client that comes; call it now and then where none may come for a long time.
        """
        now = self._clock()
        # each once: where nothing lingers, one that is in use is due again at once
        due = takewhile(lambda each: now - each[1] >= self._linger, self._used.items())
        for name in [name for name, _ in due]:
            if self._planes[name].is_read:
                self._in_use(name)
            else:
                self.close(name)

    def close(self, name: str) -> None:
        """Close the group `name`, in use or not; one that there is not is ignored. A client of it that comes back finds
        it made anew.
        """
        plane = self._planes.pop(name, None)
        if plane is not None:
            del self._used[name]
            plane.close()

    def _made(self, name: str) -> Plane:
        if len(self._planes) >= self._most:
            self._make_room()
        plane = Plane(base=self._base)
        try:
            self._fill(name, plane)
        except BaseException:
            plane.close()
            raise
        self._planes[name] = plane
        return plane

    def _make_room(self) -> None:
        for name in list(islice(self._used, LOOKS)):
            if not self._planes[name].is_read:
                self.close(name)
                return
            self._in_use(name)
        raise PeerError(f"there are {self._most} groups already, and all are in use", code="RESOURCE_EXHAUSTED")

    def _in_use(self, name: str) -> None:
        self._used[name] = self._clock()
        self._used.move_to_end(name)
