"""What a stream has to tell besides its responses: for logs, metrics and status."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rime_core.protocol.hold import Hold


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The client has applied a response.

    `since` is when the oldest change that it told was made, by the stream's clock; None where it told no change but
    what the client asked for, and where nobody observes (`rime_core.clients`).
    """

    type_url: str
    nonce: str
    since: float | None = None


@dataclass(frozen=True, slots=True)
class RejectedResponse:
    """The client refused a response; `versions` are those it carried, none where it was too long ago to be known.

    `message` is the client's, redacted and cut; `culprits` are the names that it gives as the reason, none where it
    gives none. `since`: as of `Acknowledged`.
    """

    type_url: str
    nonce: str
    versions: Mapping[str, str | None]
    message: str
    culprits: tuple[str, ...] = ()
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The client may not have what it asked for; to it, that does not exist.

    `names` are what one request was refused of the type, none where it is refused the type as a whole; `why` is why, of
    several names the first.
    """

    type_url: str
    why: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnknownType:
    """The client asked for a type that rime does not know and no source has written (R8)."""

    type_url: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """The client came back with a full set that is not the present one, and is not sent that before everything can be
    read: what cannot be read is not in it, and would be deleted.
    """

    type_url: str


@dataclass(frozen=True, slots=True)
class Held:
    """Something is held back from now on."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class LetGo:
    """What was held back is so no longer, although the client did not acknowledge what it waited for.

    - silence: it said nothing for too long, so it was sent what was held back;
    - given up: it does not want any more what was held back, or what that waited for;
    - ended: its stream is over.
    """

    hold: Hold
    why: Literal["silence", "given up", "ended"]


Event = Acknowledged | RejectedResponse | Refused | UnknownType | Deferred | Held | LetGo
