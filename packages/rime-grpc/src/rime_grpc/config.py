"""The options of the gRPC transport."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rime_core import OptionReader
from rime_core.protocol.stream import MAX_RESPONSE_BYTES

MAX_REQUEST_BYTES: Final = 64 << 20
"""A client that reconnects lists what it knows: 100,000 names of 100 bytes with their versions are 12 MB."""

KEEPALIVE: Final = 30.0
"""Seconds without traffic after which a connection is probed; a client that went away unnoticed frees its state."""


@dataclass(frozen=True, slots=True)
class Config:
    """How to serve.

    `max_response_bytes`: a response is split so as not to be much larger. `max_request_bytes`: a larger one ends its
    stream. `keepalive`: seconds. `insecure`: listen where other machines can connect, unencrypted.
    """

    max_response_bytes: int = MAX_RESPONSE_BYTES
    max_request_bytes: int = MAX_REQUEST_BYTES
    keepalive: float = KEEPALIVE
    insecure: bool = False


def read(options: Mapping[str, str]) -> Config:
    """The configuration that these options ask for.

    Raises:
        UsageError: one of them is not known, or its value makes no sense.
    """
    reader = OptionReader("grpc", options)
    config = Config(
        max_response_bytes=reader.size("max_response_bytes", default=MAX_RESPONSE_BYTES, least=1024),
        max_request_bytes=reader.size("max_request_bytes", default=MAX_REQUEST_BYTES, least=1024),
        keepalive=reader.duration("keepalive", default=KEEPALIVE, least=1.0),
        insecure=reader.flag("insecure", default=False),
    )
    reader.finish()
    return config
