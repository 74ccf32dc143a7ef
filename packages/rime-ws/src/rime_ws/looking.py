"""A connection to the debug stream, for commands: it blocks, as they do."""

import json
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from rime_core import UsageError
from rime_ws.access import SUBPROTOCOL, read_token
from rime_ws.errors import UnreachableError

DEFAULT: Final = "ws://127.0.0.1:18080"

WITHIN: Final = 10.0
"""Seconds to connect, and between what belongs together."""

_LARGEST: Final = 64 << 20
"""Bytes of one message; rime's own are of 64 KiB of bodies and what they are as text."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, and with what: `ws://127.0.0.1:18080` or, over TLS, `wss://rime.example:18080`."""

    url: str = DEFAULT
    token_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


class Looker:
    """Subscribes, and hears what is said of it. Made by `look`."""

    def __init__(self, connection: ClientConnection, url: str) -> None:
        self._connection: Final = connection
        self.url: Final = url
        self._earlier: Final[deque[dict[str, Any]]] = deque()
        """What came of other subscriptions while the state of one was awaited."""

    def subscribe(self, **message: Any) -> None:  # noqa: ANN401 - whatever a message has
        """Subscribe; what is None is left out."""
        said = {key: value for key, value in message.items() if value is not None}
        self._connection.send(json.dumps({"message": "subscribe", **said}))

    def next(self, within: float | None = None) -> dict[str, Any] | None:
        """The next message; None where there is none within so many seconds.

        Raises:
            UsageError: rime does not understand what was asked for.
            UnreachableError: the connection has ended.
        """
        return self._earlier.popleft() if self._earlier else self._hear(within)

    def _hear(self, within: float | None) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] = json.loads(self._connection.recv(within))
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise UnreachableError(f"the connection to {self.url} has ended") from error
        if message["message"] == "error":
            raise UsageError(f"{self.url}: {message['error']}")
        return message

    def state(self, *, id: str, **message: Any) -> Iterator[dict[str, Any]]:  # noqa: A002, ANN401 - as above
        """What there is now: the messages of the first state of this subscription; `next` gives those after it.

        Raises:
            UsageError, UnreachableError: as `next`; or rime is not ready.
        """
        self.subscribe(id=id, **message)
        while True:
            said = self._hear(WITHIN)
            if said is None:
                raise UnreachableError(f"{self.url} has said nothing for {WITHIN:g} s; its sources may not be ready")
            if said["id"] != id:
                self._earlier.append(said)
                continue
            yield said
            if not said.get("more"):
                return


@contextmanager
def look(place: Place) -> Iterator[Looker]:
    """A connection to this place.

    Raises:
        UsageError: the URL is none, or a file cannot be used.
        UnreachableError: nobody is there, or lets us look.
    """
    url = _url(place)
    token = read_token(place.token_file) if place.token_file is not None else None
    try:
        connection = connect(
            url,
            ssl=_context(place) if url.startswith("wss:") else None,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item] # a str, which the type of websockets is at run time
            additional_headers={"Authorization": f"Bearer {token}"} if token is not None else None,
            compression=None,
            proxy=None,
            max_size=_LARGEST,
            open_timeout=WITHIN,
            close_timeout=0.5,
        )
    except InvalidURI as error:
        raise UsageError(f"{place.url!r} is no place to look at: it should look like {DEFAULT}") from error
    except InvalidStatus as error:
        said = error.response.body.decode(errors="replace").strip() if error.response.body else ""
        hint = "; --token-file gives it" if error.response.status_code == 401 and token is None else ""
        raise UnreachableError(f"{url} does not let us look: {said or error}{hint}") from error
    except (OSError, InvalidHandshake, TimeoutError) as error:
        raise UnreachableError(
            f"cannot reach rime at {url}: {_reason(error)}; it has to be served with --transport ws:HOST:PORT"
        ) from error
    with connection:
        looker = Looker(connection, url)
        hello = looker.next(WITHIN)
        if hello is None or hello["message"] != "hello":
            raise UnreachableError(f"{url} is not rime's debug stream")
        yield looker


def _url(place: Place) -> str:
    """The URL, where `http` stands for what a browser shows, and a bare address for the address."""
    scheme, separator, rest = place.url.partition("://")
    if not separator:
        return f"ws://{place.url}"
    return f"{ {'http': 'ws', 'https': 'wss'}.get(scheme, scheme) }://{rest}"


def _context(place: Place) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=place.ca)
        if place.cert is not None:
            context.load_cert_chain(place.cert, place.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot use the files of TLS: {_reason(error)}") from error
    return context


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
