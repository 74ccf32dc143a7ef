"""Envoy's whole API for rime: YAML and JSON to canonical bytes and back.

Importing this is light: protobuf and Envoy's API (about 15 ms) are loaded by the first call that needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rime_envoy_api.bootstrap import make_bootstrap
    from rime_envoy_api.document import Document, Fault, ParsedResource, parse
    from rime_envoy_api.output import to_json, to_yaml
    from rime_envoy_api.pool import class_with_entries, message_class
    from rime_envoy_api.redacted import to_redacted
    from rime_envoy_api.redaction import redact_text
    from rime_envoy_api.referenced import references
    from rime_envoy_api.shown import to_shown
    from rime_envoy_api.typed import EnvoyResource, resource

_HOMES = {
    "Document": "document",
    "EnvoyResource": "typed",
    "Fault": "document",
    "ParsedResource": "document",
    "class_with_entries": "pool",
    "make_bootstrap": "bootstrap",
    "message_class": "pool",
    "parse": "document",
    "redact_text": "redaction",
    "references": "referenced",
    "resource": "typed",
    "to_json": "output",
    "to_redacted": "redacted",
    "to_shown": "shown",
    "to_yaml": "output",
}

__all__ = [
    "Document",
    "EnvoyResource",
    "Fault",
    "ParsedResource",
    "class_with_entries",
    "make_bootstrap",
    "message_class",
    "parse",
    "redact_text",
    "references",
    "resource",
    "to_json",
    "to_redacted",
    "to_shown",
    "to_yaml",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has under that name
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
