"""Bytes back to JSON and YAML, which read back as the same bytes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core import SourceError
from rime_core.type_urls import CLUSTER, RUNTIME
from rime_envoy_api import message_class, parse, to_json, to_yaml
from rime_envoy_api.output import dump_yaml
from rime_envoy_api.tree import read_yaml
from tests.rime_envoy_api.test_tree import plain

CORPUS = [
    resource
    for path in sorted(Path(__file__).with_name("corpus").glob("*.yaml"))
    for resource in parse(path.read_text(), origin=path.name).resources
]


def test_json_has_the_type_first_and_the_names_of_the_api():
    body = message_class("envoy.config.cluster.v3.Cluster")(name="a", respect_dns_ttl=True).SerializeToString()

    assert list(to_json(CLUSTER, body).items()) == [("@type", CLUSTER), ("name", "a"), ("respect_dns_ttl", True)]


@pytest.mark.parametrize("resource", CORPUS, ids=lambda resource: resource.name)
def test_what_is_written_reads_back_as_the_same(resource):
    shown = to_json(resource.type_url, resource.body)
    for text, origin in ((json.dumps(shown), "a.json"), (to_yaml(resource.type_url, resource.body), "a.yaml")):
        again = parse(text, origin=origin)
        assert again.faults == ()
        assert [(found.name, found.body) for found in again.resources] == [(resource.name, resource.body)]


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.sampled_from(
    [
        "yes",
        "n",
        "Off",
        "~",
        "",
        "null",
        "0x10",
        "010",
        "-7",
        "12:30:45",
        "1.5",
        "a\nb\n",
        "a\n b",
        "\n",
        "- a",
        "a: b",
        "#",
        "'",
        '"',
        "!ignore x",
    ]
)


@given(
    st.dictionaries(
        texts,
        st.recursive(
            texts | st.booleans() | st.none() | st.integers(-(2**31), 2**31 - 1),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        ),
    )
)
def test_yaml_is_read_by_envoys_rules_as_what_was_written(value):
    (node,) = read_yaml(dump_yaml(value))

    assert plain(node) == value


def test_a_text_of_several_lines_is_written_as_such():
    assert dump_yaml({"code": "one\n  two\n"}) == "code: |\n  one\n    two\n"


@pytest.mark.parametrize(
    ("type_url", "body", "message"),
    [
        ("type.googleapis.com/mine.Own", b"", "Envoy's v3 API has no message mine.Own"),
        (CLUSTER, b"\xff", "the body is not that of a envoy.config.cluster.v3.Cluster"),
    ],
)
def test_what_cannot_be_shown(type_url, body, message):
    with pytest.raises(SourceError) as caught:
        to_json(type_url, body)

    assert str(caught.value) == message


@pytest.mark.parametrize("type_url", ["type.googleapis.com/mine.Own", f"{CLUSTER}", "nonsense"])
def test_an_any_that_cannot_be_shown(type_url):
    cluster = message_class("envoy.config.cluster.v3.Cluster")(name="a")
    cluster.typed_extension_protocol_options["x"].type_url = type_url
    cluster.typed_extension_protocol_options["x"].value = b"\xff\xff"

    with pytest.raises(SourceError, match="it cannot be shown: ") as caught:
        to_json(CLUSTER, cluster.SerializeToString())
    assert "\n" not in str(caught.value)


def test_numbers_in_a_struct_as_far_as_yaml_has_them():
    runtime = message_class("envoy.service.runtime.v3.Runtime")(name="a")
    runtime.layer.update({"whole": 5, "part": 0.5})
    body = runtime.SerializeToString(deterministic=True)

    (from_json,) = parse(json.dumps(to_json(RUNTIME, body)), origin="a.json").resources
    (from_yaml,) = parse(to_yaml(RUNTIME, body), origin="a.yaml").resources
    assert from_json.body == body
    assert to_json(RUNTIME, from_yaml.body)["layer"] == {"whole": 5.0, "part": "0.5"}
