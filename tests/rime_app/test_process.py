"""The process: it says ready, and ends when it is told to. Here `rime serve` is the real command."""

import json
import signal
import subprocess
from contextlib import suppress

import pytest

from rime_app.process import END_WITHIN, YOUNG

PLUGIN = """
    import asyncio
    import gc
    import subprocess
    import sys
    import time

    import anyio

    from rime_app import hookimpl
    from rime_core import CLUSTER, UsageError


    class SlowToFree:
        def __del__(self, sleep=time.sleep):
            sleep(1.2)


    class Source:
        def __init__(self, place, options):
            self.place = place
            if place == "slow-to-make":
                print("making", flush=True)
                time.sleep(60)

        async def run(self, writer):
            with writer.transaction() as change:
                for name in "abcd":
                    change.apply(CLUSTER, name, b"")
            writer.ready()
            await getattr(self, self.place)(writer)

        async def well(self, writer):
            await anyio.sleep_forever()

        async def slow_to_free(self, writer):
            sys.slow = SlowToFree()
            await anyio.sleep_forever()

        async def stubborn(self, writer):
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()

        async def in_a_thread(self, writer):
            await anyio.to_thread.run_sync(time.sleep, 60)

        async def blocking(self, writer):
            await anyio.sleep(0.1)
            print("blocking", file=sys.stderr, flush=True)
            time.sleep(60)

        async def emptied(self, writer):
            writer.replace(CLUSTER, {})
            await anyio.sleep_forever()

        async def watching_garbage(self, writer):
            while not gc.get_freeze_count():
                await anyio.sleep(0.01)
            print(gc.get_threshold()[0], gc.get_freeze_count() > 1000, flush=True)

        async def telling_of_a_child(self, writer):
            look = "import os, sys; print('its child has', [f for f in range(3) if os.fstat(f)], file=sys.stderr)"
            subprocess.run([sys.executable, "-c", look])
            await anyio.sleep_forever()

        async def telling_its_loop(self, writer):
            print(type(asyncio.get_running_loop()).__module__, flush=True)
            await anyio.sleep_forever()

        async def exiting(self, writer):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.exit)
                await anyio.sleep_forever()

        async def exit(self):
            sys.exit(3)

        async def failing(self, writer):
            raise ValueError("no such table")


    class Transport:
        def __init__(self, place, options):
            self.place = place

        async def run(self, server, *, task_status):
            if self.place == "taken":
                raise UsageError("taken is in use by another program")
            task_status.started(self.place)
            await anyio.sleep_forever()


    @hookimpl
    def rime_sources():
        return {"shop": Source}


    @hookimpl
    def rime_transports():
        return {"shop": Transport}
"""


@pytest.fixture
def serve(rime):
    rime.install("shop-plugin", PLUGIN)

    def start(place, *arguments, **how):
        return rime.start("serve", "--source", f"shop:{place}", "--transport", "shop:127.0.0.1:1", *arguments, **how)

    return start


def read_until(stream, text):
    """The lines of a stream, up to the one that has `text`."""
    lines = []
    for line in stream:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} never came: {lines}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0(serve, number):
    process = serve("well")
    assert process.stdout.readline() == "ready shop://127.0.0.1:1 with 4 resources\n"

    process.send_signal(number)
    out, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert out == ""
    assert err.endswith(f"info    {number.name}: ending\n")


def test_it_ends_as_well_where_its_input_is_closed(serve):
    process = serve("well", command='exec "$@" <&-')
    read_until(process.stdout, "ready")

    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert err.endswith("info    SIGTERM: ending\n")


def test_what_it_starts_has_standard_streams_too_where_its_own_are_closed(serve):
    process = serve("telling_of_a_child", command='exec "$@" <&- >&-')
    assert read_until(process.stderr, "its child")[-1] == "its child has [0, 1, 2]\n"


def test_its_event_loop_is_that_of_uvloop(serve):
    assert serve("telling_its_loop").stdout.readline() == "uvloop\n"


def test_its_status_is_0_also_where_much_is_freed_at_its_end(serve):
    process = serve("slow_to_free")
    process.stdout.readline()

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert process.returncode == 0


def test_signals_while_much_is_freed_at_its_end_change_nothing(serve):
    process = serve("slow_to_free")
    process.stdout.readline()

    process.send_signal(signal.SIGTERM)
    read_until(process.stderr, "SIGTERM: ending")
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)

    assert process.returncode == 0


@pytest.mark.parametrize("place", ["stubborn", "in_a_thread"])
def test_what_does_not_end_is_left_behind(serve, place):
    process = serve(place)
    process.stdout.readline()

    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert err.endswith("a source or transport did not end within 0.9 s; ending without it\n")


def test_a_source_that_blocks_the_loop_cannot_keep_it_from_ending(serve):
    process = serve("blocking")
    read_until(process.stderr, "blocking")

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert process.returncode == 0


def test_it_ends_within_a_second():
    assert END_WITHIN < 1


def test_further_signals_change_nothing_and_delay_nothing(serve):
    process = serve("stubborn")
    process.stdout.readline()

    process.send_signal(signal.SIGINT)
    read_until(process.stderr, "SIGINT: ending")
    for _ in range(50):
        process.send_signal(signal.SIGTERM)
        if process.poll() is not None:
            break
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    _, err = process.communicate(timeout=0.1)

    assert process.returncode == 0
    assert "Traceback" not in err


def test_signals_that_come_together_are_one(serve):
    process = serve("well")
    process.stdout.readline()

    for number in (signal.SIGSTOP, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        process.send_signal(number)
    _, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert err.endswith("info    SIGINT: ending\n")
    assert "Traceback" not in err


def test_a_signal_before_it_has_begun_ends_it_too(serve):
    process = serve("slow-to-make")
    assert process.stdout.readline() == "making\n"

    process.send_signal(signal.SIGTERM)

    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_garbage_is_looked_for_seldom_and_never_among_what_was_loaded(serve):
    process = serve("watching_garbage")
    assert sorted([process.stdout.readline(), process.stdout.readline()]) == [
        f"{YOUNG} True\n",
        "ready shop://127.0.0.1:1 with 4 resources\n",
    ]


def test_sighup_lets_go_what_was_held_for_being_too_much(serve):
    process = serve("emptied")
    process.stdout.readline()
    read_until(process.stderr, "shop:emptied would lose 4 of 4 resources at once")

    process.send_signal(signal.SIGHUP)

    assert read_until(process.stderr, "removals of shop:emptied have happened")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


def test_a_source_that_fails_is_one_line(serve):
    process = serve("failing")
    process.stdout.readline()

    line = read_until(process.stderr, "shop:failing")[-1]

    assert "error   shop:failing failed and starts again in " in line
    assert "ValueError: no such table (shop_plugin.py:" in line


def test_a_task_of_a_plugin_that_exits_is_one_line(serve):
    process = serve("exiting")

    _, err = process.communicate(timeout=10)

    assert process.returncode == 1
    assert "rime: a task of a plugin ended the process: SystemExit: 3 (shop_plugin.py:" in err
    assert "Traceback" not in err


def test_with_json_every_line_is_json(serve):
    process = serve("failing", "--log", "json", "--log-level", "debug")
    process.stdout.readline()

    failed = json.loads(read_until(process.stderr, "failed")[-1])
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)

    assert failed["error"].startswith("ValueError: no such table (shop_plugin.py:")
    assert failed["traceback"].startswith("Traceback")
    assert [json.loads(line)["level"] for line in err.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--transport", "shop:taken"], "rime: --transport shop:taken: taken is in use by another program"),
        (["--max-removal", "2"], "rime: rime serve: max_removal='2' should be a share such as 50%"),
        (["--config", "no.toml"], "rime: no.toml: cannot be read: No such file or directory"),
        (["--source", "nosuch:x"], "rime: --source nosuch:x: there is no source 'nosuch'"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(rime, arguments, complaint):
    rime.install("shop-plugin", PLUGIN)
    flags = ["serve", "--source", "shop:well", "--transport", "shop:x"] if "--source" not in arguments else ["serve"]

    status, out, err = rime.run(*flags, *arguments)

    assert status == 2
    assert out == ""
    assert err.splitlines()[-1].startswith(complaint)
    assert "Traceback" not in err


def test_a_rime_toml_is_all_it_needs(rime):
    rime.install("shop-plugin", PLUGIN)
    (rime.site / "rime.toml").write_text(
        '[[sources]]\nkind = "shop"\nplace = "well"\n[[transports]]\nkind = "shop"\nplace = "127.0.0.1:2"\n'
    )

    process = rime.start("serve", "--config", "rime.toml")

    assert process.stdout.readline() == "ready shop://127.0.0.1:2 with 4 resources\n"
