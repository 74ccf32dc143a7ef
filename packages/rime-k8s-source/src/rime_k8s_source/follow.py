"""Following one selection: asking what the reflector wants asked, waiting where there is trouble, telling what differs.

A connection that breaks is nothing to speak of: the next watch goes on where it was. Trouble is when the next one does
not come about either, or a list ends before it is whole; then what is there stays, trouble says so, and it is tried
again after pauses that grow until a list is whole, or a watch that goes on from one brings an event. A server that does
not remember a version is asked for a list at once; that it does not remember that one either is trouble.

That a watch is opened does not end a trouble, as it may be refused in its first event: an event does, and a watch that
was over without one, but not soon.

That the API server has no such kind is no trouble. It answers 404 then, or 403 where nothing is granted for the kind
either; so whether there is one is what its discovery says, which everybody may ask. A kind that is not there counts as
empty, and its discovery is asked until it is. One that goes has its objects deleted before, which the watch brings.
Where it went while nobody watched, its objects are kept until it has been away for `GONE`: an API server that has just
been started, or is one of several, may not know of it yet.

At the start there is nothing to keep, and it is not waited for: most clusters do not have every kind that is looked
for. Nor is anything lost by that. An API server that is coming up answers 503, and no 404, until it knows all that it
has; one that serves a kind by another server (an APIService) answers 503 while that is away; both are trouble. A
definition that is not established yet is a 404, and has no objects.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Never, Protocol, TypeVar

import anyio

from rime_core.errors import SourceError
from rime_k8s_source.api import ApiServer
from rime_k8s_source.backoff import LONGEST, Backoff
from rime_k8s_source.errors import (
    AbsentError,
    ApiError,
    ExpiredError,
    ForbiddenError,
    NoKindError,
    UnreachableError,
)
from rime_k8s_source.kinds import Selection
from rime_k8s_source.reflector import Change, Keep, List, Reflector, Watch

T = TypeVar("T")

logger = logging.getLogger("rime_k8s_source")

SHORT: Final = 1.0
"""Seconds. A watch that was over sooner and brought nothing is not tried again at once, as in client-go."""

GONE: Final = 30.0
"""Seconds after which the objects of a kind that the API server does not have any more are gone as well."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `renew`: a watch is asked to end after this to twice this, as in client-go, so that API servers behind a
    load balancer get their share. `relist`: everything is listed anew after this; 0 is never. `longest_pause`: between
    two attempts, while there is trouble.
    """

    renew: float = 300.0
    relist: float = 3600.0
    longest_pause: float = LONGEST


BUSY: Final = frozenset({429, 503})
"""What an API server answers that has too much to do, or is coming up; for a kind just installed, too."""


class Tell(Protocol[T]):
    """Is told what differs."""

    def __call__(self, changes: Sequence[Change[T]], /) -> None:
        """What differs, in order; never nothing."""
        ...


class Follower(Generic[T]):
    """Keeps a Reflector equal to what the API server has of a selection.

    `tell` is called with what differs, `stirred` when `is_settled` or `trouble` is different. `shown` is what it is
    called in the log, else the selection. `clock` is monotonic, in seconds; `chance` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        api: ApiServer,
        selection: Selection,
        keep: Keep[T],
        *,
        tell: Tell[T],
        stirred: Callable[[], None],
        timing: Timing,
        shown: str = "",
        clock: Callable[[], float] = anyio.current_time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.selection: Final = selection
        self.reflector: Final = Reflector(keep)
        self.trouble: SourceError | None = None
        """Why it does not know what the API server has now; None while it does."""
        self.is_absent = False
        """The API server has no such kind."""
        self.heard: float | None = None
        """When the API server was last heard, by the clock; None before it was."""
        self.known: float | None = None
        """When it was last known that what is remembered is all that there is, by the clock; None before it was."""
        self._api: Final = api
        self._shown: Final = shown or str(selection)
        self._tell: Final = tell
        self._stirred: Final = stirred
        self._timing: Final = timing
        self._clock: Final = clock
        self._chance: Final = chance
        self._backoff: Final = Backoff(timing.longest_pause, chance)
        self._lists = 0
        self._listed = 0.0
        self._was_settled = False
        self._absent_since: float | None = None
        self._opened: float | None = None
        self._brought = False
        self._is_forgotten = False
        """The server did not remember a version, and nothing has been known since."""

    @property
    def is_settled(self) -> bool:
        """Whether everything has been listed once, or there is no such kind."""
        return self.reflector.synced or self.is_absent

    async def run(self) -> Never:
        """Go on until cancelled."""
        again = False
        while True:
            pause = 0.0
            try:
                await self._ask()
            except NoKindError as error:
                pause, again = self._absent(error), False
            except SourceError as error:
                at_once = self.reflector.refused(error) if isinstance(error, ApiError) else False
                if not at_once or again:
                    pause = self._failed(error)
                again = at_once
                self._is_forgotten = isinstance(error, ExpiredError)
            else:
                if self._went_on():
                    self._fine()
                    again = False
                elif self._opened is not None:
                    pause = self._backoff.pause()
            if self._timing.relist and self.reflector.is_following and self._is_due():
                self.reflector.relist()
            await anyio.sleep(pause)

    async def _ask(self) -> None:
        """One request, to its end; of a kind that is not there only whether it is by now."""
        self._opened, self._brought = None, False
        if self._absent_since is not None:
            await self._look()
        request = self.reflector.request()
        try:
            if isinstance(request, List):
                page = await self._api.page(self.selection, request)
                self._heard()
                self._absent_since = None
                self._take(self.reflector.page(page), is_known=self.reflector.is_following)
            else:
                await self._watch(request)
        except (AbsentError, ForbiddenError):
            await self._look()
            raise

    async def _look(self) -> None:
        """See whether there is such a kind; where discovery does not say, what the kind itself answers counts.

        Raises:
            NoKindError: there is none.
        """
        try:
            is_there = await self._api.has(self.selection.kind)
        except SourceError:
            return
        self._heard()
        if not is_there:
            raise NoKindError

    async def _watch(self, request: Watch) -> None:
        seconds = max(1, round(self._timing.renew * (1 + self._chance())))
        async with self._api.events(self.selection, request, seconds=seconds) as events:
            self._opened = self._clock()
            self._absent_since = None
            self._heard()
            async for several in events:
                self._heard()
                changes: list[Change[T]] = []
                is_known = False
                try:
                    for event in several:
                        changes += self.reflector.event(event)
                        is_known = is_known or self.reflector.is_following
                finally:
                    self._take(changes, is_known=is_known)
        if not self.reflector.is_following:
            raise UnreachableError("the watch ended before the list was whole")

    def _take(self, changes: Sequence[Change[T]], *, is_known: bool) -> None:
        """Take in what came; `is_known`: it made a list whole, or was an event after one."""
        if not is_known:
            return
        self._brought = True
        self._is_forgotten = False
        self._backoff.reset()
        if self.reflector.lists != self._lists:
            self._lists, self._listed = self.reflector.lists, self._clock()
        if changes:
            self._tell(changes)
        self._fine()

    def _heard(self) -> None:
        self.heard = self._clock()
        if self.reflector.is_following and self.trouble is None:
            self.known = self.heard

    def _fine(self) -> None:
        """A watch went on. Once it does from a whole list, there is no trouble any more."""
        if self.reflector.is_following:
            self.known = self.heard
            if self.trouble is not None or self.is_absent:
                logger.info("%s: no longer: %s", self._shown, self.trouble or NoKindError())
            self._now(None, is_absent=False)

    def _absent(self, error: NoKindError) -> float:
        """There is no such kind; how long to wait, in seconds."""
        now = self._clock()
        if self._absent_since is None:
            self._absent_since = now
        if self.reflector.objects and now - self._absent_since < GONE:
            self._in_trouble(error)
            return self._backoff.pause()
        if not self.is_absent:
            logger.info("%s: %s; it is looked for until it is there", self._shown, error)
        if self.reflector.objects:
            self._tell(self.reflector.none())
        self.reflector.relist()
        self.known = self.heard
        self._now(None, is_absent=True)
        return self._backoff.pause()

    def _failed(self, error: SourceError) -> float:
        """Something went wrong; how long to wait, in seconds."""
        self._absent_since = None
        if self._went_on() and isinstance(error, UnreachableError):
            logger.debug("%s: the watch is over: %s", self._shown, error)
            self._fine()
            return 0.0
        if self._is_forgotten or not isinstance(error, ExpiredError):
            self._in_trouble(error)
        return self._backoff.pause()

    def _in_trouble(self, error: SourceError) -> None:
        if str(self.trouble) != str(error):
            is_busy = isinstance(error, ApiError) and error.code in BUSY
            level = logging.WARNING if is_busy or isinstance(error, UnreachableError) else logging.ERROR
            logger.log(level, "%s: %s", self._shown, error)
        self._now(error, is_absent=False)

    def _now(self, trouble: SourceError | None, *, is_absent: bool) -> None:
        was = (self._was_settled, self.trouble)
        self.trouble, self.is_absent = trouble, is_absent
        self._was_settled = self.is_settled
        if was != (self._was_settled, trouble):
            self._stirred()

    def _went_on(self) -> bool:
        """Whether the last request was a watch that brought something, or went on from a whole list for a while."""
        if self._opened is None:
            return False
        return self._brought or (self.reflector.is_following and self._clock() - self._opened >= SHORT)

    def _is_due(self) -> bool:
        """Whether the last list is so old that there should be a new one; each replica at a time of its own."""
        return self._clock() - self._listed > self._timing.relist * (1 + self._chance() / 10)
