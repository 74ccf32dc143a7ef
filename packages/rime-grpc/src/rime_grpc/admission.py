"""Admission: which streams are served, how fast they are read, and for how long.

Pure: time and randomness are arguments. When a stream may *write* is another question: turns.py.

Limits. Envoy comes back after any status, at first within 0.5 s and in the end every 30 s; the code changes only what
it logs: UNAVAILABLE and RESOURCE_EXHAUSTED are quiet for 30 s and then a warning, most other errors are a warning at
once, OK is never one (`logClose` in Envoy's grpc_stream.h). So both limits are refused with a quiet code, and which
says what would help: at `max_streams` this process is full and another replica may not be, UNAVAILABLE, which proxies
and gRPC's load balancing take elsewhere; at `max_streams_per_address` no other replica is what this client needs,
RESOURCE_EXHAUSTED.

Rate. A stream's requests are read as fast as its bucket has tokens. Beyond that rime does not read on: HTTP/2 holds the
client back, and nothing is lost. A response that brings a change earns the request that acknowledges it, or a client of
a busy Plane would fall behind with its acknowledgements because of what rime itself sends.

Age. A stream's end alone moves no client: its next stream goes over the same connection, to the same replica. So
gRPC is told to send GOAWAY once a connection has `CONNECTION_SHARE` of `max_age`: streams on it go on, new ones need a
new connection. GOAWAY comes by `CONNECTION_SHARE` × 1.1 (gRPC's own jitter), which is before any stream on that
connection may end, at 1 - `JITTER`. The stream ends with OK, which Envoy does not log and gRPC does not count as a
failure (A57). Two kinds of stream are given another age instead: one from which something is held back, such as the
removal of a cluster that a draining listener uses, since its next stream would not know; and one that was never sent
anything, since to gRPC its end would be a failure, and Envoy, whose back-off only a response resets, would stay away
longer each time, up to 30 s.
"""

from dataclasses import dataclass
from typing import Final

BURST: Final = 10.0
"""Seconds of the rate that may come at once. An Envoy that starts, or uses on-demand hosts, asks in bursts."""

JITTER: Final = 0.2
"""Of `max_age`, up and down: who came back at once after a restart is spread over two fifths of it."""

CONNECTION_SHARE: Final = 0.7
"""Of `max_age`, after which a connection takes no new streams; 0.7 × 1.1 is less than 1 - JITTER."""

LOG_INTERVAL: Final = 10.0
"""Seconds between two lines of one kind: a storm of 5,000 clients a second leaves 6 lines a minute."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stream is not served: the option that set the limit, the gRPC status code's name, and words for people."""

    option: str
    code: str
    message: str


class OpenStreams:
    """Counts the streams that are open, in all and by client address; 0 as a limit is none."""

    def __init__(self, *, max_streams: int, max_streams_per_address: int) -> None:
        self._max_streams: Final = max_streams
        self._max_per_address: Final = max_streams_per_address
        self._by_address: Final[dict[str, int]] = {}
        self.count = 0

    def enter(self, address: str) -> Refusal | None:
        """Count a new stream of this address, which must `leave` when it is over; or say why it is refused."""
        if self._max_streams and self.count >= self._max_streams:
            return Refusal("max_streams", "UNAVAILABLE", f"{self.count} streams are open, which is max_streams")
        of_address = self._by_address.get(address, 0)
        if self._max_per_address and of_address >= self._max_per_address:
            return Refusal(
                "max_streams_per_address",
                "RESOURCE_EXHAUSTED",
                f"{of_address} streams of {address} are open, which is max_streams_per_address",
            )
        self.count += 1
        self._by_address[address] = of_address + 1
        return None

    def leave(self, address: str) -> None:
        """A stream that had entered is over."""
        self.count -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class RequestRate:
    """One stream's token bucket; it begins full. `rate` is requests a second, 0: any."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate: Final = rate
        self._tokens = rate * BURST
        self._at = now

    def take(self, now: float) -> float:
        """A request was read; the seconds after which the next may be."""
        if not self._rate:
            return 0.0
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._rate * BURST) - 1
        self._at = now
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate

    def earn(self) -> None:
        """A response was sent that the client did not ask for: its acknowledgement is free."""
        self._tokens += 1


class LogPace:
    """Lets one line of a kind into the log in `LOG_INTERVAL` seconds, and counts those that it keeps out."""

    def __init__(self) -> None:
        self._next: Final[dict[str, float]] = {}
        self._kept_out: Final[dict[str, int]] = {}

    def lines(self, kind: str, now: float) -> int:
        """How many lines this one stands for, itself included; 0: it is not written."""
        kept_out = self._kept_out.get(kind, 0)
        if now < self._next.get(kind, now):
            self._kept_out[kind] = kept_out + 1
            return 0
        self._next[kind] = now + LOG_INTERVAL
        self._kept_out[kind] = 0
        return kept_out + 1


def client_address(peer: str) -> str:
    """The address of a Peer without its port: 10.0.0.1, [::1]."""
    return peer.rpartition(":")[0]


def stream_age(max_age: float, share: float) -> float:
    """After how many seconds a stream ends; `share`, a random number from 0 to 1, is where between the bounds."""
    return max_age * (1 + JITTER * (2 * share - 1))
