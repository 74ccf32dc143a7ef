"""What refers to what, wherever it stands in a resource."""

from pathlib import Path

import pytest

from rime_core import SourceError
from rime_core.type_urls import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    TYPES,
    VIRTUAL_HOST,
)
from rime_envoy_api import parse, references
from rime_envoy_api.convert import convert
from rime_envoy_api.pool import message_class
from rime_envoy_api.referenced import _CLUSTERS, _SOURCED
from rime_envoy_api.tree import read_yaml

CORPUS = Path(__file__).with_name("corpus")


def referred(type_url, text):
    (node,) = read_yaml(text)
    message, faults = convert(node, type_url.rpartition("/")[2])
    assert faults == []
    return list(references(type_url, message.SerializeToString()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{name: a, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}", [(ENDPOINT, "a")]),
        ("{name: a, type: EDS, eds_cluster_config: {eds_config: {self: {}}, service_name: b}}", [(ENDPOINT, "b")]),
        ("{name: a, type: EDS, eds_cluster_config: {eds_config: {path_config_source: {path: /x}}}}", []),
        ("{name: a, type: STATIC, eds_cluster_config: {service_name: b}}", []),
        ("{name: a}", []),
        (
            """
            name: a
            transport_socket:
              name: tls
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                common_tls_context:
                  tls_certificate_sds_secret_configs:
                  - {name: cert, sds_config: {ads: {}}}
                  - {name: cert, sds_config: {ads: {}}}
                  - {name: in-the-bootstrap}
                  - {name: in-a-file, sds_config: {path_config_source: {path: /x}}}
                  validation_context_sds_secret_config: {name: ca, sds_config: {ads: {}}}
            """,
            [(SECRET, "cert"), (SECRET, "ca")],
        ),
        (
            """
            name: a
            cluster_type:
              name: aggregate
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig
                clusters: [b, c]
            """,
            [(CLUSTER, "b"), (CLUSTER, "c")],
        ),
    ],
)
def test_of_a_cluster(text, found):
    assert referred(CLUSTER, text) == found


@pytest.mark.parametrize(
    ("type_url", "text", "found"),
    [
        (
            ROUTE,
            "{virtual_hosts: [{name: h, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a}}]}]}",
            [(CLUSTER, "a")],
        ),
        (
            ROUTE,
            "{virtual_hosts: [{name: h, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster_header: x}}]}]}",
            [],
        ),
        (
            ROUTE,
            """
            request_mirror_policies: [{cluster: shadow}]
            virtual_hosts:
            - routes:
              - route: {weighted_clusters: {clusters: [{name: b}, {name: a}]}, request_mirror_policies: [{cluster: b}]}
            """,
            [(CLUSTER, "b"), (CLUSTER, "a"), (CLUSTER, "shadow")],
        ),
        (ROUTE, "{name: r, vhds: {config_source: {ads: {}}}}", [(VIRTUAL_HOST, "r/*")]),
        (ROUTE, "{name: r, vhds: {config_source: {path_config_source: {path: /x}}}}", []),
        (
            ROUTE,
            "{name: r, virtual_hosts: [{routes: [{route: {cluster: a}}]}], vhds: {config_source: {ads: {}}}}",
            [(VIRTUAL_HOST, "r/*"), (CLUSTER, "a")],
        ),
        (VIRTUAL_HOST, "{routes: [{route: {cluster: a}}]}", [(CLUSTER, "a")]),
        (SCOPED_ROUTE, "{name: a, route_configuration_name: r}", [(ROUTE, "r")]),
        (
            SCOPED_ROUTE,
            "{name: a, route_configuration: {virtual_hosts: [{routes: [{route: {cluster: a}}]}]}}",
            [(CLUSTER, "a")],
        ),
        (
            EXTENSION_CONFIG,
            """
            name: a
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              http_service: {server_uri: {cluster: authz}}
            """,
            [(CLUSTER, "authz")],
        ),
        (
            LISTENER,
            "{filter_chains: [{filters: [{name: f, config_discovery: {config_source: {ads: {}}}}]}]}",
            [(EXTENSION_CONFIG, "f")],
        ),
        (LISTENER, "{filter_chains: [{filters: [{name: f, config_discovery: {config_source: {path: /x}}}]}]}", []),
    ],
)
def test_of_the_other_types(type_url, text, found):
    assert sorted(referred(type_url, text)) == sorted(found)


def test_of_listeners_of_every_kind():
    found = {
        resource.name: sorted(references(resource.type_url, resource.body))
        for path in CORPUS.glob("*.yaml")
        for resource in parse(path.read_text(), origin=path.name).resources
        if resource.type_url == LISTENER
    }

    clusters = ("auth0", "authz", "backend", "canary", "ratelimit", "shadow", "zipkin")
    assert found == {
        "https": [*((CLUSTER, name) for name in clusters), (SECRET, "front")],
        "tcp": [(CLUSTER, "database"), (CLUSTER, "original")],
        "transparent": [(CLUSTER, "original")],
        "redis": [(CLUSTER, "redis"), (CLUSTER, "redis-users")],
        "dns": [(CLUSTER, "resolver")],
    }


def test_of_a_listener_whose_routes_come_by_name():
    text = """
name: a
filter_chains:
- filters:
  - name: hcm
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      rds: {route_config_name: r, config_source: {ads: {}}}
      http_filters:
      - name: waf
        config_discovery: {config_source: {ads: {}}, type_urls: [x/y.Z]}
"""
    assert referred(LISTENER, text) == [(ROUTE, "r"), (EXTENSION_CONFIG, "waf")]


def test_types_that_refer_to_nothing_are_not_even_parsed():
    for type_url in (ENDPOINT, SECRET, RUNTIME, "type.googleapis.com/mine.Own"):
        assert references(type_url, b"\xff\xff") == ()


def test_a_body_that_is_not_of_its_type_is_an_error_of_the_source():
    for type_url in {xds_type.url for xds_type in TYPES} - {ENDPOINT, SECRET, RUNTIME}:
        with pytest.raises(SourceError, match=f"the body is not that of a {type_url.rpartition('/')[2]}"):
            references(type_url, b"\xff\xff")


def test_an_any_that_cannot_be_read_refers_to_nothing():
    listener = message_class("envoy.config.listener.v3.Listener")(name="a")
    packed = listener.filter_chains.add().filters.add().typed_config
    for type_url in (
        "type.googleapis.com/mine.Own",
        "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    ):
        packed.type_url, packed.value = type_url, b"\xff"
        assert references(LISTENER, listener.SerializeToString()) == ()


def test_every_message_and_field_that_is_said_to_hold_a_name_exists():
    for full_name, field in _CLUSTERS.items():
        described = message_class(full_name).DESCRIPTOR.fields_by_name[field]
        assert described.type == described.TYPE_STRING
    for full_name, (field, _, source) in _SOURCED.items():
        described = message_class(full_name).DESCRIPTOR.fields_by_name
        assert described[field].type == described[field].TYPE_STRING
        assert described[source].message_type.name in ("ConfigSource", "ExtensionConfigSource")
