"""Rejection: for which resources a response was rejected, and what becomes of the others.

A rejection refuses a response as a whole, and the protocol has no field that says for what. Where a resource fails
while Envoy applies it, the good ones of that response are applied as well, but not recorded: Envoy does not name them
when it comes back, so one that is deleted while it is away stays in it for good. Where one fails before, none is
applied. Either way the others are *healed*: sent once more, without the culprits, so that they are applied and
recorded.

Who the culprits are stands in the message, in the client's words (`WORDINGS`). Of these, `Error adding/updating …` and
gRPC's name all culprits, the others the first that was found. Where nothing is named, each resource is sent once more
by itself, if they are few. What is rejected a second time is refused for good: until it changes, is removed, or is
asked for again.

The message is a client's text. It is searched for fixed texts, a name counts only if the response carried it, and the
work is bounded (`LOOKS`).
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from rime_core.delivery import IN_FLIGHT
from rime_core.flight import Carried, common
from rime_core.update import Manifest

ALONE: Final = 64
"""Up to how many resources a response may have that are sent one by one, since nothing says which is the culprit."""

READ: Final = 1 << 16
"""Characters of a message that are looked at; what comes behind is a dump, or more culprits than anybody can use."""

LOOKS: Final = 4096
"""How many places of a message are compared with the names: enough for more culprits than `READ` has room for, and some
milliseconds of work.
"""

_ENDS: Final = 8
"""How many times a name may contain the text that ends one. The longest that was carried is taken."""


class Wording(NamedTuple):
    """How a client names culprits. Behind `mark`, a name stands right there if `at_once`, and behind each occurrence of
    the texts in `before`, one after the other; it reaches up to `after`, or to the end of the message where that is "".
    `first`: only the first occurrence counts.
    """

    mark: str
    before: tuple[str, ...]
    after: str
    at_once: bool = False
    first: bool = False


WORDINGS: Final = (
    # Envoy, cds_api_impl.cc and cds_api_helper.cc: "{name}: {reason}", joined with ", "
    Wording("Error adding/updating cluster(s) ", (", ",), ": ", at_once=True),
    # Envoy, lds_api.cc: each "{name}: {reason}\n"
    Wording("Error adding/updating listener(s) ", ("\n",), ": ", at_once=True),
    # Envoy, scoped_rds.cc; it does not always say the name
    Wording("Error adding/updating scoped route(s): ", (", ",), ": ", at_once=True),
    # Envoy: EDS cluster, SDS secret, RTDS runtime, RDS configuration …: the resource's own name is another
    Wording("Unexpected ", ("(expecting ",), "): ", first=True),
    # Envoy, config_impl.cc: "Only a single wildcard domain is permitted in route {}"
    Wording(" in route ", (), "", at_once=True),
    # gRPC in C++ and what stands on it (Python, Ruby, PHP), and in Node: "resource index 3: {name}: {reason}; "
    Wording("xDS response validation errors: [", ("resource index ", ": "), ": "),
    # gRPC in Go: 'error parsing "CDS" response: resource "{name}": {reason};\n'
    Wording("error parsing ", ('resource "',), '": '),
    # gRPC in Java: "CDS response Cluster '{name}' validation error: {reason}\n"
    Wording("DS response ", (" '",), "' validation error: "),
    # Envoy, a field that its rules forbid: the resource is dumped, its name first
    Wording("goo.gle/debugproto", ('name: "',), '"', first=True),
    # Envoy before 1.25: the same, the dump at the end
    Wording("Proto constraint validation failed", ('): name: "',), '"', first=True),
    Wording("Proto constraint validation failed", ('): cluster_name: "',), '"', first=True),
)
"""Each was seen, or read in the client's source, the files named. The first that names something that the response
carried is taken.
"""


def culprits(message: str, names: Collection[str]) -> tuple[str, ...]:
    """Those of `names`, which a response carried, that the client names in its rejection of it as the reason.

    None where it names none of them.
    """
    if not names:
        return ()
    message = message[:READ]
    longest = max(map(len, names))
    for wording in WORDINGS:
        start = message.find(wording.mark)
        if start >= 0:
            found = dict.fromkeys(_named(message, start + len(wording.mark), wording, names, longest))
            if found:
                return tuple(found)
    return ()


def _named(message: str, start: int, wording: Wording, names: Collection[str], longest: int) -> Iterator[str]:
    looks = LOOKS
    for place in _places(message, start, wording):
        candidates = list(_candidates(message, place, wording.after, longest))
        carried = [name for name in candidates if name and name in names]
        if carried:
            yield carried[-1]
        looks -= 1 + len(candidates)  # a place where no name can end was looked at as well
        if looks <= 0:
            return


def _places(message: str, start: int, wording: Wording) -> Iterator[int]:
    """Where a name may begin."""
    if wording.at_once:
        yield start
    while wording.before:
        for text in wording.before:
            found = message.find(text, start)
            if found == -1:
                return
            start = found + len(text)
        yield start
        if wording.first:
            return


def _candidates(message: str, start: int, after: str, longest: int) -> Iterator[str]:
    """What may be the name that begins there, the shortest first."""
    if not after:
        yield message[start:]
        return
    end = start
    for _ in range(_ENDS):
        end = message.find(after, end, start + longest + len(after))
        if end == -1:
            return
        yield message[start:end]
        end += len(after)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A version (None: the removal) of one resource that a client rejected, and has not accepted since.

    `accepted` is the version that it accepted last; None where there is none. `message` is the client's, redacted and
    cut, `nonce` that of the response, and `at` the time of the stream's clock; None where it has none.
    """

    type_url: str
    name: str
    version: str | None
    nonce: str
    message: str
    at: float | None
    accepted: str | None


class Healing:
    """What of one type on one stream is sent once more because of a rejection."""

    __slots__ = ("_once", "_waiting")

    def __init__(self) -> None:
        self._once: deque[Carried] = deque(maxlen=IN_FLIGHT)
        """What was rejected once, for the sake of others: a second time is for good."""
        self._waiting: deque[tuple[Carried, str | None]] = deque()
        """What is to be sent: all that counts of a response, or one name of it."""

    def rejected(self, manifest: Manifest, named: Collection[str], before: Collection[str]) -> Collection[str] | None:
        """A response was rejected: the names that are refused; None: all of them. The others are to be sent once more.

        Args:
            manifest: what it carried.
            named: the names that the client gives as the reason.
            before: the names that are refused already, in the version that it carried.
        """
        resources = [name for name, version in manifest.versions.items() if version is not None]
        if not named and not 1 < len(resources) <= ALONE:
            return None
        others = {
            name
            for name in resources
            if name not in named and name not in before and not self._was_rejected(name, manifest)
        }
        refused = manifest.versions.keys() - others
        if others:
            once = Carried(manifest)
            once.drop(refused)
            self._once.append(once)
            self._waiting.extend([(once, None)] if named else [(once, name) for name in resources if name in others])
        return refused

    def next(self) -> dict[str, str]:
        """What the next response is to hold: name → version."""
        once, alone = self._waiting.popleft()
        versions = once.manifest.versions
        names = once.names() if alone is None else [alone] if once.says(alone) else ()
        return {name: version for name in names if (version := versions[name]) is not None}

    def sent(self, manifest: Manifest) -> None:
        """A response was made: another version of a name, or its removal, ends what was rejected before."""
        self._end(manifest, same=False)

    def accepted(self, manifest: Manifest) -> None:
        """A response was accepted."""
        self._end(manifest, same=True)

    def given_up(self, names: Collection[str]) -> None:
        """The client does not want `names` any more."""
        for once in self._once:
            once.drop(names)

    def __bool__(self) -> bool:
        """Whether something is to be sent."""
        return bool(self._waiting)

    def _was_rejected(self, name: str, manifest: Manifest) -> bool:
        version = manifest.versions[name]
        return any(once.says(name) and once.manifest.versions[name] == version for once in self._once)

    def _end(self, manifest: Manifest, *, same: bool) -> None:
        if not self._once:
            return
        versions = manifest.versions
        for once in self._once:
            before = once.manifest.versions
            once.drop([name for name in common(before, versions) if (before[name] == versions[name]) is same])
        self._once = deque([once for once in self._once if not once.is_empty], maxlen=IN_FLIGHT)
