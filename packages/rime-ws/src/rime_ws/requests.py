"""What a client may say: JSON objects, each with a `message` that says what it is (docs/debug-stream.md).

A client's text is read here and nowhere else, and what is wrong with it is a line for who wrote that client. What is
not asked for is not looked at, but an unknown key is a mistake of somebody's, so it is named.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeVar

from rime_core import Node, PeerError, by_short_name

Bodies = Literal["all", "changes", "none"]
"""Which resources are sent with what is in them: all; those that change after the first state; none."""

MAX_ID: Final = 64
"""Characters of the name that a client gives a subscription, which every message of it repeats."""

MAX_TYPE: Final = 500
"""Characters of a type's name or URL; those of Envoy's have 90."""

_SHOWN: Final = 60
"""Characters of a client's own text in an error."""

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape of one; alone it is in a `str`, and in no encoding of it."""

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class SubscribeResources:
    """Resources of one type: all (`names` is None) or some, less what the client has in a version that it `known`s.

    Seen as the clients of `group` see them, or as the client `node` does.
    """

    id: str
    type_url: str
    names: tuple[str, ...] | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    bodies: Bodies = "all"
    previous: bool = False
    group: str | None = None
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class SubscribeClients:
    """Who is connected, and how far each has got."""

    id: str


@dataclass(frozen=True, slots=True)
class SubscribeClient:
    """How far one client has got with each resource."""

    id: str
    client: str


@dataclass(frozen=True, slots=True)
class SubscribeStatus:
    """What there is, and what is waited for."""

    id: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """No more of a subscription."""

    id: str


Request = SubscribeResources | SubscribeClients | SubscribeClient | SubscribeStatus | Unsubscribe


class MisunderstoodError(PeerError):
    """A client's message that makes no sense; `id` is the subscription that it speaks of, where it says so."""

    def __init__(self, message: str, *, id: str | None = None) -> None:  # noqa: A002 - the message's own word
        super().__init__(message)
        self.id = id


def read(text: str, *, max_names: int) -> Request:
    """The request that `text` is; `max_names` bounds the names and the known versions in it.

    Raises:
        MisunderstoodError: it is none; the text is one line that says why.
    """
    try:
        said = json.loads(text)
        if _SURROGATE.search(text):
            json.dumps(said, ensure_ascii=False).encode()
    except RecursionError:
        raise MisunderstoodError("this is nested too deeply") from None
    except UnicodeEncodeError:
        raise MisunderstoodError("it has half of a surrogate pair, which is no text") from None
    except ValueError as error:
        raise MisunderstoodError(f"this is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise MisunderstoodError('a message is a JSON object, such as {"message": "subscribe", ...}')
    reader = _Reader(said, max_names)
    try:
        return reader.request()
    except MisunderstoodError as error:
        found = said.get("id")
        raise MisunderstoodError(str(error), id=found if _is_id(found) else None) from None


class _Reader:
    """Reads one object; `finish` says what was not read."""

    def __init__(self, said: dict[str, Any], max_names: int) -> None:
        self._said: Final = said
        self._left: Final = dict.fromkeys(said)
        self._max_names: Final = max_names
        self._known: Final[list[str]] = []

    def request(self) -> Request:
        message = self._get("message", _text, None)
        if message is None:
            raise MisunderstoodError('it has no "message", which says what it is: "subscribe" or "unsubscribe"')
        read = {"subscribe": self._subscribe, "unsubscribe": self._unsubscribe}.get(message)
        if read is None:
            raise MisunderstoodError(f'there is no message {_quoted(message)}: there are "subscribe" and "unsubscribe"')
        request = read()
        self._finish()
        return request

    def _unsubscribe(self) -> Unsubscribe:
        return Unsubscribe(self._id())

    def _subscribe(self) -> Request:
        feed = self._get("feed", _text, "resources")
        match feed:
            case "resources":
                return self._resources()
            case "clients":
                return SubscribeClients(self._id())
            case "client":
                name = self._id()
                client = self._get("client", _text, None)
                if client is None:
                    raise MisunderstoodError('the feed "client" needs "client": the key of one that "clients" tells')
                return SubscribeClient(name, client)
            case "status":
                return SubscribeStatus(self._id())
            case _:
                feeds = "there are resources, clients, client and status"
                raise MisunderstoodError(f"there is no feed {_quoted(feed)}: {feeds}")

    def _resources(self) -> SubscribeResources:
        name = self._id()
        short = self._get("type", _text, None)
        if short is None:
            raise MisunderstoodError('"type" is missing: clusters, endpoints, listeners, ..., or a type URL')
        if len(short) > MAX_TYPE:
            raise MisunderstoodError(f'"type" should be a text of up to {MAX_TYPE} characters')
        try:
            type_url = by_short_name(short).url
        except ValueError as error:
            raise MisunderstoodError(str(error)) from None
        names = self._get("names", self._names, None)
        everything: Bodies = "all"
        return SubscribeResources(
            name,
            type_url,
            None if names is None or "*" in names else names,
            self._get("known", self._versions, {}),
            self._get("bodies", _bodies, everything),
            self._get("previous", _flag, default=False),
            self._get("group", _text, None),
            self._get("node", _node, None),
        )

    def _id(self) -> str:
        return self._get("id", _id, "")

    def _get(self, key: str, convert: "Callable[[str, Any], Given]", default: "Given") -> "Given":
        self._known.append(key)
        if key not in self._said:
            return default
        del self._left[key]
        return convert(key, self._said[key])

    def _names(self, key: str, value: object) -> tuple[str, ...]:
        if not (isinstance(value, list) and all(isinstance(each, str) and each for each in value)):
            raise MisunderstoodError(f'"{key}" should be a list of names, or ["*"]')
        self._bound(key, value)
        return tuple(value)

    def _versions(self, key: str, value: object) -> Mapping[str, str]:
        if not (isinstance(value, dict) and all(each and isinstance(version, str) for each, version in value.items())):
            raise MisunderstoodError(f'"{key}" should be an object, name → version')
        self._bound(key, value)
        return value

    def _bound(self, key: str, value: list[str] | dict[str, str]) -> None:
        if len(value) > self._max_names:
            raise MisunderstoodError(f'"{key}" has {len(value):,} names; here there may be {self._max_names:,}')

    def _finish(self) -> None:
        for key in self._left:
            near = get_close_matches(key, self._known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(self._known)}"
            raise MisunderstoodError(f"there is no key {_quoted(key)} here: {hint}")


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise MisunderstoodError(f'"{key}" should be a text')
    return value


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise MisunderstoodError(f'"{key}" should be true or false')
    return value


def _id(key: str, value: object) -> str:
    if not _is_id(value):
        raise MisunderstoodError(f'"{key}" should be a text of up to {MAX_ID} characters')
    return str(value)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_ID


def _bodies(key: str, value: object) -> Bodies:
    match value:
        case "all" | "changes" | "none":
            return value
        case _:
            raise MisunderstoodError(f'"{key}" should be "all", "changes" or "none"')


_NODE_TEXTS: Final = ("id", "cluster", "region", "zone", "sub_zone")


def _node(key: str, value: object) -> Node:
    if not isinstance(value, dict):
        raise MisunderstoodError(f'"{key}" should be an object, such as {{"id": "edge-1"}}')
    for each, given in value.items():
        if each == "metadata" and not isinstance(given, dict):
            raise MisunderstoodError(f'"{key}.metadata" should be an object')
        if each in _NODE_TEXTS and not isinstance(given, str):
            raise MisunderstoodError(f'"{key}.{each}" should be a text')
        if each not in (*_NODE_TEXTS, "metadata"):
            raise MisunderstoodError(
                f"there is no key {_quoted(each)} in {key}: there are {', '.join(_NODE_TEXTS)}, metadata"
            )
    return Node(**value)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…", ensure_ascii=False)
