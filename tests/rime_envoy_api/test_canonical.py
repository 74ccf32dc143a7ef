"""The same content is the same bytes: in every process, from every library, whatever the order of keys."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from rime_envoy_api import canonical, parse, resource
from rime_envoy_api.convert import convert
from rime_envoy_api.json_tree import read_json
from rime_envoy_api.output import to_json
from rime_envoy_api.pool import message_class
from rime_envoy_api.tree import read_yaml

CORPUS = Path(__file__).with_name("corpus")
BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
# Parses the corpus, and takes a message that protobuf made through `resource`; prints the bodies' digests.
PROCESS = """
import hashlib, pathlib, sys
from rime_envoy_api import message_class, parse, resource
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.yaml")):
    document = parse(path.read_text(), origin=path.name)
    assert document.resources and not document.faults, document.faults
    for found in document.resources:
        print(found.name, hashlib.sha256(found.body).hexdigest())
        message = message_class(found.type_url.rpartition("/")[2]).FromString(found.body)
        print(found.name, hashlib.sha256(resource(message).body).hexdigest())
"""


def in_process(seed):
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", PROCESS, str(CORPUS)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_two_processes_make_the_same_bytes():
    first, second = in_process(1), in_process(2)

    assert first == second
    assert first.count("\n") > 20
    lines = first.splitlines()
    assert lines[::2] == lines[1::2]


def turned(value, by):
    """The same content with the keys of each mapping in another order: turned round by some places, and backwards."""
    if isinstance(value, dict):
        keys = [*value][::-1]
        by_now = by % max(len(keys), 1)
        return {key: turned(value[key], by) for key in (*keys[by_now:], *keys[:by_now])}
    return [turned(inner, by) for inner in value] if isinstance(value, list) else value


def test_the_order_of_keys_does_not_matter():
    for path in CORPUS.glob("*.yaml"):
        for found in parse(path.read_text(), origin=path.name).resources:
            shown = to_json(found.type_url, found.body)
            for by in range(4):
                text = json.dumps(turned(shown, by))
                again = parse(text, origin="again.json")
                assert again.faults == ()
                assert again.resources[0].body == found.body


def jumbled(message_type, entries):
    """Serialized with its map's entries in the order given, which only a writer of bytes can do."""
    return b"".join(message_type(**{field: {key: value}}).SerializeToString() for field, key, value in entries)


def test_maps_are_put_in_order_inside_nested_anys():
    per_route = message_class("envoy.extensions.filters.http.rbac.v3.RBACPerRoute")
    rbac = message_class("envoy.config.rbac.v3.RBAC")
    host = message_class("envoy.config.route.v3.VirtualHost")
    policy = message_class("envoy.config.rbac.v3.Policy")()
    policy.permissions.add().any = True
    policy.principals.add().any = True

    def route(names):
        made = host(name="h", domains=["*"])
        packed = made.typed_per_filter_config["rbac"]
        packed.type_url = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
        rules = jumbled(rbac, [("policies", name, policy) for name in names])
        # RBACPerRoute.rbac (2) is an RBAC whose rules (1) are these bytes.
        inner = b"\x0a" + bytes([len(rules)]) + rules
        packed.value = b"\x12" + bytes([len(inner)]) + inner
        assert len(per_route.FromString(packed.value).rbac.rules.policies) == len(names)
        return made

    orders = list(itertools.permutations("abcd"))
    bodies = {resource(route(names)).body for names in orders}
    raw = {route(names).SerializeToString(deterministic=True) for names in orders}
    assert len(raw) > 1, "protobuf alone settles nothing inside an Any"
    assert len(bodies) == 1


def test_the_innermost_any_is_settled_first():
    outer = message_class("envoy.config.core.v3.TypedExtensionConfig")(name="a")
    middle = message_class("envoy.config.core.v3.TypedExtensionConfig")(name="b")
    metadata = message_class("envoy.config.core.v3.Metadata")
    bodies = set()
    for order in ("xyz", "zyx", "yxz"):
        middle.typed_config.type_url = "type.googleapis.com/envoy.config.core.v3.Metadata"
        middle.typed_config.value = jumbled(metadata, [("filter_metadata", key, {}) for key in order])
        outer.typed_config.Pack(middle)
        bodies.add(canonical.serialize(outer))

    assert len(bodies) == 1


def test_what_is_not_known_or_not_of_its_type_stays_as_it_is():
    message = message_class("envoy.config.core.v3.TypedExtensionConfig")(name="a")
    for type_url in ("type.googleapis.com/mine.Own", "type.googleapis.com/envoy.config.core.v3.Node", ""):
        message.typed_config.type_url = type_url
        message.typed_config.value = b"\xff\xff"
        canonical.settle(message)
        assert message.typed_config.value == b"\xff\xff"


def test_types_that_hold_no_any_are_not_walked():
    assert not canonical._reaches_any(message_class("envoy.config.core.v3.Locality").DESCRIPTOR)
    assert not canonical._reaches_any(message_class("google.protobuf.Struct").DESCRIPTOR)
    assert canonical._reaches_any(message_class("envoy.config.endpoint.v3.LbEndpoint").DESCRIPTOR)


def test_what_the_converter_makes_is_settled_already():
    for path in CORPUS.glob("*.yaml"):
        message, _ = convert(read_yaml(path.read_text())[0], BOOTSTRAP)
        before = message.SerializeToString(deterministic=True)
        assert canonical.serialize(message) == before


def test_json_and_yaml_give_the_same_bytes():
    text = '{"name": "a", "connect_timeout": "1s", "max_requests_per_connection": 5}'
    made = [convert(read(text)[0], "envoy.config.cluster.v3.Cluster")[0] for read in (read_json, read_yaml)]

    assert made[0].SerializeToString() == made[1].SerializeToString()
