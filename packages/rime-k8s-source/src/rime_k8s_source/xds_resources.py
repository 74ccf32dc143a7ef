"""`XdsResources`, rime's own kind: any Envoy resources in `spec.resources`, as a file of `rime-file-source` has them.

What becomes of them is told in `status`, by `rime_k8s_source.reporting`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rime_k8s_source.kinds import XDS_RESOURCES, Kind
from rime_k8s_source.mapping import Made, Trouble, Wanted
from rime_k8s_source.reflector import Key, Object

if TYPE_CHECKING:
    from rime_envoy_api import Fault


_LINE: Final = re.compile(r"\bline (\d+)\b")


@dataclass(frozen=True, slots=True)
class Spec:
    """What is remembered of one: its `generation`, which is another whenever its spec is, and the spec as JSON."""

    generation: int
    text: str


class XdsResourcesMapper:
    """The resources in `spec`; they have the names that they give themselves."""

    name: Final = "xdsresources"

    def __init__(self, *, labels: str = "", namespaces: tuple[str, ...] = ()) -> None:
        self.wanted: Final[Sequence[Wanted]] = (Wanted(XDS_RESOURCES, labels, namespaces=namespaces),)

    def keep(self, kind: Kind, body: Object) -> Any | None:  # noqa: ANN401, ARG002 - the face of a mapper
        """A `Spec`; what becomes of its status is no change."""
        return Spec(body["metadata"].get("generation") or 0, _text(body.get("spec") or {}))

    def units(self, kind: Kind, key: Key, kept: Any) -> Iterable[Key]:  # noqa: ANN401, ARG002 - the face of a mapper
        """Each object is one."""
        return (key,)

    def make(self, unit: Key, objects: Mapping[Kind, Mapping[Key, Any]]) -> Made:
        """What its spec holds; a trouble has the path inside the resource, or inside the spec."""
        from rime_envoy_api import parse  # noqa: PLC0415 - protobuf and Envoy's API

        kept: Spec = objects[XDS_RESOURCES][unit]
        document = parse(kept.text, origin="spec.json")
        origin = shown(unit)
        return Made(
            document.resources,
            [Trouble(f"{origin}: {_told(fault)}", fault.type_url, fault.name) for fault in document.faults],
            generation=kept.generation,
        )


def shown(unit: Key) -> str:
    """An object for people."""
    return f"xdsresources {unit[0]}/{unit[1]}"


def _text(spec: Object) -> str:
    """The spec as JSON, with a line for each resource."""
    resources = spec.get("resources")
    if not isinstance(resources, list):
        return json.dumps(spec)
    listed = ",\n".join(json.dumps(each) for each in resources)
    return f'{{"resources": [{listed}]}}'


def _told(fault: "Fault") -> str:
    """A fault with paths alone, for an object has no lines."""
    from rime_core.type_urls import describe  # noqa: PLC0415 - beside the fault

    resource = ""
    if fault.type_url is not None:
        plural = describe(fault.type_url).plural
        resource = f"{plural} {fault.name!r}" if fault.name else plural
    message = _LINE.sub(lambda found: f"resources[{int(found[1]) - 1}]", fault.message)
    return ": ".join(filter(None, (resource, fault.path, message)))
