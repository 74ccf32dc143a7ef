"""What an API server holds of one selection, kept without losing an event: a state machine without I/O and clock.

It says what to ask next (`request`), is told what came (`page`, `event`) or that it was `refused`, and answers
with the differences. Who asks, waits and retries is `rime_k8s_source.follow`.

Why no event can be lost
------------------------
The state is a pair (S, v): objects S, and the resourceVersion v at which the server had exactly these. Everything
follows from keeping that sentence true:

1. A list gives such a pair. It is taken only when it is whole: its pages are put aside until the last is there, a
   streaming list until its bookmark `k8s.io/initial-events-end`. All pages of one list are of one resourceVersion, as
   the `continue` token carries it; if that has expired (410), the pages so far are thrown away. The token that a 410
   offers for going on regardless gives pages of another moment, and is never used.
2. A watch from v brings each change after v, in order, and each event carries the resourceVersion that it leads to. So
   an event takes (S, v) to (S', v'), in one step: there is no moment at which S is changed and v is not. A bookmark
   is an event that changes v alone.
3. Only a whole event is one: `rime_k8s_source.lines` passes on no line before its end. So wherever a connection breaks,
   what was taken is a prefix of the changes after v, by (2) the pair is true after each prefix, and the next watch
   begins at the present v: nothing is between. What comes twice does no harm, as an event says what is, not what
   changed.
4. If the server does not remember v (410 as the HTTP status, or as an ERROR event), the pair is true still, but of
   the past, and only a new list can go on. It replaces the pair, and what differs is told: objects that went while
   nobody looked are found by not being in it.
5. Lists ask for the newest (no resourceVersion, which the server answers after a quorum), not for what some cache
   has (resourceVersion=0): so another API server that lags behind cannot take the pair back in time. A watch from
   a v that the server has yet to reach waits for it.

Versions are compared for equality only; what a server means by them is its own affair. What the argument rests on, the
server's own promise (2), is checked now and then: `relist` asks for a new list although v is known, and finds also what
a server that was set back to a backup has lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from rime_k8s_source.errors import ApiError, ExpiredError, MalformedError

T = TypeVar("T")

Key: TypeAlias = tuple[str, str]
"""Namespace ("" for what is in none) and name."""

Object: TypeAlias = Mapping[str, Any]
"""An object as the API server sends it."""

Keep: TypeAlias = Callable[[Object], T | None]
"""What of an object is kept; None where it is not of interest, and is as if it were not there. It must not raise."""

PAGE: Final = 500
"""Objects in a page, as in client-go."""

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class List:
    """Ask for a page; `token` is where the last one ended, "" for the first."""

    token: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Ask for the changes after `version`; `initial`: for all that there is before them, as a streaming list."""

    version: str
    initial: bool = False


Request: TypeAlias = List | Watch


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One object is different: `old` is None where it is new, `new` where it is gone."""

    key: Key
    old: T | None
    new: T | None


class Reflector(Generic[T]):
    """The objects of one selection, as the API server has them.

    After each `request`, what came of it must be told in order: each page or event, until the connection is over, or
    that it was `refused`. `keep` says what of an object is remembered; two that are kept alike are the
    same, and going from one to the other is no change. `streams`: whether streaming lists are tried.
    """

    def __init__(self, keep: Keep[T], *, streams: bool = True) -> None:
        self._keep: Final = keep
        self._streams = streams
        self._objects: dict[Key, T] = {}
        self._version = ""
        self._listing: dict[Key, T] | None = {}
        """What came so far of a list that is not whole; None where a watch goes on."""
        self._token = ""
        self.synced = False
        """Whether there has been a whole list."""
        self.lists = 0
        """How many whole lists there have been."""

    @property
    def objects(self) -> Mapping[Key, T]:
        """S: what the server had at `version`."""
        return self._objects

    @property
    def version(self) -> str:
        """v: the resourceVersion at which it had that; "" before the first list."""
        return self._version

    @property
    def is_following(self) -> bool:
        """Whether `objects` is kept up by a watch, and not waiting for a list."""
        return self._listing is None

    def request(self) -> Request:
        """What to ask of the server next."""
        if self._listing is None:
            return Watch(self._version)
        if self._streams:
            self._listing = {}  # of a streaming list that broke nothing is left; pages stay
            return Watch("", initial=True)
        return List(self._token)

    def page(self, body: Object) -> "list[Change[T]]":
        """Take in a page of a list; what differs, once the list is whole.

        Raises:
            MalformedError: it is no page of a list.
        """
        try:
            metadata, items = body["metadata"], body.get("items") or ()
            version, token = str(metadata["resourceVersion"]), str(metadata.get("continue") or "")
        except (KeyError, TypeError, AttributeError) as error:
            raise MalformedError("what came is not a list of objects") from error
        listing = self._listing if self._listing is not None and self._token else {}
        for item in items:
            key, kept = self._kept(item)
            if kept is not None:
                listing[key] = kept
        self._listing, self._token = listing, token
        return [] if token else self._whole(listing, version)

    def event(self, body: Object) -> "list[Change[T]]":
        """Take in an event of a watch; what differs.

        Raises:
            ExpiredError: the server does not remember the version; `request` asks for a list from now on.
            ApiError: the server ends the watch with another error; what was taken stays true.
            MalformedError: it is no event.
        """
        try:
            kind, item = body["type"], body["object"]
            metadata = item.get("metadata") or {}
        except (KeyError, TypeError, AttributeError) as error:
            raise MalformedError("what came is not an event of a watch") from error
        if kind == "ERROR":
            raise self._error(item)
        version = metadata.get("resourceVersion")
        if not isinstance(version, str) or not version:
            raise MalformedError(f"an event of type {kind!r} without a resourceVersion")
        if kind == "BOOKMARK":
            return self._bookmark(version, metadata.get("annotations") or {})
        if kind not in {"ADDED", "MODIFIED", "DELETED"}:
            raise MalformedError(f"an event of an unknown type {kind!r}")
        key, kept = self._kept(item)
        if kind == "DELETED":
            kept = None
        if self._listing is not None:
            _put(self._listing, key, kept)
            return []
        old = self._objects.get(key)
        _put(self._objects, key, kept)
        self._version = version
        return [Change(key, old, kept)] if old != kept else []

    def refused(self, error: ApiError) -> bool:
        """The request was answered with an error instead; whether to ask again at once, differently."""
        if isinstance(error, ExpiredError):
            self.relist()
            return True
        # An API server that does not know streaming lists (before 1.32 unless asked to, and with some versions of
        # etcd) says that one of the parameters is invalid.
        if self._listing is not None and self._streams and error.code in {400, 422}:
            self._streams = False
            return True
        return False

    def relist(self) -> None:
        """Ask for a new list next, although the version may be known."""
        self._listing = {}
        self._token = ""

    def none(self) -> "list[Change[T]]":
        """The kind has gone, and its objects with it; what differs. A list is asked for next."""
        changes = self._whole({}, "")
        self.relist()
        return changes

    def _bookmark(self, version: str, annotations: Mapping[str, str]) -> "list[Change[T]]":
        if self._listing is None:
            self._version = version
            return []
        if annotations.get(INITIAL_EVENTS_END) == "true":
            return self._whole(self._listing, version)
        return []

    def _whole(self, listing: dict[Key, T], version: str) -> "list[Change[T]]":
        """The list is whole: it is the state now."""
        before, self._objects, self._version = self._objects, listing, version
        self._listing, self._token = None, ""
        self.synced = True
        self.lists += 1
        changes = [Change(key, old, None) for key, old in before.items() if key not in listing]
        for key, new in listing.items():
            old = before.get(key)
            if old is not None and old == new:
                listing[key] = old  # the older one, so that what is the same is there once
            else:
                changes.append(Change(key, old, new))
        return changes

    def _error(self, status: Object) -> ApiError:
        code, said = status.get("code"), str(status.get("message") or status.get("reason") or "no reason given")
        if code == 410:
            self.relist()
            return ExpiredError(410, said)
        return ApiError(code if isinstance(code, int) else 500, said)

    def _kept(self, item: Object) -> tuple[Key, T | None]:
        try:
            metadata = item["metadata"]
            key = str(metadata.get("namespace") or ""), str(metadata["name"])
        except (KeyError, TypeError, AttributeError) as error:
            raise MalformedError("an object without metadata.name") from error
        return key, self._keep(item)


def _put(objects: dict[Key, T], key: Key, kept: T | None) -> None:
    if kept is None:
        objects.pop(key, None)
    else:
        objects[key] = kept
