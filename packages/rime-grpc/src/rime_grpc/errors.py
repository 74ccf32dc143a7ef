"""What can go wrong with an address, with the files of TLS, or with a client, as errors for people."""

import errno
from pathlib import Path
from typing import Final

import grpc

from rime_core import PeerError, UsageError


class RefusedError(Exception):
    """A request that is not answered, with the status that says why."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


MAX_TOLD: Final = 1000
"""Characters of what a client did wrong; it may quote the client, and a gRPC status has room for 16 KiB."""


def told(error: PeerError) -> str:
    """What a client did wrong, as its status and the log say it."""
    text = str(error)
    return text if len(text) <= MAX_TOLD else f"{text[:MAX_TOLD]}… ({len(text)} characters)"


def cannot_listen(address: str, error: OSError) -> UsageError:
    """The error for an address that cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"grpc: {address} is in use; stop what listens there, or choose another port (0: any free one)"
        )
    reason = error.strerror or str(error)
    return UsageError(f"grpc: cannot listen on {address}: {reason}")


def not_loopback(address: str) -> UsageError:
    """The error for listening where others can connect without having been asked to."""
    return UsageError(
        f"grpc: {address} can be reached from other machines, and nothing would be encrypted; "
        "give cert and key, listen on 127.0.0.1, or say insecure=true"
    )


def incomplete(given: str, path: Path, missing: str, what: str) -> UsageError:
    """The error for an option of TLS without the one that it needs."""
    return UsageError(f"grpc: {given}={path} is of no use without {missing}; add {missing}=FILE, {what}")


def insecure_with(cert: Path) -> UsageError:
    """The error for asking for encryption and for none."""
    return UsageError(f"grpc: cert={cert} encrypts, and insecure says not to; leave one of them out")


def cannot_read(option: str, path: Path, reason: str) -> UsageError:
    """The error for a file that cannot be read; a relative path is shown with where it starts."""
    where = "" if path.is_absolute() else f" (a relative path starts where rime was started, {Path.cwd()})"
    return UsageError(f"grpc: cannot read {option}={path}: {reason}{where}")


def cannot_use(option: str, path: Path, fault: str) -> UsageError:
    """The error for a file that can be read but not used; `fault` says why, and what to do."""
    return UsageError(f"grpc: cannot use {option}={path}: {fault}")
