"""Rules come first, then plugins; whoever is of no group gets what the configuration says, or is refused."""

import logging

import pytest

from rime_app import hookimpl
from rime_app.config import Config, Settings
from rime_app.grouping import read_rule
from rime_app.routing import Routing, check_groups
from rime_app.spec import SourceSpec
from rime_core import Client, Node, PeerError, Plane, UsageError
from tests.rime_app.plugin_fakes import plugins_with


class ByZone:
    """A client's group is the zone that it says that it is in."""

    @hookimpl
    def rime_group(self, node):
        return node.zone or None


def rule(name, **patterns):
    return read_rule("rime.toml", {"name": name, **patterns})


EDGE = rule("edge", cluster="edge-*")
CANARY = rule("canary", cluster="*-canary")


@pytest.fixture
def servers():
    return {name: Plane().server() for name in ("default", "edge", "canary")}


def group_of(routing, **node):
    server = routing(Client(Node(id="n1", **node)))
    [name] = [name for name, each in routing.servers.items() if each is server]
    return name


def test_the_first_rule_that_holds_decides(servers):
    routing = Routing((EDGE, CANARY), plugins_with(), servers, "default")
    assert group_of(routing, cluster="edge-canary") == "edge"
    assert group_of(routing, cluster="core-canary") == "canary"
    assert group_of(routing, cluster="core") == "default"


def test_rules_come_before_plugins(servers):
    routing = Routing((EDGE,), plugins_with(ByZone()), servers, "default")
    assert group_of(routing, cluster="edge-1", zone="canary") == "edge"
    assert group_of(routing, cluster="core", zone="canary") == "canary"


def test_who_is_of_no_group_gets_the_one_that_is_named(servers, caplog):
    routing = Routing((EDGE,), plugins_with(ByZone()), servers, "canary")
    assert group_of(routing) == "canary"
    assert caplog.text == ""
    assert group_of(routing, zone="nowhere") == "canary"
    assert "client 'n1' is of group 'nowhere', which no source writes to; it gets the group canary" in caplog.text


def test_who_is_of_no_group_may_be_refused(servers, caplog):
    routing = Routing((EDGE,), plugins_with(ByZone()), servers, "refuse")
    with pytest.raises(PeerError, match="of no group that is served here") as raised:
        group_of(routing)
    assert raised.value.code == "PERMISSION_DENIED"
    assert "client 'n1' is of no group, so it is refused" in caplog.text
    with pytest.raises(PeerError, match="no source writes to group 'nowhere'"):
        group_of(routing, zone="nowhere")


def test_nobody_is_asked_where_there_is_one_group_for_all(servers):
    only = {"default": servers["default"]}
    assert not Routing((), plugins_with(ByZone()), only, "default").is_needed
    assert Routing((rule("default", id="a"),), plugins_with(), only, "refuse").is_needed
    assert Routing((), plugins_with(), only, "refuse").is_needed
    assert Routing((EDGE,), plugins_with(), only, "default").is_needed
    assert Routing((), plugins_with(), {"edge": servers["edge"]}, "default").is_needed


# --- what does not fit together


def config(*groups, rules=(), **settings):
    return Config(
        sources=tuple(SourceSpec("fake", name, origin=f"--source fake:{name}", group=name) for name in groups),
        groups=rules,
        settings=Settings(**settings),
    )


@pytest.mark.parametrize(
    "fits",
    [
        config("default"),
        config("edge", rules=(EDGE,)),
        config("default", "edge", rules=(EDGE,), unmatched="refuse"),
        config("shared", "edge", rules=(EDGE,), base="shared"),
        config("edge", unmatched="edge"),
    ],
)
def test_what_fits_together(fits):
    check_groups(fits, plugins_with())


def test_with_a_plugin_any_group_may_have_clients():
    check_groups(config("default", "edge"), plugins_with(ByZone()))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (config("default", "edge"), "--source fake:edge: no client is of group='edge': no rule under [[groups]] names"),
        (config("default", "refuse"), '--source fake:refuse: a group cannot be called "refuse"'),
        (
            config("default", "edges", rules=(EDGE,)),
            "--source fake:edges: no client is of group='edges'",
        ),
        (
            config("default", rules=(EDGE,)),
            "rime.toml: no source writes to group 'edge'; give a source the option group = \"edge\"",
        ),
        (
            config("default", base="defualt"),
            "[serve] base: no source writes to group 'defualt'; did you mean 'default'?",
        ),
        (config("default", unmatched="others"), "[serve] unmatched: no source writes to group 'others'; give a source"),
    ],
)
def test_what_does_not_fit_is_said(wrong, expected):
    with pytest.raises(UsageError) as raised:
        check_groups(wrong, plugins_with())
    assert str(raised.value).startswith(expected)


def test_a_plugin_that_fails_is_told_in_the_log_alone(servers, caplog):
    class Crash:
        @hookimpl
        def rime_group(self, peer):
            raise RuntimeError("no database")

    with caplog.at_level(logging.ERROR), pytest.raises(PeerError) as raised:
        Routing((), plugins_with(Crash()), servers, "default")(Client())
    assert raised.value.code == "UNAVAILABLE"
    assert "no database" not in str(raised.value)
    assert "no database" in caplog.text
