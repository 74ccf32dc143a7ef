"""The log of the process, on stderr: one line a record, for people or as JSON.

Everything goes through the standard library's `logging`, so a plugin needs `logging.getLogger(__name__)` and nothing
else; what it passes as `extra` becomes fields of the JSON. An exception (`exc_info`) is told in one line, and as a
traceback only when the level is "debug". A message may quote a client, so control characters are written as escapes.
"""

import json
import logging
import os
import time
from typing import Any, Final, TextIO

from rime_app.errors import in_one_line

_COLOURS: Final = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31"}
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure_log(stream: TextIO, *, form: str, level: str, worker: int | None = None) -> None:
    """Send every record from `level` on to `stream`, as "text" or "json", in place of what was configured before.

    `worker` is the number of this process among several that log to one stream: each record has it.
    """
    traceback = level == "debug"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JsonFormatter(traceback=traceback, worker=worker)
        if form == "json"
        else TextFormatter(traceback=traceback, worker=worker, colour=stream.isatty() and "NO_COLOR" not in os.environ)
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


class TextFormatter(logging.Formatter):
    """`12:03:01 warning conf/a.yaml:3: not YAML`, in UTC: for people, and for grep. Of one of several processes the
    message begins with which: `worker 2: conf/a.yaml:3: not YAML`.
    """

    def __init__(self, *, traceback: bool = False, colour: bool = False, worker: int | None = None) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self.converter = time.gmtime
        self._traceback = traceback
        self._colour = colour
        self._who = f"worker {worker}: " if worker is not None else ""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and its traceback below it when tracebacks are wanted."""
        message = record.getMessage()
        error = _error_of(record)
        if error is not None:
            message += f": {in_one_line(error)}"
        message = self._who + message.translate(_CONTROLS)
        line = f"{self.formatTime(record, self.datefmt)} {record.levelname.lower():7} {message}"
        if self._colour and record.levelno in _COLOURS:
            line = f"\x1b[{_COLOURS[record.levelno]}m{line}\x1b[0m"
        if self._traceback and record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return line


class JsonFormatter(logging.Formatter):
    """`{"time": "2026-01-31T12:03:01.123Z", "level": "warning", "logger": ..., "message": ...}`: for machines.

    Further fields: `worker` of one of several processes; those of `extra`; for an exception `error`, and `traceback`
    when tracebacks are wanted.
    """

    def __init__(self, *, traceback: bool = False, worker: int | None = None) -> None:
        super().__init__()
        self.converter = time.gmtime
        self._traceback = traceback
        self._own = {"worker": worker} if worker is not None else {}

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        fields: dict[str, Any] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._own,
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        error = _error_of(record)
        if error is not None:
            fields["error"] = in_one_line(error)
        if self._traceback and record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None
