"""Shows what a rime Plane has, and what each of its clients has, live: a JSON stream, a page, metrics.

    async with rime_ws.serve(plane.server(), "127.0.0.1:18080") as bound:
        print(f"http://{bound.address}")

Importing this is light: websockets and protobuf are loaded by the first use of a name below.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rime_ws.config import Config
    from rime_ws.serving import Bound, serve
    from rime_ws.transport import WsTransport

__all__ = ["Bound", "Config", "WsTransport", "serve"]

_HOMES = {"Bound": "serving", "Config": "config", "WsTransport": "transport", "serve": "serving"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has under that name
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
