"""The command: what each way to end looks like."""

import sys

import click
import pytest

from rime_app import hookimpl
from rime_app import plugin as own
from rime_app.main import run
from rime_app.plugins import Plugin, Plugins, make_registry
from rime_core import COMPILED, ConflictError, SourceError, UsageError

VERSION = "rime 0.1.0 (compiled core)\n" if COMPILED else "rime 0.1.0\n"

HEAVY = {"asyncio", "google.protobuf", "grpc", "watchfiles", "rime_envoy_api"}


def command(callback):
    return click.Command("do", callback=callback, help="Do it.")


def plugins_offering(callback):
    class Doing:
        @hookimpl
        def rime_commands(self):
            return {"do": command(callback)}

    plugins = Plugins(make_registry(), report=lambda _fault: None)
    plugins.register(own, Plugin("rime-app", "0.1.0"))
    plugins.register(Doing(), Plugin("rime-doing", "1.0"))
    return plugins


def raising(error):
    def callback():
        raise error

    return callback


@pytest.fixture
def status(capsys):
    """Run `rime do` with a callback: (exit status, stdout, stderr)."""

    def of(callback, *arguments):
        answer = run(arguments or ["do"], plugins_offering(callback))
        return answer, *capsys.readouterr()

    return of


@pytest.mark.parametrize(
    ("error", "expected", "line"),
    [
        (UsageError("conf: no such folder"), 2, "rime: conf: no such folder\n"),
        (ConflictError("a and b"), 2, "rime: a and b\n"),
        (SourceError("conf: gone"), 1, "rime: conf: gone\n"),
        (click.ClickException("so\nwhat"), 1, "rime: so what\n"),
        (click.exceptions.Exit(1), 1, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_each_way_to_end_has_its_status_and_at_most_one_line(status, error, expected, line):
    answer, out, err = status(raising(error))

    assert (answer, out) == (expected, "")
    assert err.strip("\n") == line.strip("\n")


def test_a_bug_is_one_line_that_says_how_to_see_more(status):
    answer, _, err = status(raising(ZeroDivisionError("division by zero")))

    assert answer == 1
    assert err.startswith("rime: broke on ZeroDivisionError: division by zero (test_main.py:")
    assert err.endswith("PYTHONDEVMODE=1 shows more\n")


def test_a_command_may_answer_with_its_status(status):
    assert status(lambda: 1)[0] == 1
    assert status(lambda: 0)[0] == 0
    assert status(lambda: None)[0] == 0


def test_what_a_command_prints_is_not_touched(status):
    assert status(lambda: click.echo("done")) == (0, "done\n", "")


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_shows_every_command_and_an_example(capsys, arguments):
    assert run(arguments, plugins_offering(None)) == 0

    out = capsys.readouterr().out
    for line in ("rime serve --source file:conf", "serve    Serve resources to Envoy", "do       Do it."):
        assert line in out


def test_the_help_of_serve_teaches_by_examples(status):
    answer, out, _ = status(None, "serve", "--help")

    assert answer == 0
    assert 'rime serve --source "file:conf?quiet=100ms"' in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["check", "conf"], "rime: the command 'check' is not installed; it comes with rime-file-source: pip install "),
        (["bootstrap"], "rime: the command 'bootstrap' is not installed; it comes with rime-grpc: pip install rime-"),
        (["serv"], "rime: there is no command 'serv'; did you mean 'serve'?"),
        (["xyzzy"], "rime: there is no command 'xyzzy'; installed: do, plugins, serve"),
        (["serve", "--sorce", "x"], "rime: No such option '--sorce'"),
        (["serve"], "rime: there is no source: name one, such as --source file:conf (pip install rime-file-source)"),
        (["--nonsense"], "rime: No such option '--nonsense'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(status, arguments, line):
    answer, out, err = status(None, *arguments)

    assert (answer, out) == (2, "")
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_wrong_option_says_where_to_read_on(status):
    assert status(None, "serve", "--nonsense")[2].endswith("(see rime serve --help)\n")


# --- in a process of its own


@pytest.mark.interpreted  # the process has no path of ours
def test_the_version(rime):
    assert rime.run("--version")[:2] == (0, VERSION)


def test_help_imports_nothing_heavy(rime):
    """What was imported is told by the process itself, after the whole of `rime --help`."""
    rime.install(
        "spy",
        f"""
        import atexit, sys
        atexit.register(lambda: print("heavy:", sorted({HEAVY!r} & set(sys.modules))))
        """,
    )
    status, out, _ = rime.run("--help")

    assert status == 0
    assert out.splitlines()[-1] == "heavy: []"


def test_a_plugin_that_cannot_be_imported_is_one_line_and_the_others_go_on(rime):
    rime.install("rime-broken", "import no_such_library")

    status, out, err = rime.run("--help")

    assert status == 0
    assert "serve" in out
    [line] = [line for line in err.splitlines() if "rime-broken" in line]
    assert line == (
        "rime: plugin rime-broken 1.0 cannot be imported: ModuleNotFoundError: No module named 'no_such_library'"
        " (rime_broken.py:1); going on without it"
    )


def test_a_plugin_that_exits_when_it_is_imported_is_no_different(rime):
    rime.install("rime-exiting", "raise SystemExit(3)")

    status, _, err = rime.run("--help")

    assert status == 0
    assert "rime: plugin rime-exiting 1.0 cannot be imported: SystemExit: 3 (rime_exiting.py:1); going on" in err


def test_a_misspelt_hook_is_an_error_naming_the_distribution(rime):
    rime.install(
        "rime-misspelt",
        """
        from rime_app import hookimpl

        @hookimpl
        def rime_source():
            return {}
        """,
    )

    status, _, err = rime.run("plugins")

    assert status == 2
    assert err.splitlines()[-1] == (
        "rime: plugin rime-misspelt 1.0: rime has no hook rime_source; did you mean rime_sources?"
    )


def test_two_distributions_that_offer_one_kind_are_an_error_naming_both(rime):
    for distribution in ("shop-one", "shop-two"):
        rime.install(
            distribution,
            """
            from rime_app import hookimpl

            @hookimpl
            def rime_sources():
                return {"shop": object}
            """,
        )

    status, out, err = rime.run("serve", "--source", "shop:x")

    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == (
        "rime: shop-one 1.0 and shop-two 1.0 both offer the source 'shop'; uninstall one of them"
    )


def test_whoever_stops_reading_gets_no_traceback(rime):
    rime.install(
        "chatty",
        "import click\nfrom rime_app import hookimpl\n"
        "@hookimpl\ndef rime_commands():\n"
        "    return {'talk': click.Command('talk', callback=lambda: [click.echo('x' * 99) for _ in range(9999)])}\n",
    )
    process = rime.start("talk")
    process.stdout.readline()
    process.stdout.close()

    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=30) == 1


def test_main_is_what_the_command_runs(monkeypatch, capsys):
    from importlib.metadata import entry_points  # noqa: PLC0415  # only this test needs it

    monkeypatch.setattr(sys, "argv", ["rime", "--version"])
    [script] = entry_points(group="console_scripts", name="rime")

    with pytest.raises(SystemExit) as ended:
        script.load()()

    assert ended.value.code == 0
    assert capsys.readouterr().out == VERSION
