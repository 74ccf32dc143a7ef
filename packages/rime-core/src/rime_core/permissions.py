"""Permissions: what one client may be given, as the program that serves it decides.

What a client says of itself is not proven (`Node`), what its connection says is (`Peer`). So a Server may be given an
`Authorize`, which is asked once for each stream, when it is known who the client is; what it answers is asked once for
each type, and then for each name that the client asks for. A client that nothing is refused costs nothing.

What is refused looks like what does not exist: its name is answered as missing, and is not subscribed to. So a client
cannot tell what others have, and the rest of its stream flows on. What is checked is the name that it asks for; a
resource is given under its aliases too, each of which is a name of its own here.

"*" is a name too, and given or refused as a whole: what it gives is shared by all, and is not looked through for one.
What only some clients may see of a type that others ask for by "*" belongs into a group of theirs, or on demand.
Secrets are never in it.
"""

from collections.abc import Callable
from typing import Protocol

from rime_core.node import Client

WhyNot = Callable[[str], str | None]
"""Why a name is refused, in a few words for the log; None: it is not."""


class Permissions(Protocol):
    """What one client may be given."""

    def type(self, type_url: str) -> str | None:
        """Why it is refused the type, in a few words for the log; None: it is not.

        A type that is refused is to its client as one of which there is nothing.
        """
        ...

    def names(self, type_url: str) -> WhyNot | None:
        """What says of each name of a type that it is not refused whether it is refused, and of "*"; None: none is."""
        ...


Authorize = Callable[[Client], Permissions | None]
"""What this client may be given; None: everything.

It refuses the client itself by raising `PeerError(why, code="PERMISSION_DENIED")`; anything else that it raises ends
the client's stream as well.
"""
