"""Who may look, by what a request says and what its connection proves.

- *Origin*: a page of somebody else's that is open in the same browser must not look. Who is no browser sends none.
- *Host*: without a token or a certificate a request is believed only when it names this machine itself. A page of
  somebody else's can give its own name this machine's address (DNS rebinding), and would be of the same origin then.
- *Token*: the text of a file, which is read at each request, so that it may be replaced. Compared in constant time. It
  comes as `Authorization: Bearer <token>`, or from a page, which cannot send that, among the subprotocols that it
  offers, as `bearer.<token in base64url>`.
- *Certificate*: with `client_ca` no connection comes this far without one.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from rime_core import UsageError
from rime_core.address import Address
from rime_ws.config import Config
from rime_ws.errors import cannot_use

SUBPROTOCOL: Final = "rime.v1"
"""What is spoken here, offered by who offers anything."""

OFFERED_TOKEN: Final = "bearer."  # noqa: S105 - what stands before one

LEAST_TOKEN: Final = 16
"""Characters of a token; fewer can be guessed."""

_LARGEST: Final = 4096


class Refusal(NamedTuple):
    """Why a request is refused: an HTTP status, and a line."""

    status: int
    why: str


class Access:
    """Decides who may look.

    Raises:
        UsageError: the file of the token cannot be read, or its token is too short.
    """

    def __init__(self, config: Config) -> None:
        self._config: Final = config
        if config.token_file is not None:
            read_token(config.token_file)

    def refusal(self, headers: Mapping[str, str], offered: Sequence[str] = ()) -> Refusal | None:
        """Why who sent these headers may not look; None: they may. `offered` are the subprotocols."""
        host = headers.get("Host", "")
        origin = headers.get("Origin")
        if origin is not None and origin not in self._config.origins and _authority(origin) != host.lower():
            return Refusal(403, f"a page of {origin!r} may not look at {host!r}; the option origins lets it")
        if not self._config.asks_who and not _names_this_machine(host):
            return Refusal(403, f"{host!r} is not a name of this machine; ask for localhost, or give rime a token_file")
        if self._config.token_file is None:
            return None
        return self._check_token(self._config.token_file, _given_token(headers.get("Authorization", ""), offered))

    def _check_token(self, file: Path, given: str) -> Refusal | None:
        try:
            token = read_token(file)
        except UsageError:
            return Refusal(503, "the file of the token cannot be read now")
        if not hmac.compare_digest(given.encode(), token.encode()):
            return Refusal(401, "a token is needed, and this is not it" if given else "a token is needed")
        return None


def read_token(file: Path) -> str:
    """The token that stands in a file, without the space around it.

    Raises:
        UsageError: the file cannot be read, or its token is too short.
    """
    try:
        with file.open("rb") as opened:
            token = opened.read(_LARGEST).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_use("token_file", file, getattr(error, "strerror", None) or "it is no text") from error
    if len(token) < LEAST_TOKEN:
        raise cannot_use(
            "token_file", file, f"a token has {LEAST_TOKEN} characters or more; openssl rand -hex 32 gives one"
        )
    return token


def offer(token: str) -> str:
    """The token as a subprotocol that a page can offer."""
    return OFFERED_TOKEN + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def _given_token(authorization: str, offered: Sequence[str]) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    encoded = next((each.removeprefix(OFFERED_TOKEN) for each in offered if each.startswith(OFFERED_TOKEN)), "")
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""


def _authority(origin: str) -> str:
    """The host and port of an origin; nothing, for one that is none (`null`)."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _names_this_machine(host: str) -> bool:
    name = host if host.endswith("]") or ":" not in host else host.rpartition(":")[0]
    return Address(name.removeprefix("[").removesuffix("]").lower(), 0).is_loopback
