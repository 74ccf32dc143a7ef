"""Being told that something happened in a folder.

An event says that something happened and where, and no more: what is there now, reading tells. So there may be more
events than changes; and for changes without an event everything is looked at now and then.
"""

import logging
import math
import threading
from collections.abc import Set as AbstractSet
from pathlib import Path
from time import monotonic
from typing import Final

# Not watchfiles.awatch: it doesn't say when it has begun to watch (what is saved before that would be missed), logs a
# line for each event, and holds up cancellation until its time-out.
from watchfiles._rust_notify import RustNotify

from rime_file_source.errors import shown

logger = logging.getLogger("rime_file_source")

# watchfiles looks for events every step, and hands them over after a step that brought no further path, at the latest
# after the debounce. Measured, from write to event and what an idle watch costs of one core: a step of 2 ms: 3.6 ms,
# 1.2 %; 3 ms: 5.4 ms, 0.9 %; 5 ms: 9.3 ms, 0.9 %; 50 ms, the default of watchfiles: 77 ms, 0.2 %.
STEP_MS: Final = 3
DEBOUNCE_MS: Final = 30
# While something waits to be written, looking more often costs nothing to speak of, and that is written on time.
SHORT_STEP_MS: Final = 1
# How often, in seconds, to make sure that the folder is still the one that is watched: a folder made anew in the place
# of a removed one, or a link that leads to another folder now, has no event at all.
IDENTITY: Final = 0.5

DELETED: Final = 3


class Watch:
    """Watches one folder, or one file, from the moment it is made. Its methods block; `close` may be called from
    another thread than `wait`.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._absolute = str(Path(root).absolute())
        self._closed = threading.Event()
        self._identity: tuple[int, int] | None = None
        self._notify: RustNotify | None = None
        self.quiet_until: float = -math.inf
        """The time (`monotonic`) up to which the operating system was asked last, and had no event."""
        self._follow()

    def wait(self, timeout: float) -> AbstractSet[str] | None:
        """The paths that something happened to since the last call; None: it may be everything.

        It returns as soon as there is one, and with nothing after `timeout` seconds, or within milliseconds of `close`.
        """
        end = monotonic() + timeout
        while not self._closed.is_set():
            if self._follow():
                return None
            # At least one look, for what happened before a wait that is over already.
            remaining = max(end - monotonic(), 0.001)
            if self._notify is None:
                self._closed.wait(min(remaining, IDENTITY))
            else:
                step = STEP_MS if remaining > IDENTITY else SHORT_STEP_MS
                try:
                    events = self._notify.watch(
                        DEBOUNCE_MS, step, math.ceil(min(remaining, IDENTITY) * 1000), self._closed
                    )
                except (OSError, RuntimeError) as error:  # watchfiles' own error is a RuntimeError
                    self._go_without(error)
                    return None
                if events == "timeout":
                    self.quiet_until = monotonic()
                elif not isinstance(events, str):  # "stop"
                    if (DELETED, self._absolute) in events:
                        self._identity = None  # what comes in its place, be it with the same inode, is not watched yet
                    return {self._as_given(path) for _, path in events}
            if monotonic() >= end:
                break
        return frozenset()

    def close(self) -> None:
        """End a `wait`; the watch is of no use after that."""
        self._closed.set()

    def _follow(self) -> bool:
        """Watch what stands in the place now, if that is not what is watched already; whether that was so."""
        try:
            status = Path(self._root).stat()
        except OSError:
            identity = None
        else:
            identity = (status.st_dev, status.st_ino)
        if identity == self._identity:
            return False
        self._identity = identity
        self._notify = None
        if identity is not None:
            try:
                # No debug output, no polling (delay unused), folders below too, those without permission passed over.
                self._notify = RustNotify([self._absolute], False, False, 0, True, True)
            except (OSError, RuntimeError) as error:
                self._go_without(error)
        return True

    def _go_without(self, error: Exception) -> None:
        self._notify = None
        logger.warning(
            "%s: no events from the operating system (%s); changes are found by looking at everything, see rescan",
            shown(self._root),
            error,
        )

    def _as_given(self, path: str) -> str:
        return self._root + path.removeprefix(self._absolute)
