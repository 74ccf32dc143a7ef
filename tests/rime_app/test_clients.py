"""Which clients a table of rime.toml speaks of, and what is said of a table that makes no sense."""

import tomllib

import pytest

from rime_app.clients import CLIENT_KEYS, read_conditions, read_pattern
from rime_core import Certificate, Client, Node, Peer, UsageError

ORIGIN = "rime.toml [[groups]] no. 1"


def conditions_of(text):
    return read_conditions(ORIGIN, tomllib.loads(text))


def holds_of(text, client):
    return all(condition.holds(client) for condition in conditions_of(text))


def with_certificate(*names, common_name=""):
    return Client(Node(), Peer("ipv4:192.0.2.1:5", Certificate(common_name, names)))


@pytest.mark.parametrize(
    ("text", "node", "holds"),
    [
        ('id = "a"', Node(id="a"), True),
        ('id = "a"', Node(id="A"), False),
        ('id = "a"', Node(id="ab"), False),
        ('cluster = "edge-*"', Node(cluster="edge-7"), True),
        ('cluster = "edge-*"', Node(cluster="the edge-7"), False),
        ('cluster = "edge-?"', Node(cluster="edge-77"), False),
        ('cluster = "edge-[12]"', Node(cluster="edge-2"), True),
        ('cluster = ["a", "b*"]', Node(cluster="bc"), True),
        ('cluster = ["a", "b*"]', Node(cluster="ac"), False),
        ('region = "eu"\nzone = "1"', Node(region="eu", zone="1"), True),
        ('region = "eu"\nzone = "1"', Node(region="eu", zone="2"), False),
        ('sub_zone = "s"', Node(sub_zone="s"), True),
        ('cluster = "*"', Node(), True),
        ('metadata.team = "pay*"', Node(metadata={"team": "payments"}), True),
        ('metadata.team = "pay*"', Node(metadata={"team": "search"}), False),
        ('metadata.team = "*"', Node(), False),
        ('metadata.app.tier = "web"', Node(metadata={"app": {"tier": "web"}}), True),
        ('metadata.app.tier = "web"', Node(metadata={"app": "web"}), False),
        ('metadata."app.tier" = "web"', Node(metadata={"app.tier": "web"}), True),
        ('metadata."app.tier" = "web"', Node(metadata={"app": {"tier": "web"}}), False),
        ("metadata.canary = true", Node(metadata={"canary": True}), True),
        ("metadata.canary = true", Node(metadata={"canary": "true"}), True),
        ("metadata.canary = true", Node(metadata={"canary": False}), False),
        ("metadata.generation = 3", Node(metadata={"generation": 3.0}), True),
        ("metadata.generation = 3.5", Node(metadata={"generation": 3.5}), True),
        ("metadata.list = '*'", Node(metadata={"list": ["a"]}), False),
        ('metadata.a = "1"\nmetadata.b = "2"', Node(metadata={"a": "1"}), False),
        ('certificate = "*"', Node(id="spiffe://x"), False),
    ],
)
def test_what_a_node_says(text, node, holds):
    assert holds_of(text, Client(node)) is holds


@pytest.mark.parametrize(
    ("client", "holds"),
    [
        (with_certificate("spiffe://prod/edge/1"), True),
        (with_certificate("other.example", "spiffe://prod/edge/1"), True),
        (with_certificate("spiffe://test/edge/1"), False),
        (with_certificate(common_name="spiffe://prod/edge/1"), True),
        (Client(Node(id="spiffe://prod/edge/1", cluster="spiffe://prod/edge/1")), False),
    ],
)
def test_what_a_connection_proves(client, holds):
    assert holds_of('certificate = "spiffe://prod/edge/*"', client) is holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cluster = []", 'cluster should be a pattern, such as "edge-*", or a list of them'),
        ("cluster = [[]]", "cluster should be a pattern"),
        ("id = {a = 1}", "id should be a pattern"),
        ('metadata = "a"', 'metadata should say which key, such as metadata.team = "payments"'),
        ("metadata.app.since = 2026-01-01", "metadata.app.since should be a pattern"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(text, expected):
    with pytest.raises(UsageError) as raised:
        conditions_of(text)
    assert str(raised.value).startswith(f"{ORIGIN}: {expected}")


def test_what_says_nothing_of_clients_is_no_condition():
    assert conditions_of('name = "g"\nmetadata = {}') == ()


def test_the_keys_are_those_that_are_read():
    table = {key: "x" for key in CLIENT_KEYS if key != "metadata"} | {"metadata": {"team": "x"}}
    read = [condition.key[0] for condition in read_conditions(ORIGIN, table)]
    assert sorted(read) == sorted(CLIENT_KEYS)


def test_a_pattern_may_be_one_of_several():
    pattern = read_pattern("names", ["a*", "b"])
    assert [bool(pattern.fullmatch(name)) for name in ("abc", "b", "bc")] == [True, True, False]
