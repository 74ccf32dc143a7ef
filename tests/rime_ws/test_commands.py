"""The commands, as they are typed: what they print, and how they end."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

from rime_app import plugins
from rime_app.main import run
from rime_core import CLUSTER, ENDPOINT, SECRET, Node
from rime_envoy_api import message_class, resource
from rime_ws import plugin
from rime_ws.commands import COMMANDS
from tests.rime_ws.stage import stage
from tests.rime_ws.talk import FakeEnvoy

Cluster = message_class("envoy.config.cluster.v3.Cluster")
Secret = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")


@pytest.fixture
def rime():
    with stage() as found:
        yield found


@pytest.fixture
def registered():
    found = plugins.Plugins(plugins.make_registry(), report=lambda fault: pytest.fail(str(fault)))
    found.register(plugin, plugins.Plugin("rime-ws", "0"))
    return found


@pytest.fixture
def type_in(rime, registered, capsys):
    """Runs a command as it is typed; exit status, stdout, stderr."""

    def run_command(*arguments):
        status = run([*arguments, "--at", rime.url], registered)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run_command


def cluster(name, seconds=1):
    return resource(Cluster(name=name, connect_timeout={"seconds": seconds}))


def client(rime, name):
    return rime.do(FakeEnvoy, rime.server, Node(id=name), rime.time)


def columns(text):
    return [line.split() for line in text.splitlines()]


# --- get


def test_resources_of_a_type_are_a_table(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    rime.do(rime.plane.apply, *cluster("[red]a[/]"))
    status, out, err = type_in("get", "cds")
    assert (status, err) == (0, "")
    assert [row[0] for row in columns(out)] == ["NAME", "[red]a[/]", "shop"]
    assert columns(out)[2][1] == rime.plane.snapshot()[CLUSTER]["shop"].version


def test_one_resource_is_yaml_and_json_for_scripts(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    status, out, _ = type_in("get", "cluster", "shop")
    assert (status, out) == (0, f"'@type': {CLUSTER}\nname: shop\nconnect_timeout: 1s\n")
    status, out, _ = type_in("get", "cluster", "shop", "-o", "json")
    assert (status, json.loads(out)["body"]["name"]) == (0, "shop")
    status, out, _ = type_in("get", "clusters", "-o", "json")
    assert [each["name"] for each in json.loads(out)] == ["shop"]
    rime.do(rime.plane.apply, *cluster("other"))
    status, out, _ = type_in("get", "clusters", "-o", "yaml")
    assert out.count("---\n") == 1


def test_secrets_are_not_shown(rime, type_in):
    made = Secret(name="front")
    made.tls_certificate.private_key.inline_string = "hush"
    rime.do(rime.plane.apply, *resource(made))
    for output in ("table", "yaml", "json"):
        status, out, _ = type_in("get", "secrets", "-o", output)
        assert (status, "front" in out, "hush" in out) == (0, True, False)


def test_what_there_is_not_is_said_in_one_line(type_in):
    assert type_in("get", "cluster", "shop") == (1, "", "rime: there is nothing called 'shop' among clusters\n")
    status, _, err = type_in("get", "pods")
    assert status == 2
    assert "'pods' is no type of resource" in err
    status, _, err = type_in("get", "clusters", "--group", "edge")
    assert (status, 'there is no group "edge"' in err) == (2, True)


# --- clients, diff


def test_clients_are_listed_the_rejected_first_with_their_message(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    good, bad = client(rime, "good"), client(rime, "a-bad-one")
    rime.do(lambda: good.ask(CLUSTER).catch_up())
    rime.do(lambda: bad.ask(CLUSTER).answer(bad.read(), error="Error adding/updating cluster(s) shop: [no]\nat all"))
    status, out, _ = type_in("clients")
    rows = columns(out)
    assert (status, rows[0]) == (0, ["CLIENT", "ADDRESS", "OVER", "GROUP", "STATE", "WHY"])
    assert [row[0] for row in rows[1:]] == ["a-bad-one", "good"]
    assert "rejected shop: Error adding/updating cluster(s) shop: [no] at all" in out
    status, out, _ = type_in("clients", "-o", "json")
    assert [each["state"] for each in json.loads(out)] == ["rejected", "synced"]


def test_what_a_client_lacks(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    envoy = client(rime, "edge")
    rime.do(lambda: envoy.ask(CLUSTER).catch_up())
    status, out, _ = type_in("diff", "edge")
    assert (status, out) == (0, "edge@10.0.0.1:4000 has all 1 resources that it asks for, as they are\n")
    before = rime.plane.snapshot()[CLUSTER]["shop"].version
    rime.do(rime.plane.apply, *cluster("shop", 2))
    after = rime.plane.snapshot()[CLUSTER]["shop"].version
    rime.do(lambda: envoy.answer(envoy.read(), error="clusters shop: no"))
    status, out, _ = type_in("diff", "edge@10.0.0.1:4000")
    assert status == 1
    assert columns(out)[1] == ["clusters", "shop", "rejected", before, after, "clusters", "shop:", "no"]
    status, out, _ = type_in("diff", "edge", "-o", "json")
    assert (status, json.loads(out)[0]["has"]) == (1, before)


def test_a_client_that_is_not_there_or_there_twice(rime, type_in):
    assert type_in("diff", "edge")[0] == 1
    assert "no client called 'edge' is connected" in type_in("diff", "edge")[2]
    for address in ("10.0.0.1:1", "10.0.0.1:2"):
        rime.do(lambda at=address: FakeEnvoy(rime.server, Node(id="edge"), rime.time, peer=at).ask(CLUSTER))
    status, _, err = type_in("diff", "edge")
    assert (status, "2 clients are called 'edge': say which, edge@10.0.0.1:1 or edge@10.0.0.1:2" in err) == (1, True)


# --- status


def test_status_says_what_there_is_and_ends_with_0(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    source = rime.do(rime.plane.writer, "file:conf", allow_empty=True)
    rime.do(source.ready)
    rime.do(source.incomplete, ["conf/a.yaml:3: [not] YAML"])
    envoy = client(rime, "edge")
    rime.do(lambda: envoy.ask(CLUSTER))
    status, out, err = type_in("status")
    assert (status, err) == (0, "")
    assert "1 clusters" in out
    assert "file:conf (0, incomplete)" in out
    assert "! file:conf: conf/a.yaml:3: [not] YAML" in out
    assert "clients: 1 pending" in out
    status, out, _ = type_in("status", "-o", "json")
    (found,) = json.loads(out)
    assert (found["at"], found["clients"]["pending"]) == (rime.url, 1)
    assert found["groups"]["default"]["resources"] == {"clusters": 1}


def test_waiting_ends_when_every_client_has_acknowledged(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    envoy = client(rime, "edge")
    rime.do(lambda: envoy.ask(CLUSTER))
    timer = threading.Timer(0.2, lambda: rime.do(envoy.catch_up))
    timer.start()
    status, out, err = type_in("status", "--wait", "--timeout", "20")
    timer.join()
    assert (status, err) == (0, "")
    assert "clients: 1 synced" in out


def test_waiting_gives_up_and_says_who_and_why(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    envoy = client(rime, "edge")
    rime.do(lambda: envoy.ask(CLUSTER))
    assert type_in("status", "--wait", "--timeout", "0.1")[::2] == (
        1,
        "rime: edge@10.0.0.1:4000: clusters: was not sent everything yet\n",
    )


def test_a_rime_that_answers_nobody_yet_is_waited_for(rime, type_in):
    source = rime.do(rime.plane.writer, "file:conf", allow_empty=True)
    assert type_in("status", "--wait", "--timeout", "0.1")[::2] == (
        1,
        f"rime: {rime.url}: the group default is not ready: file:conf has not delivered its first state\n",
    )
    timer = threading.Timer(0.2, lambda: rime.do(source.ready))
    timer.start()
    status, _, err = type_in("status", "--wait", "--timeout", "20")
    timer.join()
    assert (status, err) == (0, "")


def test_a_time_that_is_none_is_refused(type_in):
    assert type_in("status", "--wait", "--timeout", "-1")[0] == 2


def test_a_rejection_is_not_waited_for_when_nothing_else_is(rime, type_in):
    rime.do(rime.plane.apply, *cluster("shop"))
    envoy = client(rime, "edge")
    rime.do(lambda: envoy.ask(CLUSTER).answer(envoy.read(), error="clusters shop: no"))
    assert type_in("status", "--wait", "--timeout", "1000")[::2] == (
        1,
        "rime: edge@10.0.0.1:4000: clusters: rejected shop: clusters shop: no\n",
    )


def test_several_replicas_are_waited_for(rime, type_in):
    with stage() as other:
        for each in (rime, other):
            each.do(each.plane.apply, *cluster("shop"))
        envoy = client(other, "edge")
        other.do(lambda: envoy.ask(CLUSTER))
        status, out, err = type_in("status", "--wait", "--timeout", "0.1", "--at", other.url)
        assert (status, err) == (1, f"rime: {other.url}: edge@10.0.0.1:4000: clusters: was not sent everything yet\n")
        other.do(envoy.catch_up)
        status, out, err = type_in("status", "--wait", "--timeout", "20", "--at", other.url)
        assert (status, err) == (0, "")
        assert (rime.url in out, other.url in out) == (True, True)


# --- watch


def test_changes_are_shown_as_they_happen_with_what_differs(rime):
    rime.do(rime.plane.apply, *cluster("shop"))
    command = [sys.executable, "-m", "rime_app", "watch", "clusters", "--at", rime.url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as ran:
        try:
            assert ran.stdout is not None
            until_watched(rime, CLUSTER)
            rime.do(rime.plane.apply, *cluster("shop", 2))
            lines = [ran.stdout.readline().rstrip() for _ in range(6)]
            rime.do(rime.plane.remove, CLUSTER, "shop")
            gone = ran.stdout.readline().rstrip()
        finally:
            ran.terminate()
    assert lines[0].endswith(" clusters shop changed")
    assert lines[-2:] == ["-connect_timeout: 1s", "+connect_timeout: 2s"]
    assert gone.endswith(" clusters shop removed")


def until_watched(rime, *type_urls):
    """Wait until somebody was told the first state of these types."""

    def watched():
        indexes = rime.plane.store.indexes
        subscribers = [[*indexes[url].subscribers] if url in indexes else [] for url in type_urls]
        return all(found and all(each.cursor >= 0 for each in found) for found in subscribers)

    while not rime.do(watched):
        time.sleep(0.01)


def test_changes_are_a_line_of_json_each_for_scripts(rime):
    rime.do(rime.plane.apply, *cluster("shop"))
    command = [sys.executable, "-m", "rime_app", "watch", "-o", "json", "--at", rime.url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as ran:
        try:
            assert ran.stdout is not None
            until_watched(rime, CLUSTER, ENDPOINT, SECRET)
            rime.do(rime.plane.apply, *cluster("shop", 2))
            told = json.loads(ran.stdout.readline())
        finally:
            ran.terminate()
    assert (told["type"], told["name"]) == ("clusters", "shop")
    assert (told["before"]["body"]["connect_timeout"], told["after"]["body"]["connect_timeout"]) == ("1s", "2s")


# --- all


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_its_help_and_looks_at_this_machine_by_default(name):
    shown = CliRunner().invoke(COMMANDS[name], ["--help"])
    assert shown.exit_code == 0
    assert "[default: ws://127.0.0.1:18080]" in " ".join(shown.output.split())
    assert "--token-file" in shown.output


def test_the_place_may_come_from_the_environment(rime, monkeypatch):
    monkeypatch.setenv("RIME_URL", rime.url)
    assert CliRunner().invoke(COMMANDS["get"], ["clusters"]).exit_code == 0
    assert CliRunner().invoke(COMMANDS["status"], []).exit_code == 0


def test_where_nobody_is_the_command_ends_with_1(registered, capsys):
    assert run(["clients", "--at", "ws://127.0.0.1:1"], registered) == 1
    assert "cannot reach rime at ws://127.0.0.1:1" in capsys.readouterr().err


def test_a_time_out_that_is_no_number_is_refused(type_in):
    status, _, err = type_in("status", "--wait", "--timeout", "nan")
    assert status == 2
    assert "'nan' is not a number of seconds" in err


def test_the_type_to_watch_is_shown_as_optional():
    found = CliRunner().invoke(COMMANDS["watch"], ["--help"])
    assert "[TYPE]" in found.output
