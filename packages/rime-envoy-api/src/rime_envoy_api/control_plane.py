"""Through which clusters a bootstrap's Envoy reaches its control plane."""

from collections.abc import Iterator

from rime_envoy_api.convert import convert
from rime_envoy_api.pool import Dynamic
from rime_envoy_api.tree import Node


def clusters_of_control_plane(bootstrap: dict[str, Node]) -> frozenset[str]:
    """The clusters that `dynamic_resources` of a bootstrap names; those it defines are not for serving."""
    dynamic = bootstrap.get("dynamic_resources") or bootstrap.get("dynamicResources")
    if dynamic is None:
        return frozenset()
    message, _ = convert(dynamic, "envoy.config.bootstrap.v3.Bootstrap.DynamicResources")
    sources = [message.ads_config]
    sources += [config.api_config_source for config in (message.cds_config, message.lds_config)]
    return frozenset(name for source in sources for name in _clusters(source))


def _clusters(api_config_source: Dynamic) -> Iterator[str]:
    yield from api_config_source.cluster_names
    for service in api_config_source.grpc_services:
        yield service.envoy_grpc.cluster_name
