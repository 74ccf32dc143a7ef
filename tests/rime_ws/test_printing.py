"""What commands print: tables, states and differences."""

import io

import pytest
from rich.console import Console

from rime_ws import printing


def printed(renderable, colour=None):
    out = io.StringIO()
    Console(file=out, width=60, force_terminal=colour is not None, color_system=colour).print(renderable)
    return out.getvalue()


def test_a_table_is_columns_without_lines():
    assert [line.rstrip() for line in printed(printing.table(("A", "BB"), [("1", "2"), ("333", "")])).splitlines()] == [
        "A    BB",
        "1    2",
        "333",
    ]


@pytest.mark.parametrize("word", ["synced", "pending", "held", "rejected", "not sent", "missing", "anything"])
def test_a_state_reads_as_itself(word):
    assert printed(printing.state(word)) == f"{word}\n"


def test_a_state_has_a_colour():
    assert "\x1b[31m" in printed(printing.state("rejected"), "standard")


def test_what_is_not_shown_says_why():
    assert printing.yaml_of({"name": "a", "withheld": "4 bytes"}) == "# not shown: 4 bytes\n"
    assert printing.yaml_of({"body": {"@type": "t", "name": "a"}}) == "'@type': t\nname: a\n"


def test_a_difference_is_what_goes_and_what_comes():
    before, after = ({"body": {"@type": "t", "a": 1, "b": value}} for value in (1, 2))
    assert list(printing.difference(before, after)) == ["@@ -1,3 +1,3 @@", " '@type': t", " a: 1", "-b: 1", "+b: 2"]
    assert [line[0] for line in printing.difference(None, after)] == ["@", "+", "+", "+"]
    assert [line[0] for line in printing.difference(before, None)] == ["@", "-", "-", "-"]


def test_lines_of_a_difference_are_texts_and_no_markup():
    assert printed(printing.coloured("+a: [red]b[/]")) == "+a: [red]b[/]\n"
    assert printed(printing.coloured(" a: [/]")) == " a: [/]\n"


def test_where_nobody_looks_lines_are_not_broken(capsys):
    printing.console().print("x" * 150)
    assert capsys.readouterr().out == "x" * 150 + "\n"
