"""A file of resources, in each shape that users have, and every fault of it in one line that says where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core.type_urls import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, SECRET, VIRTUAL_HOST
from rime_envoy_api import Fault, message_class, parse, redact_text
from rime_envoy_api.document import show_path


def read(text, origin="conf/a.yaml"):
    """The resources' (type, name) pairs, and the faults as people see them."""
    document = parse(text, origin=origin)
    return [(found.type_url, found.name) for found in document.resources], [str(fault) for fault in document.faults]


CLUSTERS = """\
version_info: "1"
resources:
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: backend
  connect_timeout: 1s
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: other
"""


def test_a_discovery_response():
    document = parse(CLUSTERS, origin="conf/a.yaml")

    assert document.faults == ()
    assert [(found.type_url, found.name, found.line, found.aliases) for found in document.resources] == [
        (CLUSTER, "backend", 3, ()),
        (CLUSTER, "other", 6, ()),
    ]
    cluster = message_class("envoy.config.cluster.v3.Cluster").FromString(document.resources[0].body)
    assert (cluster.name, cluster.connect_timeout.seconds) == ("backend", 1)


def test_bytes_are_read_as_utf_8_with_or_without_a_mark():
    assert parse(CLUSTERS.encode(), origin="a.yaml").resources == parse(CLUSTERS, origin="a.yaml").resources
    assert (
        parse(b"\xef\xbb\xbf" + CLUSTERS.encode(), origin="a.yaml").resources == parse(CLUSTERS, origin="a").resources
    )


def test_a_name_that_ends_in_json_makes_it_json():
    text = '{"resources": [{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "\\ud83d\\ude00"}]}'

    assert read(text, "a.json") == ([(CLUSTER, "😀")], [])
    assert read("resources: []", "a.json")[1] == ["a.json:1: not JSON: a value belongs here, not 'r'"]


def test_one_resource_alone():
    assert read('"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: a') == ([(CLUSTER, "a")], [])


def test_any_authority_gives_the_type_url_of_xds():
    assert read('"@type": example.com/envoy.config.cluster.v3.Cluster\nname: a') == ([(CLUSTER, "a")], [])


def test_every_document_of_a_file_counts():
    one = '"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: '

    assert read(f"---\n{one}a\n---\n{one}b\n---\nresources: []\n") == ([(CLUSTER, "a"), (CLUSTER, "b")], [])


def test_no_resources_is_not_the_same_as_nothing():
    assert read("resources: []") == ([], [])
    assert read("resources:\n")[1] == [
        "conf/a.yaml:1: `resources:` has no value: to serve no resources, write `resources: []`"
    ]
    for nothing in ("", "\n", "# all commented out\n", "---\n"):
        assert read(nothing) == (
            [],
            ["conf/a.yaml:1: there is nothing in it: to serve no resources, write `resources: []`"],
        )


def test_each_type_calls_itself_by_its_own_field():
    names = read(
        """
resources:
- {"@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: e}
- {"@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, name: r}
- {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret, name: s}
- {"@type": type.googleapis.com/envoy.service.runtime.v3.Runtime, name: t, layer: {a: 1}}
"""
    )

    assert names == ([(ENDPOINT, "e"), (ROUTE, "r"), (SECRET, "s"), (RUNTIME, "t")], [])


BOOTSTRAP = """\
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 0.0.0.0, port_value: 80}}
  clusters:
  - {name: backend, type: STATIC}
  - {name: xds, type: STATIC}
  secrets:
  - {name: token, generic_secret: {secret: {inline_string: hush}}}
dynamic_resources:
  ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}
"""


def test_the_static_resources_of_a_bootstrap_but_not_its_control_plane():
    assert read(BOOTSTRAP) == ([(LISTENER, "main"), (CLUSTER, "backend"), (SECRET, "token")], [])


def test_what_else_a_bootstrap_holds_is_envoys_own():
    assert read("admin: {nonsense: 1}\nstatic_resources:") == ([], [])


def test_a_bootstraps_own_keys_are_checked_so_that_nothing_is_lost():
    assert read("admin: {}\nstatic_resource: {clusters: [{name: a}]}")[1] == [
        "conf/a.yaml:2: static_resource: Bootstrap has no such field: did you mean `static_resources`?"
    ]
    assert read("static_resources:\n  cluster: [{name: a}]")[1] == [
        "conf/a.yaml:2: static_resources.cluster: StaticResources has no such field: did you mean `clusters`?"
    ]
    assert read("static_resources: []")[1] == ["conf/a.yaml:1: static_resources: wants a mapping, not a list"]


WRAPPED = """\
resources:
- "@type": type.googleapis.com/envoy.service.discovery.v3.Resource
  name: {name}
  aliases: [a/x.example, a/y.example]
  resource:
    "@type": type.googleapis.com/envoy.config.route.v3.VirtualHost
    name: a/x.example
    domains: [x.example]
"""


def test_a_wrapped_resource_has_aliases():
    (found,) = parse(WRAPPED.replace("{name}", "a/x.example"), origin="a.yaml").resources

    assert (found.type_url, found.name, found.aliases) == (VIRTUAL_HOST, "a/x.example", ("a/x.example", "a/y.example"))
    assert (
        found.body
        == message_class("envoy.config.route.v3.VirtualHost")(
            name="a/x.example", domains=["x.example"]
        ).SerializeToString()
    )


def test_a_wrapped_resource_may_have_a_lifetime_and_be_on_demand():
    text = WRAPPED.replace("{name}", '""')
    (plain,) = parse(text, origin="a.yaml").resources
    (found,) = parse(
        f"{text}  ttl: 30s\n  metadata: {{filter_metadata: {{rime: {{on_demand: true}}}}}}\n", origin="a.yaml"
    ).resources

    assert (plain.ttl, plain.on_demand) == (None, False)
    assert (found.ttl, found.on_demand) == (30.0, True)
    assert found.body == plain.body


def test_the_wrapper_may_leave_the_name_to_the_message_but_not_contradict_it():
    assert read(WRAPPED.replace("{name}", '""')) == ([(VIRTUAL_HOST, "a/x.example")], [])
    (fault,) = read(WRAPPED.replace("{name}", "b"))[1]
    assert fault.startswith("conf/a.yaml:5: virtual-hosts 'a/x.example': ")
    assert fault.endswith("`Resource.name` is 'b', but it calls itself 'a/x.example': they must agree")


def test_a_message_without_a_name_of_its_own_gets_it_from_the_wrapper():
    text = """
"@type": type.googleapis.com/envoy.service.discovery.v3.Resource
name: mine
resource: {"@type": type.googleapis.com/google.protobuf.Struct, value: {a: 1}}
"""
    assert read(text) == ([("type.googleapis.com/google.protobuf.Struct", "mine")], [])
    (fault,) = read('"@type": type.googleapis.com/google.protobuf.StringValue\nvalue: a')[1]
    assert fault.endswith(": it has no name")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (
            "ttl: 0.5s",
            "conf/a.yaml:9: resources[0].ttl: a lifetime (ttl) is from 1 s to 86400 s (a day), not 0.5",
        ),
        ("nam: b", "conf/a.yaml:9: resources[0].nam: Resource has no such field: did you mean `name`?"),
    ],
)
def test_what_a_wrapper_cannot_be(entry, fault):
    assert read(WRAPPED.replace("{name}", "a/x.example") + f"  {entry}\n")[1] == [fault]


def test_a_wrapper_around_nothing():
    text = '"@type": type.googleapis.com/envoy.service.discovery.v3.Resource\nname: a'

    assert read(text)[1] == ["conf/a.yaml:1: resource: is required"]


def test_a_resource_with_a_fault_does_not_take_the_others_with_it():
    resources, faults = read(CLUSTERS.replace("connect_timeout: 1s", "conect_timeout: 1s"))

    assert resources == [(CLUSTER, "other")]
    assert faults == [
        "conf/a.yaml:5: clusters 'backend': conect_timeout: Cluster has no such field: did you mean `connect_timeout`?"
    ]


def test_a_fault_carries_what_it_says():
    (fault,) = parse(CLUSTERS.replace("1s", "0s"), origin="conf/a.yaml").faults

    assert fault == Fault("conf/a.yaml", 5, "must be more than 0s", "connect_timeout", CLUSTER, "backend")


def test_all_faults_of_a_resource_are_told():
    text = """
resources:
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: main
  address: {socket_address: {port_value: 65536}}
  filter_chains:
  - filters:
    - name: hcm
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        rds: {}
        http_filters:
        - name: router
          typed_config:
            "@type": type.googleapis.com/x.Rooter
"""
    prefix = "listeners 'main': filter_chains[0].filters[0].typed_config"
    assert read(text)[1] == [
        f"conf/a.yaml:14: {prefix}.http_filters[0].typed_config: Envoy's v3 API has no message 'x.Rooter'",
        "conf/a.yaml:5: listeners 'main': address.socket_address.address: must be given, and not be empty",
        "conf/a.yaml:5: listeners 'main': address.socket_address.port_value: must be at most 65535",
        f"conf/a.yaml:9: {prefix}.stat_prefix: must be given, and not be empty",
    ]


def test_what_cannot_be_read_is_not_also_said_to_be_missing():
    assert read('"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: 5\nload_assignment: []')[1] == [
        "conf/a.yaml:2: clusters: name: wants a text, not the number 5: put it in quotes",
        "conf/a.yaml:3: clusters: load_assignment: wants a mapping, not a list",
    ]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("{}", '3: resources[0]: wants an "@type", such as type.googleapis.com/envoy.config.cluster.v3.Cluster'),
        ("text", "3: resources[0]: wants a mapping, not the text 'text'"),
        ("{'@type': [a]}", "3: resources[0]: wants a text, not a list"),
        ("{'@type': a.B}", "3: resources[0]: 'a.B' is no type URL: write type.googleapis.com/a.B"),
        ("{'@type': x/a.B}", "3: resources[0]: Envoy's v3 API has no message 'a.B'"),
        ("{'@type': x/envoy.api.v2.Cluster}", "3: resources[0]: Envoy's v3 API has no message 'envoy.api.v2.Cluster'"),
        ("{'@type': x/envoy.config.listener.v3.Listener}", "3: listeners: resources[0]: it has no name"),
        (
            "{'@type': x/envoy.config.cluster.v3.Cluster}",
            "3: clusters: resources[0].name: must be given, and not be empty",
        ),
        (
            '{"@type": x/envoy.config.cluster.v3.Cluster, name: "a\\0b"}',
            "3: clusters 'a\\x00b': its name holds a character that cannot be shown",
        ),
        (
            '{"@type": x/envoy.config.cluster.v3.Cluster, name: "*"}',
            "3: clusters '*': \"*\" means every resource; none can have it as its name",
        ),
    ],
)
def test_what_no_resource_can_be(entry, fault):
    resources, faults = read(f"resources:\n\n- {entry}\n- '@type': x/envoy.config.cluster.v3.Cluster\n  name: good")

    assert resources == [(CLUSTER, "good")]
    assert faults == [f"conf/a.yaml:{fault}"]


def test_a_name_can_be_taken_once_in_a_file_even_on_one_line():
    one = '{"@type": "x/envoy.config.cluster.v3.Cluster", "name": "a"}'

    for text in (f"resources: [{one}, {one}]", f"{one}\n---\n{one}"):
        resources, (fault,) = read(text)
        assert resources == [(CLUSTER, "a")]
        assert fault.endswith(": clusters 'a': this name is taken in line 1 already")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("resource: []", "1: neither a list of resources nor a bootstrap: did you mean `resources`?"),
        (
            "staticresources: {}",
            "1: neither a list of resources nor a bootstrap: did you mean `static_resources`?",
        ),
        (
            "\nkind: ConfigMap",
            "2: neither a list of resources nor a bootstrap: it has none of `resources`, `static_resources`, `@type`",
        ),
        ("- a", "1: a list where a mapping belongs, such as `resources:` with a list"),
        ("text", "1: text of 4 characters where a mapping belongs, such as `resources:` with a list"),
        ("resources: [\n", "2: not YAML: while parsing a flow node did not find expected node content"),
        ("a: 1\nb: \0", "2: not YAML: the character 0x00 is not allowed"),
        (b"a: 1\nb: \xff", "2: not UTF-8: the byte 0xff has no place there"),
        (b"\xff\xfea\x00", "1: not UTF-8: the byte 0xff has no place there"),
        ("resources: " + "[" * 200, "1: nested deeper than 100 levels"),
        ("version: 1\nresources: []", "1: version: DiscoveryResponse has no such field: did you mean `version_info`?"),
        (
            "resources: []\nresources: []",
            "2: resources[0]: wants a mapping, not two values: it is given twice, first in line 1",
        ),
    ],
)
def test_what_no_file_of_resources_can_be(text, fault):
    assert read(text) == ([], [f"conf/a.yaml:{fault}"])


TOKENS = [
    "resources",
    "static_resources",
    "clusters",
    "name",
    "@type",
    ": ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "a",
    "5",
    "null",
    "yes",
    "&a ",
    "*a",
    '"',
    "'",
    "|",
    "\t",
    "\0",
    "é",
    "---\n",
    "<<",
    "!ignore ",
    "1 s",
    "%",
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "load_assignment",
    "metadata",
]


@given(
    st.lists(st.sampled_from(TOKENS), max_size=40).map("".join) | st.text() | st.binary(),
    st.sampled_from(["a.yaml", "a.json"]),
)
def test_whatever_the_text_is_it_gives_resources_and_faults_of_one_line(text, origin):
    document = parse(text, origin=origin)

    assert all("\n" not in str(fault) and str(fault).startswith(f"{origin}:") for fault in document.faults)


def test_paths_are_shown_as_people_write_them():
    assert show_path(("a", 0, "b_c", "d.e", 1)) == "a[0].b_c['d.e'][1]"
    assert show_path(()) == ""


CANARY = "CANARY"


@pytest.mark.parametrize(
    "content",
    [
        f"tls_certificate: {CANARY}",
        f"tls_certificate: {{private_key: {CANARY}}}",
        "tls_certificate: {private_key: {inline_string: 123456789}}",
        f"generic_secret: {CANARY}",
        f"session_ticket_keys: {{keys: [{CANARY}]}}",
    ],
)
def test_a_fault_in_a_secret_does_not_quote_the_value_and_stays_readable(content):
    faults = parse(f"static_resources: {{secrets: [{{name: k1, {content}}}]}}", origin="a.yaml").faults
    said = "\n".join(map(str, faults))
    assert "wants a" in said
    assert CANARY not in said
    assert "123456789" not in said
    assert redact_text(said) == said


@pytest.mark.parametrize(
    "text", [f"'{CANARY}'", f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n", f"resources: ['-----BEGIN {CANARY}']"]
)
def test_a_document_that_may_be_a_key_is_not_quoted(text):
    faults = parse(text, origin="a.yaml").faults
    assert faults
    assert CANARY not in "".join(map(str, faults))


def test_a_value_beside_a_key_that_sounds_secret_is_not_quoted():
    node = "request_headers_to_add: [{header: {key: authorization, value: 123456789}}]"
    (fault,) = parse(
        f'{{"@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, name: r, {node}}}', origin="a.yaml"
    ).faults
    assert fault.message == "wants a text, not a number"
