"""xDS clients by the thousand: each a stream of its own on a connection of its own, which acknowledges as Envoy does.

What they receive is handed to whoever watches, who verifies it. The same bytes are read once, however many clients
received them.
"""

import gc
import random
import select
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Self

import xxhash

from benchmarks.load.http2 import WINDOW, Call
from benchmarks.load.response import Received
from rime_envoy_api import message_class

METHOD: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"

LARGE: Final = 1 << 20
"""Bytes beyond which it is looked only once, for each length, whether streams are sent the same. If they are not, what
is as long as another response holds as many resources, all of which are of one length.
"""

CHECKED: Final = 200
"""Of responses that no other stream has received, one in so many is parsed."""

_REMEMBERED: Final = 64 << 20
"""Bytes of responses of which it is known what they hold."""

_READ_AT_ONCE: Final = 64

_INITIAL_VERSIONS: Final = 5
"""The number of `initial_resource_versions` in a `DeltaDiscoveryRequest`."""


class LoadError(Exception):
    """A server did what it must not do."""


class TooLateError(LoadError):
    """It did nothing for too long."""


class Client:
    """One stream."""

    __slots__ = ("call", "count")

    def __init__(self, call: Call) -> None:
        self.call: Final = call
        self.count = 0
        """Resources received in its life."""


Watcher = Callable[[Client, Received], object]


def _unwatched(_client: Client, _received: Received) -> None:
    """Nobody looks at what is received."""


class Load:
    """Clients of one server and one type. Nothing happens but in `until` and in what calls it.

    While it is open Python does not look for cycles: there are none, and to look takes as long as a change.
    """

    def __init__(self, port: int, type_url: str) -> None:
        self.type_url: Final = type_url
        self.clients: Final[list[Client]] = []
        self.watch: Watcher = _unwatched
        """Called with what each client receives, when it has."""
        self._port: Final = port
        self._by_socket: Final[dict[int, Client]] = {}
        self._poll: Final = select.epoll()
        self._known: Final[dict[bytes, Received]] = {}
        self._sizes: Final[dict[int, int]] = {}
        """Length → number of resources, of large ones."""
        self._differ: Final[set[int]] = set()
        """Lengths of large ones that differ from stream to stream, as far as is remembered."""
        self._remembered = 0
        self._read_first = 0
        self._request: Final = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")

    def __enter__(self) -> Self:
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients:
            client.call.close()
        self.clients.clear()
        self._by_socket.clear()
        self._poll.close()
        gc.enable()

    def open(self, first_request: bytes, *, window: int = WINDOW) -> Client:
        """One more client, which sends this, and takes so many bytes before it is stalled."""
        client = Client(Call(self._port, METHOD, window=window))
        client.call.send(first_request)
        self.clients.append(client)
        self._by_socket[client.call.socket.fileno()] = client
        self._poll.register(client.call.socket, select.EPOLLIN)
        self._watch(client)
        return client

    def drop(self, client: Client) -> None:
        """Close one client's connection."""
        self._poll.unregister(client.call.socket)
        del self._by_socket[client.call.socket.fileno()]
        self.clients.remove(client)
        client.call.close()

    def first_request(self, names: Sequence[str] = ()) -> bytes:
        """What a client says first: it wants these names, or all where there are none."""
        request = self._request(type_url=self.type_url, resource_names_subscribe=names)
        request.node.id = "load"
        request.node.cluster = "load"
        request.node.user_agent_name = "envoy"
        data: bytes = request.SerializeToString()
        return data

    def returning_request(self, versions: Mapping[str, str], names: Sequence[str], seed: int) -> bytes:
        """What a client says first that comes back and knows these versions, in an order of its own."""
        entries = [
            _field(_INITIAL_VERSIONS, _field(1, name.encode()) + _field(2, version.encode()))
            for name, version in versions.items()
        ]
        random.Random(seed).shuffle(entries)  # noqa: S311 - each seed another order, in each run the same
        return self.first_request(names) + b"".join(entries)

    def connect(self, requests: Iterable[bytes], *, resources: int, at_a_time: int, timeout: float) -> float:
        """A client for each of these first requests, at most `at_a_time` of them without their first `resources`.

        Returns:
            When the last of them had all, in seconds of the monotonic clock.

        Raises:
            TooLateError: not in time.
        """
        waiting = iter(requests)
        incomplete: list[Client] = []

        def is_done() -> bool:
            incomplete[:] = [client for client in incomplete if client.count < resources]
            while len(incomplete) < at_a_time and (request := next(waiting, None)) is not None:
                incomplete.append(self.open(request))
            return not incomplete

        return self.until(is_done, timeout=timeout, what=f"the first {resources} resources of each client")

    def until(self, condition: Callable[[], bool], *, timeout: float, what: str) -> float:
        """Read, acknowledge and write until the condition holds, which is looked at whenever something came.

        Returns:
            When it held, in seconds of the monotonic clock.

        Raises:
            TooLateError: it did not hold in time; `what` names it.
            CallEndedError: a server ended a call.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooLateError(f"not within {timeout:g} s: {what}")
            self._step(left)
        return time.monotonic()

    def quiet(self, seconds: float) -> None:
        """Go on for so long; what comes is noted."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._step(left)

    def _step(self, timeout: float) -> None:
        for number, events in self._poll.poll(timeout, _READ_AT_ONCE):
            client = self._by_socket[number]
            if events & select.EPOLLOUT:
                client.call.flush()
                self._watch(client)
            if events & ~select.EPOLLOUT:
                for message in client.call.receive():
                    received = self._read(message)
                    client.count += received.size
                    self.watch(client, received)
                    client.call.send(received.acknowledgement)
                if client.call.wants_to_write:
                    self._watch(client)

    def _watch(self, client: Client) -> None:
        wanted = select.EPOLLIN | (select.EPOLLOUT if client.call.wants_to_write else 0)
        self._poll.modify(client.call.socket, wanted)

    def _read(self, data: bytes | bytearray) -> Received:
        if len(data) in self._differ:
            return self._checked(Received(self.type_url, data, self._sizes[len(data)]))
        key = xxhash.xxh3_128_digest(data)
        received = self._known.get(key)
        if received is None:
            received = self._known[key] = self._checked(Received(self.type_url, bytes(data)))
            self._remembered += received.length
            while self._remembered > _REMEMBERED and len(self._known) > 1:
                self._remembered -= self._known.pop(next(iter(self._known))).length
            if received.length > LARGE:
                if received.length in self._sizes:
                    self._differ.add(received.length)
                self._sizes[received.length] = received.size
        return received

    def _checked(self, received: Received) -> Received:
        self._read_first += 1
        if self._read_first % CHECKED == 1 and not received.is_as_read():
            raise LoadError("a response holds something else than can be read of its bytes")
        return received


def _field(number: int, value: bytes) -> bytes:
    """A field of a protobuf message, shorter than 16 KiB."""
    size = bytes([len(value)]) if len(value) < 128 else bytes([len(value) & 127 | 128, len(value) >> 7])
    return bytes([number << 3 | 2]) + size + value
