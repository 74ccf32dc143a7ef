"""Policy: what a client is told of a name that does not exist, and when a resource that is taken away goes; by type.

The protocol's rules are the defaults, and `type_urls` has them. Envoy deals badly with some of what the rules ask for,
and it is for its user to say which harm is the lesser:

- a listener whose routes are reported as removed (R28) does not open until they come; one that hears nothing of them
  opens when Envoy has waited for long enough (15 s), and answers 404;
- a secret or an extension that is taken away while something uses it leaves that without it (R59).

`missing`, of a name that a client asks for, that does not exist, and that the client does not have:

- removed: it is reported as removed at once (R28); a virtual host as unknown (R77);
- unanswered: nothing is said of it. The client goes on waiting, and is sent the resource when there is one.

That is of incremental streams; in state-of-the-world a missing name has no answer of its own either way.

`removal`, of a resource that its writer removes (`rime_core.store`):

- at once;
- when unreferenced: it stays in service until nothing in service refers to it;
- never: it stays in service until `Plane.release` lets it go.

`debounce`: how long its changes are put off, to be told together (`rime_core.debounce`).

What stays in service is as it was for everybody, new clients too. It is remembered by the Plane and nowhere else: to a
client that comes back to another Plane, or to one that was made anew, what is not there is gone.
"""

from dataclasses import dataclass, replace
from typing import Final, get_args

from rime_core.debounce import Debounce
from rime_core.type_urls import Missing, Removal, XdsType

ALLOWED: Final[dict[str, tuple[str, ...]]] = {"missing": get_args(Missing), "removal": get_args(Removal)}
"""Field → what it may be, of those that are words."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is to differ from the defaults of a type; None: nothing.

    >>> Plane(policies={ROUTE: Policy(missing="unanswered"), SECRET: Policy(removal="never")})

    Raises:
        ValueError: a field is none of what it may be.
    """

    missing: Missing | None = None
    removal: Removal | None = None
    debounce: Debounce | None = None

    def __post_init__(self) -> None:
        for field, allowed in ALLOWED.items():
            value = getattr(self, field)
            if value is not None and value not in allowed:
                said = ", ".join(repr(each) for each in allowed[:-1])
                raise ValueError(f"{field} is {said} or {allowed[-1]!r}, not {value!r}")

    def over(self, described: XdsType) -> XdsType:
        """The type as it is with this policy."""
        return replace(described, missing=self.missing or described.missing, removal=self.removal or described.removal)
