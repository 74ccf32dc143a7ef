"""Through which clusters a bootstrap's Envoy reaches its control plane."""

from collections.abc import Iterator
from typing import Any

from rime_envoy_api.convert import convert
from rime_envoy_api.tree import Node


def clusters_of_control_plane(bootstrap: dict[str, Node]) -> frozenset[str]:
    """The clusters that `dynamic_resources` of a bootstrap names; those it defines are not for serving."""
    dynamic = bootstrap.get("dynamic_resources") or bootstrap.get("dynamicResources")
    if dynamic is None:
        return frozenset()
    message: Any = convert(dynamic, "envoy.config.bootstrap.v3.Bootstrap.DynamicResources")[0]
    sources = [message.ads_config]
    sources += [config.api_config_source for config in (message.cds_config, message.lds_config)]
    return frozenset(name for source in sources for name in _clusters(source))


def _clusters(api_config_source: Any) -> Iterator[str]:  # noqa: ANN401 - classes made at run time are untyped
    yield from api_config_source.cluster_names
    for service in api_config_source.grpc_services:
        yield service.envoy_grpc.cluster_name
