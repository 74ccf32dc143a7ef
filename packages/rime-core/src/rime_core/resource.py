"""Resource, and the version that is derived from its content.

A version is what a client is told and sends back when it reconnects, so it must be the same on every replica and after
every restart: it is a hash of the content and of nothing else. xxh3 where xxhash is installed (0.07 µs for 1 KiB); else
blake2b from the standard library, with a prefix of its own, because a silent change of hash would make every client
look out of date.

A lifetime is content: a client that is to forget a resource earlier, later or not at all is sent it again (R74).
"""

from collections.abc import Callable
from typing import Final

from rime_core.native import mypyc_attr
from rime_core.type_urls import describe

Digest = Callable[[bytes], str]
"""A hash of content as text; equal content gives equal text in every process."""

STAR: Final = "*"
"""What stands for every name."""

Reference = tuple[str, str]
"""(type URL, name) of a resource that another one refers to."""

LEAST_TTL: Final = 1.0
"""Seconds. A heartbeat comes at half of a lifetime, and a round of them has to fit in between: 5,000 clients take 0.2 s
of gRPC's time alone (40 µs for a write and the read of its acknowledgement).
"""

MOST_TTL: Final = 86_400.0
"""Seconds: a day. Whoever may keep a resource for longer without hearing of it needs no lifetime."""

_UNKNOWN: Final = "unknown"
"""How the version of what does not exist begins, where an answer must have one; no hash of content reads like this."""

_DIGITS: Final = 18
"""More than any answer's number has; what a client says is not to be believed."""

try:
    from xxhash import xxh3_64_hexdigest as _hexdigest
except ImportError:
    from hashlib import blake2b

    def _hexdigest(data: bytes) -> str:  # type: ignore[misc] # the one or the other, called with bytes alone
        return "b2-" + blake2b(data, digest_size=8).hexdigest()


content_digest: Digest = _hexdigest
"""The digest of a Plane that is not given another."""


@mypyc_attr(acyclic=True, free_list_len=1)  # no cycles to look for; the last one freed is the next
class Resource:
    """One named Envoy message of one type; read-only.

    `body` holds the serialized message, opaque to rime. `aliases` are other names that it answers to. A resource that
    is `on_demand` is outside "*": only those who name it are given it. `references` are the resources that it refers
    to, as far as the Plane was told how to find them. `ttl` is its lifetime in seconds, to the millisecond: a client
    that has heard nothing of it for so long drops it; None: it stays.

    `encoded` and `encoded_with_ttl` are for a transport: the resource in the forms that travel, to clients that know
    nothing of lifetimes and to those that do, each made once in the resource's life.
    """

    __slots__ = (
        "aliases",
        "body",
        "encoded",
        "encoded_with_ttl",
        "heartbeat",
        "name",
        "on_demand",
        "references",
        "ttl",
        "type_url",
        "version",
    )

    def __init__(
        self,
        type_url: str,
        name: str,
        version: str,
        body: bytes,
        aliases: tuple[str, ...] = (),
        on_demand: bool = False,
        references: tuple[Reference, ...] = (),
        ttl: float | None = None,
    ) -> None:
        self.type_url: Final = type_url
        self.name: Final = name
        self.version: Final = version
        self.body: Final = body
        self.aliases: Final = aliases
        self.on_demand: Final = on_demand
        self.references: Final = references
        self.ttl: Final = ttl
        self.encoded: bytes | None = None
        self.encoded_with_ttl: bytes | None = None
        self.heartbeat: Bodiless | None = None
        """Made by `heartbeat_of`."""

    @property
    def told_aliases(self) -> tuple[str, ...]:
        """The aliases as clients are told them; with its name, where they look there for what they asked for (R77)."""
        if self.name in self.aliases or not describe(self.type_url).asked_by_alias:
            return self.aliases
        return (*self.aliases, self.name)

    def with_version(self, version: str) -> "Resource":
        """The same with another version, for content whose own some client may take for that of other content."""
        return Resource(
            self.type_url, self.name, version, self.body, self.aliases, self.on_demand, self.references, self.ttl
        )

    def __repr__(self) -> str:
        return f"Resource({self.name!r}, version={self.version!r}, {len(self.body)} bytes)"


@mypyc_attr(acyclic=True)
class Bodiless(Resource):
    """What is sent in place of a resource, without a body; its `body` is empty and means nothing.

    Made for an Update, by the protocol, and never part of a Plane: no Snapshot has one, and no Update of a Subscriber
    that a program holds. A transport sends the name, the version and what else there is, and leaves out the body, which
    is not the same as sending an empty one. Equal ones are equal, so that an Update with one is shared as any other.
    """

    __slots__ = ()

    def __init__(
        self, type_url: str, name: str, version: str, *, aliases: tuple[str, ...] = (), ttl: float | None = None
    ) -> None:
        super().__init__(type_url, name, version, b"", aliases, ttl=ttl)

    def _content(self) -> tuple[object, ...]:
        return (self.type_url, self.name, self.version, self.aliases, self.ttl)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bodiless) and other._content() == self._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def __repr__(self) -> str:
        return f"Bodiless({self.name!r}, version={self.version!r})"


def heartbeat_of(resource: Resource) -> Bodiless:
    """What renews the lifetime of `resource` with a client that has this version of it (R75); the same object each
    time, so that it is encoded once for all clients and all rounds.

    Raises:
        ValueError: it has no lifetime.
    """
    if resource.heartbeat is None:
        if resource.ttl is None:
            raise ValueError(f"{resource!r} has no lifetime to renew")
        resource.heartbeat = Bodiless(resource.type_url, resource.name, resource.version, ttl=resource.ttl)
    return resource.heartbeat


def unknown(type_url: str, name: str, number: int = 0) -> Bodiless:
    """The answer that there is nothing of this name, for virtual hosts (R77): Envoy waits on where the name is removed,
    and takes a resource without a body, with the name as its alias, for the end of the search.

    Unless it has this version of the name: then it takes it for a heartbeat, and goes on waiting. A name that it gave
    up and asks for again it has, so each answer to one client is to have a `number` of its own.
    """
    return Bodiless(type_url, name, f"{_UNKNOWN}-{number}", aliases=(name,))


def unknown_number(version: str) -> int | None:
    """The number of the answer that there is nothing that has this version; None: it is that of something."""
    kind, _, number = version.partition("-")
    if kind != _UNKNOWN:
        return None
    return int(number) if number.isascii() and number.isdigit() and len(number) < _DIGITS else 0


def version_of(digest: Digest, body: bytes, aliases: tuple[str, ...], ttl: float | None = None) -> str:
    """The version that a body, its aliases and its lifetime have: equal content, equal version."""
    version = digest(body)
    if not isinstance(version, str):
        raise TypeError(f"a digest gives text, not {type(version).__name__}")
    if aliases:
        # lengths first: ("ab", "c") and ("a", "bc") are not the same aliases
        encoded = [alias.encode() for alias in aliases]
        version += "-" + digest(b"".join([len(alias).to_bytes(4) + alias for alias in encoded]))
    if ttl is not None:
        version += f"+{round(ttl * 1000)}ms"
    return version


def lifetime_of(version: str) -> float | None:
    """The lifetime of content that has this version (`version_of`); None: it has none.

    So it is known of what is not here any more as well, be it from before this process. A version may be a client's to
    say, so a lifetime that no resource can have is none.
    """
    _, plus, lifetime = version.partition("~")[0].rpartition("+")  # behind "~": `Entry.told_apart`
    digits = lifetime.removesuffix("ms")
    if not (plus and digits != lifetime and digits.isascii() and digits.isdigit() and len(digits) < _DIGITS):
        return None
    ttl = int(digits) / 1000
    return ttl if LEAST_TTL <= ttl <= MOST_TTL else None


def checked_ttl(ttl: float) -> float:
    """`ttl` to the millisecond, which is how Envoy counts it.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not from `LEAST_TTL` to `MOST_TTL`.
    """
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        raise TypeError(f"a lifetime (ttl) is a number of seconds, not {type(ttl).__name__}")
    if not LEAST_TTL <= ttl <= MOST_TTL:
        raise ValueError(f"a lifetime (ttl) is from {LEAST_TTL:g} s to {MOST_TTL:g} s (a day), not {ttl}")
    return round(float(ttl), 3)


def check_name(name: str) -> None:
    """Raise unless `name` can name a resource on the wire.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it is empty, or it cannot be encoded in UTF-8.
    """
    if not isinstance(name, str):
        raise TypeError(f"a resource's name is a str, not {type(name).__name__}")
    if not name:
        raise ValueError("a resource's name must not be empty")
    if name == STAR:
        raise ValueError('"*" means every resource; none can have it as its name')
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the resource name {name!r} cannot be encoded in UTF-8") from None


def copied(body: bytes | bytearray | memoryview) -> bytes:
    """`body` as bytes of its own.

    Raises:
        TypeError: it is not bytes-like; a `str` or an `int` is refused although `bytes()` would take some of them.
    """
    try:
        return bytes(memoryview(body))
    except TypeError:
        raise TypeError(f"a body is bytes (a serialized message), not {type(body).__name__}") from None
