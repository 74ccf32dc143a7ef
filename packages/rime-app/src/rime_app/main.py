"""The `rime` command: what each way to end looks like.

0: done. 1: it found faults, or something broke. 2: it was asked for what cannot be. 130: interrupted. Whatever is said
of an error is one line on stderr.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final

import click

from rime_app import plugin
from rime_app.errors import in_one_line
from rime_app.plugins import Plugin, PluginFault, Plugins, installed_plugins, make_registry
from rime_core import COMPILED
from rime_core.errors import ConflictError, RimeError, UsageError

DONE: Final = 0
FAULTS: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

_CORE: Final = " (compiled core)" if COMPILED else ""

HELP: Final = """Serve Envoy and other xDS clients from resources that live elsewhere.

\b
  rime serve --source file:conf    serve a folder of Envoy YAML, on 127.0.0.1:18000
  rime serve --help                what else it can be told
  rime plugins                     what is installed, and what each plugin offers
"""


def run(arguments: Sequence[str], plugins: Plugins | None = None) -> int:
    """Run one command, with the installed plugins unless others are given, and return the process's exit status."""
    try:
        commands = RimeGroup(plugins or load_plugins())
        answer = commands.main(list(arguments), prog_name="rime", standalone_mode=False)
    except click.ClickException as error:
        where = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        return _say(f"{error.format_message()}{where}", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        if sys.flags.dev_mode and not isinstance(error, RimeError):
            raise
        status, line = told(error)
        return _say(line, status)
    return answer if isinstance(answer, int) else DONE


def told(error: Exception) -> tuple[int, str]:
    """The exit status after an error that ends a command, and the line that says what it was."""
    if isinstance(error, RimeError):
        return USAGE if isinstance(error, UsageError | ConflictError) else FAULTS, in_one_line(error)
    return FAULTS, f"broke on {in_one_line(error)}; PYTHONDEVMODE=1 shows more"


class RimeGroup(click.Group):
    """`rime`, whose commands are what plugins add."""

    def __init__(self, plugins: Plugins) -> None:
        super().__init__(
            "rime", help=HELP, invoke_without_command=True, callback=_greet, context_settings={"obj": plugins}
        )
        click.version_option(package_name="rime-app", message=f"rime %(version)s{_CORE}")(self)
        self._plugins = plugins

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The names, in the order of the help."""
        return list(self._plugins.commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002  # click's signature
        """The command of that name.

        Raises:
            UsageError: no plugin that is installed has it.
        """
        command: click.Command = self._plugins.pick("command", cmd_name)
        return command


def load_plugins(*, warn: Callable[[PluginFault], None] | None = None) -> Plugins:
    """What is installed, rime-app itself included; each plugin that cannot be used is a line on stderr, or `warn`s."""
    plugins = Plugins(make_registry(), warn or _warn)
    plugins.register(plugin, Plugin("rime-app", version("rime-app")))
    plugins.load(installed_plugins())
    return plugins


@click.pass_context
def _greet(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _warn(fault: PluginFault) -> None:
    click.echo(f"rime: {fault}", err=True)


def _say(line: str, status: int) -> int:
    click.echo(f"rime: {' '.join(line.split())}", err=True)
    return status
