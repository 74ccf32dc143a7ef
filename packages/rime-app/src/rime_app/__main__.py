"""The program `rime`, which `python -m rime_app` is too."""

import sys

from rime_app.signals import handle_as_usual, handle_early


def main() -> None:
    """Run the command that was typed, and exit with its status."""
    arguments = sys.argv[1:]
    handle_early(arguments)
    from rime_app.main import run  # noqa: PLC0415  # takes long enough for a signal to come

    handle_as_usual(arguments)
    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
