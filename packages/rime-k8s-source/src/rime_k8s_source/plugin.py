"""What this distribution adds to rime: the source `kubernetes`."""

from typing import TYPE_CHECKING

from rime_app import hookimpl
from rime_k8s_source.source import KubernetesSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rime_core.adapter import Source


@hookimpl
def rime_sources() -> "Mapping[str, type[Source]]":
    """`kubernetes:CONTEXT`."""
    return {"kubernetes": KubernetesSource}
