"""Pieces of bytes as they arrive, as whole lines: an event of a watch is one line, of any length.

aiohttp's own `readline` refuses lines longer than its buffer; objects may have several MB.
"""

from typing import Final

from rime_k8s_source.errors import MalformedError

LONGEST: Final = 64 << 20
"""Bytes. etcd takes objects of 1.5 MB, an administrator may allow more; beyond this it is not an API server."""


class Lines:
    """Lines out of pieces. What is after the last line's end is kept for the next piece, and never passed on before."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest: Final = longest
        self._pieces: list[bytes] = []
        self._length = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that this piece ends, without their ends and without empty ones.

        Raises:
            MalformedError: a line does not end.
        """
        *ended, rest = piece.split(b"\n")
        if ended:
            self._pieces.append(ended[0])
            ended[0] = b"".join(self._pieces)
            self._pieces, self._length = [], 0
        self._pieces.append(rest)
        self._length += len(rest)
        if self._length > self._longest:
            raise MalformedError(f"a line of more than {self._longest >> 20} MiB")
        return [line for line in ended if line]
