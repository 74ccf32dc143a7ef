"""ConfigMaps that a label selects, as Envoy YAML: what a file of `rime-file-source` may hold, a key may hold.

Keys that end in .yaml, .yml or .json are read, in order; of two that hold one name the first counts, as for files.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rime_k8s_source.kinds import CONFIG_MAPS, Kind
from rime_k8s_source.mapping import Made, Trouble, Wanted
from rime_k8s_source.reflector import Key, Object

if TYPE_CHECKING:
    from rime_core.claims import Claim

SUFFIXES: Final = (".yaml", ".yml", ".json")


class ConfigMapMapper:
    """The resources in the keys of ConfigMaps; they have the names that they give themselves."""

    name: Final = "configmap"

    def __init__(self, *, labels: str, namespaces: tuple[str, ...] = ()) -> None:
        self.wanted: Final[Sequence[Wanted]] = (Wanted(CONFIG_MAPS, labels, namespaces=namespaces),)

    def keep(self, kind: Kind, body: Object) -> Any | None:  # noqa: ANN401, ARG002 - the face of a mapper
        """The texts by their keys, in order."""
        return {key: text for key, text in sorted((body.get("data") or {}).items()) if key.lower().endswith(SUFFIXES)}

    def units(self, kind: Kind, key: Key, kept: Any) -> Iterable[Key]:  # noqa: ANN401, ARG002 - the face of a mapper
        """Each ConfigMap is one."""
        return (key,)

    def make(self, unit: Key, objects: Mapping[Kind, Mapping[Key, Any]]) -> Made:
        """What its keys hold; a trouble has the key, the line in it, and the path inside the resource."""
        from rime_envoy_api import parse  # noqa: PLC0415 - protobuf and Envoy's API

        claims: dict[tuple[str, str], Claim] = {}
        troubles, warnings = [], []
        shown = f"configmap {unit[0]}/{unit[1]}"
        for key, text in objects[CONFIG_MAPS][unit].items():
            document = parse(text, origin=f"{shown}: {key}")
            troubles += [Trouble(str(fault), fault.type_url, fault.name) for fault in document.faults]
            for parsed in document.resources:
                name = (parsed.type_url, parsed.name)
                if name in claims:
                    warnings.append(f"{shown}: {key}:{parsed.line}: {parsed.name!r} is in a key before this one")
                else:
                    claims[name] = parsed
        if not objects[CONFIG_MAPS][unit]:
            warnings.append(f"{shown}: no key here ends in {', '.join(SUFFIXES)}")
        return Made(list(claims.values()), troubles, warnings)
