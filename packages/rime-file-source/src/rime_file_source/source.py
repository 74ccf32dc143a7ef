"""A folder of Envoy YAML and JSON, as a source: reads it, watches it, writes what changed.

What is written when is decided in `folder`; here are only the waits, and the thread that reads.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from rime_core.claims import write
from rime_core.writer import Writer
from rime_file_source.config import read_options
from rime_file_source.errors import counted, shown
from rime_file_source.files import NO_FILES, check_place
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
        self._looked: float | None = None
        """When what is known now was looked at (`monotonic`)."""
        self._watch: Watch | None = None

    def staleness(self) -> float | None:
        """Seconds since the files were last known to be as they were read: since they were looked at, or the operating
        system was asked and had nothing to tell, which is half a second ago at most. None before they were read.
        """
        if self._looked is None or self._watch is None:
            return None
        return monotonic() - max(self._looked, self._watch.quiet_until)

    async def run(self, writer: Writer) -> None:
        """Keep what `writer` holds equal to the folder, until cancelled; ready after the first full read.

        Run again with the same writer, it begins with a full read, and removes what is gone since.
        """
        # Reading takes protobuf and watching a compiled library, which `rime --help` must not pay for.
        from rime_file_source.reading import Reader  # noqa: PLC0415
        from rime_file_source.watch import Watch  # noqa: PLC0415

        # A thread that is left alone on cancellation ends by itself: the watch is closed, the reader is of no more use.
        in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
        folder = Folder(quiet=self._options.quiet, settle=self._options.settle, served=self._written)
        reader = Reader(self._root, max_file_size=self._options.max_file_size)
        looking = monotonic()
        watch = self._watch = await in_thread(Watch, self._root)
        try:
            folder.observe(await in_thread(reader.read), monotonic())
            self._looked = looking
            self._write(writer, folder.take(inf))
            if not reader.paths:
                logger.warning("%s: %s", shown(self._root), NO_FILES)
            writer.ready()
            rescan = self._options.rescan or inf
            rescan_at = monotonic() + rescan
            while True:
                due = folder.due()
                wake_at = rescan_at if due is None else min(due, rescan_at)
                touched = await in_thread(watch.wait, wake_at - monotonic())
                if monotonic() >= rescan_at:
                    touched = None
                if touched is None:
                    rescan_at = monotonic() + rescan
                if touched is None or touched:
                    looking = monotonic()
                    folder.observe(await in_thread(reader.read, touched), monotonic())
                    self._looked = looking
                self._write(writer, folder.take(monotonic()))
        finally:
            watch.close()

    def _write(self, writer: Writer, delivery: Delivery | None) -> None:
        if delivery is None:
            return
        report = delivery.report
        # Incomplete before removals, complete after what was repaired is back: nothing is taken from a client between.
        if report is not None and report.faults:
            writer.incomplete(report.faults)
        if delivery.apply or delivery.remove:
            write(writer, delivery.apply, delivery.remove)
            self._written.update((resource.type_url, resource.name) for resource in delivery.apply)
            self._written.difference_update(delivery.remove)
            written = counted(len(delivery.apply), "resource")
            # The kernel may hold removals, and says so itself.
            logger.info("%s: %s written, %d to remove", shown(self._root), written, len(delivery.remove))
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


def _missing(lines: Iterable[str], known: Iterable[str]) -> list[str]:
    known = frozenset(known)
    return [line for line in lines if line not in known]
