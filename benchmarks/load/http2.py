"""One gRPC call on one connection: as much of HTTP/2 (RFC 9113) as a client of that needs, waiting for nothing.

A load client must cost less than the server that it measures. One of grpcio's streams costs its client what it costs
its server, about 40 µs a message, on a machine whose two cores both share; a message that is read here costs a few.
Nothing is decoded that is not needed: of headers only whether they end the call.
"""

import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK: Final = 1
END_STREAM: Final = 1
END_HEADERS: Final = 4

INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5

WINDOW: Final = 2**31 - 1
"""Bytes that the server may send unasked, on the connection and on its one stream: the most there can be."""

DEFAULT_WINDOW: Final = 65_535
LARGEST_FRAME: Final = 1 << 20
"""Bytes of a frame that we take."""

FRAME: Final = struct.Struct(">HBBBI")
"""Length (upper 16 bits, lower 8), type, flags, stream."""

STREAM: Final = 1

_BUFFER: Final = memoryview(bytearray(1 << 20))
"""What all calls read into; what they keep of it they copy."""

LONG: Final = 1 << 16
"""Bytes of a message that are worth a system call, so that none of those behind the next head need be copied."""

_NOWHERE: Final = memoryview(bytearray())

_SPARE: Final[deque[bytearray]] = deque(maxlen=32)
"""What messages were received into that nobody looks at any more: new memory would have to be cleared first."""


class CallEndedError(Exception):
    """The server ended the call, or the connection."""


class Call:
    """One streaming call: `send` messages, `receive` those that have come, `flush` what could not be written.

    Of use with any poller: it reads and writes when it is told that it can, and says whether it waits for writing.
    `window` is how many bytes it takes of the call, after which it is stalled; by default without end.
    """

    def __init__(self, port: int, path: str, *, window: int = WINDOW) -> None:
        self.socket: Final = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = bytearray()
        """What has come of a frame's head that is not complete."""
        self._kind = self._flags = self._stream = 0
        self._left = 0
        """Bytes to come of the frame that has begun."""
        self._payload = bytearray()
        """What has come of a frame that is not DATA."""
        self._head_of_message = bytearray()
        self._message: bytearray | None = None
        self._filled = 0
        """How much of the message has come."""
        self._out = bytearray()
        self._unsent: Final[deque[memoryview]] = deque()
        """Messages that the server has no room for yet."""
        self._credit = DEFAULT_WINDOW
        """Bytes that the server has room for, on its connection."""
        self._stream_credit = DEFAULT_WINDOW
        self._initial = DEFAULT_WINDOW
        self._frame_size = 16_384
        self._taken = 0
        self._window: Final = window
        settings = struct.pack(">HIHI", INITIAL_WINDOW_SIZE, window, MAX_FRAME_SIZE, LARGEST_FRAME)
        self._out += PREFACE + _frame(SETTINGS, 0, 0, settings)
        self._out += _frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW - DEFAULT_WINDOW))
        self._out += _frame(HEADERS, END_HEADERS, STREAM, _headers(path, f"127.0.0.1:{port}"))
        self.flush()

    def close(self) -> None:
        """Close the connection, as a client does that is killed."""
        self.socket.close()

    @property
    def wants_to_write(self) -> bool:
        """Whether `flush` is to be called when the socket can be written."""
        return bool(self._out)

    def widen(self) -> None:
        """Take more again, without end for what is measured here."""
        self._write(_frame(WINDOW_UPDATE, 0, STREAM, struct.pack(">I", WINDOW // 2)))

    def send(self, message: bytes) -> None:
        """Send a message, now or when the server has room for it."""
        data = b"\0" + len(message).to_bytes(4, "big") + message
        if not self._unsent and len(data) <= min(self._credit, self._stream_credit, self._frame_size):
            self._spend(len(data))
            self._write(_frame(DATA, 0, STREAM, data))
        else:
            self._unsent.append(memoryview(data))
            self._send_more()

    def flush(self) -> None:
        """Write what could not be written before."""
        try:
            del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            return

    def receive(self) -> Iterator[bytes | bytearray]:
        """The messages that are complete with what has come now; each is good until the next is asked for.

        Raises:
            CallEndedError: there is nothing to come any more.
        """
        room = self._room()
        beyond = _BUFFER if len(room) < LONG else _BUFFER[: FRAME.size]
        try:
            size = self.socket.recvmsg_into([room, beyond])[0]
        except BlockingIOError:
            return
        except OSError as error:
            raise CallEndedError(f"the connection was lost: {error.strerror}") from error
        if not size:
            raise CallEndedError("the server closed the connection")
        straight = min(size, len(room))
        if straight:
            yield from self._filled_by(straight)
            self._pass(straight)
        place, size = 0, size - straight
        while place < size:
            if not self._left:
                end = min(size, place + FRAME.size - len(self._head))
                self._head += _BUFFER[place:end]
                place = end
                if len(self._head) < FRAME.size:
                    return
                upper, lower, self._kind, self._flags, self._stream = FRAME.unpack(self._head)
                self._left = upper << 8 | lower
                self._head.clear()
            end = min(size, place + self._left)
            part = _BUFFER[place:end]
            place = end
            if self._kind != DATA:
                self._payload += part
            elif part:
                yield from self._data(part)
            self._pass(len(part))

    def _room(self) -> memoryview:
        """Where the next bytes belong, if they are of a message that has begun: they need not be copied there."""
        if self._message is None or self._kind != DATA:
            return _NOWHERE
        return memoryview(self._message)[self._filled : self._filled + self._left]

    def _pass(self, size: int) -> None:
        """So much more of the frame has come, and been used."""
        self._left -= size
        if self._kind == DATA:
            self._taken += size
            if self._taken > WINDOW // 2 and self._window == WINDOW:
                update = struct.pack(">I", self._taken)
                self._write(_frame(WINDOW_UPDATE, 0, 0, update) + _frame(WINDOW_UPDATE, 0, STREAM, update))
                self._taken = 0
        if not self._left and (self._kind != DATA or self._flags):
            payload = bytes(self._payload)
            self._payload.clear()
            self._control(self._kind, self._flags, self._stream, payload)

    def _data(self, data: memoryview) -> Iterator[bytes | bytearray]:
        while data:
            if self._message is None:
                if not self._head_of_message and len(data) >= 5:
                    end = 5 + int.from_bytes(data[1:5])
                    if end <= len(data):
                        yield bytes(data[5:end])  # the usual case: a message that came in one piece
                        data = data[end:]
                        continue
                missing = 5 - len(self._head_of_message)
                self._head_of_message += data[:missing]
                data = data[missing:]
                if len(self._head_of_message) < 5:
                    return
                self._message, self._filled = _buffer(int.from_bytes(self._head_of_message[1:5])), 0
                self._head_of_message.clear()
            size = min(len(data), len(self._message) - self._filled)
            self._message[self._filled : self._filled + size] = data[:size]
            data = data[size:]
            yield from self._filled_by(size)

    def _filled_by(self, size: int) -> Iterator[bytearray]:
        """The message, where these bytes were its last."""
        assert self._message is not None
        self._filled += size
        if self._filled == len(self._message):
            message, self._message = self._message, None
            yield message
            _SPARE.append(message)

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == PING and not flags & ACK:
            self._write(_frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            for place in range(0, len(payload), 6):
                self._setting(*struct.unpack_from(">HI", payload, place))
            self._write(_frame(SETTINGS, ACK, 0, b""))
            self._send_more()
        elif kind == WINDOW_UPDATE:
            (more,) = struct.unpack(">I", payload)
            if stream:
                self._stream_credit += more
            else:
                self._credit += more
            self._send_more()
        elif kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            raise CallEndedError("the server ended the call")
        elif kind == GOAWAY:
            raise CallEndedError("the server is going away")

    def _setting(self, name: int, value: int) -> None:
        if name == INITIAL_WINDOW_SIZE:
            self._stream_credit += value - self._initial
            self._initial = value
        elif name == MAX_FRAME_SIZE:
            self._frame_size = value

    def _send_more(self) -> None:
        while self._unsent:
            data = self._unsent.popleft()
            size = min(len(data), self._credit, self._stream_credit, self._frame_size)
            if size <= 0:
                self._unsent.appendleft(data)
                return
            self._spend(size)
            self._write(_frame(DATA, 0, STREAM, data[:size]))
            if size < len(data):
                self._unsent.appendleft(data[size:])

    def _spend(self, size: int) -> None:
        self._credit -= size
        self._stream_credit -= size

    def _write(self, data: bytes) -> None:
        if self._out:
            self._out += data
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise CallEndedError(f"the connection was lost: {error.strerror}") from error
        if sent < len(data):
            self._out += data[sent:]


def _buffer(size: int) -> bytearray:
    for place, spare in enumerate(_SPARE):
        if len(spare) == size:
            del _SPARE[place]
            return spare
    return bytearray(size)


def _frame(kind: int, flags: int, stream: int, payload: bytes | memoryview) -> bytes:
    return b"".join((FRAME.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream), payload))


def _headers(path: str, authority: str) -> bytes:
    """The headers of a gRPC call in HPACK (RFC 7541), each spelt out or one of its static table, none remembered."""
    literal = [(1, authority), (4, path), (31, "application/grpc")]
    named = b"".join(_index(index) + _text(value) for index, value in literal)
    return b"\x83\x86" + named + b"\0" + _text("te") + _text("trailers")  # POST, http


def _index(index: int) -> bytes:
    return bytes([index]) if index < 15 else bytes([15, index - 15])


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()
