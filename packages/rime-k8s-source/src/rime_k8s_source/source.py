"""A Kubernetes cluster, as a source: watches it, makes resources of its objects, writes what changed.

What an API server has is known by `reflector`, which objects belong together by `units`, what becomes of them by
mappers, and what is written when by `ledger`; here are only the tasks that join these.
"""

import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from rime_core.claims import write
from rime_core.errors import UsageError
from rime_core.writer import Writer
from rime_k8s_source.config import KubernetesOptions, read_options
from rime_k8s_source.errors import counted
from rime_k8s_source.kinds import Selection
from rime_k8s_source.ledger import Delivery, Ledger, Name
from rime_k8s_source.mappers import mappers_of
from rime_k8s_source.mapping import Mapper, Wanted
from rime_k8s_source.replicas import replica_name
from rime_k8s_source.units import Units
from rime_k8s_source.xds_resources import XdsResourcesMapper

if TYPE_CHECKING:
    from rime_k8s_source.access import Access
    from rime_k8s_source.api import ApiServer
    from rime_k8s_source.follow import Follower
    from rime_k8s_source.reporting import Reporter

logger = logging.getLogger("rime_k8s_source")

GATHER: Final = 0.005
"""Seconds that are waited after the first change, for what comes with it: a Deployment touches many objects at once."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far one selection of objects can be trusted now.

    silent: seconds since the API server was last heard of it, at most about a minute while all is well; None before
        the first time.
    objects: how many are remembered.
    lists: how often it was listed as a whole.
    trouble: why it is not known what is there now; "" while it is.
    """

    selection: str
    silent: float | None
    objects: int
    lists: int
    trouble: str


class KubernetesSource:
    """The resources that objects of a cluster become: `kubernetes:CONTEXT`, a context of the kubeconfig.

    Without a context it is the kubeconfig's current one or, where there is no kubeconfig, the cluster that this process
    runs in. The options are those of `rime_k8s_source.config.KubernetesOptions`. `mappers`, where given, are used in
    place of those that the options choose.

    An API server that cannot be reached leaves what it last had in service; that is logged once, once more when it is
    over, and while it lasts nothing is removed from any client.

    Raises:
        UsageError: there is no such context, a kubeconfig cannot be read, or an option is wrong.
    """

    def __init__(self, place: str, options: Mapping[str, str], *, mappers: Sequence[Mapper] | None = None) -> None:
        self._options: Final[KubernetesOptions] = read_options(options)
        self._mappers: Final = mappers if mappers is not None else mappers_of(self._options)
        self._access: Final = find_access(place, self._options.kubeconfig, os.environ, Path.home())
        self._replica: Final = replica_name(socket.gethostname())
        self._written: set[Name] = set()
        self._followers: list[Follower[Any]] = []
        self._said: dict[str, int] = {}

    def freshness(self) -> list[Freshness]:
        """How fresh each selection is, while it runs; to be called in its event loop."""
        now = anyio.current_time()
        return [
            Freshness(
                selection=str(each.selection),
                silent=None if each.heard is None else now - each.heard,
                objects=len(each.reflector.objects),
                lists=each.reflector.lists,
                trouble=str(each.trouble or ""),
            )
            for each in self._followers
        ]

    def staleness(self) -> float | None:
        """Seconds since it was last known of every selection that what is served is all that there is.

        At most about a minute while all is well, as the API server is heard so often; None before the first full lists.
        To be called in the event loop that it runs in.
        """
        known = [each.known for each in self._followers]
        oldest = min((each for each in known if each is not None), default=None)
        return None if oldest is None or None in known else anyio.current_time() - oldest

    async def run(self, writer: Writer) -> None:
        """Keep what `writer` holds equal to what the objects become, until cancelled; ready after the first full lists.

        Run again with the same writer, it begins with full lists, and removes what is gone since.
        """
        # aiohttp, which `rime --help` must not pay for.
        from rime_k8s_source.api import ApiServer  # noqa: PLC0415
        from rime_k8s_source.follow import Follower, Timing  # noqa: PLC0415

        units = Units(self._mappers)
        ledger = Ledger(self._options.settle, served=self._written)
        news = _News()
        async with (
            ApiServer(self._access, idle=self._options.idle) as api,
            anyio.create_task_group() as tasks,
        ):
            self._followers = [
                Follower(
                    api,
                    selection,
                    units.keep(rank, selection.kind),
                    tell=news.after(partial(units.change, rank, selection.kind)),
                    stirred=news.come,
                    timing=Timing(relist=self._options.relist),
                )
                for rank, mapper in enumerate(self._mappers)
                for selection in self._selections(mapper)
            ]
            for follower in self._followers:
                tasks.start_soon(follower.run)
            reporters = self._reporters(api, writer, ledger)
            for reporter in reporters:
                tasks.start_soon(reporter.run)
            logger.info("%s: %s", self._access.name, ", ".join(str(each.selection) for each in self._followers))
            while not all(follower.is_settled for follower in self._followers):
                await news.wait(None)
                self._report(writer, ())
            self._step(writer, units, ledger, reporters)
            writer.ready()
            while True:
                await news.wait(ledger.due())
                await anyio.sleep(GATHER)
                self._step(writer, units, ledger, reporters)

    def _step(self, writer: Writer, units: Units, ledger: Ledger, reporters: "Sequence[Reporter]") -> None:
        """Write what has become of the objects by now."""
        made = units.make()
        ledger.observe(made, anyio.current_time())
        self._write(writer, ledger.take(anyio.current_time()))
        for reporter in reporters:
            reporter.note(made)

    def _reporters(self, api: "ApiServer", writer: Writer, ledger: Ledger) -> "list[Reporter]":
        """Who tells what became of the XdsResources; nobody where that is not wanted."""
        from rime_k8s_source.reporting import Reporter  # noqa: PLC0415 - aiohttp

        return [
            Reporter(
                api,
                writer,
                ledger,
                rank=rank,
                selections=self._selections(mapper),
                namespace=self._access.namespace or "default",
                name=self._replica,
                interval=self._options.status,
            )
            for rank, mapper in enumerate(self._mappers)
            if isinstance(mapper, XdsResourcesMapper) and self._options.status
        ]

    def _selections(self, mapper: Mapper) -> list[Selection]:
        return [
            Selection(wanted.kind, namespace, wanted.labels, wanted.fields)
            for wanted in mapper.wanted
            for namespace in self._namespaces(wanted)
        ]

    def _namespaces(self, wanted: Wanted) -> tuple[str, ...]:
        """Where objects of a kind are looked for; "" is everywhere."""
        if not wanted.kind.is_namespaced:
            return ("",)
        return wanted.namespaces or self._options.namespaces or ("",)

    def _write(self, writer: Writer, delivery: Delivery) -> None:
        # Incomplete before removals, complete after what was repaired is back: nothing is taken from a client between.
        troubles = self._troubles(delivery.troubles)
        if troubles:
            writer.incomplete(troubles)
        if delivery.apply or delivery.remove:
            write(writer, delivery.apply, delivery.remove)
            self._written.update((claim.type_url, claim.name) for claim in delivery.apply)
            self._written.difference_update(delivery.remove)
            written = counted(len(delivery.apply), "resource")
            # The kernel may hold removals, and says so itself.
            logger.debug("%s: %s written, %d to remove", self._access.name, written, len(delivery.remove))
        if not troubles:
            writer.incomplete([])
        self._say(
            {**dict.fromkeys(delivery.troubles, logging.ERROR), **dict.fromkeys(delivery.warnings, logging.WARNING)}
        )

    def _report(self, writer: Writer, troubles: Iterable[str]) -> None:
        writer.incomplete(self._troubles(troubles))

    def _troubles(self, of_objects: Iterable[str]) -> list[str]:
        """What cannot be read: selections, then objects."""
        of_selections = [f"{each.selection}: {each.trouble}" for each in self._followers if each.trouble is not None]
        return [*of_selections, *of_objects]

    def _say(self, lines: Mapping[str, int]) -> None:
        """Log each line once when it comes, and once when it is over."""
        for line, level in lines.items():
            if line not in self._said:
                logger.log(level, "%s", line)
        for line in self._said:
            if line not in lines:
                logger.info("no longer: %s", line)
        self._said = dict(lines)


class _News:
    """Wakes one who waits; what comes while nobody does is found at the next wait."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def come(self) -> None:
        self._event.set()

    def after(self, tell: Any) -> Any:  # noqa: ANN401 - whatever is told
        """The same, which then wakes."""

        def told(changes: Any) -> None:  # noqa: ANN401
            tell(changes)
            self._event.set()

        return told

    async def wait(self, until: float | None) -> None:
        """Until there is news, or until this time of the event loop's clock."""
        with anyio.CancelScope(deadline=until if until is not None else float("inf")):
            await self._event.wait()
        self._event = anyio.Event()


def find_access(place: str, kubeconfig: str, environment: Mapping[str, str], home: Path) -> "Access":
    """The access that `kubernetes:PLACE` means.

    Raises:
        UsageError: there is none.
    """
    # PyYAML, which who looks at rime's plugins must not pay for.
    from rime_k8s_source.access import in_cluster  # noqa: PLC0415
    from rime_k8s_source.kubeconfig import DEFAULT, find, load  # noqa: PLC0415

    files = [Path(kubeconfig).expanduser()] if kubeconfig else find(environment, home)
    if files:
        return load(files, place)
    access = in_cluster(environment)
    if access is None or place:
        raise UsageError(
            f"kubernetes: there is no kubeconfig: not in KUBECONFIG, nor {home / DEFAULT}; nor is this a Pod"
        )
    return access
