"""Fewer wake-ups: what grpcio has finished is taken together, not once for each write and read.

grpcio tells an event loop that something is done by writing one byte into a socket pair; its reader on the loop takes
one byte, and then everything that is done by then. So when a thousand writes end together, the first call of the reader
takes them all, and the loop is woken for 999 more bytes, for nothing: a poll, a read of a byte and a look into an empty
queue each. Here the bytes that are there when the reader is called are all taken when it returns.

Nothing can be lost: a byte is written after what it tells of was queued, so whatever these bytes tell of was found by
the call, and what comes later brings a byte of its own. A call that fails (what is done was of a loop that is closed)
may have left something: then only its own byte is gone, and the next one has the reader called again.

grpcio has no setting for it. It takes its reader to the loop with `add_reader`, once for each loop, when the first of
its asynchronous objects is made there; meanwhile that method of the loop is one of ours. Where this loop has made such
objects before, or has methods that cannot be set, all stays as it is, only slower.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

_AT_ONCE: Final = 64 << 10
"""Bytes, and so finished writes and reads, that are taken at once."""


@contextmanager
def taken_together(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """While the block runs, a reader of a socket that is added to `loop` is called once for all bytes there."""
    add_reader = loop.add_reader

    def add(file: Any, callback: Callable[..., Any], *args: Any) -> None:  # noqa: ANN401 - as the loop's own
        if isinstance(file, socket.socket):
            add_reader(file, _once, file, callback, *args)
        else:
            add_reader(file, callback, *args)

    with suppress(AttributeError):
        loop.add_reader = add  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        with suppress(AttributeError):
            del loop.add_reader  # the instance's own; the class's is there again


def _once(pair: socket.socket, reader: Callable[..., Any], *args: Any) -> None:  # noqa: ANN401 - whatever it takes
    """Call `reader`, which reads one byte of `pair` and does all that there is to do, for all bytes that are there."""
    waiting = len(pair.recv(_AT_ONCE, socket.MSG_PEEK))
    reader(*args)
    if waiting > 1:
        pair.recv(waiting - 1)
