"""What can go wrong with an address, as errors for people."""

import errno

from rime_core import UsageError


def cannot_listen(address: str, error: OSError) -> UsageError:
    """The error for an address that cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"grpc: {address} is in use; stop what listens there, or choose another port (0: any free one)"
        )
    reason = error.strerror or str(error)
    return UsageError(f"grpc: cannot listen on {address}: {reason}")


def not_an_address(address: str) -> UsageError:
    """The error for text that is no address."""
    return UsageError(f"grpc: {address!r} is no address: it should look like 127.0.0.1:18000 or [::1]:18000")


def not_loopback(address: str) -> UsageError:
    """The error for listening where others can connect without having been asked to."""
    return UsageError(
        f"grpc: {address} can be reached from other machines, and this transport does not encrypt; "
        "listen on 127.0.0.1, or say insecure=true"
    )
