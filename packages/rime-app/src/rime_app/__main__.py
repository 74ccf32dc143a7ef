"""The program `rime`, which `python -m rime_app` is too."""

import os
import sys

from rime_app.signals import handle_as_usual, handle_early


def main() -> None:
    """Run the command that was typed, and exit with its status."""
    arguments = sys.argv[1:]
    handle_early(arguments)
    _take_standard_streams()
    from rime_app.main import run  # noqa: PLC0415  # takes long enough for a signal to come

    handle_as_usual(arguments)
    sys.exit(run(arguments))


def _take_standard_streams() -> None:
    """Let what was closed of the first three files be /dev/null, also for the processes that are started from here.

    The next that is opened would have its number: libuv takes a loop of its own that is one of these for a fault, and
    ends the process; and what is printed would go to a client.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(file, True)
    os.close(file)


if __name__ == "__main__":
    main()
