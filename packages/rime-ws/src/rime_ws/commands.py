"""The commands that look: `rime status`, `clients`, `get`, `watch`, `diff`.

Each prints tables for people, or with `-o json` what scripts read. What they cannot reach, and what they find wrong, is
one line on stderr and exit status 1.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rime_core import RimeError

if TYPE_CHECKING:
    from rime_ws.looking import Looker, Place

AT: Final = "ws://127.0.0.1:18080"

POLL: Final = 0.05
"""Seconds that one of several replicas is listened to before the next."""


_FILE: Final = click.Path(path_type=Path)

_OPTIONS: Final = (
    click.option("--key", type=_FILE, envvar="RIME_KEY", metavar="FILE", help="Its private key."),
    click.option("--cert", type=_FILE, envvar="RIME_CERT", metavar="FILE", help="A certificate to show."),
    click.option("--ca", type=_FILE, envvar="RIME_CA", metavar="FILE", help="Who signed rime's certificate."),
    click.option("--token-file", type=_FILE, envvar="RIME_TOKEN_FILE", metavar="FILE", help="A token to show."),
)


def _looking(*, several: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options that say where to look; the command is given a Place, or with `several` a list of them."""
    default = (AT,) if several else AT
    said = f"Where rime shows itself{'; repeatable' if several else ''}.  [default: {AT}]"
    at = click.option("--at", envvar="RIME_URL", default=default, multiple=several, metavar="URL", help=said)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(**given: Any) -> Any:  # noqa: ANN401 - what click gives
            from rime_ws.looking import Place  # noqa: PLC0415 - loads websockets

            at, *files = (given.pop(name) for name in ("at", "token_file", "ca", "cert", "key"))
            return command([Place(url, *files) for url in at] if several else Place(at, *files), **given)

        for option in (*_OPTIONS, at):
            run = option(run)
        return run

    return decorate


def _seconds(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    """`value`, if it is a number: no comparison refuses one that is none, and no wait for it ends."""
    if math.isnan(value):
        raise click.BadParameter("'nan' is not a number of seconds.")
    return value


@click.command(short_help="How rime and its clients are; with --wait, until all have what there is.")
@click.option("--wait", is_flag=True, help="Wait until every client has acknowledged what there is now.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    callback=_seconds,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="For how long.",
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
@_looking(several=True)
def status(places: "list[Place]", *, wait: bool, timeout: float, output: str) -> int:
    """Show what rime has, what it waits for, and how many clients are up to date.

    With --wait, exit with 0 once clients are answered and each has acknowledged what there was when the command began,
    and with 1 when that does not happen: at once where a client refuses it and nothing else is waited for, else after
    --timeout. The clients that lack something are on stderr, with why.
    """
    from rime_ws.looking import look  # noqa: PLC0415 - as above
    from rime_ws.settled import Settled  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        lookers = [stack.enter_context(look(place)) for place in places]
        settled = {looker: Settled() for looker in lookers}
        told = {looker: next(looker.state(feed="status", id="status")) for looker in lookers}
        clients: dict[str, dict[str, dict[str, Any]]] = {looker.url: {} for looker in lookers}
        for looker in lookers:
            for message in looker.state(feed="clients", id="clients"):
                _fold(clients[looker.url], message)
                settled[looker].take(message)
        if wait:
            _wait(settled, told, clients, time.monotonic() + timeout)
        _print_status(told, clients, output)
        left = list(_left(told, settled)) if wait else []
        for line in left:
            click.echo(f"rime: {line}", err=True)
    return 1 if left else 0


def _wait(
    settled: "Mapping[Looker, Any]",
    told: "dict[Looker, dict[str, Any]]",
    clients: Mapping[str, dict[str, Any]],
    deadline: float,
) -> None:
    """Listen to all until each is ready and settled, or cannot be, or the time is over."""
    while True:
        open_ones = [
            looker
            for looker, each in settled.items()
            if not each.is_hopeless and not (each.is_done and not list(_unready({looker: told[looker]})))
        ]
        if not open_ones:
            return
        for looker in open_ones:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            message = looker.next(min(POLL, remaining))
            if message is not None and message["message"] == "status":
                told[looker] = message
            elif message is not None:
                _fold(clients[looker.url], message)
                settled[looker].take(message)


def _left(told: "Mapping[Looker, Mapping[str, Any]]", settled: "Mapping[Looker, Any]") -> Iterator[str]:
    """A line for whatever is waited for; of several replicas with where that is."""
    yield from _unready(told)
    for looker, each in settled.items():
        yield from (line if len(settled) == 1 else f"{looker.url}: {line}" for line in each.left())


def _unready(told: "Mapping[Looker, Mapping[str, Any]]") -> Iterator[str]:
    """A line for each group whose clients are not answered yet, with the sources that they wait for."""
    for looker, each in told.items():
        for name, group in each["groups"].items():
            if not group["ready"]:
                late = ", ".join(source["name"] for source in group["sources"] if not source["ready"])
                yield f"{looker.url}: the group {name} is not ready: {late} has not delivered its first state"


def _fold(clients: dict[str, dict[str, Any]], message: Mapping[str, Any]) -> None:
    clients.update((each["client"], each) for each in message["clients"])
    for key in message["removed"]:
        clients.pop(key, None)


def _print_status(told: "Mapping[Looker, dict[str, Any]]", clients: Mapping[str, dict[str, Any]], output: str) -> None:
    from rime_ws import printing  # noqa: PLC0415 - loads rich

    counts = {url: _by_state(each) for url, each in clients.items()}
    if output == "json":
        found = [
            {
                "at": looker.url,
                "groups": each["groups"],
                "clients": counts[looker.url],
                **({"workers": each["workers"]} if "workers" in each else {}),
            }
            for looker, each in told.items()
        ]
        click.echo(json.dumps(found, indent=2))
        return
    out = printing.console()
    for looker, each in told.items():
        out.print(f"[bold]{looker.url}[/]")
        out.print(
            printing.table(
                ("GROUP", "STATE", "RESOURCES", "SOURCES"),
                [
                    (
                        name,
                        "[green]ready[/]" if group["ready"] else "[yellow]not ready[/]",
                        ", ".join(f"{count} {plural}" for plural, count in group["resources"].items()) or "none",
                        ", ".join(map(_source, group["sources"])) or "none",
                    )
                    for name, group in each["groups"].items()
                ],
            )
        )
        for line in _notices(each["groups"]):
            out.print(line, markup=False)
        states = ", ".join(f"{count} {printing.state(word)}" for word, count in counts[looker.url].items() if count)
        out.print(f"clients: {states or 'none'}")
        if "workers" in each:
            running = sum(worker["running"] for worker in each["workers"])
            out.print(f"workers: {running} of {len(each['workers'])} running")


def _by_state(clients: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    from rime_ws.standing import STATES  # noqa: PLC0415 - loads protobuf

    return {word: sum(each["state"] == word for each in clients.values()) for word in reversed(STATES)}


def _source(source: Mapping[str, Any]) -> str:
    if not source["ready"]:
        return f"{source['name']} (has not delivered its first state)"
    return f"{source['name']} ({source['resources']}{', incomplete' if source['incomplete'] else ''})"


def _notices(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for group in groups.values():
        yield from (f"! {source['name']}: {line}" for source in group["sources"] for line in source["incomplete"])
        yield from (f"! the removal of {each['type']} {each['name']!r} waits: {each['why']}" for each in group["held"])


@click.command(short_help="The clients, and how each stands with each type.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to print them.")
@_looking()
def clients(place: "Place", *, output: str) -> int:
    """List the clients that are connected, rejected ones first, with how each stands with each type."""
    from rime_ws import printing  # noqa: PLC0415 - as above
    from rime_ws.standing import STATES  # noqa: PLC0415 - as above

    with _look(place) as looker:
        found = [each for message in looker.state(feed="clients", id="clients") for each in message["clients"]]
    found.sort(key=lambda each: (-STATES.index(each["state"]), each["client"]))
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    rows = []
    for each in found:
        wrong = "; ".join(f"{one['type']}: {_wrong(one)}" for one in each["types"] if one["state"] != "synced")
        rows.append((
            _escaped(each["node"].get("id", "")), each["address"], each["transport"], each.get("group", ""),
            printing.state(each["state"]), _escaped(wrong),
        ))  # fmt: skip
    printing.console().print(printing.table(("CLIENT", "ADDRESS", "OVER", "GROUP", "STATE", "WHY"), rows))
    return 0


def _wrong(standing: Mapping[str, Any]) -> str:
    if "rejected" in standing:
        return f"rejected {standing['rejected'][0]['name']}: {' '.join(standing['rejected'][0]['error'].split())}"
    if "held" in standing:
        return str(standing["held"][0]["why"])
    return "more to be sent" if standing["behind"] else f"{standing['unacknowledged']} on their way"


@click.command(short_help="Resources of a type, or one of them as YAML.")
@click.argument("type_", metavar="TYPE")
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), help="How to print it.")
@click.option("--group", metavar="GROUP", help="As the clients of this group see it.")
@_looking()
def get(place: "Place", *, type_: str, name: str | None, output: str | None, group: str | None) -> int:
    """List the resources of TYPE (clusters, cluster or cds), or show the one that is called NAME, as YAML.

    Private keys, passwords and tokens are not shown. Exits with 1 where there is nothing of that name.
    """
    from rime_ws import printing  # noqa: PLC0415 - as above

    output = output or ("table" if name is None else "yaml")
    names = None if name is None else [name]
    bodies = "none" if output == "table" else "all"
    with _look(place) as looker:
        told = list(looker.state(id="get", type=type_, names=names, bodies=bodies, group=group))
    found = sorted((each for message in told for each in message["resources"]), key=lambda each: each["name"])
    if name is not None and not found:
        raise RimeError(f"there is nothing called {name!r} among {told[0]['type']}")
    if output == "json":
        click.echo(json.dumps(found if name is None else found[0], indent=2))
    elif output == "yaml":
        click.echo("---\n".join(map(printing.yaml_of, found)), nl=False)
    else:
        rows = [(_escaped(each["name"]), each["version"], f"{each['size']:,}") for each in found]
        printing.console().print(printing.table(("NAME", "VERSION", "BYTES"), rows))
    return 0


@click.command(short_help="Changes as they happen, with what differs.")
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print them.")
@click.option("--group", metavar="GROUP", help="As the clients of this group see them.")
@_looking()
def watch(place: "Place", *, type_: str | None, output: str, group: str | None) -> None:
    """Show each change of a resource, of all types or of TYPE, with what differs, until Ctrl-C."""
    from rime_core import TYPES  # noqa: PLC0415 - with the others
    from rime_ws import printing  # noqa: PLC0415 - as above

    out = printing.console()
    with _look(place) as looker:
        for each in [type_] if type_ is not None else [known.plural for known in TYPES]:
            looker.subscribe(id=each, type=each, bodies="changes", previous=True, group=group)
        while True:
            message = looker.next()
            if message is None or message["message"] != "resources" or message["first"]:
                continue
            for name, before, after in _changes(message):
                if output == "json":
                    told = {
                        "time": message["time"],
                        "type": message["type"],
                        "name": name,
                        "before": before,
                        "after": after,
                    }
                    click.echo(json.dumps(told))
                    continue
                word = "removed" if after is None else "added" if before is None else "changed"
                out.print(f"[bold]{message['time']} {message['type']} {_escaped(name)}[/] {word}")
                for line in printing.difference(before, after):
                    out.print(printing.coloured(line))


def _changes(message: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, what was before it, what it is now."""
    before = message.get("previous", {})
    yield from ((each["name"], before.get(each["name"]), each) for each in message["resources"])
    yield from ((name, before.get(name), None) for name in message["removed"])


@click.command("diff", short_help="What a client has against what it should have.")
@click.argument("client")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
@_looking()
def diff(place: "Place", *, client: str, output: str) -> int:
    """Show what CLIENT, a node's id, lacks of what it should have, and why.

    Exits with 0 where it lacks nothing, with 1 where it does, or is not connected.
    """
    from rime_ws import printing  # noqa: PLC0415 - as above

    with _look(place) as looker:
        key = _key(looker, client)
        told = [each for message in looker.state(feed="client", id="one", client=key) for each in message["resources"]]
    lacking = [each for each in told if each["state"] != "synced"]
    if output == "json":
        click.echo(json.dumps(lacking, indent=2))
    elif lacking:
        rows = [
            (each["type"], _escaped(each["name"]), printing.state(each["state"]), each["has"] or "nothing",
             each["version"] or "nothing", _escaped(each.get("error") or each.get("waits") or ""))
            for each in lacking
        ]  # fmt: skip
        printing.console().print(printing.table(("TYPE", "NAME", "STATE", "HAS", "SHOULD HAVE", "WHY"), rows))
    else:
        click.echo(f"{key} has all {len(told)} resources that it asks for, as they are")
    return 1 if lacking else 0


def _key(looker: "Looker", client: str) -> str:
    """The key of the client whose key, or whose node's id, this is."""
    keys = {
        each["client"]: each["node"].get("id", "")
        for message in looker.state(feed="clients", id="clients")
        for each in message["clients"]
    }
    found = [key for key, node in keys.items() if client in (key, node)]
    if not found:
        raise RimeError(f"no client called {client!r} is connected; rime clients lists those that are")
    if len(found) > 1:
        raise RimeError(f"{len(found)} clients are called {client!r}: say which, {' or '.join(found[:3])}")
    return str(found[0])


def _look(place: "Place") -> Any:  # noqa: ANN401 - a context manager
    from rime_ws.looking import look  # noqa: PLC0415 - as above

    return look(place)


def _escaped(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415 - as above

    return escape(text)


COMMANDS: Final[Mapping[str, click.Command]] = {
    "status": status,
    "clients": clients,
    "get": get,
    "watch": watch,
    "diff": diff,
}
