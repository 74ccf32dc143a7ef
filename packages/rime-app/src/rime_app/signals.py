"""Signals that come before anything could handle them: while Python still imports, which takes a quarter of a second.

This is the first module of the program and imports next to nothing, so that hardly a signal finds Python's own
handlers, which answer with a traceback.
"""

import os
import signal

TYPE_CHECKING = False  # as type checkers know it too, without importing typing
if TYPE_CHECKING:
    from collections.abc import Iterable


def handle_early(arguments: list[str]) -> None:
    """Let a signal end the process at once, for nothing has begun that would have to be tidied up.

    For `rime serve` SIGINT and SIGTERM are its ordinary end, status 0, and SIGHUP, which would end it, is ignored; it
    replaces these handlers when it runs. Any other command is interrupted by SIGINT, status 130.
    """
    if _is_serve(arguments):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: os._exit(0))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))


def handle_as_usual(arguments: list[str]) -> None:
    """Let SIGINT raise KeyboardInterrupt again, so that a command can tidy up; `rime serve` has handlers of its own."""
    if not _is_serve(arguments):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def overlook(numbers: "Iterable[signal.Signals]") -> None:
    """Let these signals do nothing, from inside of a handler.

    One that came together with that which is handled is still to be handled, of which Python would complain if it were
    ignored now.
    """
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)


def ignore(numbers: "Iterable[signal.Signals]") -> None:
    """Let these signals not come any more, also while Python ends and knows no handlers."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _is_serve(arguments: list[str]) -> bool:
    return arguments[:1] == ["serve"]
