"""Telling in `status` what became of the `XdsResources` that a source serves.

Nothing of this is on the way of a change. Every `status` seconds each object is looked at: what clients made of its
resources by now is counted (`Writer.reception`), and where its status does not say so yet, it is written, a few a
second. So what happens meanwhile is written once, and looking never takes more than a small share of the time.

It begins with the first object, and stands by itself: what it is told of statuses and Leases comes by watches of its
own, and its troubles are its own: they are said, and keep nothing from being served.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from rime_core.errors import SourceError
from rime_k8s_source import report
from rime_k8s_source.api import State
from rime_k8s_source.backoff import Backoff
from rime_k8s_source.errors import AbsentError, ApiError, ForbiddenError, UnreachableError
from rime_k8s_source.follow import Follower, Timing
from rime_k8s_source.kinds import LEASES, XDS_RESOURCES, Selection
from rime_k8s_source.replicas import PATIENCE, RENEW, Replicas, Strangers
from rime_k8s_source.report import Seen, Standing
from rime_k8s_source.units import Unit
from rime_k8s_source.xds_resources import shown

if TYPE_CHECKING:
    from rime_core.writer import Writer
    from rime_k8s_source.api import ApiServer
    from rime_k8s_source.ledger import Ledger, Name
    from rime_k8s_source.mapping import Made
    from rime_k8s_source.reflector import Change, Key, Object

logger = logging.getLogger("rime_k8s_source")

WRITES: Final = 10.0
"""How many statuses are written in a second, at most; client-go's own limit is 20 requests."""

SHARE: Final = 20.0
"""How many times as long as it took to count is rested after it."""

FAREWELL: Final = 2.0
"""Seconds that taking the Lease away may take at the end; whoever stays notices anyway."""

CONFLICT: Final = 409

LABEL: Final = "rime.dev/replica"
"""By which Leases are known to be those of replicas."""


class Reporter:
    """Writes the status of the objects of one mapper, of rank `rank`, every `interval` seconds where it differs.

    The replica is called `name`, and has its Lease in `namespace`.
    """

    def __init__(
        self,
        api: "ApiServer",
        writer: "Writer",
        ledger: "Ledger",
        *,
        rank: int,
        selections: Sequence[Selection],
        namespace: str,
        interval: float,
        name: str,
    ) -> None:
        self._api: Final = api
        self._writer: Final = writer
        self._ledger: Final = ledger
        self._rank: Final = rank
        self._interval: Final = interval
        self._name: Final = name
        self._namespace: Final = namespace
        self._replicas: Final = Replicas(f"{namespace}/{self._name}")
        self._strangers: Final = Strangers(self._replicas.own)
        self._made: Final[dict[Key, Made]] = {}
        self._begin: Final = anyio.Event()
        self._said: Final[dict[str, str]] = {}
        """What is amiss, by what it keeps from happening."""
        self._tried: Final[dict[Key, list[tuple[str, Object]]]] = {}
        """What was written of each object as it is, and by whom; whatever came of it, the same is not written twice."""
        self._forbidden: Final[set[Key]] = set()
        """The objects whose status may not be written."""
        self._forbidden_until = 0.0
        """When these are tried again, by the clock."""
        self._patience: Final = Backoff()
        self._statuses: Final = [
            Follower(
                api,
                each,
                partial(report.keep, own=self._replicas.own),
                tell=_nothing,
                stirred=_nothing,
                timing=Timing(),
                shown=f"status of {each}",
            )
            for each in selections
        ]
        self._lease_written: State | None = None
        """The own Lease as it was renewed last."""
        self._leases: Final = Follower(
            api,
            Selection(LEASES, namespace, LABEL),
            State.of,
            tell=self._heard,
            stirred=_nothing,
            timing=Timing(),
        )

    def note(self, made: "Mapping[Unit, Made]") -> None:
        """Take in what units have become."""
        for unit, what in made.items():
            if unit.rank == self._rank:
                if what.generation is None:
                    self._made.pop(unit.key, None)
                    self._tried.pop(unit.key, None)
                    self._strangers.forget(unit.key)
                    self._forbidden.discard(unit.key)
                else:
                    self._made[unit.key] = what
        if self._made:
            self._begin.set()

    async def run(self) -> None:
        """Go on until cancelled; a fault of its own ends it, and nothing else."""
        try:
            await self._tell()
        except Exception:
            logger.exception("the status of xdsresources is not told any more")

    async def _tell(self) -> None:
        await self._begin.wait()
        logger.info("this is the replica %s", self._replicas.own)
        async with anyio.create_task_group() as tasks:
            for status in self._statuses:
                tasks.start_soon(status.run)
            tasks.start_soon(self._leases.run)
            tasks.start_soon(self._renew)
            backoff = Backoff()
            while True:
                counted = 0.0
                try:
                    if self._replicas.is_heard:
                        counted = await self._round()
                except SourceError as error:
                    self._say("status", error)
                    await anyio.sleep(backoff.pause())
                else:
                    backoff.reset()
                await anyio.sleep(max(self._interval, SHARE * counted))

    async def _round(self) -> float:
        """Write what is not written yet of each object; how many seconds it took to count.

        Raises:
            SourceError: nothing can be written now.
        """
        counted = 0.0
        is_time = anyio.current_time() >= self._forbidden_until
        refusal: ForbiddenError | None = None
        for key in sorted(self._made):
            standings = []
            for standing in self._standings(key):
                began = anyio.current_time()
                standings.append(standing())
                counted += anyio.current_time() - began
                await anyio.lowlevel.checkpoint()
            made, seen = self._made.get(key), self._seen(key)
            if made is None or seen is None:
                continue
            wanted = self._wanted(key, made, seen, standings)
            self._tried[key] = [each for each in self._tried.get(key, ()) if each in wanted]
            first = next((each for each in wanted if each not in self._tried[key]), None)
            if first is None:
                self._forbidden.discard(key)
            elif is_time or key not in self._forbidden:
                try:
                    await self._write(key, *first)
                    self._forbidden.discard(key)
                except ForbiddenError as error:
                    self._forbidden.add(key)
                    refusal = refusal or error
                await anyio.sleep(1 / WRITES)
        self._settle(refusal)
        return counted

    def _wanted(
        self, key: "Key", made: "Made", seen: Seen, standings: "Sequence[Standing]"
    ) -> "list[tuple[str, Object]]":
        """What is to be applied, and in whose name: one after the other, for each is of the object as it is now."""
        now = anyio.current_time()
        stale = [each for each in seen.replicas if self._replicas.is_stale(each, now)]
        stale += self._strangers.look(key, seen.replicas, now)
        faults = [trouble.text.removeprefix(f"{shown(key)}: ") for trouble in made.troubles]
        room = report.share(len({*seen.replicas, self._replicas.own}))
        own = report.entry(made.generation or 0, faults, standings, room=room)
        anew = self._strangers.is_due(key, now)
        body = report.applied(key, seen, self._replicas.own, own, stale, anew=anew)
        withdrawn = [(each, report.withdrawn(key, seen)) for each in stale]
        return withdrawn if body is None else [*withdrawn, (self._replicas.own, body)]

    def _settle(self, refusal: ForbiddenError | None) -> None:
        """After each object was looked at; `refusal`: why one may not be written."""
        if refusal is not None:
            self._say("status", refusal)
            self._forbidden_until = anyio.current_time() + self._patience.pause()
        elif not self._forbidden:
            self._say("status", None)
            self._patience.reset()

    def _seen(self, key: "Key") -> Seen | None:
        for follower in self._statuses:
            seen = follower.reflector.objects.get(key)
            if seen is not None:
                return seen
        return None

    def _standings(self, key: "Key") -> "list[Callable[[], Standing]]":
        """What counts the clients of each resource of an object."""
        unit = Unit(self._rank, key)
        return [partial(self._standing, unit, name) for name in self._ledger.names(unit)]

    def _standing(self, unit: Unit, name: "Name") -> Standing:
        holder = self._ledger.serving.get(name)
        if holder is not None and holder != unit:
            return Standing(*name, None, "/".join(filter(None, holder.key)))
        return Standing(*name, self._writer.reception(*name), "another source")

    async def _write(self, key: "Key", manager: str, body: "Object") -> None:
        try:
            await self._api.apply(XDS_RESOURCES, report.dated(body, _now()), manager=manager, subresource="status")
        except ForbiddenError:
            raise
        except ApiError as error:
            if error.code == CONFLICT:
                logger.debug("%s was changed by somebody else; its status is written later", shown(key))
                return
            self._tried.get(key, []).append((manager, body))  # none where it has gone meanwhile
            if isinstance(error, AbsentError):
                logger.debug("%s has gone", shown(key))
                return
            logger.warning("the status of %s is not written: %s", shown(key), error)
        else:
            self._tried.get(key, []).append((manager, body))

    async def _renew(self) -> None:
        """Renew the Lease, and take away those of others that do not."""
        backoff = Backoff()
        try:
            while True:
                pause = RENEW
                try:
                    written = await self._api.apply(LEASES, self._lease(), manager=self._replicas.own)
                    self._lease_written = State.of(written)
                    for replica in self._replicas.stale(anyio.current_time()):
                        state = self._leases.reflector.objects.get(_lease_of(replica))
                        if state is not None:  # another replica may have been here meanwhile
                            await self._end(replica, state)
                except SourceError as error:
                    self._say("lease", error)
                    pause = backoff.pause()
                else:
                    self._say("lease", None)
                    backoff.reset()
                await anyio.sleep(pause)
        finally:
            if self._lease_written is not None:
                with anyio.move_on_after(FAREWELL, shield=True), suppress(SourceError):
                    await self._end(self._replicas.own, self._lease_written)

    async def _end(self, replica: str, state: State) -> None:
        """Take a Lease away; one that has been renewed or made anew since is somebody's, and stays."""
        try:
            await self._api.delete(LEASES, *_lease_of(replica), only=state)
        except AbsentError:
            return
        except ApiError as error:
            if error.code != CONFLICT:
                raise

    def _lease(self) -> "Object":
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"namespace": self._namespace, "name": self._name, "labels": {LABEL: "true"}},
            "spec": {
                "holderIdentity": self._replicas.own,
                "leaseDurationSeconds": round(PATIENCE),
                "renewTime": _now(),
            },
        }

    def _heard(self, changes: "Sequence[Change[State]]") -> None:
        self._replicas.take(changes, anyio.current_time())

    def _say(self, what: str, error: SourceError | None) -> None:
        """Log once what keeps status from being told, and once that nothing does any more."""
        text = str(error or "")
        if text == self._said.get(what, ""):
            return
        if error is None:
            logger.info("no longer: the status of xdsresources cannot be told: %s", self._said[what])
        else:
            level = logging.WARNING if isinstance(error, UnreachableError) else logging.ERROR
            logger.log(level, "the status of xdsresources cannot be told: %s", text)
        self._said[what] = text


def _lease_of(replica: str) -> "Key":
    namespace, _, name = replica.partition("/")
    return namespace, name


def _now() -> str:
    """The time, as Leases have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _nothing(*_: object) -> None:
    """Who looks when it wants to need not be told."""
