"""Signals while the program still imports; what they do later is in test_process.py."""

import signal
import subprocess
import sys

import pytest

SLOW = """
import time
print("importing", flush=True)
time.sleep({seconds})
raise ImportError("that was all")
"""


@pytest.fixture
def importing(rime):
    """Start a command, and return it while it imports the library."""

    def start(library, *arguments, seconds=60):
        (rime.site / f"{library}.py").write_text(SLOW.format(seconds=seconds), encoding="utf-8")
        process = rime.start(*arguments)
        assert process.stdout.readline() == "importing\n"
        return process

    return start


@pytest.mark.parametrize("library", ["click", "pluggy"])
@pytest.mark.parametrize(
    ("command", "number", "status"),
    [
        ("serve", signal.SIGINT, 0),
        ("serve", signal.SIGTERM, 0),
        ("plugins", signal.SIGINT, 130),
        ("plugins", signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_a_signal_during_the_imports_ends_it_without_a_word(importing, library, command, number, status):
    process = importing(library, command)

    process.send_signal(number)
    _, err = process.communicate(timeout=10)

    assert (process.returncode, err) == (status, "")


def test_serve_does_not_end_at_sighup(importing):
    process = importing("click", "serve", seconds=0.3)

    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=10)

    assert err.endswith("ImportError: that was all\n")


def test_a_command_that_is_interrupted_tidies_up(rime):
    rime.install(
        "tidy",
        """
        import time, click
        from rime_app import hookimpl

        def work():
            try:
                print("working", flush=True)
                time.sleep(60)
            finally:
                print("tidied", flush=True)

        @hookimpl
        def rime_commands():
            return {"work": click.Command("work", callback=work)}
        """,
    )
    process = rime.start("work")
    assert process.stdout.readline() == "working\n"

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)

    assert (process.returncode, out) == (130, "tidied\n")
    assert "Traceback" not in err


def test_what_handles_them_is_there_before_any_other_library():
    seen = (
        "import sys, rime_app.__main__; print(sorted({'click', 'pluggy', 'rime_core', 'asyncio'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True).stdout == "[]\n"
