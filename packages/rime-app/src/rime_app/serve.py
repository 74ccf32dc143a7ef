"""What `rime serve` runs: sources writing to Planes, and transports serving from them.

Everything starts at once: transports listen while sources still read, and the Plane leaves clients without an answer
until it is ready. Sources and transports alike are started again when they end; a transport that cannot begin at all
ends the program, because that is how a port in use is noticed.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import anyio

from rime_app.authorization import Authorization
from rime_app.config import Config
from rime_app.errors import in_one_line, root_error
from rime_app.grouping import REFUSE
from rime_app.plugins import Plugins
from rime_app.routing import Routing, check_groups
from rime_app.spec import DEFAULT_GROUP, Spec
from rime_app.supervise import keep_running
from rime_app.timer import LoopTimer
from rime_core import ConflictError, Dated, Plane, Server, SharedTransport, Source, Transport, UsageError, Writer

if TYPE_CHECKING:
    from rime_app.siblings import Siblings
    from rime_core import Notice

NO_SOURCE: Final = (
    "there is no source: name one, such as --source file:conf (pip install rime-file-source);"
    " docs/plugins.md says how to write your own"
)

NOBODY: Final = "nobody"
"""The writer of what clients of no group are served from where no source writes to that."""

_UNFIT_FOR_A_URL: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")

_LEVEL_OF_NOTICE: Final = {"complete": logging.INFO, "removal-released": logging.INFO}

log: Final = logging.getLogger(__name__)


class StartError(UsageError):
    """A transport ended before it listened."""


@dataclass(frozen=True, slots=True)
class RunningSource:
    """A source, what it is called, and the writer that is its own."""

    name: str
    source: Source
    writer: Writer

    def __post_init__(self) -> None:
        self.writer.staleness = self.staleness

    def staleness(self) -> float | None:
        """How many seconds ago what it delivered was last known to be true; None where it cannot tell."""
        try:
            return self.source.staleness() if isinstance(self.source, Dated) else None
        except Exception:
            log.exception("%s cannot tell how old what it delivered is, and is not asked again", self.name)
            self.writer.staleness = _nobody_knows
            return None

    async def run(self) -> None:
        """The source's own `run`; when it ends, the transaction that it left open is forgotten, and what it watched."""
        try:
            await self.source.run(self.writer)
        finally:
            self.writer.abandon()


def _nobody_knows() -> None:
    """In place of a source that failed to tell how old what it delivered is."""


class RunningTransport:
    """A transport, what it is called, and where it listens once it does."""

    def __init__(self, spec: Spec, transport: Transport, server: Server) -> None:
        self.name = spec.name
        self.kind = spec.kind
        self.address: str | None = None
        """Where it listened last."""
        self.listens_at: str | None = None
        self.listening = anyio.Event()
        self._spec = spec
        self._transport = transport
        self._server = server

    def started(self, address: str) -> None:
        """Called by the transport, at each of its runs."""
        if self.address is not None:
            log.info("%s listens again at %s", self.name, address)
        self.address = _UNFIT_FOR_A_URL.sub(lambda found: quote(found[0]), address)
        self.listens_at = self.address
        self.listening.set()

    async def run(self) -> None:
        """The transport's own `run`.

        Raises:
            StartError: it ended without ever having listened.
        """
        try:
            await self._transport.run(self._server, task_status=self)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if self.address is None:
                raise StartError(f"{self._spec.origin}: {in_one_line(error)}") from error
            raise
        finally:
            self.listens_at = None
        if self.address is None:
            raise StartError(f"{self._spec.origin}: ended without listening")


class Service:
    """Sources, Planes and transports as configured, not yet running; with `siblings` as other processes have them too.

    Raises, when made:
        UsageError: a kind is not installed, a place or an option cannot be used, a group has no source or no client, or
            a transport cannot be shared with the siblings.
        ConflictError: two sources of one group have the same kind and place, or two plugins offer one kind.
    """

    def __init__(self, config: Config, plugins: Plugins, siblings: "Siblings | None" = None) -> None:
        if not config.sources:
            raise UsageError(NO_SOURCE)
        check_groups(config, plugins)
        self._settings = config.settings
        self._rules = config.groups
        self._authorization = Authorization(config.authorize, plugins)
        self._plugins = plugins
        self._policies = config.policies
        self._references = plugins.references()
        self._planes: dict[str, Plane] = {}
        self._sources = []
        for spec in config.sources:
            source: Source = _make(plugins, "source", spec)
            plane = self._plane(spec.group)
            self._sources.append(
                RunningSource(spec.name, source, plane.writer(spec.name, allow_empty=spec.allow_empty))
            )
        self._transports: list[tuple[Spec, Transport]] = [
            (spec, _make(plugins, "transport", spec)) for spec in config.transports
        ]
        if siblings is not None:
            for number, (told, transport) in enumerate(self._transports):
                if not isinstance(transport, SharedTransport):
                    raise UsageError(f"{told.origin}: {told.kind} cannot be shared by workers; leave workers out")
                transport.share(siblings, siblings.folder(number))

    async def run(self, announce: Callable[[str], None]) -> None:
        """Run until cancelled; `announce` is called once, with the line that says that clients are answered and where.

        Raises:
            UsageError: a transport cannot listen.
        """
        transports: list[RunningTransport] = []
        server = self._server(transports)
        if self._settings.unmatched not in {REFUSE, *self._planes}:
            log.warning(
                "no source writes to the group %r: a client that is of no other is not answered",
                self._settings.unmatched,
            )
        transports += [RunningTransport(spec, transport, server) for spec, transport in self._transports]
        try:
            async with anyio.create_task_group() as tasks:
                for source in self._sources:
                    tasks.start_soon(keep_running, source.name, source.run)
                for transport in transports:
                    tasks.start_soon(partial(keep_running, transport.name, transport.run, fatal=StartError))
                await self._until_ready()
                for transport in transports:
                    await transport.listening.wait()
                announce(self._ready_line(transports))
        except ExceptionGroup as several:
            raise root_error(several) from several
        finally:
            for plane in self._planes.values():
                plane.close()

    def release(self) -> None:
        """Let go the removals that are held because they were so many at once, or by a policy of "never"."""
        for plane in self._planes.values():
            plane.release()

    def _plane(self, group: str) -> Plane:
        """The Plane of a group, made where there is none; and before it the one that it stands on."""
        plane = self._planes.get(group)
        if plane is None:
            base = self._settings.base
            plane = self._make_plane() if base in {"", group} else self._make_group(self._plane(base))
            self._planes[group] = plane
        return plane

    def _make_plane(self) -> Plane:
        return Plane(
            references=self._references,
            policies=self._policies,
            debounce=self._settings.debounce,
            timer=LoopTimer(),
            max_removal=self._settings.max_removal,
            report=_log_notice,
        )

    def _make_group(self, base: Plane) -> Plane:
        return Plane(base=base, max_removal=self._settings.max_removal, report=_log_notice)

    def _server(self, transports: Sequence[RunningTransport]) -> Server:
        """What transports are given; whoever does not ask for its client's own is not answered from another's."""
        servers = {group: plane.server() for group, plane in self._planes.items()}
        routing = Routing(self._rules, self._plugins, servers, self._settings.unmatched)
        authorize = self._authorization if self._authorization.is_needed else None
        if not routing.is_needed:
            return self._planes[DEFAULT_GROUP].server(authorize=authorize, groups=servers, transports=transports)
        plane = self._planes.get(self._settings.unmatched)
        if plane is None:
            plane = self._make_plane()
            plane.writer(NOBODY)  # which is never ready: what nobody writes to must not pass for empty
        return plane.server(group=routing, authorize=authorize, groups=servers, transports=transports)

    async def _until_ready(self) -> None:
        """Wait until every Plane is ready, or the configured time is over: then open those that are not."""
        deadline = anyio.current_time() + self._settings.ready_timeout
        for plane in self._planes.values():
            server, ready = plane.server(), anyio.Event()
            if server.ready:
                continue
            server.when_ready(ready.set)
            with anyio.CancelScope(deadline=deadline):
                await ready.wait()
            if not ready.is_set():
                late = ", ".join(writer.name for writer in plane.status().writers if not writer.ready)
                log.error(
                    "clients are answered although %s has not delivered its first full state within %g s;"
                    " nothing is removed from a client until it has",
                    late,
                    self._settings.ready_timeout,
                )
                plane.open()

    def _ready_line(self, transports: Sequence[RunningTransport]) -> str:
        addresses = " ".join(f"{transport.kind}://{transport.address}" for transport in transports)
        count = sum(writer.resources for plane in self._planes.values() for writer in plane.status().writers)
        return f"ready {addresses} with {count} resource{'' if count == 1 else 's'}"


def _make(plugins: Plugins, what: str, spec: Spec) -> Any:  # noqa: ANN401  # a source or a transport
    """The source or transport of a specification; whatever goes wrong is the specification's fault."""
    try:
        return plugins.pick(what, spec.kind)(spec.place, spec.options)
    except ConflictError:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # a plugin's constructor may raise anything
        raise UsageError(f"{spec.origin}: {in_one_line(error)}") from error


def _log_notice(notice: "Notice") -> None:
    level = _LEVEL_OF_NOTICE.get(notice.kind, logging.WARNING)
    log.log(level, "%s", notice.text, exc_info=notice.error, extra={"notice": notice.kind})
