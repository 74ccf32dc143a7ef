"""What rime serve runs: sources, Planes and transports, here with fakes in one process."""

import logging
from contextlib import asynccontextmanager
from multiprocessing import Pipe

import anyio
import pytest

from rime_app import hookimpl
from rime_app.config import Config, read_config
from rime_app.serve import NO_SOURCE, Service
from rime_app.siblings import Siblings
from rime_app.worker_process import Task
from rime_core import CLUSTER, ROUTE, Client, ClosedError, ConflictError, Node, PeerError, SourceError, UsageError
from tests.rime_app.plugin_fakes import Fakes, FakeSource, FakeTransport, plugins_with

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def forget_what_was_made():
    FakeSource.made.clear()
    FakeTransport.made.clear()


def service(sources=("fake:a",), transports=("fake:127.0.0.1:1",), plugins=None, **settings):
    config = read_config(sources=sources, transports=transports, settings=settings)
    return Service(config, plugins or plugins_with(Fakes()))


@asynccontextmanager
async def running(made):
    """Run a service, and give the lines that it announced, once it has come as far as it can."""
    lines: list[str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run, lines.append)
        await anyio.wait_all_tasks_blocked()
        yield lines
        tasks.cancel_scope.cancel()


def names(server, type_url=CLUSTER):
    return sorted(server.snapshot()[type_url])


async def test_what_a_source_writes_is_what_a_transport_serves():
    async with running(service()) as lines:
        [transport] = FakeTransport.made
        assert names(transport.server) == ["a"]

    assert lines == ["ready fake://127.0.0.1:1 with 1 resource"]


async def test_the_ready_line_names_every_address():
    made = service(["fake:a", "fake:b"], ["fake:127.0.0.1:1", "fake:[::1]:2"])

    async with running(made) as lines:
        pass

    assert lines == ["ready fake://127.0.0.1:1 fake://[::1]:2 with 2 resources"]


async def test_the_ready_line_is_one_line_and_its_addresses_have_no_spaces():
    async with running(service(transports=["fake:/run/my socket\nready"])) as lines:
        pass

    assert lines == ["ready fake:///run/my%20socket%0Aready with 1 resource"]


async def test_options_reach_the_plugin_without_rimes_own():
    service(["fake:a?quiet=1s&group=edge"], ["fake:x?y=z"], plugins_with(Fakes(), ByCluster()))

    assert (FakeSource.made[0].place, FakeSource.made[0].options) == ("a", {"quiet": "1s"})
    assert (FakeTransport.made[0].place, FakeTransport.made[0].options) == ("x", {"y": "z"})


async def test_transports_listen_before_sources_are_ready_and_ready_is_said_when_both_are():
    async with running(service(["never:a", "fake:b"])) as lines:
        assert FakeTransport.made[0].server is not None
        assert not FakeTransport.made[0].server.ready
        assert lines == []

        FakeSource.made[0].writer.ready()
        await anyio.wait_all_tasks_blocked()

        assert lines == ["ready fake://127.0.0.1:1 with 1 resource"]


async def test_when_the_wait_is_over_clients_are_answered_loudly(caplog):
    made = service(["never:a", "fake:b"], ready_timeout="0")
    async with running(made) as lines:
        assert FakeTransport.made[0].server.ready
        assert lines == ["ready fake://127.0.0.1:1 with 1 resource"]

    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == (
        "clients are answered although never:a has not delivered its first full state within 0 s;"
        " nothing is removed from a client until it has"
    )


async def test_the_first_configured_source_wins_a_name_that_two_claim(caplog):
    made = service(["fake:a?x=1", "broken:b"])
    second = made._planes["default"].writer("late")
    async with running(made):
        assert second.apply(CLUSTER, "a", b"other") is False

    assert "'a' is claimed by fake:a and by late" in caplog.text


async def test_a_source_that_fails_does_not_stop_the_others(caplog):
    async with running(service(["broken:conf", "fake:a"], ready_timeout="0")) as lines:
        assert lines == ["ready fake://127.0.0.1:1 with 1 resource"]

    [line] = [record for record in caplog.records if "broken:conf failed" in record.getMessage()]
    assert str(line.exc_info[1]) == "conf cannot be read"


async def test_a_source_that_left_a_transaction_open_begins_anew(monkeypatch):
    monkeypatch.setattr("rime_app.supervise.FIRST_PAUSE", 0.0)
    async with running(service(["leaving:a"])):
        while FakeSource.made[0].runs < 2:
            await anyio.wait_all_tasks_blocked()

        assert names(FakeTransport.made[0].server) == ["a"]


class WatchingSource(FakeSource):
    """Fails when clients ask for what begins with an x, and in its first run as soon as `leave` is set."""

    async def run(self, writer):
        self.runs += 1
        self.leave = anyio.Event()
        writer.watch(CLUSTER, self.asked)
        writer.ready()
        await self.leave.wait()
        raise SourceError("gone")

    def asked(self, wanted, unwanted):
        self.wanted = sorted(wanted)
        if any(name.startswith("x") for name in wanted):
            raise KeyError(*wanted)


class Watching:
    @hookimpl
    def rime_sources(self):
        return {"watching": WatchingSource}


async def test_what_a_source_raises_when_it_is_told_what_clients_ask_for_is_a_warning(caplog):
    made = service(["watching:a?allow_empty"], plugins=plugins_with(Fakes(), Watching()))
    async with running(made):
        FakeTransport.made[0].server.subscribe(CLUSTER, ["x"])

    [record] = [record for record in caplog.records if getattr(record, "notice", None) == "watcher-failed"]
    assert record.getMessage() == "watching:a failed when it was told which clusters clients ask for"
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "KeyError('x')"


async def test_a_source_that_has_ended_is_told_nothing_until_it_runs_again(monkeypatch):
    monkeypatch.setattr("rime_app.supervise.FIRST_PAUSE", 3600.0)
    made = service(["watching:a?allow_empty"], plugins=plugins_with(Fakes(), Watching()))
    async with running(made):
        source, server = FakeSource.made[0], FakeTransport.made[0].server
        server.subscribe(CLUSTER, ["b"])
        assert source.wanted == ["b"]
        source.leave.set()
        await anyio.wait_all_tasks_blocked()
        server.subscribe(CLUSTER, ["c"])
        assert source.wanted == ["b"]


async def test_an_empty_source_may_be_believed():
    made = service(["never:a?allow_empty"])
    async with running(made):
        FakeSource.made[0].writer.ready()

        assert made._planes["default"].complete


async def test_an_empty_source_is_not_believed_otherwise():
    made = service(["never:a"])
    async with running(made):
        FakeSource.made[0].writer.ready()

        assert made._planes["default"].ready
        assert not made._planes["default"].complete


async def test_removing_too_much_at_once_is_held_until_released(caplog):
    caplog.set_level(logging.INFO)
    made = service(max_removal="50%")
    async with running(made):
        writer, server = FakeSource.made[0].writer, FakeTransport.made[0].server
        writer.remove(CLUSTER, "a")
        assert names(server) == ["a"]

        made.release()
        assert names(server) == []

    kinds = [(record.notice, record.levelname) for record in caplog.records if hasattr(record, "notice")]
    assert ("removal-held", "WARNING") in kinds
    assert ("removal-released", "INFO") in kinds


@pytest.mark.parametrize("base", ["", "base = 'default'"])
async def test_a_policy_holds_in_every_group_and_is_released_as_well(tmp_path, caplog, base):
    path = tmp_path / "rime.toml"
    path.write_text(f"[policies.clusters]\nmissing = 'unanswered'\nremoval = 'never'\n[serve]\n{base}\n")
    config = read_config(path, sources=["fake:a", "fake:b?group=edge"], transports=["fake:127.0.0.1:1"])
    made = Service(config, plugins_with(Fakes(), ByCluster()))
    async with running(made):
        for source, group, name in zip(FakeSource.made, ("default", "edge"), "ab", strict=True):
            plane = made._planes[group]
            assert plane.server().subscribe(CLUSTER, ["x"]).initial().removed == ()
            source.writer.remove(CLUSTER, name)
            assert [held.name for held in plane.status().held] == [name]
            assert f"the removal of cluster '{name}' is held: clusters stay until" in caplog.text
        made.release()
        assert all(plane.snapshot() == {} for plane in made._planes.values())


async def test_at_the_end_transports_end_and_the_planes_are_closed():
    made = service()
    async with running(made):
        pass

    assert FakeTransport.made[0].ended
    with pytest.raises(ClosedError):
        FakeSource.made[0].writer.apply(CLUSTER, "b", b"")


@pytest.mark.parametrize(
    ("transport", "complaint"),
    [
        ("taken:127.0.0.1:1", "--transport taken:127.0.0.1:1: 127.0.0.1:1 is in use by another program"),
        ("buggy:x", "--transport buggy:x: ZeroDivisionError: division by zero (plugin_fakes.py:"),
        ("exiting:x", "--transport exiting:x: SystemExit: 3 (plugin_fakes.py:"),
        ("silent:x", "--transport silent:x: ended without listening"),
    ],
)
async def test_a_transport_that_cannot_begin_ends_it_all(transport, complaint):
    with pytest.raises(UsageError) as raised:
        await service(transports=["fake:1", transport]).run(lambda _line: None)

    assert str(raised.value).startswith(complaint)


async def test_a_transport_that_dies_later_is_started_again(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("rime_app.supervise.FIRST_PAUSE", 0.0)
    async with running(service(transports=["dying:x", "fake:y"])) as lines:
        FakeTransport.made[0].die.set()
        while FakeTransport.made[0].runs < 2:
            await anyio.wait_all_tasks_blocked()

    assert lines == ["ready dying://x:1 fake://y with 1 resource"]
    messages = [record.getMessage() for record in caplog.records]
    assert "dying:x failed and starts again in 0.0 s" in messages
    assert "dying:x listens again at x:2" in messages


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"sources": ["picky:x"]}, "--source picky:x: picky: there is no place 'x'"),
        ({"sources": ["buggy:x"]}, "--source buggy:x: KeyError: 'x' (plugin_fakes.py:"),
        ({"sources": ["exiting:x"]}, "--source exiting:x: SystemExit: 3 (plugin_fakes.py:"),
        ({"sources": ["file:x"]}, "--source file:x: the source 'file' is not installed; it comes with rime-file-"),
        ({"sources": ["fkae:x"]}, "--source fkae:x: there is no source 'fkae'; did you mean 'fake'?"),
        ({"sources": ["zzz:x"]}, "--source zzz:x: there is no source 'zzz'; installed: broken, buggy, exiting, fake, "),
        ({"transports": ["grpc:x"]}, "--transport grpc:x: the transport 'grpc' is not installed; it comes with rime-g"),
        ({"transports": []}, "the default transport: the transport 'grpc' is not installed; it comes with rime-grpc:"),
        ({"sources": []}, NO_SOURCE),
    ],
)
async def test_what_cannot_be_made_says_so_in_one_line(options, complaint):
    with pytest.raises(UsageError) as raised:
        service(**options)

    assert str(raised.value).startswith(complaint)
    assert "\n" not in str(raised.value)


class SharedTransport(FakeTransport):
    def share(self, siblings, folder):
        self.shared = siblings, folder


class Sharing:
    @hookimpl
    def rime_transports(self):
        return {"shared": SharedTransport}


@pytest.fixture
def siblings(tmp_path):
    ours, theirs = Pipe()
    with ours, theirs:
        yield Siblings(Task(1, 2, Config(), tmp_path), theirs)


async def test_transports_are_told_of_siblings_and_each_has_a_folder(siblings, tmp_path):
    config = read_config(sources=["fake:a"], transports=["shared:127.0.0.1:1", "shared:127.0.0.1:2"])
    Service(config, plugins_with(Fakes(), Sharing()), siblings)

    assert [each.shared for each in FakeTransport.made] == [(siblings, tmp_path / "0"), (siblings, tmp_path / "1")]


async def test_a_transport_that_cannot_be_shared_is_not_run_by_workers(siblings):
    config = read_config(sources=["fake:a"], transports=["fake:127.0.0.1:1"])

    with pytest.raises(UsageError) as raised:
        Service(config, plugins_with(Fakes()), siblings)
    assert str(raised.value) == ("--transport fake:127.0.0.1:1: fake cannot be shared by workers; leave workers out")


async def test_no_source_names_rime_file_source_and_where_to_read_about_ones_own():
    assert "rime-file-source" in NO_SOURCE
    assert "docs/plugins.md" in NO_SOURCE


async def test_the_same_source_twice_is_a_conflict():
    with pytest.raises(ConflictError, match="fake:a"):
        service(["fake:a", "fake:a?quiet=1s"])


async def test_the_same_source_may_be_in_two_groups():
    service(["fake:a", "fake:a?group=edge"], plugins=plugins_with(Fakes(), ByCluster()))


# --- groups


class ByCluster:
    """A client's group is the cluster it says that it is of."""

    @hookimpl
    def rime_group(self, node):
        if node.cluster == "crash":
            raise RuntimeError("no database")
        return node.cluster or None


@pytest.fixture
def grouped():
    return service(["fake:a", "fake:b?group=edge"], plugins=plugins_with(Fakes(), ByCluster()))


@pytest.mark.parametrize(("cluster", "served"), [("edge", ["b"]), ("", ["a"]), ("unknown", ["a"]), ("default", ["a"])])
async def test_a_client_is_served_from_its_group(grouped, cluster, served):
    async with running(grouped):
        server = FakeTransport.made[0].server

        assert names(server.serving(Client(Node(id="n", cluster=cluster)))) == served


async def test_who_looks_at_all_groups_finds_them_by_name(grouped):
    async with running(grouped):
        groups = FakeTransport.made[0].server.groups

        assert {name: names(server) for name, server in groups.items()} == {"default": ["a"], "edge": ["b"]}


async def test_a_group_that_no_source_writes_to_is_told(grouped, caplog):
    async with running(grouped):
        FakeTransport.made[0].server.serving(Client(Node(id="n1", cluster="unknown")))

    assert "client 'n1' is of group 'unknown', which no source writes to; it gets the group default" in caplog.text


async def test_a_hook_that_raises_ends_that_stream_and_no_more(grouped, caplog):
    async with running(grouped):
        with pytest.raises(PeerError) as raised:
            FakeTransport.made[0].server.serving(Client(Node(id="n1", cluster="crash")))

    assert raised.value.code == "UNAVAILABLE"
    assert "no database" not in str(raised.value)
    assert "the group of client 'n1' cannot be told" in caplog.text


async def test_every_group_must_be_ready():
    made = service(["fake:a", "never:b?group=edge"], plugins=plugins_with(Fakes(), ByCluster()))
    async with running(made) as lines:
        assert lines == []
        FakeSource.made[1].writer.ready()
        await anyio.wait_all_tasks_blocked()
        assert lines == ["ready fake://127.0.0.1:1 with 1 resource"]


async def test_with_one_group_nobody_is_asked():
    made = service(plugins=plugins_with(Fakes(), ByCluster()))
    async with running(made):
        server = FakeTransport.made[0].server

        assert server.serving(Client(Node(cluster="crash"))) is server
        assert list(server.groups) == ["default"]


class NothingForStrangers:
    """Who is of the cluster `strangers` is given nothing."""

    @hookimpl
    def rime_authorize(self, node):
        if node.cluster == "strangers":
            raise PeerError("a stranger", code="PERMISSION_DENIED")


@pytest.mark.parametrize("sources", [["fake:a"], ["fake:a", "fake:b?group=edge"]])
async def test_what_a_client_may_be_given_is_asked_with_groups_and_without(sources):
    made = service(sources, plugins=plugins_with(Fakes(), ByCluster(), NothingForStrangers()))
    async with running(made):
        server = FakeTransport.made[0].server

        assert server.permissions(Client(Node(cluster="edge"))) is None
        with pytest.raises(PeerError, match="a stranger"):
            server.permissions(Client(Node(cluster="strangers")))


async def test_changes_are_put_off_as_is_said_of_all_types_and_of_one(tmp_path):
    path = tmp_path / "rime.toml"
    path.write_text("[serve]\ndebounce = '10ms'\n[policies.routes]\ndebounce = 0\n")
    config = read_config(path, sources=["fake:a"], transports=["fake:127.0.0.1:1"])
    async with running(Service(config, plugins_with(Fakes()))):
        server, writer = FakeTransport.made[0].server, FakeSource.made[0].writer
        woken = {url: anyio.Event() for url in (CLUSTER, ROUTE)}
        for url, event in woken.items():
            server.subscribe(url, wake=event.set).initial()
            writer.apply(url, "x", b"1")
        assert (woken[CLUSTER].is_set(), woken[ROUTE].is_set()) == (False, True)
        await woken[CLUSTER].wait()

        (clusters,) = server.status().delays
        assert (clusters.type_url, clusters.quiet, clusters.max_wait, clusters.waits) == (CLUSTER, 0.01, 0.1, 1)


async def test_rules_say_what_a_client_may_be_given(tmp_path):
    path = tmp_path / "rime.toml"
    path.write_text("[[authorize]]\ntypes = 'clusters'\nid = 'n1'\n")
    config = read_config(path, sources=["fake:a"], transports=["fake:127.0.0.1:1"])
    async with running(Service(config, plugins_with(Fakes()))):
        server = FakeTransport.made[0].server

        assert server.permissions(Client(Node(id="n1"))) is None
        assert server.permissions(Client(Node(id="n2"))).type(CLUSTER) is not None


async def test_a_group_is_refused_when_nothing_puts_clients_in_it():
    with pytest.raises(UsageError) as raised:
        service(["fake:a", "fake:b?group=defualt"])

    assert str(raised.value) == (
        "--source fake:b?group=defualt: no client is of group='defualt': no rule under [[groups]] names it"
        " (docs/configuration.md), and no installed plugin says which clients are of which group"
    )


@pytest.fixture
def without_default():
    return service(["fake:b?group=edge"], plugins=plugins_with(Fakes(), ByCluster()))


@pytest.mark.parametrize(("cluster", "group"), [("", "default"), ("unknown", "unknown")])
async def test_a_client_whose_group_nobody_writes_to_is_sent_away_and_not_told_that_all_is_gone(
    without_default, caplog, cluster, group
):
    async with running(without_default):
        with pytest.raises(PeerError) as raised:
            FakeTransport.made[0].server.serving(Client(Node(id="n1", cluster=cluster)))

    assert (str(raised.value), raised.value.code) == (f"no source writes to group {group!r}", "UNAVAILABLE")
    assert f"client 'n1' is of group {group!r}, which no source writes to, so its stream ends" in caplog.text


async def test_without_a_source_in_the_group_default_the_others_are_served(without_default, caplog):
    async with running(without_default) as lines:
        assert names(FakeTransport.made[0].server.serving(Client(Node(cluster="edge")))) == ["b"]

    assert lines == ["ready fake://127.0.0.1:1 with 1 resource"]
    assert "no source writes to the group 'default'" in caplog.text


async def test_who_does_not_say_who_it_is_is_not_answered_from_a_group_that_nobody_writes_to(without_default):
    async with running(without_default):
        assert not FakeTransport.made[0].server.ready


# --- a base


@pytest.fixture
def based():
    return service(
        ["fake:b?group=edge", "fake:a?group=shared", "fake:c"],
        plugins=plugins_with(Fakes(), ByCluster()),
        base="shared",
        unmatched="shared",
    )


@pytest.mark.parametrize(
    ("cluster", "served"), [("edge", ["a", "b"]), ("default", ["a", "c"]), ("shared", ["a"]), ("", ["a"])]
)
async def test_every_group_has_what_its_base_has(based, cluster, served):
    async with running(based) as lines:
        server = FakeTransport.made[0].server
        assert names(server.serving(Client(Node(cluster=cluster)))) == served

    assert lines == ["ready fake://127.0.0.1:1 with 3 resources"]


async def test_a_base_that_is_late_is_opened_first_and_its_groups_with_it(caplog):
    made = service(
        ["fake:b?group=edge", "never:a?group=shared"],
        plugins=plugins_with(Fakes(), ByCluster()),
        base="shared",
        ready_timeout="0",
    )
    async with running(made):
        assert FakeTransport.made[0].server.serving(Client(Node(cluster="edge"))).ready

    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "although never:a has not delivered" in line.getMessage()


async def test_a_base_is_its_own_and_may_be_default():
    made = service(["fake:a", "fake:b?group=edge"], plugins=plugins_with(Fakes(), ByCluster()), base="default")
    async with running(made):
        server = FakeTransport.made[0].server
        assert names(server.serving(Client(Node(cluster="edge")))) == ["a", "b"]
        assert names(server.serving(Client(Node()))) == ["a"]


# --- references


class Referring:
    @hookimpl
    def rime_references(self):
        def refuse(_type_url, _body):
            raise ValueError("references were asked for")

        return refuse


async def test_the_planes_ask_the_plugins_callable_for_references(caplog):
    async with running(service(plugins=plugins_with(Fakes(), Referring()))):
        pass

    assert "references were asked for" in caplog.text


class Ages:
    """Sources that can tell how old what they delivered is, or cannot."""

    @hookimpl
    def rime_sources(self):
        class DatedSource(FakeSource):
            def staleness(self):
                return 2.5

        class BrokenDate(FakeSource):
            def staleness(self):
                raise OSError("the clock is gone")

        return {"dated": DatedSource, "wrong": BrokenDate}


async def test_how_old_what_a_source_delivered_is_is_told_where_it_can_tell(caplog):
    plugins = plugins_with(Fakes(), Ages())
    async with running(service(["dated:a", "wrong:b", "fake:c"], plugins=plugins)):
        server = FakeTransport.made[-1].server
        server.status()
        told = {each.name: each.staleness for each in server.status().writers}
    assert told == {"the program": None, "dated:a": 2.5, "wrong:b": None, "fake:c": None}
    assert "wrong:b cannot tell how old what it delivered is" in caplog.text
    assert caplog.text.count("cannot tell") == 1


async def test_whether_each_transport_listens_is_known_while_it_runs_and_when_it_does_not():
    async with running(service(transports=["fake:127.0.0.1:1", "dying:x"])):
        steady, dying = FakeTransport.made
        listening = steady.server.transports
        assert [(each.name, each.listens_at) for each in listening] == [
            ("fake:127.0.0.1:1", "127.0.0.1:1"), ("dying:x", "x:1"),
        ]  # fmt: skip
        dying.die.set()
        await anyio.wait_all_tasks_blocked()
        assert [each.listens_at for each in listening] == ["127.0.0.1:1", None]
    assert [each.listens_at for each in steady.server.transports] == [None, None]
