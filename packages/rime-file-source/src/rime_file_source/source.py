"""A folder of Envoy YAML and JSON, as a source: reads it, watches it, writes what changed.

What is written when is decided in `folder`; here are only the waits, and the thread that reads.
"""

import logging
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from rime_core.writer import Writer
from rime_file_source.config import read_options
from rime_file_source.errors import shown
from rime_file_source.files import check_place
from rime_file_source.folder import Delivery, Folder, Key, Report

if TYPE_CHECKING:
    from rime_file_source.watch import Watch

logger = logging.getLogger("rime_file_source")


class FileSource:
    """The resources in the files of a folder and below it, or in a single file: `file:PATH`.

    Files end in .yaml, .yml or .json; the options are those of `rime_file_source.config.FileOptions`. A file that
    cannot be read keeps what it last held in service, and so does the folder when it vanishes; each fault is logged
    once when it has lasted, and once when it is gone.

    Raises:
        UsageError: the place is not there or is neither a folder nor a file, or an option is wrong.
    """

    def __init__(self, place: str, options: Mapping[str, str]) -> None:
        self._options = read_options(options)
        self._root = check_place(place)
        self._written: set[Key] = set()
        self._said = Report((), ())

    async def run(self, writer: Writer) -> None:
        """Keep what `writer` holds equal to the folder, until cancelled; ready after the first full read.

        Run again with the same writer, it begins with a full read, and removes what is gone since.
        """
        # Reading takes protobuf and watching a compiled library, which `rime --help` must not pay for.
        from rime_file_source.reading import Reader  # noqa: PLC0415
        from rime_file_source.watch import Watch  # noqa: PLC0415

        in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
        folder = Folder(quiet=self._options.quiet, settle=self._options.settle, served=self._written)
        reader = Reader(self._root, max_file_size=self._options.max_file_size)
        watch = await in_thread(Watch, self._root)
        try:
            async with anyio.create_task_group() as tasks:
                touched = _Touched()
                tasks.start_soon(_listen, watch, touched)
                folder.observe(await in_thread(reader.read), monotonic())
                self._write(writer, folder.take(inf))
                logger.info("%s: %d resources in %d files", shown(self._root), len(self._written), len(reader.paths))
                writer.ready()
                rescan_at = monotonic() + self._rescan
                while True:
                    await touched.wait(min(folder.due() or inf, rescan_at))
                    if monotonic() >= rescan_at:
                        touched.add(None)
                    if touched:
                        paths = touched.take()
                        folder.observe(await in_thread(reader.read, paths), monotonic())
                        if paths is None:
                            rescan_at = monotonic() + self._rescan
                    self._write(writer, folder.take(monotonic()))
        finally:
            watch.close()

    @property
    def _rescan(self) -> float:
        return self._options.rescan or inf

    def _write(self, writer: Writer, delivery: Delivery | None) -> None:
        if delivery is None:
            return
        report = delivery.report
        # Incomplete before removals, complete after what was repaired is back: nothing is taken from a client between.
        if report is not None and report.faults:
            writer.incomplete(report.faults)
        if delivery.apply or delivery.remove:
            with writer.transaction() as change:
                for resource in delivery.apply:
                    change.apply(resource.type_url, resource.name, resource.body, aliases=resource.aliases)
                for type_url, name in delivery.remove:
                    change.remove(type_url, name)
            self._written.update((resource.type_url, resource.name) for resource in delivery.apply)
            self._written.difference_update(delivery.remove)
        if report is not None:
            if not report.faults:
                writer.incomplete([])
            self._say(report)

    def _say(self, report: Report) -> None:
        for fault in _missing(report.faults, self._said.faults):
            logger.error("%s", fault)
        for contest in _missing(report.contested, self._said.contested):
            logger.warning("%s", contest)
        for line in _missing((*self._said.faults, *self._said.contested), (*report.faults, *report.contested)):
            logger.info("no longer: %s", line)
        self._said = report


class _Touched:
    """The paths that something happened to, since they were last taken; true when there are any."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._paths: set[str] = set()
        self._everything = False
        self._event = anyio.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def add(self, paths: AbstractSet[str] | None) -> None:
        """Note some paths; None is all of them."""
        if paths is None:
            self._everything = True
        else:
            self._paths |= paths
        self._event.set()

    def take(self) -> AbstractSet[str] | None:
        """Everything noted since the last time."""
        paths = None if self._everything else self._paths
        self._begin()
        return paths

    async def wait(self, deadline: float) -> None:
        """Return when there is something, at the latest at `deadline`, on the clock of `monotonic`."""
        with anyio.move_on_after(deadline - monotonic()):
            await self._event.wait()


async def _listen(watch: "Watch", touched: _Touched) -> None:
    # A thread of its own, apart from those that read and that others use: it is never free.
    limiter = anyio.CapacityLimiter(1)
    while True:
        touched.add(await anyio.to_thread.run_sync(watch.wait, abandon_on_cancel=True, limiter=limiter))


def _missing(lines: Iterable[str], known: Iterable[str]) -> list[str]:
    known = frozenset(known)
    return [line for line in lines if line not in known]
