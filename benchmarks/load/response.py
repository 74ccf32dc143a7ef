"""A response as it came: what it holds is read from its bytes, where that is what a load client needs for each.

A server may send each stream other bytes, and to parse them all would cost a client more than they cost their server.
So its resources are counted, their names and stamps looked for, and its nonce taken from its end, which costs a few per
cent of that; `is_as_read` parses it, and sees that what was read is what it says.

What is relied on: what stands behind the resources is short (the nonce, which all servers put there, and what is
removed); each resource's own name comes before its stamp, and is the first text in its body (`benchmarks.resources`).
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from benchmarks.resources import BEFORE_STAMP, NAMES, STAMP_DIGITS, stamp
from rime_envoy_api import message_class

_RESPONSE: Final = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")
_REQUEST: Final = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")

_WRAPPED: Final = 3 << 3 | 2
"""The tag of a `Resource`'s name; a body's own name has another."""

_NONCE: Final = bytes([5 << 3 | 2])
_TAGS: Final = frozenset(field << 3 | 2 for field in (1, 4, 5, 6))
"""Of the fields of a response that are no resources."""

_END: Final = 256
"""Bytes that are looked at from the end."""


class Received:
    """One response."""

    def __init__(self, type_url: str, data: bytes | bytearray, size: int | None = None) -> None:
        self._type_url: Final = type_url
        self._data: Final = data
        self.length: Final = len(data)
        """In bytes."""
        self.size: Final = data.count(type_url.encode()) - 1 if size is None else size
        """How many resources it holds; where that is not known: each says its type, and so does the response."""

    @cached_property
    def acknowledgement(self) -> bytes:
        """What a client says that has applied it."""
        request = _REQUEST(type_url=self._type_url, response_nonce=_nonce(self._data) or self.message.nonce)
        data: bytes = request.SerializeToString()
        return data

    @cached_property
    def stamps(self) -> dict[str, int]:
        """Name → stamp, of each resource in it."""
        found, data, place = {}, self._data, 0
        find = data.find
        while (begin := find(NAMES, place)) >= 0:
            if data[begin - 2] == _WRAPPED:
                begin = find(NAMES, begin + 1)
            before = find(BEFORE_STAMP, begin)
            if before < 0:  # a name behind the last resource
                break
            digits = before + len(BEFORE_STAMP)
            place = digits + STAMP_DIGITS
            found[str(data[begin : begin + data[begin - 1]], "ascii")] = int(data[digits:place])
        return found

    @cached_property
    def newest(self) -> int:
        """The highest stamp in it; 0 where there is none."""
        return max(self.stamps.values(), default=0)

    @cached_property
    def message(self) -> Any:  # noqa: ANN401 - made from a descriptor
        """All of it, parsed."""
        return _RESPONSE.FromString(bytes(self._data))

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Name → version."""
        return {each.name: each.version for each in self.message.resources}

    @cached_property
    def removed(self) -> Sequence[str]:
        """The names that are gone."""
        return list(self.message.removed_resources)

    def is_as_read(self) -> bool:
        """Whether it says, parsed, what was read of its bytes."""
        message = self.message
        stamps = {each.name: stamp(message.type_url, each.resource.value) for each in message.resources}
        acknowledgement = _REQUEST(type_url=message.type_url, response_nonce=message.nonce).SerializeToString()
        return self.size == len(message.resources) and self.stamps == stamps and self.acknowledgement == acknowledgement


def _nonce(data: bytes | bytearray) -> str | None:
    """The nonce, where nothing but short fields stands behind the last resource."""
    end = bytes(data[-_END:])
    for begin in reversed([each.start() for each in re.finditer(re.escape(_NONCE), end)]):
        place = begin
        while place + 1 < len(end) and end[place] in _TAGS:
            place += 2 + end[place + 1]
        if place == len(end):
            return str(end[begin + 2 : begin + 2 + end[begin + 1]], "ascii")
    return None
