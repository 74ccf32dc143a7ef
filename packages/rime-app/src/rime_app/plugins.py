"""Finding plugins, and asking them what they offer.

A plugin that fails, on import or in a hook, is one line naming its distribution, and the others go on. What would leave
it open who is meant, two distributions with one kind, is an error; so is a hook that rime does not have, because it
would never be called.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import pluggy

from rime_app import hooks
from rime_app.errors import in_one_line
from rime_core.errors import ConflictError, UsageError

if TYPE_CHECKING:
    import click

    from rime_core.adapter import Source, Transport
    from rime_core.node import Client
    from rime_core.permissions import Permissions

T = TypeVar("T")

HOMES: Final[Mapping[tuple[str, str], str]] = {
    ("command", "bootstrap"): "rime-grpc",
    ("command", "check"): "rime-file-source",
    ("source", "file"): "rime-file-source",
    ("source", "kubernetes"): "rime-k8s-source",
    ("transport", "grpc"): "rime-grpc",
    ("transport", "ws"): "rime-ws",
}
"""Which distribution brings what, for who has not installed it yet."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """Where something comes from: a distribution and its version."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class PluginFault:
    """A plugin that rime goes on without, wholly or for one hook."""

    plugin: Plugin
    why: str

    def __str__(self) -> str:
        return f"plugin {self.plugin} {self.why}; going on without it"


@dataclass(frozen=True, slots=True)
class Offer(Generic[T]):
    """One thing that a plugin offers, and which plugin."""

    value: T
    plugin: Plugin


def make_registry() -> pluggy.PluginManager:
    """A new registry that knows rime's hooks and holds no plugin."""
    registry = pluggy.PluginManager(hooks.PROJECT)
    registry.add_hookspecs(hooks)
    return registry


def installed_plugins() -> Iterable[EntryPoint]:
    """The entry points through which installed distributions name their plugins."""
    return entry_points(group=hooks.PROJECT)


class Plugins:
    """The plugins of one process. `report` is called for each fault of one, as it is found."""

    def __init__(self, registry: pluggy.PluginManager, report: Callable[[PluginFault], None]) -> None:
        self._registry = registry
        self._report = report
        self._plugins: dict[object, Plugin] = {}
        self._answers: dict[str, list[Offer[Any]]] = {}
        self.faults: Final[list[PluginFault]] = []

    def load(self, found: Iterable[EntryPoint]) -> None:
        """Import the plugins that entry points name, in an order that does not depend on the file system.

        Raises:
            UsageError: a plugin implements a hook that rime does not have, or with other arguments.
        """
        for entry_point in sorted(found, key=lambda each: (each.dist.name if each.dist else "", each.name)):
            of = entry_point.dist
            plugin = Plugin(of.name, of.version) if of else Plugin(entry_point.value, "of no distribution")
            try:
                module = entry_point.load()
            except (Exception, SystemExit) as error:  # whatever an import raises is that plugin's fault alone
                self._fault(PluginFault(plugin, f"cannot be imported: {in_one_line(error)}"))
            else:
                self.register(module, plugin)

    def register(self, module: object, plugin: Plugin) -> None:
        """Take in one plugin: a module, or any object with hooks as attributes.

        Raises:
            UsageError: it implements a hook that rime does not have, or with other arguments.
        """
        try:
            self._registry.register(module)
            self._plugins[module] = plugin
            self._registry.check_pending()
        except pluggy.PluginValidationError as error:
            raise UsageError(f"plugin {plugin}: {self._explain(module, error)}") from error
        for caller in self._registry.get_hookcallers(module) or ():
            for implementation in caller.get_hookimpls():
                if inspect.iscoroutinefunction(implementation.function):
                    raise UsageError(f"plugin {plugin}: {caller.name} is async, but hooks are plain functions")

    def _explain(self, module: object, error: pluggy.PluginValidationError) -> str:
        for caller in self._registry.get_hookcallers(module) or ():
            if not caller.has_spec():
                known = [name for name in vars(hooks) if name.startswith("rime_")]
                near = difflib.get_close_matches(caller.name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                return f"rime has no hook {caller.name}; {hint}"
        # Of pluggy's several lines the last says what is wrong; those before it show the plugin's repr.
        return str(error).splitlines()[-1]

    @property
    def registered(self) -> list[Plugin]:
        """The plugins that could be imported, by the name of their distribution."""
        return list(self._plugins.values())

    def sources(self) -> "dict[str, Offer[type[Source]]]":
        """Every kind of source that is installed.

        Raises:
            ConflictError: two plugins offer one kind.
        """
        return self._offers("source", "rime_sources")

    def transports(self) -> "dict[str, Offer[type[Transport]]]":
        """Every kind of transport that is installed.

        Raises:
            ConflictError: two plugins offer one kind.
        """
        return self._offers("transport", "rime_transports")

    def commands(self) -> "dict[str, Offer[click.Command]]":
        """Every command that plugins add.

        Raises:
            ConflictError: two plugins add a command of one name.
        """
        return self._offers("command", "rime_commands")

    def pick(self, what: str, name: str) -> Any:  # noqa: ANN401  # a class of source or transport, or a command
        """What is offered under a name: `what` is "source", "transport" or "command".

        Raises:
            UsageError: nothing that is installed offers it; the text says what to install, or what there is.
            ConflictError: two plugins offer the same.
        """
        asked: dict[str, Callable[[], Mapping[str, Offer[Any]]]] = {
            "source": self.sources,
            "transport": self.transports,
            "command": self.commands,
        }
        offers = asked[what]()
        if name in offers:
            return offers[name].value
        home = HOMES.get((what, name))
        for fault in self.faults:
            if fault.plugin.distribution == home:
                raise UsageError(f"the {what} {name!r} comes with {home}, which is installed and {fault.why}")
        if home is not None:
            raise UsageError(f"the {what} {name!r} is not installed; it comes with {home}: pip install {home}")
        near = difflib.get_close_matches(name, offers, n=1)
        installed = ", ".join(offers) or "none"
        hint = (
            f"did you mean {near[0]!r}?" if near else f"installed: {installed}; docs/plugins.md says how to write one"
        )
        raise UsageError(f"there is no {what} {name!r}; {hint}")

    @property
    def has_groups(self) -> bool:
        """Whether any plugin puts clients in groups."""
        return bool(self._registry.hook.rime_group.get_hookimpls())

    def group(self, client: "Client") -> str | None:
        """The group that the first plugin with an opinion gives to a client; what the plugin raises is raised."""
        group: str | None = self._registry.hook.rime_group(node=client.node, peer=client.peer)
        return group

    @property
    def has_authorization(self) -> bool:
        """Whether any plugin says what clients may be given."""
        return bool(self._registry.hook.rime_authorize.get_hookimpls())

    def permissions(self, client: "Client") -> "list[Permissions]":
        """What each plugin with an opinion says of what a client may be given; what a plugin raises is raised."""
        return list(self._registry.hook.rime_authorize(node=client.node, peer=client.peer))

    def references(self) -> Callable[[str, bytes], Iterable[tuple[str, str]]] | None:
        """A plugin's callable for `Plane(references=...)`; of several that of the one registered last, as in pluggy."""
        answers = self._ask("rime_references", lambda answer: answer)
        return answers[-1].value if answers else None

    def _offers(self, what: str, hook: str) -> dict[str, Offer[Any]]:
        if hook not in self._answers:
            self._answers[hook] = self._ask(hook, dict)
        offers: dict[str, Offer[Any]] = {}
        for answer in self._answers[hook]:
            for name, value in answer.value.items():
                first = offers.setdefault(name, Offer(value, answer.plugin))
                if first.plugin != answer.plugin:
                    raise ConflictError(
                        f"{first.plugin} and {answer.plugin} both offer the {what} {name!r}; uninstall one of them"
                    )
        return dict(sorted(offers.items()))

    def _ask(self, hook: str, read: Callable[[Any], T]) -> list[Offer[T]]:
        """What each plugin answers to a hook without arguments, as `read` makes of it; None is no answer.

        The plugins are called one by one, because the registry's own call stops at the first that raises.
        """
        answers = []
        for implementation in getattr(self._registry.hook, hook).get_hookimpls():
            plugin = self._plugins[implementation.plugin]
            try:
                answer = implementation.function()
                if answer is not None:
                    answers.append(Offer(read(answer), plugin))
            except (Exception, SystemExit) as error:  # whatever a hook raises is its plugin's fault alone
                self._fault(PluginFault(plugin, f"failed in {hook}: {in_one_line(error)}"))
        return answers

    def _fault(self, fault: PluginFault) -> None:
        self.faults.append(fault)
        self._report(fault)
