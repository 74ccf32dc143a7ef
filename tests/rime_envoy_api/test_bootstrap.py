"""The bootstrap that rime gives an Envoy: what cannot be dynamic stays, and the control plane is rime."""

from pathlib import Path

import pytest

from rime_core import SourceError, UsageError
from rime_core.node import TTL
from rime_envoy_api import make_bootstrap, message_class, parse
from rime_envoy_api.rules import violations
from rime_envoy_api.tree import read_yaml
from tests.rime_envoy_api.test_convert import BOOTSTRAP, content
from tests.rime_envoy_api.test_tree import plain

CORPUS = Path(__file__).with_name("corpus")


def made(text=None, **settings):
    result = make_bootstrap(text, **settings)
    message = content(result, BOOTSTRAP)
    assert list(violations(message)) == []
    return message


def test_without_a_file_it_is_the_control_plane_and_nothing_else():
    (node,) = read_yaml(make_bootstrap(address="127.0.0.1:18000", node_id="front-1", node_cluster="front"))

    assert plain(node) == {
        "node": {"id": "front-1", "cluster": "front", "client_features": [TTL]},
        "static_resources": {
            "clusters": [
                {
                    "name": "rime",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "load_assignment": {
                        "cluster_name": "rime",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {
                                        "endpoint": {
                                            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 18000}}
                                        }
                                    }
                                ]
                            }
                        ],
                    },
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                            "explicit_http_config": {
                                "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                            },
                        }
                    },
                }
            ]
        },
        "dynamic_resources": {
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "rime"}}],
            },
        },
    }


@pytest.mark.parametrize(
    ("address", "host", "port", "discovery"),
    [
        ("10.0.0.1:1", "10.0.0.1", 1, "STATIC"),
        ("[::1]:18000", "::1", 18000, "STATIC"),
        ("xds.example:65535", "xds.example", 65535, "STRICT_DNS"),
    ],
)
def test_addresses(address, host, port, discovery):
    (cluster,) = made(address=address).static_resources.clusters

    socket = cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address
    assert (socket.address, socket.port_value) == (host, port)
    assert cluster.DiscoveryType.Name(cluster.type) == discovery


@pytest.mark.parametrize("address", ["", "a", ":1", "a:", "a:0", "a:65536", "a:b", "a:-1", 'a"b:1', "a b:1", "::1:2"])
def test_what_is_no_address(address):
    with pytest.raises(UsageError) as caught:
        make_bootstrap(address=address)

    assert str(caught.value) == f"{address!r} is no address: write it as host:port, such as 127.0.0.1:18000"


def tls_of(**settings):
    (cluster,) = made(**settings).static_resources.clusters
    assert cluster.transport_socket.name == "envoy.transport_sockets.tls"
    context = message_class("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext")()
    assert cluster.transport_socket.typed_config.Unpack(context)
    return context


@pytest.mark.parametrize(
    ("address", "server_name", "sni", "kind", "name"),
    [
        ("rime.example:1", "", "rime.example", "DNS", "rime.example"),
        ("rime.example:1", "other.example", "other.example", "DNS", "other.example"),
        ("10.0.0.1:1", "", "", "IP_ADDRESS", "10.0.0.1"),
        ("[::1]:1", "", "", "IP_ADDRESS", "::1"),
        ("10.0.0.1:1", "rime.example", "rime.example", "DNS", "rime.example"),
        ("10.0.0.1:1", "spiffe://shop.example/rime", "", "URI", "spiffe://shop.example/rime"),
    ],
)
def test_over_tls_the_control_planes_name_is_checked(address, server_name, sni, kind, name):
    """Else another client's certificate would do for rime's."""
    context = tls_of(address=address, tls_ca="/ca.pem", tls_server_name=server_name)

    validation = context.common_tls_context.validation_context
    (matched,) = validation.match_typed_subject_alt_names
    assert validation.trusted_ca.filename == "/ca.pem"
    assert (context.sni, matched.SanType.Name(matched.san_type), matched.matcher.exact) == (sni, kind, name)


def test_over_tls_the_least_is_1_2_and_envoy_need_not_show_a_certificate():
    common = tls_of(tls_ca="ca.pem").common_tls_context

    params = common.tls_params
    assert params.TlsProtocol.Name(params.tls_minimum_protocol_version) == "TLSv1_2"
    assert not common.tls_certificates


def test_over_tls_envoy_shows_its_certificate():
    odd = 'C:\\keys\\it\'s "mine": {key}.pem'
    common = tls_of(tls_ca="ca.pem", tls_cert="envoy.pem", tls_key=odd).common_tls_context

    (certificate,) = common.tls_certificates
    assert (certificate.certificate_chain.filename, certificate.private_key.filename) == ("envoy.pem", odd)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tls_ca": "a", "tls_cert": "b"},
            "tls_cert and tls_key are of no use without each other: give both, or neither",
        ),
        (
            {"tls_ca": "a", "tls_key": "b"},
            "tls_cert and tls_key are of no use without each other: give both, or neither",
        ),
        ({"tls_cert": "a", "tls_key": "b"}, "without tls_ca Envoy would connect unencrypted: give the authority"),
        ({"tls_server_name": "a"}, "without tls_ca Envoy would connect unencrypted: give the authority"),
    ],
)
def test_tls_by_halves(settings, message):
    with pytest.raises(UsageError) as caught:
        make_bootstrap(**settings)

    assert str(caught.value).startswith(message)


OWN = """
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
node: {id: me, metadata: {zone: a}}
stats_sinks:
- name: envoy.stat_sinks.statsd
  typed_config: {"@type": type.googleapis.com/envoy.config.metrics.v3.StatsdSink, tcp_cluster_name: statsd}
layered_runtime: {layers: [{name: static, static_layer: {a: 1}}]}
cluster_manager: {local_cluster_name: me}
static_resources:
  listeners:
  - {name: main, address: {socket_address: {address: 0.0.0.0, port_value: 80}}}
  clusters:
  - {name: backend, type: STATIC}
  - {name: statsd, type: STATIC}
  - name: me
    lb_policy: CLUSTER_PROVIDED
    cluster_type:
      name: envoy.clusters.aggregate
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig
        clusters: [inner]
  - {name: inner, type: STATIC}
  - {name: xds, type: STATIC}
  secrets:
  - {name: cert, tls_certificate: {certificate_chain: {filename: /a}}}
dynamic_resources:
  ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}
  cds_config: {ads: {}}
"""


def test_what_cannot_come_from_a_control_plane_stays():
    message = made(OWN)

    assert (message.node.id, message.node.cluster, message.node.metadata["zone"]) == ("me", "envoy", "a")
    assert message.admin.address.socket_address.port_value == 9901
    assert message.layered_runtime.layers[0].name == "static"
    assert message.stats_sinks[0].name == "envoy.stat_sinks.statsd"
    assert [secret.name for secret in message.static_resources.secrets] == ["cert"]


def test_of_the_clusters_those_stay_that_what_stays_needs():
    message = made(OWN)

    assert [cluster.name for cluster in message.static_resources.clusters] == ["statsd", "me", "inner", "rime"]
    assert not message.static_resources.listeners
    assert message.dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name == "rime"


def test_what_goes_is_what_parse_serves():
    """Nothing of the user's file is lost between the two, but its old control plane."""
    served = {resource.name for resource in parse(OWN, origin="envoy.yaml").resources}

    assert served >= {"main", "backend"}
    assert "xds" not in served


def test_a_cluster_that_stays_keeps_its_name_even_if_it_is_rimes():
    message = made(OWN.replace("statsd", "rime"))

    assert [cluster.name for cluster in message.static_resources.clusters] == ["rime", "me", "inner", "rime_"]
    assert message.dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name == "rime_"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.yaml")), ids=lambda path: path.stem)
def test_of_real_files(path):
    message = made(path.read_text(), origin=path.name)

    assert [cluster.name for cluster in message.static_resources.clusters] == ["rime"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "envoy.yaml:2: not YAML: while parsing a flow node did not find expected node content"),
        ("", "envoy.yaml:1: there is nothing in it: to serve no resources, write `resources: []`"),
        (b"\xff", "envoy.yaml:1: not UTF-8: the byte 0xff has no place there"),
        ("[]", "envoy.yaml:1: wants a mapping, not a list"),
        ("admin: {}\n---\nadmin: {}", "envoy.yaml:3: a bootstrap is one document, and here begins another"),
        ("node: {}\nadmni: {}", "envoy.yaml:2: admni: Bootstrap has no such field: did you mean `admin`?"),
        (
            "static_resources:\n  clusters:\n  - {}\n  - {}",
            "envoy.yaml:3: static_resources.clusters[0].name: must be given, and not be empty (and 1 more)",
        ),
    ],
)
def test_what_is_no_bootstrap(text, message):
    with pytest.raises(SourceError) as caught:
        make_bootstrap(text, origin="envoy.yaml")

    assert str(caught.value) == message


def test_the_node_announces_lifetimes_once_beside_what_it_announces_itself():
    for features in (["mine"], ["mine", TTL]):
        bootstrap = made(f"node: {{id: a, client_features: {features}}}")
        assert list(bootstrap.node.client_features) == ["mine", TTL]
