"""Typed messages, of protobuf and of envoy-data-plane, become the same resource."""

import importlib
import warnings
from datetime import timedelta

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from rime_core import SourceError
from rime_core.type_urls import CLUSTER, TYPES
from rime_envoy_api import EnvoyResource, message_class, resource
from rime_envoy_api.convert import convert
from rime_envoy_api.tree import read_yaml

# One of each type, with what is easily got wrong: maps, wrapped values, durations, nested messages, Anys.
CONTENT = {
    "secrets": """
        name: a
        tls_certificate: {certificate_chain: {inline_string: x}, private_key: {inline_bytes: aHVzaA==}}
        """,
    "clusters": """
        name: a
        connect_timeout: 0.25s
        per_connection_buffer_limit_bytes: 5
        metadata: {filter_metadata: {b: {x: 1, y: [true, null, t]}, a: {}, c: {z: {}}}}
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http2_protocol_options: {}}
        """,
    "endpoints": """
        cluster_name: a
        endpoints:
        - lb_endpoints:
          - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}}
            load_balancing_weight: 2
        """,
    "extensions": """
        name: a
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
          rules:
            policies:
              c: {permissions: [{any: true}], principals: [{any: true}]}
              a: {permissions: [{any: true}], principals: [{any: true}]}
              b: {permissions: [{destination_port: 80}], principals: [{any: true}]}
        """,
    "listeners": """
        name: a
        address: {socket_address: {address: 0.0.0.0, port_value: 80}}
        filter_chains:
        - filters:
          - name: tcp
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
              stat_prefix: tcp
              cluster: a
        """,
    "scoped-routes": "{name: a, route_configuration_name: b, key: {fragments: [{string_key: x}]}}",
    "routes": """
        name: a
        virtual_hosts:
        - name: h
          domains: ["*"]
          routes: [{match: {prefix: /}, route: {cluster: a, timeout: 0s}}]
        """,
    "virtual-hosts": "{name: a, domains: [x.example], routes: [{match: {path: /}, direct_response: {status: 204}}]}",
    "runtimes": "{name: a, layer: {x: 1, y: text, z: {numerator: 5}}}",
}


def data_plane_class(full_name):
    package, _, name = full_name.rpartition(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # envoy-data-plane uses what the pydantic below it is about to drop
        return getattr(importlib.import_module(f"envoy_data_plane.{package}"), name)


Cluster = data_plane_class("envoy.config.cluster.v3.Cluster")


def foreign_class(full_name):
    """The message's class in a pool of its own, as generated code in a user's program has it."""
    pool = descriptor_pool.DescriptorPool()

    def add(file):
        for dependency in file.dependencies:
            add(dependency)
        pool.AddSerializedFile(file.serialized_pb)

    add(message_class(full_name).DESCRIPTOR.file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))


@pytest.mark.parametrize("xds_type", TYPES, ids=lambda xds_type: xds_type.plural)
def test_every_type_through_both_libraries(xds_type):
    full_name = xds_type.url.rpartition("/")[2]
    (node,) = read_yaml(CONTENT[xds_type.plural])
    message, faults = convert(node, full_name)
    assert faults == []
    expected = EnvoyResource(xds_type.url, "a", message.SerializeToString(deterministic=True))

    assert resource(message) == expected
    assert resource(foreign_class(full_name).FromString(expected.body)) == expected
    assert resource(data_plane_class(full_name).parse(expected.body)) == expected


def test_it_is_what_a_plane_takes():
    type_url, name, body = resource(Cluster(name="backend", connect_timeout=timedelta(seconds=1)))

    assert (type_url, name) == (CLUSTER, "backend")
    assert message_class("envoy.config.cluster.v3.Cluster").FromString(body).connect_timeout.seconds == 1


@pytest.mark.parametrize(
    "value", [b"bytes", {"name": "a"}, None, Cluster, message_class("google.protobuf.Any"), object()]
)
def test_anything_else_is_a_type_error_that_says_what_to_pass(value):
    with pytest.raises(
        TypeError, match="a message of protobuf or of envoy-data-plane is wanted, such as a Cluster, not "
    ):
        resource(value)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Cluster(), "clusters: name: must be given, and not be empty"),
        (Cluster(name="a", connect_timeout=timedelta(0)), "clusters 'a': connect_timeout: must be more than 0s"),
        (message_class("envoy.config.route.v3.RouteConfiguration")(), "routes: it has no name"),
        (struct_pb2.Struct(), "Struct: it has no name"),
    ],
)
def test_what_envoy_would_refuse_is_refused_here(message, text):
    with pytest.raises(SourceError) as caught:
        resource(message)

    assert str(caught.value).endswith(text)


def test_every_broken_rule_is_told_in_one_line():
    message = message_class("envoy.config.cluster.v3.Cluster")(name="a")
    message.connect_timeout.SetInParent()
    message.dns_refresh_rate.SetInParent()

    with pytest.raises(SourceError) as caught:
        resource(message)
    assert str(caught.value) == (
        "clusters 'a': connect_timeout: must be more than 0s; dns_refresh_rate: must be more than 0.001s"
    )


def test_a_message_that_envoy_does_not_have():
    with pytest.raises(SourceError, match=r"has no message google.protobuf.compiler"):
        resource(own_message("google.protobuf.compiler", "Own"))


def test_a_message_of_the_same_name_with_other_fields():
    message = own_message("envoy.config.cluster.v3", "Cluster")
    message.text = b"\xff"  # a Cluster has its name there, which is UTF-8

    with pytest.raises(SourceError, match=r"bytes are not those of a envoy.config.cluster.v3.Cluster"):
        resource(message)


def own_message(package, name):
    """A message of this name that holds only bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", package=package, syntax="proto3")
    field = file.message_type.add(name=name).field.add(name="text", number=1)
    field.type, field.label = field.TYPE_BYTES, field.LABEL_OPTIONAL
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))()
