"""Envoy's whole API for rime: YAML and JSON to canonical bytes and back.

Importing this is light: protobuf and Envoy's API (about 15 ms) are loaded by the first call that needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rime_envoy_api.document import Document, Fault, ParsedResource, parse
    from rime_envoy_api.pool import message_class
    from rime_envoy_api.referenced import references
    from rime_envoy_api.typed import EnvoyResource, resource

_HOMES = {
    "Document": "document",
    "EnvoyResource": "typed",
    "Fault": "document",
    "ParsedResource": "document",
    "message_class": "pool",
    "parse": "document",
    "references": "referenced",
    "resource": "typed",
}

__all__ = [
    "Document",
    "EnvoyResource",
    "Fault",
    "ParsedResource",
    "message_class",
    "parse",
    "references",
    "resource",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has under that name
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
