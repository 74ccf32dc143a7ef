r"""JSON text as the same tree of values that YAML gives, each with its line.

Envoy reads a file whose name ends in .json as JSON, not as YAML: numbers stay what they are, and `\ud83d\ude00` is
one character. The standard library's decoder tells no positions, so only its scanner of strings is used.
"""

import json.decoder
import re
from collections.abc import Callable
from typing import Final

from rime_envoy_api.tree import MAX_DEPTH, Node, UnreadableError, Value, add_entry

# The compiled scanner of a string that begins before `at`: (text, at, strict) -> (value, end). Not in the type stubs.
_scan: Callable[[str, int, bool], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
# Beyond 64 bits and any use; keeps int() from taking long.
_LONGEST_WHOLE: Final = 40
_WORDS: Final[dict[str, Value]] = {"null": None, "true": True, "false": False}


def read_json(text: str) -> list[Node]:
    """The one document of `text`; none when it is empty or null.

    Raises:
        UnreadableError: it is not JSON, or nested too deeply.
    """
    text = text.removeprefix("\ufeff")
    if not text.strip(" \t\n\r"):
        return []
    document = _Reader(text).document()
    return [] if document.value is None else [document]


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0  # up to where newlines are counted

    def document(self) -> Node:
        node = self._node(0)
        if self._next():
            raise self._fault("there is more after the end")
        return node

    def _next(self) -> str:
        """The next character that is not space, or nothing at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _fault(self, message: str) -> UnreadableError:
        return UnreadableError(self._here(), f"not JSON: {message}")

    def _unexpected(self, wanted: str) -> UnreadableError:
        found = self._next()
        return self._fault(f"{wanted} belongs here, not {found!r}" if found else f"it ends where {wanted} belongs")

    def _take(self, wanted: str) -> None:
        if self._next() != wanted:
            raise self._unexpected(repr(wanted))
        self._at += 1

    def _node(self, depth: int) -> Node:
        opening = self._next()
        line = self._here()
        if depth > MAX_DEPTH:
            raise UnreadableError(line, f"nested deeper than {MAX_DEPTH} levels")
        if opening == "{":
            return Node(self._entries(depth + 1), line)
        if opening == "[":
            return Node(self._items(depth + 1), line)
        return Node(self._string() if opening == '"' else self._word(), line)

    def _entries(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        self._take("{")
        while self._next() != "}":
            if entries:
                self._take(",")
            self._next()
            line = self._here()
            key = self._string()
            self._take(":")
            value = self._node(depth)
            add_entry(entries, key, value, line)
        self._at += 1
        return entries

    def _items(self, depth: int) -> list[Node]:
        items: list[Node] = []
        self._take("[")
        while self._next() != "]":
            if items:
                self._take(",")
            items.append(self._node(depth))
        self._at += 1
        return items

    def _string(self) -> str:
        self._take('"')
        try:
            value, self._at = _scan(self._text, self._at, True)
            value.encode()
        except (json.JSONDecodeError, UnicodeEncodeError) as error:
            raise self._fault(getattr(error, "msg", "half of a surrogate pair is no character")) from error
        return value

    def _word(self) -> Value:
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            raise self._unexpected("a value")
        self._at = number.end()
        whole = number[1] is None and number[2] is None and len(number[0]) <= _LONGEST_WHOLE
        return int(number[0]) if whole else float(number[0])
