"""Finding plugins, and asking them what they offer."""

from importlib.metadata import Distribution, EntryPoint

import click
import pytest

from rime_app import hookimpl, hooks
from rime_app.plugins import HOMES, Offer, Plugin, PluginFault, Plugins, installed_plugins, make_registry
from rime_core import Client, ConflictError, Node, Peer, UsageError
from tests.rime_app.plugin_fakes import Fakes, FakeSource, FakeTransport, plugins_with


class Shop:
    """One plugin that implements every hook."""

    distribution = "rime-shop"
    command = click.Command("stock")

    @hookimpl
    def rime_sources(self):
        return {"shop": FakeSource}

    @hookimpl
    def rime_transports(self):
        return {"shop": FakeTransport}

    @hookimpl
    def rime_commands(self):
        return {"stock": self.command}

    @hookimpl
    def rime_group(self, node, peer):
        return f"{node.id} at {peer.address}"

    @hookimpl
    def rime_authorize(self, node, peer):
        return f"what {node.id} at {peer.address} may be given"

    @hookimpl
    def rime_references(self):
        return sorted


def entry_point(distribution, value, tmp_path):
    info = tmp_path / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[rime]\nplugin = {value}\n")
    [found] = Distribution.at(info).entry_points
    return found


def test_each_hook_is_asked():
    plugins = plugins_with(Shop())
    shop = Plugin("rime-shop", "1.0")

    assert plugins.sources() == {"shop": Offer(FakeSource, shop)}
    assert plugins.transports() == {"shop": Offer(FakeTransport, shop)}
    assert plugins.commands() == {"stock": Offer(Shop.command, shop)}
    assert plugins.group(Client(Node("n"), Peer("unix:"))) == "n at unix:"
    assert plugins.permissions(Client(Node("n"), Peer("unix:"))) == ["what n at unix: may be given"]
    assert plugins.references() is sorted
    assert plugins.faults == []


def test_without_plugins_there_is_nothing():
    plugins = plugins_with()

    assert (plugins.sources(), plugins.transports(), plugins.commands()) == ({}, {}, {})
    assert plugins.group(Client()) is None
    assert plugins.permissions(Client()) == []
    assert plugins.references() is None


def test_of_two_plugins_with_references_the_last_one_registered_is_asked_as_pluggy_does():
    class Other:
        @hookimpl
        def rime_references(self):
            return max

    assert plugins_with(Shop(), Other()).references() is max
    assert plugins_with(Other(), Shop()).references() is sorted


def test_a_hook_may_answer_with_nothing():
    class Nothing:
        @hookimpl
        def rime_sources(self):
            return None

        @hookimpl
        def rime_references(self):
            return None

    plugins = plugins_with(Nothing())

    assert plugins.sources() == {}
    assert plugins.references() is None
    assert plugins.faults == []


def test_of_several_plugins_everything_is_offered_by_name():
    assert list(plugins_with(Shop(), Fakes()).transports()) == [
        "buggy",
        "dying",
        "exiting",
        "fake",
        "shop",
        "silent",
        "taken",
    ]


def test_the_first_plugin_with_a_group_decides():
    class Edge:
        @hookimpl
        def rime_group(self, node):
            return "edge" if node.id == "e" else None

    class Other:
        @hookimpl(trylast=True)
        def rime_group(self):
            return "other"

    plugins = plugins_with(Edge(), Other())

    assert (plugins.group(Client(Node("e"))), plugins.group(Client(Node("x")))) == ("edge", "other")


def test_each_plugin_is_asked_what_a_client_may_be_given():
    class Silent:
        @hookimpl
        def rime_authorize(self):
            return None

    assert len(plugins_with(Shop(), Silent(), Shop()).permissions(Client())) == 2


def test_two_distributions_with_one_kind_are_a_conflict_that_names_both():
    class Rival(Shop):
        distribution = "rime-rival"

    with pytest.raises(ConflictError) as raised:
        plugins_with(Shop(), Rival()).sources()

    assert str(raised.value) == "rime-shop 1.0 and rime-rival 1.0 both offer the source 'shop'; uninstall one of them"


def test_one_kind_may_be_a_source_and_a_transport():
    plugins = plugins_with(Shop())

    assert plugins.sources().keys() == plugins.transports().keys()


def test_a_hook_that_raises_is_that_plugins_fault_alone():
    class Failing:
        distribution = "rime-failing"

        @hookimpl
        def rime_sources(self):
            raise ImportError("no libpq")

    reported: list[PluginFault] = []
    plugins = Plugins(make_registry(), reported.append)
    plugins.register(Failing(), Plugin("rime-failing", "2.0"))
    plugins.register(Shop(), Plugin("rime-shop", "1.0"))

    assert list(plugins.sources()) == ["shop"]
    assert list(plugins.sources()) == ["shop"]
    [fault] = reported
    assert str(fault).startswith(
        "plugin rime-failing 2.0 failed in rime_sources: ImportError: no libpq (test_plugins.py:"
    )
    assert str(fault).endswith("; going on without it")
    assert plugins.faults == [fault]


@pytest.mark.parametrize("answer", [["shop"], 3])
def test_a_hook_that_answers_something_else_is_a_fault(answer):
    class Odd:
        @hookimpl
        def rime_sources(self):
            return answer

    plugins = plugins_with(Odd())

    assert plugins.sources() == {}
    assert "failed in rime_sources: " in str(plugins.faults[0])


def complaint(module):
    with pytest.raises(UsageError) as raised:
        plugins_with(module)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_misspelt_hook_is_an_error_with_the_likely_name():
    class Misspelt:
        @hookimpl
        def rime_sorces(self):
            return {}

    assert complaint(Misspelt()) == ("plugin Misspelt 1.0: rime has no hook rime_sorces; did you mean rime_sources?")


def test_an_unknown_hook_is_an_error_with_the_names_that_there_are():
    class Unknown:
        @hookimpl
        def colour(self):
            return {}

    assert complaint(Unknown()).startswith("plugin Unknown 1.0: rime has no hook colour; there are rime_sources, ")


def test_a_hook_of_a_newer_rime_may_be_optional():
    class Newer:
        @hookimpl(optionalhook=True)
        def rime_weather(self):
            return {}

    assert plugins_with(Newer()).registered


def test_a_hook_with_other_arguments_is_an_error():
    class Greedy:
        @hookimpl
        def rime_group(self, node, weather):  # it is the signature that is wrong
            return None

    assert complaint(Greedy()).startswith("plugin Greedy 1.0: ")
    assert "weather" in complaint(Greedy())


def test_an_async_hook_is_an_error_because_nobody_would_await_it():
    class Async:
        @hookimpl
        async def rime_sources(self):
            return {}

    assert complaint(Async()) == "plugin Async 1.0: rime_sources is async, but hooks are plain functions"


# --- entry points


def test_a_plugin_is_found_by_its_entry_point(tmp_path):
    plugins = Plugins(make_registry(), report=lambda _fault: None)

    plugins.load([entry_point("rime-here", "rime_app.plugin", tmp_path)])

    assert plugins.registered == [Plugin("rime-here", "1.0")]
    assert set(plugins.commands()) == {"plugins", "serve"}


def test_a_plugin_that_cannot_be_imported_is_one_line_and_the_others_go_on(tmp_path):
    plugins = Plugins(make_registry(), report=lambda _fault: None)

    plugins.load(
        [
            entry_point("rime-absent", "no_such_module_anywhere", tmp_path),
            entry_point("rime-here", "rime_app.plugin", tmp_path),
        ]
    )

    assert plugins.registered == [Plugin("rime-here", "1.0")]
    [fault] = plugins.faults
    assert str(fault).startswith("plugin rime-absent 1.0 cannot be imported: ModuleNotFoundError: No module named ")


def test_plugins_are_imported_in_an_order_that_is_the_same_everywhere(tmp_path):
    found = [entry_point(name, f"no_such_{name}", tmp_path) for name in ("zebra", "ant", "mole")]
    plugins = Plugins(make_registry(), report=lambda _fault: None)

    plugins.load(found)

    assert [fault.plugin.distribution for fault in plugins.faults] == ["ant", "mole", "zebra"]


def test_an_entry_point_of_no_distribution_is_called_by_its_value():
    plugins = Plugins(make_registry(), report=lambda _fault: None)

    plugins.load([EntryPoint("x", "no_such_module_anywhere", "rime")])

    assert plugins.faults[0].plugin == Plugin("no_such_module_anywhere", "of no distribution")


def test_whether_clients_are_put_in_groups_is_known():
    class Grouping:
        @hookimpl
        def rime_group(self, node):
            return None

    assert plugins_with(Grouping()).has_groups
    assert not plugins_with(Fakes()).has_groups


def test_whether_anybody_says_what_clients_may_be_given_is_known():
    assert plugins_with(Shop()).has_authorization
    assert not plugins_with(Fakes()).has_authorization


def test_a_hook_that_exits_is_a_fault_like_any_other():
    class Exiting:
        @hookimpl
        def rime_sources(self):
            raise SystemExit(3)

    plugins = plugins_with(Exiting(), Fakes())

    assert "fake" in plugins.sources()
    assert "failed in rime_sources: SystemExit: 3" in str(plugins.faults[0])


def test_only_rimes_group_of_entry_points_is_read():
    assert {found.group for found in installed_plugins()} <= {hooks.PROJECT}


# --- picking


def test_picking_what_is_offered():
    assert plugins_with(Shop()).pick("source", "shop") is FakeSource


@pytest.mark.parametrize(("what", "kind"), HOMES)
def test_what_is_not_installed_names_its_distribution(what, kind):
    with pytest.raises(UsageError) as raised:
        plugins_with().pick(what, kind)

    home = HOMES[what, kind]
    assert str(raised.value) == f"the {what} {kind!r} is not installed; it comes with {home}: pip install {home}"


def test_what_is_installed_and_broken_is_not_to_be_installed_again():
    class Broken:
        distribution = "rime-grpc"

        @hookimpl
        def rime_transports(self):
            raise ImportError("no libgrpc")

    with pytest.raises(UsageError) as raised:
        plugins_with(Broken()).pick("transport", "grpc")

    assert str(raised.value).startswith(
        "the transport 'grpc' comes with rime-grpc, which is installed and failed in rime_transports: ImportError: no l"
    )


def test_a_name_that_is_nearly_right_gets_a_hint():
    with pytest.raises(UsageError, match=r"^there is no source 'shpo'; did you mean 'shop'\?$"):
        plugins_with(Shop()).pick("source", "shpo")


def test_an_unknown_name_gets_what_there_is():
    with pytest.raises(UsageError, match=r"^there is no source 'zzz'; installed: none; docs/plugins\.md says how"):
        plugins_with().pick("source", "zzz")


def test_a_transport_is_no_source():
    with pytest.raises(UsageError, match="there is no source 'grpc'"):
        plugins_with().pick("source", "grpc")


def test_a_fault_is_one_line():
    assert str(PluginFault(Plugin("a", "1"), "is broken")) == "plugin a 1 is broken; going on without it"
