"""docs/plugins.md and docs/configuration.md: what they show is run."""

import json
import re
import socket
import tomllib
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from rime_app import hookimpl
from rime_app.authorization import Authorization
from rime_app.config import read_config
from rime_app.routing import check_groups
from rime_core import (
    CLUSTER,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    SECRET,
    Certificate,
    Client,
    Debounce,
    Node,
    Peer,
    PeerError,
    Plane,
    Policy,
)
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest
from rime_core.testing import check_source
from tests.rime_app.plugin_fakes import plugins_with

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_page(block, **names):
    """The module that a block of the page is."""
    page = ModuleType("page")
    vars(page).update(names)
    exec(block, vars(page))  # noqa: S102 - what the page shows is run
    return page


@pytest.fixture
def pages_plugins(rime):
    """The two plugins of the page, installed under the names that the page gives them."""
    for block in blocks("plugins.md", "python"):
        named = re.match(r"# (\w+)\.py\n", block)
        if named:
            rime.install(named[1].replace("_", "-"), block)
    (rime.site / "hosts.txt").write_text("127.0.0.1:8080\nlocalhost:8081\n")
    return rime


def serve(rime, options=""):
    process = rime.start("serve", "--source", f"hosts:hosts.txt{options}", "--transport", "tap:127.0.0.1:0")
    return process, process.stdout.readline()


def test_the_source_and_the_transport_of_the_page_work_together(pages_plugins):
    _, ready = serve(pages_plugins, "?every=10ms")
    found = re.fullmatch(r"ready tap://127\.0\.0\.1:(\d+) with 1 resource\n", ready)
    assert found

    with socket.create_connection(("127.0.0.1", int(found[1])), timeout=20) as client, client.makefile("r") as lines:
        client.sendall(b"endpoints\n")
        first = json.loads(lines.readline())
        (pages_plugins.site / "hosts.txt").write_text("127.0.0.1:9090\n")
        second = json.loads(lines.readline())

    assert first["name"] == second["name"] == "hosts"
    assert first["version"] != second["version"]


def test_the_pages_source_says_what_it_cannot_read(pages_plugins):
    (pages_plugins.site / "hosts.txt").write_text("127.0.0.1:http\n")

    process = pages_plugins.start(
        "serve", "--source", "hosts:hosts.txt", "--transport", "tap:127.0.0.1:0", "--ready-timeout", "10ms"
    )

    assert process.stdout.readline().endswith("with 0 resources\n")
    assert any("hosts.txt: invalid literal for int()" in line for line in iter(process.stderr.readline, ""))


def test_the_pages_transport_cannot_listen_twice(pages_plugins):
    _, ready = serve(pages_plugins)
    place = ready.split()[1].removeprefix("tap://")

    status, out, err = pages_plugins.run("serve", "--source", "hosts:hosts.txt", "--transport", f"tap:{place}")

    assert (status, out) == (2, "")
    assert f"rime: --transport tap:{place}: {place}: " in err


def test_the_pages_project_file_names_the_entry_point():
    [project] = [tomllib.loads(block) for block in blocks("plugins.md", "toml")]

    assert project["project"]["entry-points"]["rime"] == {"hosts": "hosts_source"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == ["hosts_source.py"]


@pytest.mark.asyncio
async def test_the_pages_source_makes_what_is_asked_for():
    [block] = [block for block in blocks("plugins.md", "python") if block.startswith("# demand_source.py")]
    page = run_page(block)
    await check_source(page.Demand, "internal", {})
    plane = Plane()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(page.Demand("internal", {}).run, plane.writer("demand", allow_empty=True))
            await anyio.wait_all_tasks_blocked()
            client, everything = DeltaStream(plane.server()), DeltaStream(plane.server())
            everything.receive(DeltaRequest(CLUSTER))
            client.receive(DeltaRequest(CLUSTER, subscribe=["shop.internal", "shop.example"]))
            assert [said(response.update) for response in client.responses()] == [(["shop.internal"], ["shop.example"])]
            assert [said(response.update) for response in everything.responses()] == [([], [])]
            client.close()
            assert CLUSTER not in plane.snapshot()
            tasks.cancel_scope.cancel()


def said(update):
    return [resource.name for resource in update.resources], list(update.removed)


@pytest.mark.parametrize("block", blocks("plugins.md", "python"))
def test_every_block_is_python(block):
    compile(block, "plugins.md", "exec")


def test_the_two_ways_to_configure_say_the_same(tmp_path):
    path = tmp_path / "rime.toml"
    text, *_ = blocks("configuration.md", "toml")
    path.write_text(text)

    assert read_config(path) == read_config(
        sources=["file:conf?quiet=100ms"], transports=["grpc:127.0.0.1:18000"], settings={"log": "json"}
    )
    [command] = blocks("configuration.md", "sh")
    assert command == ('rime serve --source "file:conf?quiet=100ms" --transport grpc:127.0.0.1:18000 --log json\n')


def test_the_groups_of_the_page_are_two_and_fit_together(tmp_path):
    path = tmp_path / "rime.toml"
    _, text, *_ = blocks("configuration.md", "toml")
    path.write_text(text)
    config = read_config(path)

    check_groups(config, plugins_with())
    [rule] = config.groups
    assert rule.holds(Client(Node(cluster="edge-1", metadata={"stage": "test"})))
    assert not rule.holds(Client(Node(cluster="edge-1", metadata={"stage": "staging"})))
    assert (config.settings.base, {source.group for source in config.sources}) == ("default", {"default", "edge"})


def test_the_policies_of_the_page_are_those_of_two_types(tmp_path):
    path = tmp_path / "rime.toml"
    *_, text, _ = blocks("configuration.md", "toml")
    path.write_text(text)

    assert read_config(path).policies == {
        ROUTE: Policy(missing="unanswered", removal="never"),
        EXTENSION_CONFIG: Policy(missing="unanswered"),
    }


def test_the_page_puts_off_all_types_and_one_for_longer_and_one_not_at_all(tmp_path):
    path = tmp_path / "rime.toml"
    *_, text = blocks("configuration.md", "toml")
    path.write_text(text)

    config = read_config(path)
    assert config.settings.debounce == Debounce(0.1, 1.0)
    assert config.policies == {LISTENER: Policy(debounce=Debounce(1, 5)), ROUTE: Policy(debounce=Debounce(0, 0))}


def secrets_for(permissions, *names):
    why_not = permissions.names(SECRET) if permissions is not None else None
    return [name for name in names if why_not is None or why_not(name) is None]


def with_certificate(common_name, *names):
    return Client(Node(id="anything"), Peer("127.0.0.1:5000", Certificate(common_name, names)))


def test_the_rules_of_the_page_keep_the_secrets_of_teams_apart(tmp_path):
    path = tmp_path / "rime.toml"
    _, _, text, *_ = blocks("configuration.md", "toml")
    path.write_text(text)
    authorization = Authorization(read_config(path).authorize, plugins_with())

    for team, other in (("team-a", "team-b"), ("team-b", "team-a")):
        permissions = authorization(with_certificate("", f"spiffe://example.com/{team}/1"))
        assert secrets_for(permissions, f"{team}/key", f"{other}/key", "common") == [f"{team}/key", "common"]


def test_the_plugin_of_the_page_gives_each_its_own_secrets():
    [block] = [block for block in blocks("plugins.md", "python") if "def rime_authorize" in block]
    page = run_page(block, hookimpl=hookimpl, SECRET=SECRET, PeerError=PeerError)
    authorization = Authorization([], plugins_with(page))

    names = "mine/key", "yours/key"
    assert secrets_for(authorization(with_certificate("mine")), *names) == ["mine/key"]
    assert secrets_for(authorization(Client(Node(id="mine"))), *names) == []
    permissions = authorization(with_certificate("mine"))
    assert permissions is not None
    assert permissions.names(CLUSTER) is None
    with pytest.raises(PeerError, match="not served any more"):
        authorization(Client(Node(cluster="retired")))
