"""Whose fault it is.

Every error that rime raises on purpose is a `RimeError`; a wrong Python type stays a `TypeError`, a malformed value a
`ValueError`. The text of each is one line for people: what happened, where, what to do.

    RimeError
    ├── UsageError          the caller: a call out of order, a bad option, a port in use
    │   └── ClosedError     used after close()
    ├── PeerError           the client: a request that the protocol does not allow
    ├── FellBehindError     nobody: a stream is older than what is remembered, it must come back
    ├── SourceError         the data, or where it comes from
    └── ConflictError       two claims on what only one can have
"""


class RimeError(Exception):
    """The root of every error that rime raises on purpose."""


class UsageError(RimeError):
    """The caller did something out of order, or asked for something that cannot be."""


class ClosedError(UsageError):
    """The object was used after it had been closed."""


class PeerError(RimeError):
    """The client broke the protocol; its stream ends, and nothing else does.

    `code` is the name of the gRPC status that the stream ends with: "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED".
    """

    def __init__(self, message: str, *, code: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.code = code


class FellBehindError(RimeError):
    """More was removed than is remembered since this stream last read; a transport ends it with UNAVAILABLE.

    The client comes back with the versions it knows and gets the exact difference.
    """


class SourceError(RimeError):
    """A source cannot deliver: its place cannot be read, or what is there makes no sense."""


class ConflictError(RimeError):
    """Two parties claim what only one can have; the text names both."""
