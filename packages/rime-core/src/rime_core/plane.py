"""Plane: the single writer's handle on one set of resources."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rime_core.change import References
from rime_core.debounce import Debounce, Delays, Timer
from rime_core.errors import ConflictError, UsageError
from rime_core.group import GroupStore
from rime_core.index import TOMBSTONES
from rime_core.permissions import Authorize
from rime_core.policy import Policy
from rime_core.resource import Digest, content_digest
from rime_core.server import Route, Server
from rime_core.snapshot import Snapshot
from rime_core.status import Notice, PlaneStatus
from rime_core.store import Store
from rime_core.type_urls import XdsType, check_type_url, describe
from rime_core.writer import Writer

if TYPE_CHECKING:
    from rime_core.adapter import Listening


class Plane(Writer):
    """One set of resources, and the writer that owns it.

    >>> from rime_core import CLUSTER, Plane
    >>> plane = Plane()
    >>> plane.apply(CLUSTER, "backend", b"...")
    True

    A Plane is a Writer of rank 0. It belongs to one thread, together with its Subscribers; Snapshots are free.

    A Plane with a `base` is a group: its clients see the resources of both, and where both have one of a name, its own.
    Nothing of the base is copied, however many groups there are. What it has, and who writes to it, is its own, and so
    is what it holds back; it is ready, and complete, when the base is as well. Close it when it is of no more use.

    >>> base = Plane()
    >>> group = Plane(base=base)
    >>> base.apply(CLUSTER, "backend", b"...")
    True
    >>> group.apply(CLUSTER, "backend", b"the group's own")
    True
    >>> group.snapshot()[CLUSTER]["backend"].body
    b"the group's own"
    >>> group.remove(CLUSTER, "backend")
    True
    >>> group.snapshot()[CLUSTER]["backend"].body
    b'...'

    Args:
        base: the Plane that it stands on; one that stands on none itself.
        digest: another hash of content; equal content must give equal text on every replica. A group has its base's.
        references: what a body refers to; called once for each changed resource. When it raises, so does the change,
            and nothing has changed. A group has its base's.
        policies: type URL → what is to differ from the defaults of that type (`rime_core.policy`). A group has its
            base's.
        debounce: how long changes are put off, to be told together (`rime_core.debounce`), of all types but endpoints,
            and where `policies` say nothing else. None: not at all. A group has its base's.
        timer: needed where something is put off, such as `asyncio.get_running_loop()`. A group has its base's.
        max_removal: the share of a writer's resources that may go in one transaction; a removal of more is held. 1
            holds nothing.
        tombstones: how many removed names are remembered for each type; a stream that is further behind is ended.
        report: called with each Notice.

    Raises:
        TypeError, ValueError: as `check_type_url`, of `policies`.
        ValueError: `max_removal` is no share, `tombstones` is negative, or something is put off without a timer.
        UsageError: `base` stands on another Plane, or a group is given what it has from its base.
        ClosedError: `base` is closed.
    """

    def __init__(
        self,
        *,
        base: "Plane | None" = None,
        digest: Digest | None = None,
        references: References | None = None,
        policies: Mapping[str, Policy] | None = None,
        debounce: Debounce | None = None,
        timer: Timer | None = None,
        max_removal: float = 1.0,
        tombstones: int = TOMBSTONES,
        report: Callable[[Notice], None] | None = None,
    ) -> None:
        if not 0 <= max_removal <= 1:
            raise ValueError(f"max_removal is a share from 0 to 1, not {max_removal}")
        if tombstones < 0:
            raise ValueError(f"tombstones is how many, not {tombstones}")
        if base is None:
            store = Store(
                digest=digest or content_digest,
                references=references,
                types=_with_policies(policies or {}),
                delays=Delays(timer, debounce, _debounces(policies or {})),
                max_removal=max_removal,
                tombstones=tombstones,
                report=report,
            )
        else:
            if any(each is not None for each in (digest, references, policies, debounce, timer)):
                raise UsageError(
                    "a group has digest, references, policies, debounce and timer of its base: give them to that"
                )
            if isinstance(base.store, GroupStore):
                raise UsageError("a group cannot stand on a group: give it the same base")
            store = GroupStore(base.store, max_removal=max_removal, tombstones=tombstones, report=report)
        super().__init__(store, "the program", 0, allow_empty=True)
        self.ready()
        store.add_writer(self)

    def writer(self, name: str, *, allow_empty: bool = False) -> Writer:
        """A writer for one source. The order of these calls is the configuration's: the first wins a contested name.

        From now on the Plane is ready, and complete, only when this writer says so.

        Raises:
            ConflictError: there is one of that name.
        """
        self.store.check_open()
        if name in self.store.writers:
            raise ConflictError(f"two writers are called {name!r}; each needs a name of its own")
        writer = Writer(self.store, name, len(self.store.writers), allow_empty=allow_empty)
        self.store.add_writer(writer)
        return writer

    def server(
        self,
        group: Route | None = None,
        *,
        authorize: Authorize | None = None,
        groups: Mapping[str, Server] | None = None,
        transports: "Sequence[Listening]" = (),
    ) -> Server:
        """The readers' handle.

        Args:
            group: from which Server a client is served; None: from this one.
            authorize: what a client may be given (`rime_core.permissions`); None: everything. It says so also of those
                that `group` has served from another Server.
            groups: what there is to be served from, by name: for status pages, which look at all of them.
            transports: what serves from it; also what is added to it later.
        """
        return Server(self.store, group, authorize, groups, transports)

    def snapshot(self) -> Snapshot:
        """Everything as it is now; copies only the types that changed since the last one."""
        return self.store.snapshot()

    @property
    def is_read(self) -> bool:
        """Whether anybody subscribes to something of it; clients of its groups read it too."""
        return any(index.subscribers for index in self.store.indexes.values())

    @property
    def sequence(self) -> int:
        """How many commits changed something."""
        return self.store.sequence

    @property
    def answering(self) -> bool:
        """Whether clients are answered: every writer has delivered its first state, or the wait is over."""
        return self.store.answering

    @property
    def complete(self) -> bool:
        """Whether every writer has delivered its first state and none lacks anything; removals wait for it."""
        return self.store.complete

    def open(self) -> None:
        """Answer clients although not every writer has delivered its first state: the wait is over."""
        self.store.open()

    def release(self) -> None:
        """Let go the removals that are held because they were too many at once, or by a policy of "never"."""
        self.store.release()

    def status(self) -> PlaneStatus:
        """What there is, what is waited for, and what is held."""
        return self.store.status()

    def close(self) -> None:
        """Close every Subscriber; nothing can be written or subscribed to any more. Twice is fine."""
        self.store.close()


def _with_policies(policies: Mapping[str, Policy]) -> dict[str, XdsType]:
    for type_url in policies:
        check_type_url(type_url)
    return {type_url: policy.over(describe(type_url)) for type_url, policy in policies.items()}


def _debounces(policies: Mapping[str, Policy]) -> dict[str, Debounce]:
    return {type_url: policy.debounce for type_url, policy in policies.items() if policy.debounce is not None}
