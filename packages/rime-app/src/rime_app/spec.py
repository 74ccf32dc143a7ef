"""One source or transport, named in one line: `kind:place?key=value&key=value`.

As in a URL, `%3F` stands for a question mark in the place and `%25` for a per cent sign. What a place means is the
plugin's business: a path, an address, the name of a context. A relative path is relative to the working directory, from
a file as from the command line, as the paths in Envoy's own configuration are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from rime_core.errors import UsageError
from rime_core.options import OptionReader

DEFAULT_GROUP: Final = "default"

KIND: Final = re.compile(r"[a-z][a-z0-9_-]*")
"""What a kind looks like; in capitals nothing, so that C:\\conf is not taken for one."""

_PASSWORD: Final = re.compile(r"(://[^/?#@\s:]*):[^/?#@\s]*@")


@dataclass(frozen=True, slots=True)
class Spec:
    """Which kind of source or transport, where, and the options that its plugin reads.

    `origin` is where it was written, for errors: `--source file:conf`, `rime.toml: [[sources]] no. 2`.
    """

    kind: str
    place: str
    options: Mapping[str, str] = field(default_factory=dict)
    origin: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """What people call it: `file:conf`; without the password that a URL may hold."""
        return _shown(f"{self.kind}:{self.place}")


@dataclass(frozen=True, slots=True)
class SourceSpec(Spec):
    """A source, with the two options that rime reads before the plugin sees the others.

    `group` names the Plane that it writes to. `allow_empty` says that having nothing at the start is a state that may
    be believed; otherwise removals wait until the source has had something.
    """

    group: str = DEFAULT_GROUP
    allow_empty: bool = False


def parse_spec(text: str, *, origin: str) -> Spec:
    """The specification that `text` is.

    >>> parse_spec("file:conf?quiet=100ms", origin="--source").options
    {'quiet': '100ms'}

    Raises:
        UsageError: it is not `kind:place?key=value`.
    """
    origin = _shown(origin)
    kind, colon, rest = text.partition(":")
    if not colon or not KIND.fullmatch(kind):
        raise UsageError(f"{origin}: should be kind:place?key=value, such as file:conf or grpc:127.0.0.1:18000")
    place, _, query = rest.partition("?")
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = (_decode(part, origin) for part in pair.partition("="))
        if not key:
            raise UsageError(f"{origin}: {pair!r} should be key=value")
        if key in options:
            raise UsageError(f"{origin}: {key} is given twice")
        options[key] = value
    return Spec(kind, _decode(place, origin), options, origin)


def as_source(spec: Spec) -> SourceSpec:
    """The same, with rime's own options taken out of the plugin's.

    Raises:
        UsageError: one of them is not as it should be.
    """
    try:
        read = OptionReader(spec.kind, spec.options)
        group = read.text("group", default=DEFAULT_GROUP)
        allow_empty = read.flag("allow_empty", default=False)
    except UsageError as error:
        raise UsageError(f"{spec.origin}: {error}") from error
    rest = {key: value for key, value in spec.options.items() if key not in {"group", "allow_empty"}}
    return SourceSpec(spec.kind, spec.place, rest, spec.origin, group, allow_empty)


def _shown(text: str) -> str:
    """`text` as it may stand in a log: `db:postgres://rime:***@host/routes`."""
    return _PASSWORD.sub(r"\1:***@", text)


def _decode(text: str, origin: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise UsageError(f"{origin}: {text!r} is not UTF-8 once its % signs are read") from None
