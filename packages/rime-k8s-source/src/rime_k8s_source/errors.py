"""What goes wrong with a Kubernetes API server, and how objects are written in a message.

    rime_core.RimeError
    ├── UsageError            a bad option or kubeconfig: raised when a `KubernetesSource` is made
    └── SourceError
        ├── UnreachableError  no connection, or one that broke: what was read stays, and it is tried again
        ├── CredentialsError  there are no credentials to come with: a token file is gone, an exec plugin fails
        ├── MalformedError    an answer that no API server gives
        ├── NoKindError       the API server has no such kind: its CustomResourceDefinition is not installed, or not yet
        └── ApiError          the API server says no; 409: the object is another by now
            ├── UnauthorizedError   401: it does not know who this is, or not any more
            ├── ForbiddenError      403: it knows, and RBAC does not allow it
            ├── AbsentError         404: there is no such thing
            └── ExpiredError        410: it does not remember this resourceVersion

None of them reaches who runs a source: each is retried, said once when it begins and once when it is over, and while
it lasts the view is incomplete.
"""

import re
from typing import Final

from rime_core.errors import SourceError

_LONGEST: Final = 300
"""Characters of a server's own text in a message."""

_USER_INFO: Final = re.compile(r"(?<=://)[^/?#\s]*@")
"""The name and password in a URL."""


class UnreachableError(SourceError):
    """The API server was not reached, or the connection to it broke."""


class CredentialsError(SourceError):
    """There is nothing to authenticate with."""


class MalformedError(SourceError):
    """The answer is not one of the Kubernetes API."""


class NoKindError(SourceError):
    """The API server has no such kind, as its discovery says."""

    def __str__(self) -> str:
        return "the API server has no such kind"


class ApiError(SourceError):
    """The API server answers with an error: its HTTP status, and `said`, what it says of it."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(code, said)
        self.code = code
        self.said = one_line(said)

    def __str__(self) -> str:
        return f"the API server answers {self.code}: {self.said}"


class UnauthorizedError(ApiError):
    """The credentials are not accepted, or not any more."""

    def __str__(self) -> str:
        return f"the API server does not accept the credentials (401): {self.said}"


class ForbiddenError(ApiError):
    """A permission is missing. `verb` and `resource` are what a Role has to name, `namespace` is "" for all of them."""

    def __init__(self, said: str, *, verb: str, resource: str, namespace: str) -> None:
        super().__init__(403, said)
        self.verb = verb
        self.resource = resource
        self.namespace = namespace

    def __str__(self) -> str:
        where = f"in the namespace {self.namespace!r}" if self.namespace else "in all namespaces"
        return f"the verb {self.verb!r} on {self.resource!r} {where} is not granted (403): {self.said}"


class AbsentError(ApiError):
    """The API server has no such thing, be it an object or a kind."""


class ExpiredError(ApiError):
    """The API server does not remember what happened since a resourceVersion: everything has to be listed anew."""


def one_line(text: str) -> str:
    """A text of others as one line of a message can hold it; its URLs are without names and passwords."""
    text = _USER_INFO.sub("", " ".join(text.split()))
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def counted(number: int, what: str) -> str:
    """1 object, 2 objects."""
    return f"{number} {what}{'' if number == 1 else 's'}"
