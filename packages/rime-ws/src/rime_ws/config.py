"""The options of the transport `ws`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rime_core import OptionReader
from rime_ws.errors import incomplete, insecure_with
from rime_ws.session import MAX_NAMES, MAX_SUBSCRIPTIONS

MAX_CONNECTIONS: Final = 64
"""Who looks are people and their scripts. Each costs the work of its subscriptions: 64 pages are enough for a team."""

MAX_CONNECTIONS_PER_ADDRESS: Final = 32

MAX_MESSAGE_BYTES: Final = 4 << 20
"""What a client that comes back knows of 50,000 resources."""

MAX_MESSAGE_RATE: Final = 50
"""A second, of one connection. The page says two things for each click."""


@dataclass(frozen=True, slots=True)
class Config:
    """How to serve the debug stream.

    `cert` and `key`, files in PEM form, given together: TLS. `client_ca` as well: only who has a certificate that one
    of these authorities has signed. `token_file`: only who has the token that stands in it. `insecure`: listen where
    other machines can connect, unencrypted. `origins`: pages of other origins that may look: `https://ops.example`.

    `max_connections`, `max_connections_per_address`: further ones are refused. `max_subscriptions` of one connection,
    `max_names` of one subscription. `max_message_bytes`: a larger message ends its connection. `max_message_rate`:
    messages a second and connection, beyond which they are read later; 0 is any.

    `traces`: trace each change with OpenTelemetry, to each client's acknowledgement (`rime_ws.tracing`).

    Raises:
        UsageError: some of these do not go together.
    """

    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    token_file: Path | None = None
    insecure: bool = False
    origins: tuple[str, ...] = ()
    max_connections: int = MAX_CONNECTIONS
    max_connections_per_address: int = MAX_CONNECTIONS_PER_ADDRESS
    max_subscriptions: int = MAX_SUBSCRIPTIONS
    max_names: int = MAX_NAMES
    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_message_rate: int = MAX_MESSAGE_RATE
    traces: bool = False

    def __post_init__(self) -> None:
        if self.cert is not None:
            if self.key is None:
                raise incomplete("cert", self.cert, "key")
            if self.insecure:
                raise insecure_with(self.cert)
            return
        for option, path in (("key", self.key), ("client_ca", self.client_ca)):
            if path is not None:
                raise incomplete(option, path, "cert")

    @property
    def asks_who(self) -> bool:
        """Whether only those may look who prove that they may."""
        return self.token_file is not None or self.client_ca is not None


def read(options: Mapping[str, str]) -> Config:
    """The configuration that these options ask for.

    Raises:
        UsageError: one of them is not known, its value makes no sense, or it does not go with another.
    """
    reader = OptionReader("ws", options)
    config = Config(
        cert=reader.path("cert"),
        key=reader.path("key"),
        client_ca=reader.path("client_ca"),
        token_file=reader.path("token_file"),
        insecure=reader.flag("insecure", default=False),
        origins=tuple(filter(None, reader.text("origins", default="").split(","))),
        max_connections=reader.number("max_connections", default=MAX_CONNECTIONS, least=1),
        max_connections_per_address=reader.number(
            "max_connections_per_address", default=MAX_CONNECTIONS_PER_ADDRESS, least=1
        ),
        max_subscriptions=reader.number("max_subscriptions", default=MAX_SUBSCRIPTIONS, least=1),
        max_names=reader.number("max_names", default=MAX_NAMES, least=1),
        max_message_bytes=reader.size("max_message_bytes", default=MAX_MESSAGE_BYTES, least=1024),
        max_message_rate=reader.number("max_message_rate", default=MAX_MESSAGE_RATE),
        traces=reader.flag("traces", default=False),
    )
    reader.finish()
    return config
