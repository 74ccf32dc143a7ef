"""What can go wrong with an address, a file or an option, and with reaching rime, as errors for people.

rime_core.RimeError
├── UsageError           where to listen, and with what
└── UnreachableError     a command cannot reach rime, or is not let in
"""

import errno
from pathlib import Path

from rime_core import RimeError, UsageError


class UnreachableError(RimeError):
    """There is no rime at that address, or it does not let this command look."""


def cannot_listen(address: str, error: OSError) -> UsageError:
    """The error for an address that cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"ws: {address} is in use; stop what listens there, or choose another port (0: any free one)")
    return UsageError(f"ws: cannot listen on {address}: {error.strerror or error}")


def not_encrypted(address: str) -> UsageError:
    """The error for listening where others can connect without having been asked to do so unencrypted."""
    return UsageError(
        f"ws: {address} can be reached from other machines, and nothing would be encrypted; "
        "give cert and key, listen on 127.0.0.1, or say insecure=true"
    )


def open_to_all(address: str) -> UsageError:
    """The error for listening where others can connect without asking who they are."""
    return UsageError(
        f"ws: {address} can be reached from other machines, and whoever can connect could look; "
        "add token_file=FILE, or client_ca=FILE besides cert and key"
    )


def incomplete(given: str, path: Path, missing: str) -> UsageError:
    """The error for an option of TLS without the one that it needs."""
    return UsageError(f"ws: {given}={path} is of no use without {missing}; add {missing}=FILE")


def insecure_with(cert: Path) -> UsageError:
    """The error for asking for encryption and for none."""
    return UsageError(f"ws: cert={cert} encrypts, and insecure says not to; leave one of them out")


def cannot_use(option: str, path: Path, fault: str) -> UsageError:
    """The error for a file that cannot be read, or used."""
    return UsageError(f"ws: cannot use {option}={path}: {fault}")


def no_opentelemetry(error: ImportError) -> UsageError:
    """The error for traces without what makes them."""
    return UsageError(
        f"ws: traces=true needs OpenTelemetry, which is not installed ({error}): pip install rime-ws[otel]"
    )
