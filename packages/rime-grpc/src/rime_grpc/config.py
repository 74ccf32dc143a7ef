"""The options of the gRPC transport."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rime_core import OptionReader
from rime_core.protocol.allowance import MAX_NAMES
from rime_core.protocol.order import Patience
from rime_core.protocol.stream import MAX_RESPONSE_BYTES
from rime_grpc.errors import incomplete, insecure_with

MAX_REQUEST_BYTES: Final = 64 << 20
"""A client that reconnects lists what it knows: 100,000 names of 100 bytes with their versions are 12 MB."""

KEEPALIVE: Final = 30.0
"""Seconds without traffic after which a connection is probed; a client that went away unnoticed frees its state."""

PATIENCE: Final = Patience()

MAX_STREAMS: Final = 20_000
"""Four times the 5,000 clients that one process is to serve, and about 1 GB: a stream costs up to 50 KiB."""

MAX_STREAMS_PER_ADDRESS: Final = MAX_STREAMS // 2
"""A whole fleet may be behind one NAT, so only what no fleet needs is refused: a run-away leaves others the half."""

MAX_REQUEST_RATE: Final = 100
"""Requests a second and stream. Envoy limits itself to 10 when told to limit at all; a run-away at 100 costs a few
percent of a core."""

FIRST_ANSWERS: Final = 16
"""At a time. One would leave the process waiting for each client's network; 5,000 would be encoded all at once. With
16 answers of 10 MB there are 160 MB in memory."""

MAX_AGE: Final = 3600.0
"""Seconds. Without an end, the replica that came back last would stay empty until its clients restart. An end costs a
client half a second without a stream and rime one comparison of versions; Istio's is 30 minutes."""


@dataclass(frozen=True, slots=True)
class Config:
    """How to serve.

    `max_response_bytes`: a response is split so as not to be much larger. `max_request_bytes`: a larger one ends its
    stream. `keepalive`: seconds. `insecure`: listen where other machines can connect, unencrypted.

    `patience`: how long a client is waited for that says nothing.

    `max_streams`, `max_streams_per_address`: further streams are refused. `max_names`: names of one type on one stream,
    beyond which it ends. `max_request_rate`: requests a second and stream, beyond which they are read later.
    `first_answers`: how many streams are given their first answer at a time. `max_age`: seconds, about which a stream
    ends and its client comes back. 0 as a limit, a rate or an age is none.

    `client_status`: tell callers on other machines, too, what each client has (CSDS).

    `cert` and `key`, files in PEM form, given together: TLS. `client_ca` as well: only clients with a certificate that
    one of these authorities has signed. They are read when serving begins, and again when they have changed.

    Raises:
        UsageError: of `cert`, `key`, `client_ca` and `insecure` there are some that do not go together.
    """

    max_response_bytes: int = MAX_RESPONSE_BYTES
    max_request_bytes: int = MAX_REQUEST_BYTES
    keepalive: float = KEEPALIVE
    insecure: bool = False
    patience: Patience = PATIENCE
    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    max_streams: int = MAX_STREAMS
    max_streams_per_address: int = MAX_STREAMS_PER_ADDRESS
    max_names: int = MAX_NAMES
    max_request_rate: int = MAX_REQUEST_RATE
    first_answers: int = FIRST_ANSWERS
    max_age: float = MAX_AGE
    client_status: bool = False

    def __post_init__(self) -> None:
        if self.cert is not None:
            if self.key is None:
                raise incomplete("cert", self.cert, "key", "the private key of that certificate")
            if self.insecure:
                raise insecure_with(self.cert)
            return
        for option, path in (("key", self.key), ("client_ca", self.client_ca)):
            if path is not None:
                raise incomplete(option, path, "cert", "the certificate of this server")


def read(options: Mapping[str, str]) -> Config:
    """The configuration that these options ask for.

    Raises:
        UsageError: one of them is not known, its value makes no sense, or it does not go with another.
    """
    reader = OptionReader("grpc", options)
    config = Config(
        max_response_bytes=reader.size("max_response_bytes", default=MAX_RESPONSE_BYTES, least=1024),
        max_request_bytes=reader.size("max_request_bytes", default=MAX_REQUEST_BYTES, least=1024),
        keepalive=reader.duration("keepalive", default=KEEPALIVE, least=1.0),
        insecure=reader.flag("insecure", default=False),
        patience=Patience(
            warming=reader.duration("warming", default=PATIENCE.warming),
            silence=reader.duration("silence", default=PATIENCE.silence),
            returning=reader.duration("returning", default=PATIENCE.returning),
        ),
        cert=reader.path("cert"),
        key=reader.path("key"),
        client_ca=reader.path("client_ca"),
        max_streams=reader.number("max_streams", default=MAX_STREAMS),
        max_streams_per_address=reader.number("max_streams_per_address", default=MAX_STREAMS_PER_ADDRESS),
        max_names=reader.number("max_names", default=MAX_NAMES),
        max_request_rate=reader.number("max_request_rate", default=MAX_REQUEST_RATE),
        first_answers=reader.number("first_answers", default=FIRST_ANSWERS, least=1),
        max_age=reader.duration("max_age", default=MAX_AGE),
        client_status=reader.flag("client_status", default=False),
    )
    reader.finish()
    return config
