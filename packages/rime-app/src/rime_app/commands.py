"""The commands that are always there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rime_app.config import read_config
from rime_app.cpus import usable_cpus
from rime_app.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.option("--source", "sources", metavar="SPEC", multiple=True, help="Where resources come from; repeatable.")
@click.option("--transport", "transports", metavar="SPEC", multiple=True, help="Where clients connect; repeatable.")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="A rime.toml; flags win over it.")
@click.option("--workers", metavar="N", help="Processes that share the ports; auto: one a CPU.  [default: 1]")
@click.option("--ready-timeout", metavar="TIME", help="Answer clients after this time at the latest.  [default: 30s]")
@click.option("--max-removal", metavar="SHARE", help="Hold the removal of more than this at once.  [default: 50%]")
@click.option("--base", metavar="GROUP", help="What this group has, all other groups have too.  [default: none]")
@click.option("--unmatched", metavar="GROUP", help="Who is of no group gets this one, or: refuse.  [default: default]")
@click.option("--debounce", metavar="TIME", help="Tell changes when none follows for so long.  [default: at once]")
@click.option("--debounce-max", metavar="TIME", help="...or after this at the latest.  [default: 10 times that]")
@click.option("--log", metavar="FORM", help="text, for people, or json.  [default: text]")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.  [default: info]")
@click.pass_obj
def serve(
    plugins: Plugins,
    /,
    sources: tuple[str, ...],
    transports: tuple[str, ...],
    config: Path | None,
    **settings: str | None,
) -> None:
    """Serve resources to Envoy, until Ctrl-C or SIGTERM.

    A SPEC is kind:place, and options follow as in a URL. `rime plugins` lists the installed kinds.

    \b
      rime serve --source file:conf
      rime serve --source "file:conf?quiet=100ms" --source file:more
      rime serve --source file:conf --transport grpc:127.0.0.1:18001
      rime serve --config rime.toml --log json

    When clients are answered, one line on stdout begins with "ready" and names every address. Without --transport it is
    grpc:127.0.0.1:18000. SIGHUP lets go the removals that --max-removal held, or a policy.
    """  # noqa: D301  # \b is click's mark for a paragraph that is shown as it stands
    given = {key: value for key, value in settings.items() if value is not None}
    told = read_config(config, sources=sources, transports=transports, settings=given)
    count = told.settings.workers or usable_cpus()
    if count == 1:
        from rime_app.process import run_process  # noqa: PLC0415  # brings asyncio, which no other command needs

        run_process(told, plugins, click.echo)
    else:
        from rime_app.ports import check_sharing  # noqa: PLC0415  # as above

        check_sharing()
        from rime_app.workers import run_workers  # noqa: PLC0415  # as above

        run_workers(told, count, click.echo)


@click.command("plugins")
@click.pass_context
def list_plugins(context: click.Context) -> None:
    """List the installed plugins and what each offers.

    Exits with 1 when one of them cannot be used.
    """
    plugins: Plugins = context.obj
    offered: dict[str, list[str]] = {str(plugin): [] for plugin in plugins.registered}
    what: Mapping[str, Mapping[str, Any]] = {
        "source": plugins.sources(),
        "transport": plugins.transports(),
        "command": plugins.commands(),
    }
    for kind, offers in what.items():
        for name, offer in offers.items():
            offered[str(offer.plugin)].append(f"{kind} {name}")
    width = max(map(len, offered))
    for plugin, names in offered.items():
        click.echo(f"{plugin:{width}}  {', '.join(names)}")
    if plugins.faults:
        context.exit(1)
