"""Through which clusters a bootstrap's Envoy reaches its control plane."""

from rime_core.type_urls import CLUSTER
from rime_envoy_api.convert import convert
from rime_envoy_api.referenced import references_in
from rime_envoy_api.tree import Node


def clusters_of_control_plane(bootstrap: dict[str, Node]) -> frozenset[str]:
    """The clusters that `dynamic_resources` of a bootstrap names; those it defines are not for serving."""
    dynamic = bootstrap.get("dynamic_resources") or bootstrap.get("dynamicResources")
    if dynamic is None:
        return frozenset()
    message, _ = convert(dynamic, "envoy.config.bootstrap.v3.Bootstrap.DynamicResources")
    return frozenset(name for type_url, name in references_in(message) if type_url == CLUSTER)
