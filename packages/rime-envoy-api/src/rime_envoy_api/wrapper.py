"""What the wrapper around a resource says of it: `envoy.service.discovery.v3.Resource`.

Envoy's wrapper has fields for a name, aliases and a time to live. It has none for what only a server has to know: that
a resource is on demand, outside "*" and given to those who name it. That stands in its metadata, where each program has
a namespace of its own:

    metadata: {filter_metadata: {rime: {on_demand: true}}}

(`cache_control` is about caches between server and client, and says nothing of the kind.) Metadata stay with rime.
"""

from dataclasses import dataclass
from typing import Final

from rime_core.resource import check_name, checked_ttl
from rime_envoy_api.convert import FieldFault, convert, locate
from rime_envoy_api.pool import Dynamic
from rime_envoy_api.rules import Path
from rime_envoy_api.tree import Node

WRAPPER: Final = "envoy.service.discovery.v3.Resource"

_NAMESPACE: Final[Path] = ("metadata", "filter_metadata", "rime")
_ON_DEMAND: Final = "on_demand"


@dataclass(frozen=True, slots=True)
class Wrapper:
    """What is said of a resource beside its content; `ttl` is in seconds."""

    name: str = ""
    aliases: tuple[str, ...] = ()
    ttl: float | None = None
    on_demand: bool = False


def read_wrapper(node: Node) -> tuple[Wrapper, list[FieldFault]]:
    """The wrapper that `node`, less its `resource`, describes, and what is wrong with it."""
    message, faults = convert(node, WRAPPER)
    if faults:
        return Wrapper(), faults
    _check_aliases(message, node, faults)
    ttl = _ttl(message, node, faults)
    on_demand = _on_demand(message, node, faults)
    return Wrapper(message.name, tuple(message.aliases), ttl, on_demand), faults


def _check_aliases(message: Dynamic, node: Node, faults: list[FieldFault]) -> None:
    for place, alias in enumerate(message.aliases):
        try:
            check_name(alias)
        except ValueError as error:
            path = ("aliases", place)
            faults.append(FieldFault(path, locate(node, path), str(error)))


def _ttl(message: Dynamic, node: Node, faults: list[FieldFault]) -> float | None:
    if not message.HasField("ttl"):
        return None
    try:
        return checked_ttl(message.ttl.seconds + message.ttl.nanos / 1e9)
    except ValueError as error:
        faults.append(FieldFault(("ttl",), locate(node, ("ttl",)), str(error)))
        return None


def _on_demand(message: Dynamic, node: Node, faults: list[FieldFault]) -> bool:
    namespaces = message.metadata.filter_metadata
    entries = namespaces["rime"].fields if "rime" in namespaces else {}
    on_demand = False
    for key in sorted(entries):
        path, value = (*_NAMESPACE, key), entries[key]
        if key != _ON_DEMAND:
            faults.append(FieldFault(path, locate(node, path), f"rime knows only `{_ON_DEMAND}` here"))
        elif value.WhichOneof("kind") != "bool_value":
            faults.append(FieldFault(path, locate(node, path), "wants true or false"))
        else:
            on_demand = value.bool_value
    return on_demand
