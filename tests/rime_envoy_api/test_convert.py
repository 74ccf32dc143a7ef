"""What Envoy accepts is accepted, to the same bytes; every fault of a message is found, at its line and path."""

import re
from pathlib import Path

import pytest
from google.protobuf import json_format

from rime_envoy_api import rules
from rime_envoy_api.canonical import serialize
from rime_envoy_api.convert import convert, locate
from rime_envoy_api.pool import message_class, pool
from rime_envoy_api.tree import read_yaml
from tests.rime_envoy_api.test_tree import plain

CLUSTER = "envoy.config.cluster.v3.Cluster"
BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
CORPUS = sorted(Path(__file__).with_name("corpus").glob("*.yaml"))


def read(text, full_name=CLUSTER):
    (node,) = read_yaml(text)
    return convert(node, full_name)


def content(text, full_name=CLUSTER):
    message, faults = read(text, full_name)
    assert faults == []
    return message


def faults(text, full_name=CLUSTER):
    return [(".".join(map(str, fault.path)), fault.line, fault.message) for fault in read(text, full_name)[1]]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_it_converts_as_the_json_converter_of_protobuf_does(path):
    """An independent converter; what only Envoy and this one take is written out for it first."""
    text = path.read_text()
    message, found = read(text, BOOTSTRAP)
    assert found == []

    lenient = {
        "codec_type: auto": "codec_type: AUTO",
        "cache_duration: {seconds: 300}": "cache_duration: 300s",
    }
    for written, strict in lenient.items():
        text = text.replace(written, strict)
    text = re.sub(r"filter_chains:\n      filters:\n((?:      .*\n)+)(?=  - name: transparent)", _as_a_list, text)
    (node,) = read_yaml(text)
    other = message_class(BOOTSTRAP)()
    json_format.ParseDict(plain(node), other, descriptor_pool=pool())
    assert message.SerializeToString(deterministic=True) == serialize(other)


def _as_a_list(match):
    return "filter_chains:\n    - filters:\n" + match[1]


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("connectTimeout: 1s", "connect_timeout: 1s"),
        ("connect_timeout: {seconds: 1}", "connect_timeout: 1s"),
        ("max_requests_per_connection: {value: 5}", "max_requests_per_connection: 5"),
        ("max_requests_per_connection:", "{}"),
        ("lb_policy: null", "{}"),
        ("load_assignment: ~", "{}"),
        (
            "circuit_breakers: {thresholds: {max_connections: 1}}",
            "circuit_breakers: {thresholds: [{max_connections: 1}]}",
        ),
        ("circuit_breakers: {thresholds: [null]}", "circuit_breakers: {}"),
        ("lb_subset_config: {subset_selectors: {keys: a}}", "lb_subset_config: {subset_selectors: [{keys: [a]}]}"),
        ("metadata: {filter_metadata: {a: }}", "metadata: {filter_metadata: {a: {}}}"),
        ("lb_policy: maglev", "lb_policy: MAGLEV"),
    ],
)
def test_what_envoy_takes_as_the_same_is_the_same(one, another):
    assert content(one) == content(another)


def test_an_empty_message_is_not_one_that_is_not_given():
    assert content("upstream_connection_options: {}").HasField("upstream_connection_options")
    assert not content("upstream_connection_options:").HasField("upstream_connection_options")


def test_all_kinds_of_values_in_a_struct():
    message = content(
        "{n: null, b: yes, i: 5, f: 1.5, t: 12:30:45, l: [1, [], {}, null], m: {k: v}}", "google.protobuf.Struct"
    )

    assert json_format.MessageToDict(message) == {
        "n": None,
        "b": True,
        "i": 5.0,
        "f": "1.5",  # as Envoy 1.40 reads it
        "t": "12:30:45",
        "l": [1.0, [], {}, None],
        "m": {"k": "v"},
    }


@pytest.mark.parametrize(
    ("packed", "shown"),
    [
        ("{'@type': type.googleapis.com/google.protobuf.Duration, value: 1.5s}", "1.500s"),
        ("{'@type': type.googleapis.com/google.protobuf.Struct, value: {x: 1}}", {"x": 1.0}),
        ("{'@type': type.googleapis.com/google.protobuf.UInt32Value, value: 7}", 7),
        ("{'@type': type.googleapis.com/google.protobuf.StringValue, value: text}", "text"),
        (
            "{'@type': type.googleapis.com/google.protobuf.Timestamp, value: '1970-01-01T00:00:01Z'}",
            "1970-01-01T00:00:01Z",
        ),
        ("{'@type': type.googleapis.com/google.protobuf.FieldMask, value: 'a.bC,d'}", "a.bC,d"),
        ("{'@type': type.googleapis.com/google.protobuf.ListValue, value: [1]}", [1.0]),
        ("{'@type': type.googleapis.com/google.protobuf.Value, value: yes}", True),
        (
            "{'@type': x/google.protobuf.Any, value: {'@type': x/google.protobuf.BoolValue, value: no}}",
            {"@type": "x/google.protobuf.BoolValue", "value": False},
        ),
    ],
)
def test_messages_with_a_form_of_their_own_are_the_value_of_an_any(packed, shown):
    message = content(f"typed_filter_metadata: {{x: {packed}}}", "envoy.config.core.v3.Metadata")

    given = json_format.MessageToDict(message, descriptor_pool=pool())["typedFilterMetadata"]["x"]
    assert given["value"] == shown


def test_an_any_may_be_empty_or_hold_what_is():
    text = "typed_filter_metadata: {a: {}, b: {'@type': x/google.protobuf.Empty}}"
    message = content(text, "envoy.config.core.v3.Metadata")

    assert message.typed_filter_metadata["a"].type_url == ""
    assert message.typed_filter_metadata["b"].type_url == "x/google.protobuf.Empty"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("conect_timeout: 1s", [("conect_timeout", 1, "Cluster has no such field: did you mean `connect_timeout`?")]),
        ("connectTimeOut: 1s", [("connectTimeOut", 1, "Cluster has no such field: did you mean `connect_timeout`?")]),
        ("zzz: 1", [("zzz", 1, "Cluster has no such field")]),
        ("<<: {}", [("<<", 1, "Envoy does not read merge keys: repeat the fields, or use a plain alias")]),
        ("load_assignment: []", [("load_assignment", 1, "wants a mapping, not a list")]),
        ("name: [a]", [("name", 1, "wants a text, not a list")]),
        ("metadata: {filter_metadata: []}", [("metadata.filter_metadata", 1, "wants a mapping, not a list")]),
        (
            "name: a\nname: b",
            [("name", 2, "wants a text, not two values: it is given twice, first in line 1")],
        ),
        (
            "name: a\nconnect_timeout: 1s\nconnectTimeout: 1s",
            [("connectTimeout", 3, "is given together with `connect_timeout`: only one of the two can be")],
        ),
        (
            "ring_hash_lb_config: {}\nmaglev_lb_config: {}",
            [("maglev_lb_config", 2, "is given together with `ring_hash_lb_config`: only one of the two can be")],
        ),
        (
            "lb_subset_config:\n  subset_selectors:\n  - keys:\n    - a\n    - 1\n",
            [("lb_subset_config.subset_selectors.0.keys.1", 5, "wants a text, not the number 1: put it in quotes")],
        ),
    ],
)
def test_a_fault_has_its_path_and_line(text, found):
    assert faults(text) == found


def test_all_faults_of_a_message_are_found_through_its_anys():
    found = faults(
        """
name: a
connect_timeout: 1 s
typed_extension_protocol_options:
  http:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    common_http_protocol_options: {idle_timeot: 1s}
    explicit_http_config:
      http2_protocol_options:
        max_concurrent_streams: many
lb_policy: RANDOMLY
"""
    )

    assert [(path, line) for path, line, _ in found] == [
        ("connect_timeout", 3),
        ("typed_extension_protocol_options.http.common_http_protocol_options.idle_timeot", 7),
        (
            "typed_extension_protocol_options.http.explicit_http_config.http2_protocol_options.max_concurrent_streams",
            10,
        ),
        ("lb_policy", 11),
    ]


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        ("{a: 1}", 'wants an "@type" that says which message this is'),
        ('{"@type": envoy.config.core.v3.Node}', "is no type URL: write type.googleapis.com/envoy.config.core.v3.Node"),
        ('{"@type": type.googleapis.com/envoy.api.v2.Cluster}', "Envoy's v3 API has no message 'envoy.api.v2.Cluster'"),
        ('{"@type": "type.googleapis.com/"}', "Envoy's v3 API has no message ''"),
        ('{"@type": 5}', "wants a text, not the number 5: put it in quotes"),
        ("[]", "wants a mapping, not a list"),
        (
            '{"@type": type.googleapis.com/google.protobuf.Struct, a: 1}',
            'wants only "@type" and "value" for a google.protobuf.Struct',
        ),
    ],
)
def test_what_no_any_can_be(packed, message):
    (fault,) = faults(f"metadata: {{typed_filter_metadata: {{x: {packed}}}}}")

    assert fault[0] == "metadata.typed_filter_metadata.x"
    assert message in fault[2]


def test_a_line_is_found_by_either_name_of_a_field_and_by_what_is_nearest():
    (node,) = read_yaml("name: a\nloadAssignment:\n  endpoints:\n  - priority: 1\n  -\n    lb_endpoints: []")

    assert locate(node, ("load_assignment", "endpoints", 1, "lb_endpoints")) == 6
    assert locate(node, ("load_assignment", "endpoints", 1, "locality")) == 6
    assert locate(node, ("load_assignment", "cluster_name")) == 2
    assert locate(node, ("health_checks", 0)) == 1


def test_the_converter_accepts_every_field_of_every_resource_type_by_both_names():
    described = message_class(CLUSTER).DESCRIPTOR
    for field in described.fields:
        for name in (field.name, field.json_name):
            assert read(f"{name}: null")[1] == []


def test_paths_are_those_of_the_rules():
    (node,) = read_yaml("connect_timeout: 0s")
    message, _ = convert(node, CLUSTER)

    assert (("connect_timeout",), "must be more than 0s") in list(rules.violations(message))
