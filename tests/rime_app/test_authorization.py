"""What a client may be given, by rules and by plugins; what one of them refuses is refused."""

import tomllib

import pytest

from rime_app import hookimpl
from rime_app.authorization import Authorization, read_access_rule
from rime_core import CLUSTER, SECRET, Certificate, Client, Node, Peer, PeerError, UsageError
from tests.rime_app.plugin_fakes import Fakes, plugins_with

ORIGIN = "rime.toml [[authorize]] no. 1"

A = 'types = "secrets"\nnames = "team-a/*"\ncertificate = "spiffe://prod/team-a/*"'
B = 'types = "secrets"\nnames = "team-b/*"\ncertificate = "spiffe://prod/team-b/*"'
ADMIN = 'types = ["secrets", "clusters"]\ncertificate = "spiffe://prod/admin"'


def rule_of(text):
    return read_access_rule(ORIGIN, tomllib.loads(text))


def client(name):
    return Client(Node(id="team-b"), Peer("", Certificate("", (f"spiffe://prod/{name}",))))


def given(permissions, type_url, *names):
    """Those of `names` that are given; None where the type is not."""
    if permissions is None:
        return list(names)
    if permissions.type(type_url) is not None:
        return None
    why_not = permissions.names(type_url)
    return [name for name in names if why_not is None or why_not(name) is None]


def by_rules(name, *rules):
    return Authorization([rule_of(rule) for rule in rules], plugins_with(Fakes()))(client(name))


SECRETS = ("team-a/key", "team-b/key", "common", "*")


@pytest.mark.parametrize(
    ("name", "rules", "secrets"),
    [
        ("team-a/1", [A, B], ["team-a/key", "common", "*"]),
        ("team-b/1", [A, B], ["team-b/key", "common", "*"]),
        ("team-c/1", [A, B], ["common", "*"]),
        ("team-c/1", [A], ["team-b/key", "common", "*"]),
        ("admin", [A, B], ["common", "*"]),
        ("admin", [A, B, ADMIN], list(SECRETS)),
        ("team-a/1", [A, B, ADMIN], ["team-a/key"]),
        ("team-a/1", [A, A.replace("team-a/*", "*")], list(SECRETS)),
        ("team-c/1", [ADMIN], None),
        ("team-c/1", [A.replace('"team-a/*"', '["team-a/*", "common"]')], ["team-b/key", "*"]),
    ],
)
def test_what_rules_are_about_is_for_clients_of_which_one_holds(name, rules, secrets):
    assert given(by_rules(name, *rules), SECRET, *SECRETS) == secrets


def test_types_that_no_rule_is_about_are_for_everyone():
    assert given(by_rules("team-c/1", A, B), CLUSTER, "a", "*") == ["a", "*"]
    assert by_rules("team-c/1", A, B).names(CLUSTER) is None
    assert given(by_rules("team-a/1", A, ADMIN), CLUSTER, "a") is None


def test_without_a_certificate_nothing_that_asks_for_one_holds():
    permissions = Authorization([rule_of(A)], plugins_with())(Client(Node(id="spiffe://prod/team-a/1")))
    assert given(permissions, SECRET, *SECRETS) == ["team-b/key", "common", "*"]


def test_who_may_have_everything_is_not_asked_for_each_name():
    assert by_rules("team-a/1", A) is None
    assert Authorization([], plugins_with(Fakes()))(client("team-a/1")) is None


class NoKeys:
    """Refuses what ends with /key, and clusters, to everyone."""

    @hookimpl
    def rime_authorize(self, node, peer):
        return self

    def type(self, type_url):
        return "no clusters" if type_url == CLUSTER else None

    def names(self, type_url):
        return lambda name: "no keys" if name.endswith("/key") else None


class NothingForTeamB:
    @hookimpl
    def rime_authorize(self, node):
        if node.id == "team-b":
            raise PeerError("not you", code="PERMISSION_DENIED")


class NoOpinion:
    @hookimpl
    def rime_authorize(self):
        return None


def test_what_a_plugin_refuses_is_refused_and_what_rules_refuse_as_well():
    permissions = Authorization(
        [rule_of(A), rule_of(A.replace("team-a/*", "common"))], plugins_with(NoKeys(), NoOpinion())
    )
    refused = permissions(client("team-c/1"))
    assert refused is not None
    assert given(refused, SECRET, "team-a/key", "team-a/crt", "team-b/key", "team-b/crt", "common") == ["team-b/crt"]
    assert (refused.type(CLUSTER), refused.type(SECRET)) == ("no clusters", None)
    only_plugin = permissions(client("team-a/1"))
    assert given(only_plugin, SECRET, "team-a/key", "team-a/crt") == ["team-a/crt"]


def test_a_plugin_may_refuse_a_client():
    authorization = Authorization([], plugins_with(NoOpinion(), NothingForTeamB()))
    with pytest.raises(PeerError, match="not you") as refused:
        authorization(client("team-b/1"))
    assert refused.value.code == "PERMISSION_DENIED"
    assert authorization(Client(Node(id="team-a"))) is None


@pytest.mark.parametrize("error", [RuntimeError("no database"), SystemExit("no database")])
def test_a_plugin_that_fails_gives_nothing_and_is_told_in_the_log_alone(error, caplog):
    class Crash:
        @hookimpl
        def rime_authorize(self, peer):
            raise error

    with pytest.raises(PeerError) as refused:
        Authorization([], plugins_with(Crash()))(client("team-a/1"))
    assert refused.value.code == "UNAVAILABLE"
    assert "no database" not in str(refused.value)
    assert "what client 'team-b' may be given cannot be told" in caplog.text
    assert "no database" in caplog.text


def test_nobody_is_asked_where_there_is_nothing_to_refuse():
    assert not Authorization([], plugins_with(Fakes())).is_needed
    assert Authorization([rule_of(A)], plugins_with()).is_needed
    assert Authorization([], plugins_with(NoOpinion())).is_needed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type = "secrets"', "there is no key 'type'; did you mean 'types'?"),
        ('id = "a"', 'types should be one, such as "secrets", or a list of them'),
        ('types = []\nid = "a"', "types should be one"),
        ('types = [1]\nid = "a"', "types should be one"),
        ('types = "secrts"\nid = "a"', "types: 'secrts' is no type of resource; there are secrets, "),
        ('types = "secrets"\nnames = {}\nid = "a"', "names should be a pattern"),
        ('types = "secrets"', "nothing says which clients may have these: add a pattern, such as certificate = "),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_key(text, expected):
    with pytest.raises(UsageError) as raised:
        rule_of(text)
    assert str(raised.value).startswith(f"{ORIGIN}: {expected}")


@pytest.mark.parametrize("types", ["sds", "secret", SECRET])
def test_types_by_any_of_their_names(types):
    assert rule_of(f'types = "{types}"\nid = "a"').types == {SECRET}
