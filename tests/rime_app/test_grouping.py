"""Which clients a rule of rime.toml puts in its group, and what is said of a rule that is none."""

import tomllib

import pytest

from rime_app.grouping import read_rule
from rime_core import Certificate, Client, Node, Peer, UsageError

ORIGIN = "rime.toml [[groups]] no. 1"


def rule_of(text):
    return read_rule(ORIGIN, tomllib.loads('name = "g"\n' + text))


def test_all_that_a_rule_says_must_hold():
    rule = rule_of('cluster = "edge-*"\ncertificate = "spiffe://prod/*"')
    peer = Peer("", Certificate("", ("spiffe://prod/edge",)))
    assert rule.group == "g"
    assert rule.holds(Client(Node(cluster="edge-1"), peer))
    assert not rule.holds(Client(Node(cluster="edge-1")))
    assert not rule.holds(Client(Node(cluster="core"), peer))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('clusters = "a"', "there is no key 'clusters'; did you mean 'cluster'?"),
        (
            'weather = "a"',
            "there is no key 'weather'; there are name, id, cluster, region, zone, sub_zone, metadata, cer",
        ),
        ("cluster = []", 'cluster should be a pattern, such as "edge-*", or a list of them'),
        ("", "nothing says which clients are of 'g': add a pattern, such as cluster = \"g-*\"; [serve] unmatched says"),
        ("metadata = {}", "nothing says which clients are of 'g'"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_key(text, expected):
    with pytest.raises(UsageError) as raised:
        rule_of(text)
    assert str(raised.value).startswith(f"{ORIGIN}: {expected}")


@pytest.mark.parametrize("name", [{}, {"name": ""}, {"name": 5}, {"name": "refuse"}])
def test_a_rule_names_a_group(name):
    with pytest.raises(UsageError, match='name should be the name of a group, such as "edge"; "refuse" is none'):
        read_rule(ORIGIN, {**name, "id": "a"})
