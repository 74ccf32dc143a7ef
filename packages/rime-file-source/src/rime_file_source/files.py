"""Which files of a folder are configuration, and the bytes of one, without ever waiting for it.

Configuration is what ends in .yaml, .yml or .json, in the folder and below it; links are followed. What begins with a
dot is passed over: an editor's swap file, `.git`, and the `..data` of a Kubernetes volume, whose files are seen through
the links beside it.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from rime_core.errors import UsageError
from rime_file_source.errors import UnreadableError, shown

SUFFIXES: Final = (".yaml", ".yml", ".json")
GONE: Final = "is gone"
"""Why a root that was there cannot be read: it is missing, which is not the same as empty."""
NO_FILES: Final = f"no file here ends in {', '.join(SUFFIXES)}"

Signature: TypeAlias = tuple[int, int, int, int, int]
"""What a file system says of one state of a file: device, inode, size, and when content and inode last changed (ns)."""

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(slots=True)
class Listing:
    """What a walk found: the files' paths in path order, and the folders that cannot be listed.

    `linked`: links were followed, so that a file may have an event under another path than its own, or none.
    """

    files: list[str] = field(default_factory=list)
    unreadable: list[UnreadableError] = field(default_factory=list)
    linked: bool = False


def check_place(place: str) -> str:
    """The folder or file that `place` names, as paths are written; `~` is the user's home.

    Raises:
        UsageError: there is no such folder or file, or no path can be written so.
    """
    if not place:
        raise UsageError("file: which folder? say file:PATH")
    try:
        root = Path(place).expanduser()
        mode = root.stat().st_mode
    except FileNotFoundError as error:
        raise UsageError(f"file: {shown(place)}: there is no such folder or file") from error
    except OSError as error:
        raise UsageError(f"file: {shown(place)}: {error.strerror}") from error
    except (ValueError, RuntimeError):  # a NUL in it; a user without a home
        raise UsageError(f"file: {shown(place)} cannot be a path") from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise UsageError(f"file: {shown(str(root))} is neither a folder nor a file")
    return str(root)


def is_configuration(name: str) -> bool:
    """Whether a file of this name, which has no folder in it, is read."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def walk(root: str) -> Listing:
    """List the configuration in the folder `root`, or `root` itself when it is a file."""
    listing = Listing()
    try:
        status = Path(root).stat()
    except OSError as error:
        listing.unreadable.append(UnreadableError(root, _reason(error, missing=GONE)))
        return listing
    if not stat.S_ISDIR(status.st_mode):
        listing.files.append(root)
        return listing
    pending = [(root, frozenset({(status.st_dev, status.st_ino)}))]
    while pending:
        folder, above = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    listing.linked = listing.linked or entry.is_symlink()
                    if is_configuration(entry.name):
                        listing.files.append(entry.path)
                    elif entry.is_dir():
                        below = entry.stat()
                        identity = (below.st_dev, below.st_ino)
                        if identity not in above:  # a link to a folder above leads round for ever
                            pending.append((entry.path, above | {identity}))
        except FileNotFoundError:
            continue  # removed under our hands; an event will tell
        except OSError as error:
            listing.unreadable.append(UnreadableError(folder, _reason(error)))
    listing.files.sort()
    return listing


def sign(path: str) -> Signature | None:
    """The signature of a regular file; None when nothing is there.

    Raises:
        UnreadableError: it is something else, a link that leads nowhere, or cannot be looked at.
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        if Path(path).is_symlink():
            raise UnreadableError(path, f"is a link to {str(Path(path).readlink())!r}, which is not there") from None
        return None
    except OSError as error:
        raise UnreadableError(path, _reason(error)) from error
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            raise UnreadableError(path, f"is {kind}, not a file")
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_bytes(path: str, *, limit: int) -> bytes | None:
    """What a file holds; None when nothing is there.

    Raises:
        UnreadableError: it cannot be read, or holds more than `limit` bytes.
    """
    try:
        # Without waiting: what was a file a moment ago may be a pipe that nobody writes to.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(path, _reason(error)) from error
    if len(content) > limit:
        raise UnreadableError(path, f"is larger than {limit} bytes; split it, or raise max_file_size")
    return content


def _reason(error: OSError, *, missing: str = "is not there") -> str:
    if isinstance(error, FileNotFoundError):
        return missing
    return f"cannot be read: {error.strerror or type(error).__name__}"
