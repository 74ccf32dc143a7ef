"""Exceptions in one line: what people are told of what plugins raise."""

import importlib
import traceback
from pathlib import Path

from rime_core.errors import RimeError


def in_one_line(error: BaseException) -> str:
    """What happened, for people: the text of a `RimeError`; of any other error its type, text and where it was raised.

    Of an exception group it is the first error, and how many more there are.
    """
    leaves = _leaves(error)
    more = f" (and {len(leaves) - 1} more)" if len(leaves) > 1 else ""
    return _describe(leaves[0]) + more


def root_error(error: BaseException) -> BaseException:
    """The first error of an exception group, however deep; anything else is its own root."""
    return _leaves(error)[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, RimeError):
        return text
    # Of a failing import the innermost frames are the import system's own; the line that imports stands before them.
    inner = ("<frozen importlib", importlib.__file__)
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(inner)]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"
