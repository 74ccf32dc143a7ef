"""The rules that Envoy declares are kept, through everything that a message holds."""

import zlib
from importlib import resources

import pytest
from google.protobuf import descriptor_pb2

from rime_envoy_api import rules
from rime_envoy_api.convert import convert
from rime_envoy_api.document import show_path
from rime_envoy_api.pool import message_class, option
from rime_envoy_api.tree import read_yaml

CLUSTER = "envoy.config.cluster.v3.Cluster"


def broken(text, full_name=CLUSTER):
    (node,) = read_yaml(text)
    message, faults = convert(node, full_name)
    assert faults == []
    return {show_path(path): complaint for path, complaint in rules.violations(message)}


def all_messages():
    packed = resources.files("rime_envoy_api").joinpath("envoy.binpb.z").read_bytes()

    def names(prefix, messages):
        for message in messages:
            yield f"{prefix}.{message.name}"
            yield from names(f"{prefix}.{message.name}", message.nested_type)

    for file in descriptor_pb2.FileDescriptorSet.FromString(zlib.decompress(packed)).file:
        yield from names(file.package, file.message_type)


def test_every_rule_of_envoys_whole_api_is_known():
    names = list(all_messages())

    assert len(names) > 1_400
    for name in names:
        rules._plan(name)


def test_no_range_is_turned_inside_out():
    """protoc-gen-validate takes a lower bound above the upper one for "outside of"; Envoy's API has none such."""
    for name in all_messages():
        for field in message_class(name).DESCRIPTOR.fields:
            declared = option(field, "validate.rules")
            kind = declared.WhichOneof("type")
            given = {rule.name: bound for rule, bound in getattr(declared, kind).ListFields()} if kind else {}
            lower, upper = given.get("gt", given.get("gte")), given.get("lt", given.get("lte"))
            if isinstance(lower, int | float) and isinstance(upper, int | float):
                assert lower <= upper, (name, field.name)


def test_a_name_has_to_be_given():
    assert broken("{}") == {"name": "must be given, and not be empty"}


def test_one_of_several_may_be_required():
    assert broken("{}", "envoy.config.core.v3.Address") == {
        "": "one of `socket_address`, `pipe`, `envoy_internal_address` is required"
    }


@pytest.mark.parametrize(
    ("text", "path", "complaint"),
    [
        ("connect_timeout: 0s", "connect_timeout", "must be more than 0s"),
        ("connect_timeout: -1s", "connect_timeout", "must be more than 0s"),
        ("dns_refresh_rate: 0.0001s", "dns_refresh_rate", "must be more than 0.001s"),
        (
            "common_lb_config: {healthy_panic_threshold: {value: 100.5}}",
            "common_lb_config.healthy_panic_threshold.value",
            "must be at most 100",
        ),
        (
            "ring_hash_lb_config: {minimum_ring_size: 8388609}",
            "ring_hash_lb_config.minimum_ring_size",
            "must be at most 8388608",
        ),
        ("load_assignment: {}", "load_assignment.cluster_name", "must be given, and not be empty"),
        (
            "load_assignment: {cluster_name: a, endpoints: [{priority: 129}]}",
            "load_assignment.endpoints[0].priority",
            "must be at most 128",
        ),
        (
            "load_assignment: {cluster_name: a, named_endpoints: {b: {health_check_config: {port_value: 65536}}}}",
            "load_assignment.named_endpoints.b.health_check_config.port_value",
            "must be at most 65535",
        ),
        ("lb_subset_config: {subset_selectors: [{fallback_policy: NO_FALLBACK}], fallback_policy: 1}", None, None),
        (
            "health_checks: [{timeout: 1s, interval: 1s, healthy_threshold: 1, unhealthy_threshold: 1}]",
            "health_checks[0]",
            "one of `http_health_check`, `tcp_health_check`, `grpc_health_check`, `custom_health_check` is required",
        ),
        (
            "health_checks: [{timeout: 1s, interval: 1s, healthy_threshold: 1, tcp_health_check: {}}]",
            "health_checks[0].unhealthy_threshold",
            "is required",
        ),
        ("eds_cluster_config: {}", None, None),
        (
            "typedExtensionProtocolOptions: {h: {'@type': x/envoy.extensions.upstreams.http.v3.HttpProtocolOptions}}",
            "typed_extension_protocol_options.h",
            "one of `explicit_http_config`, `use_downstream_protocol_config`, `auto_config` is required",
        ),
        (
            "upstream_bind_config: {extra_source_addresses: [{}]}",
            "upstream_bind_config.extra_source_addresses[0].address",
            "is required",
        ),
    ],
)
def test_what_a_cluster_must_keep_to(text, path, complaint):
    assert broken(f"name: a\n{text}") == ({} if path is None else {path: complaint})


@pytest.mark.parametrize(
    ("full_name", "text", "found"),
    [
        ("envoy.config.core.v3.HeaderValue", "{key: a b}", {}),
        ("envoy.config.core.v3.HeaderValue", '{key: "a\\nb"}', {"key": "must be what HTTP allows as a header's name"}),
        (
            "envoy.config.core.v3.HeaderValue",
            '{key: a, value: "b\\rc"}',
            {"value": "must be what HTTP allows as a header's value"},
        ),
        ("envoy.config.route.v3.VirtualHost", "{name: a}", {"domains": "must be given, and not be empty"}),
        (
            "envoy.config.route.v3.VirtualHost",
            '{name: a, domains: ["a\\nb"]}',
            {"domains[0]": "must be what HTTP allows as a header's value"},
        ),
        ("envoy.config.route.v3.RouteMatch", "{safe_regex: {regex: a}}", {}),
        (
            "envoy.config.route.v3.RouteMatch",
            "{safe_regex: {}}",
            {"safe_regex.regex": "must be given, and not be empty"},
        ),
        (
            "envoy.config.route.v3.RedirectAction",
            '{path_redirect: "a\\nb"}',
            {"path_redirect": "must be what HTTP allows as a header's value"},
        ),
        (
            "envoy.config.rbac.v3.RBAC",
            "{policies: {a: {}}}",
            {
                "policies.a.permissions": "must be given, and not be empty",
                "policies.a.principals": "must be given, and not be empty",
            },
        ),
        (
            "envoy.config.core.v3.SocketAddress",
            "{address: a, port_value: 65536}",
            {"port_value": "must be at most 65535"},
        ),
        (
            "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.StsService",
            "{token_exchange_service_uri: a, subject_token_type: b}",
            {"subject_token_path": "must be given, and not be empty"},
        ),
        ("envoy.config.core.v3.KeyValueAppend", "{entry: {}}", {}),
        (
            "envoy.config.core.v3.Metadata",
            "{filter_metadata: {'': {}}}",
            {"filter_metadata['']": "its key must be given, and not be empty"},
        ),
        ("envoy.extensions.filters.network.reverse_tunnel.v3.ReverseTunnel", "{request_path: ''}", {}),
        ("envoy.config.core.v3.UpstreamHttpProtocolOptions", "{override_auto_sni_header: ''}", {}),
        (
            "envoy.config.core.v3.UpstreamHttpProtocolOptions",
            "{override_auto_sni_header: a b}",
            {"override_auto_sni_header": "must be what HTTP allows as a header's name"},
        ),
    ],
)
def test_the_kinds_of_rules(full_name, text, found):
    assert broken(text, full_name) == found


def test_a_number_that_an_enum_does_not_define_is_broken_in_a_message_from_elsewhere():
    message = message_class(CLUSTER)(name="a", lb_policy=99)

    assert [complaint for _, complaint in rules.violations(message)] == ["must be a number that LbPolicy defines"]


def test_what_is_no_number_keeps_to_no_range():
    message = message_class("envoy.type.v3.Percent")(value=float("nan"))

    assert list(rules.violations(message)) == [(("value",), "must be at most 100"), (("value",), "must be at least 0")]


def test_an_any_whose_bytes_are_not_of_its_type_is_broken_and_one_of_an_unknown_type_is_not():
    message = message_class(CLUSTER)(name="a")
    message.typed_extension_protocol_options["known"].type_url = f"type.googleapis.com/{CLUSTER}"
    message.typed_extension_protocol_options["known"].value = b"\xff"
    message.typed_extension_protocol_options["own"].type_url = "type.googleapis.com/mine.Own"
    message.typed_extension_protocol_options["own"].value = b"\xff"

    assert list(rules.violations(message)) == [
        (("typed_extension_protocol_options", "known"), f"its bytes are not those of a {CLUSTER}")
    ]


@pytest.mark.parametrize(
    ("rule", "bound", "kept", "broken"),
    [
        ("const", 1, 1, 2),
        ("gt", 1, 2, 1),
        ("gte", 1, 1, 0),
        ("lt", 1, 0, 1),
        ("lte", 1, 1, 2),
        ("in", ["a"], "a", "b"),
        ("not_in", ["a"], "b", "a"),
        ("min_len", 2, "ab", "a"),
        ("max_len", 1, "é", "ab"),
        ("min_bytes", 2, "é", "a"),
        ("max_bytes", 1, "a", "é"),
        ("prefix", "/", "/a", "a"),
        ("suffix", ".wasm", "a.wasm", "wasm"),
        ("pattern", "^a+$", "aa", "ab"),
        ("min_items", 1, [1], []),
        ("max_items", 1, [1], [1, 2]),
        ("min_pairs", 1, {1: 2}, {}),
        ("unique", True, [1, 2], [1, 1]),
    ],
)
def test_each_rule(rule, bound, kept, broken):
    holds, _ = rules._TESTS[rule]

    assert holds(kept, bound)
    assert not holds(broken, bound)
    assert {case[0] for case in test_each_rule.pytestmark[0].args[1]} == rules._TESTS.keys()
