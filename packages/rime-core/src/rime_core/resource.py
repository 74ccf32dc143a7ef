"""Resource, and the version that is derived from its content.

A version is what a client is told and sends back when it reconnects, so it must be the same on every replica and after
every restart: it is a hash of the content and of nothing else. xxh3 where xxhash is installed (0.07 µs for 1 KiB); else
blake2b from the standard library, with a prefix of its own, because a silent change of hash would make every client
look out of date.
"""

from collections.abc import Callable
from typing import Final

Digest = Callable[[bytes], str]
"""A hash of content as text; equal content gives equal text in every process."""

STAR: Final = "*"
"""What stands for every name."""

Reference = tuple[str, str]
"""(type URL, name) of a resource that another one refers to."""

try:
    from xxhash import xxh3_64_hexdigest as _hexdigest
except ImportError:
    from hashlib import blake2b

    def _hexdigest(data: bytes) -> str:  # type: ignore[misc] # the one or the other, called with bytes alone
        return "b2-" + blake2b(data, digest_size=8).hexdigest()


content_digest: Digest = _hexdigest
"""The digest of a Plane that is not given another."""


class Resource:
    """One named Envoy message of one type; read-only.

    `body` holds the serialized message, opaque to rime. `aliases` are other names that it answers to. A resource that
    is `on_demand` is outside "*": only those who name it are given it. `references` are the resources that it refers
    to, as far as the Plane was told how to find them.

    `encoded` is for a transport: the resource in the form that travels, made once in the resource's life.
    """

    __slots__ = ("aliases", "body", "encoded", "name", "on_demand", "references", "type_url", "version")

    def __init__(
        self,
        type_url: str,
        name: str,
        version: str,
        body: bytes,
        aliases: tuple[str, ...] = (),
        on_demand: bool = False,
        references: tuple[Reference, ...] = (),
    ) -> None:
        self.type_url: Final = type_url
        self.name: Final = name
        self.version: Final = version
        self.body: Final = body
        self.aliases: Final = aliases
        self.on_demand: Final = on_demand
        self.references: Final = references
        self.encoded: bytes | None = None

    def with_version(self, version: str) -> "Resource":
        """The same with another version, for content whose own some client may take for that of other content."""
        return Resource(self.type_url, self.name, version, self.body, self.aliases, self.on_demand, self.references)

    def __repr__(self) -> str:
        return f"Resource({self.name!r}, version={self.version!r}, {len(self.body)} bytes)"


def version_of(digest: Digest, body: bytes, aliases: tuple[str, ...]) -> str:
    """The version that `body` and `aliases` have: equal content, equal version."""
    version = digest(body)
    if not isinstance(version, str):
        raise TypeError(f"a digest gives text, not {type(version).__name__}")
    if aliases:
        # lengths first: ("ab", "c") and ("a", "bc") are not the same aliases
        encoded = [alias.encode() for alias in aliases]
        version += "-" + digest(b"".join(len(alias).to_bytes(4) + alias for alias in encoded))
    return version


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
