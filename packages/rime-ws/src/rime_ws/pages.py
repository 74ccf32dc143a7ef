"""What is answered to a plain HTTP request: the page, and what machines ask for.

The page is three files without a secret in them, so it is given to whoever can connect: it asks for a token where one
is needed. So are `/healthz` and `/readyz`, which say whether and not what. `/metrics` is for those who may look.

The page's policy (CSP) lets it load what this port serves and nothing else, run no text as a program, and be framed by
nobody.
"""

from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Final

from websockets.datastructures import Headers
from websockets.http11 import Response

from rime_envoy_api import redact_text
from rime_ws.metrics import CONTENT_TYPE, Metrics
from rime_ws.status_feed import groups_of, sources_of

if TYPE_CHECKING:
    from rime_core import Server, Siblings
    from rime_ws.access import Refusal

FILES: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
"""Path → file and content type."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TEXT: Final = "text/plain; charset=utf-8"


class Pages:
    """Answers requests about `server`; `siblings` are other processes that serve the same."""

    def __init__(self, server: "Server", siblings: "Siblings | None" = None) -> None:
        self._server: Final = server
        self._siblings: Final = siblings
        self._metrics: Final = Metrics(server)

    def answer(self, path: str, refusal: "Callable[[], Refusal | None]") -> Response:
        """The answer to a request for `path`; `refusal` says why who asks may not look."""
        match path:
            case "/healthz":
                return text_response(200, "ok")
            case "/readyz":
                return self._ready()
            case "/metrics":
                refused = refusal()
                if refused is not None:
                    return text_response(*refused)
                return response(200, self._metrics.text(), CONTENT_TYPE)
            case _ if path in FILES:
                name, content_type = FILES[path]
                return response(200, _file(name), content_type)
            case _:
                return text_response(404, "there are /, /healthz, /readyz and /metrics")

    def _ready(self) -> Response:
        """Whether clients are answered and can connect, with a line for each source and each transport."""
        groups = groups_of(self._server)
        transports = self._server.transports
        lines = [
            f"{'' if len(groups) == 1 else f'{name}: '}{writer.name} {_state(writer.ready, bool(writer.incomplete))}"
            for name, server in groups.items()
            for writer in sources_of(server.status())
        ]
        lines += [f"{each.name} {_listens(each.listens_at)}" for each in transports]
        is_ready = all(server.ready for server in groups.values()) and all(each.listens_at for each in transports)
        if self._siblings is not None and not self._siblings.ready:
            is_ready = False
            lines.append("the other workers have not all been ready yet")
        return text_response(
            200 if is_ready else 503, "\n".join(["ready" if is_ready else "not ready", *map(redact_text, lines)])
        )


def _state(ready: bool, incomplete: bool) -> str:
    return "has not delivered its first state" if not ready else "lacks something" if incomplete else "is ready"


def _listens(address: str | None) -> str:
    return "does not listen" if address is None else f"listens at {address}"


def text_response(status: int, text: str) -> Response:
    """An answer for people, one line or more."""
    return response(status, f"{text}\n".encode(), _TEXT)


def response(status: int, body: bytes, content_type: str) -> Response:
    """An answer, after which the connection is closed."""
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Connection": "close",
        }
    )
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(status, HTTPStatus(status).phrase, headers, body)


@cache
def _file(name: str) -> bytes:
    return resources.files("rime_ws").joinpath("page", name).read_bytes()
