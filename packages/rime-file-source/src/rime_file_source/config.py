"""The options of `file:PATH`, and their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass

from rime_core.errors import UsageError
from rime_core.options import OptionReader


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a folder is watched. Durations are seconds.

    quiet: how long the folder must be quiet until changes and additions are written. A program that writes a file in
        one go writes its pieces well under a millisecond apart. Measured, from saving to a subscriber's update: 14 ms,
        of which 5 ms are this wait, 5 ms the watch, 1 ms reading.
    settle: the same for what a move looks like halfway: removals, double claims, and faults. Saving two files one
        after the other in an editor, or copying a folder, stays below it.
    rescan: how often all files are looked at without an event, for what no event tells of: a network file system, a
        symbolic link whose target changed elsewhere; 0 is never.
    max_file_size: bytes, 1 to 1 GiB; a larger file is refused unread. 10,000 clusters are about 2 MB, and a
        second of reading.
    """

    quiet: float = 0.005
    settle: float = 0.300
    rescan: float = 10.0
    max_file_size: int = 64 << 20


def read_options(options: Mapping[str, str]) -> FileOptions:
    """The options as they were given, the rest by default.

    Raises:
        UsageError: one is unknown or malformed, `settle` is shorter than `quiet`, or `max_file_size` is out of bounds.
    """
    default = FileOptions()
    read = OptionReader("file", options)
    result = FileOptions(
        quiet=read.duration("quiet", default=default.quiet),
        settle=read.duration("settle", default=default.settle),
        rescan=read.duration("rescan", default=default.rescan),
        max_file_size=read.size("max_file_size", default=default.max_file_size, least=1, most=1 << 30),
    )
    read.finish()
    if result.settle < result.quiet:
        raise UsageError(f"file: settle={result.settle * 1000:g}ms is shorter than quiet={result.quiet * 1000:g}ms")
    return result
