"""Which clusters of a bootstrap lead to its control plane."""

import pytest

from rime_envoy_api.control_plane import clusters_of_control_plane
from rime_envoy_api.tree import read_yaml


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("admin: {}", set()),
        ("dynamic_resources: {ads_config: {grpc_services: [{envoy_grpc: {cluster_name: a}}]}}", {"a"}),
        ("dynamicResources: {adsConfig: {grpcServices: {envoyGrpc: {clusterName: a}}}}", {"a"}),
        ("dynamic_resources: {cds_config: {api_config_source: {cluster_names: [a, b]}}}", {"a", "b"}),
        (
            "dynamic_resources: {lds_config: {api_config_source: {grpc_services: [{envoy_grpc: {cluster_name: c}}]}}}",
            {"c"},
        ),
        ("dynamic_resources: {cds_config: {path_config_source: {path: /a.yaml}}}", set()),
        ("dynamic_resources: {ads_config: {grpc_services: [{google_grpc: {target_uri: a}}]}}", set()),
        ("dynamic_resources: nonsense", set()),
        ("dynamic_resources:", set()),
    ],
)
def test_which_clusters_they_are(text, clusters):
    (bootstrap,) = read_yaml(text)

    assert isinstance(bootstrap.value, dict)
    assert clusters_of_control_plane(bootstrap.value) == clusters
