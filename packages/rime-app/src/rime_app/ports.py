"""The addresses that workers share, held by the process that starts them.

Each worker listens by itself (SO_REUSEPORT), and the kernel gives each connection to one of those that listen. A port
given as 0 must be the same for all, and somebody else's program on a port must be noticed although workers may bind it
again. So each address is bound here first, by a socket that never listens: with nobody else, for what is bound without
SO_REUSEPORT is bound alone; and then open to those of this user who set it too, for as long as the workers run.
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from rime_app.spec import Spec
from rime_core.address import Address
from rime_core.errors import UsageError


def check_sharing() -> None:
    """Whether processes can share an address here.

    Raises:
        UsageError: they cannot.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise UsageError(
            "workers: this system has no SO_REUSEPORT, with which processes share a port; leave workers out"
        )


@contextmanager
def held(specs: Sequence[Spec]) -> Iterator[tuple[Spec, ...]]:
    """The specifications, with the port that was found where one was 0; what is no address is left to its plugin.

    Raises:
        UsageError: an address is in use or cannot be bound.
    """
    with ExitStack() as stack:
        yield tuple(_bound(spec, stack) for spec in specs)


def _bound(spec: Spec, stack: ExitStack) -> Spec:
    try:
        address = Address.parse(spec.place)
    except ValueError:
        return spec
    try:
        holder = stack.enter_context(_holder(address))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        raise UsageError(f"{spec.origin}: {spec.kind}: {_why(address, error)}") from error
    return replace(spec, place=str(Address(address.host, holder.getsockname()[1])))


def _holder(address: Address) -> socket.socket:
    """A socket that has this address to itself."""
    try:
        return _bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    # connections that ended lately keep it for a minute, which SO_REUSEADDR overlooks; whoever listens it does not
    return _bind(address, reuse=True)


def _bind(address: Address, *, reuse: bool = False) -> socket.socket:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, where = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        made.bind(where)
    except BaseException:
        made.close()
        raise
    return made


def _why(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use; stop what listens there, or choose another port (0: any free one)"
    return f"cannot listen on {address}: {error.strerror or error}"
