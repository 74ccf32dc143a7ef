"""YAML text as a tree of values, read as Envoy reads it, each with its line.

Envoy loads YAML with yaml-cpp and turns each plain scalar into a null, a boolean, an integer or a text, whatever its
tag says (`parseYamlNode` in Envoy's yaml_utility.cc; observed with Envoy 1.40):

- null: nothing, `~`, `null`, `Null`, `NULL`;
- boolean: `y`, `yes`, `true`, `on` and their opposites, in lower case, upper case or capitalized;
- integer: decimal, hexadecimal after `0x`, octal after `0`; beyond 32 bits it becomes the text of its decimal form;
- anything else is a text, so 12:30:45, 2024-01-01 and 1.5 are: a field of type double takes the text "1.5".

A key is always its own text. A key tagged `!ignore` is left out with its value (a place for anchors), and `<<` is a key
like any other. Two things differ on purpose: a key given twice is a fault (Envoy silently takes the last), and every
document of a file counts (Envoy silently takes the first).
"""

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import yaml

# libyaml's parser is ten times faster than the pure one; PyYAML's wheels have it, a build without libyaml does not.
_Parser: Any = yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader

# Protobuf refuses messages that are nested deeper than 100, and what is read here is walked by recursion.
MAX_DEPTH: Final = 100
# What aliases may add to what is written: more than any real file, and far below what hurts.
MAX_EXPANSION: Final = 1_000_000

_Event: TypeAlias = Any  # of PyYAML, whose stubs leave what an event has open

Value: TypeAlias = "bool | int | float | str | list[Node] | dict[str, Node] | Twice | None"


@dataclass(frozen=True, slots=True)
class Twice:
    """Stands for the value of a key that is given more than once, so that only what it belongs to is at fault."""

    first_line: int


@dataclass(slots=True)
class Node:
    """A value and where it stands; the value of a mapping's entry stands where its key does."""

    value: Value
    line: int


class UnreadableError(Exception):
    """The whole text cannot be read; `line`, from 1, is where that shows."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def read_yaml(text: str) -> list[Node]:
    """The documents of `text`; one that says nothing is left out.

    Raises:
        UnreadableError: it is not YAML, or is built to exhaust whoever reads it.
    """
    try:
        return _Reader(text).documents()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableError(line, f"not YAML: the character {error.character:#04x} is not allowed") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise UnreadableError(mark.line + 1 if mark else 1, f"not YAML: {said}") from error
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise UnreadableError(line, "not YAML: half of a surrogate pair is no character") from error


_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {
    form: truth
    for names, truth in ((("y", "yes", "true", "on"), True), (("n", "no", "false", "off"), False))
    for name in names
    for form in (name, name.upper(), name.capitalize())
}
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]{0,18})", re.ASCII)


def read_scalar(text: str) -> bool | int | str | None:
    """What a plain scalar means to Envoy."""
    if text in _NULLS:
        return None
    truth = _BOOLEANS.get(text)
    if truth is not None:
        return truth
    if text[0] in "+-0123456789" and _INTEGER.fullmatch(text) and len(text) < 32:
        digits = text.lstrip("+-")
        size = int(digits, 16 if digits[1:2] in "xX" and len(digits) > 1 else 8 if digits[0] == "0" else 10)
        number = -size if text[0] == "-" else size
        if -(2**31) <= number < 2**31:
            return number
        if -(2**63) <= number < 2**63:
            return str(number)
    return text


def add_entry(entries: dict[str, Node], key: str, value: Node, line: int) -> None:
    """Put a mapping's entry, whose key stands in `line`, to those before it."""
    before = entries.get(key)
    value.line = line
    entries[key] = value if before is None else Node(Twice(before.line), line)


class _Anchored(NamedTuple):
    node: Node
    size: int  # how many values it stands for
    height: int  # how many levels it has below itself


class _Reader:
    """Builds the tree from the parser's events.

    PyYAML's own composer is not used: compiled, it recurses once per level and ends the process on deep input.
    """

    def __init__(self, text: str) -> None:
        self._parser = _Parser(text)
        self._anchors: dict[str, _Anchored] = {}
        self._written = 0  # values so far
        self._expanded = 0  # the same, with each alias counted as what it stands for
        self._deepest = 0

    def documents(self) -> list[Node]:
        found: list[Node] = []
        while not isinstance(event := self._parser.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
            elif isinstance(event, yaml.NodeEvent):
                document = self._node(event, 0)
                if document.value is not None:
                    found.append(document)
        return found

    def _node(self, event: _Event, depth: int) -> Node:
        line: int = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, line, depth)
        self._reach(depth, line)
        anchor, size, deepest = event.anchor, self._expanded, self._deepest
        self._written += 1
        self._expanded += 1
        if anchor is not None:
            self._deepest = depth
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None or event.style == ""
            node = Node(read_scalar(event.value) if plain else event.value, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self._items(depth + 1), line)
        else:
            node = Node(self._entries(depth + 1), line)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, self._expanded - size, self._deepest - depth)
            self._deepest = max(self._deepest, deepest)
        return node

    def _reach(self, depth: int, line: int) -> None:
        if depth > MAX_DEPTH:
            raise UnreadableError(line, f"nested deeper than {MAX_DEPTH} levels")
        self._deepest = max(self._deepest, depth)

    def _aliased(self, event: _Event, line: int, depth: int) -> Node:
        target = self._anchors.get(event.anchor)
        if target is None:
            raise UnreadableError(line, f"not YAML: no anchor &{event.anchor} ends before this *{event.anchor}")
        self._reach(depth + target.height, line)
        self._written += 1
        self._expanded += target.size
        if self._expanded - self._written > MAX_EXPANSION:
            raise UnreadableError(line, f"its aliases stand for more than {MAX_EXPANSION:,} further values")
        return Node(target.node.value, line)

    def _items(self, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := self._parser.get_event(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth))
        return items

    def _entries(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(key := self._parser.get_event(), yaml.MappingEndEvent):
            line: int = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarEvent):
                raise UnreadableError(line, "not YAML that Envoy reads: a key must be a text")
            value = self._node(self._parser.get_event(), depth)
            if key.tag == "!ignore":
                continue
            add_entry(entries, key.value, value, line)
        return entries
