"""What the demo looks like: numbered steps, facts beside their names, a mark for each claim that was put to the test.

Colours are used only on a terminal, and not where NO_COLOR is set; otherwise it is plain text, as for a log.
"""

import os
import shutil
import sys
import textwrap

NAME_WIDTH = 11
"""Columns for the name of a fact; the longest, "log of rime", just fits."""

NARROWEST = 50
WIDEST = 110
"""Beyond this a line is hard to read."""

_INDENT = "  "
_ESCAPE = {"bold": "1", "dim": "2", "red": "31", "green": "32"}


class Terminal:
    """Prints to stdout; nothing is rewritten, so that a piped run reads the same."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
        self._steps = 0

    def line(self, text: str = "", style: str = "") -> None:
        """A line as it is."""
        print(self._styled(text, style), flush=True)

    def step(self, title: str) -> None:
        """The heading of the next step."""
        self._steps += 1
        self.line()
        self.line(f"{self._steps}  {title}", "bold")

    def fact(self, name: str, text: str) -> None:
        """Something to know."""
        self._entry(" ", name, text)

    def proven(self, name: str, text: str) -> None:
        """A claim that was put to the test and holds."""
        self._entry(self._styled("✓", "green"), name, text)

    def disproven(self, text: str) -> None:
        """What does not hold."""
        self._entry(self._styled("✗", "red"), "", text)

    def example(self, what: str, command: str) -> None:
        """Something to do, and the command that does it; never wrapped, so that it can be copied."""
        self.line(f"{_INDENT}  {what}:", "dim")
        self.line(f"{_INDENT}    {command}")

    def _entry(self, mark: str, name: str, text: str) -> None:
        hanging = _INDENT + "  " + " " * (NAME_WIDTH + 1)
        lines = textwrap.wrap(text, self._width - len(hanging), break_on_hyphens=False, break_long_words=False) or [""]
        self.line(f"{_INDENT}{mark} {self._styled(f'{name:{NAME_WIDTH}}', 'dim')} {lines[0]}")
        for further in lines[1:]:
            self.line(hanging + further)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{_ESCAPE[style]}m{text}\x1b[0m" if style and self._colour else text
