"""What is read of mutmut's files: which mutant is where, what it is known by, and what became of it."""

import json

import pytest

from tests.mutation import mutants

SOURCE = """\
X = 1


def free(a: int) -> int:
    return a + 1


class Kept:
    def take(self, name: str) -> None:
        '''Two lines.'''
        if name not in self.names:
            self.names[name] = 1
"""

MUTATED = """\
X = 1


@_mutmut_mutated(mutants_x_free__mutmut)
def free(a: int) -> int:
    return a + 1

def x_free__mutmut_orig(a: int) -> int:
    return a + 1

def x_free__mutmut_1(a: int) -> int:
    return a - 1


class Kept:
    @_mutmut_mutated(mutants_xǁKeptǁtake__mutmut)
    def take(self, name: str) -> None:
        '''Two lines.'''
        if name not in self.names:
            self.names[name] = 1

    def xǁKeptǁtake__mutmut_orig(self, name: str) -> None:
        '''Two lines.'''
        if name not in self.names:
            self.names[name] = 1

    def xǁKeptǁtake__mutmut_1(self, name: str) -> None:
        '''Two lines.'''
        if name in self.names:
            self.names[name] = 1
"""

FREE, TAKE = "rime_core.kept.x_free__mutmut_1", "rime_core.kept.xǁKeptǁtake__mutmut_1"


@pytest.fixture
def trees(tmp_path):
    """The sources, and mutmut's copy of them, in which one mutant survived."""
    sources, mutated = tmp_path / "sources", tmp_path / "mutated"
    for folder, text in ((sources, SOURCE), (mutated, MUTATED)):
        folder.mkdir()
        (folder / "kept.py").write_text(text, encoding="utf-8")
    meta = {"exit_code_by_key": {FREE: 1, TAKE: 0}, "durations_by_key": {FREE: 0.5}}
    (mutated / "kept.py.meta").write_text(json.dumps(meta), encoding="utf-8")
    return sources, mutated


def test_a_mutant_is_known_by_its_function_and_the_lines_that_differ(trees):
    free, take = mutants.read(trees[0], trees[1], "kept")

    assert free.identity == ("kept", "free", "return a + 1", "return a - 1")
    assert (free.line, free.is_found, free.seconds) == (5, True, 0.5)
    assert take.identity == ("kept", "Kept.take", "if name not in self.names:", "if name in self.names:")
    assert (take.line, take.is_found, take.seconds) == (11, False, 0.0)


def test_it_is_shown_as_a_diff_under_its_place(trees):
    assert str(mutants.read(trees[0], trees[1], "kept")[0]) == "kept.py:5 free\n- return a + 1\n+ return a - 1"


def test_the_module_with_a_mutant_in_it_has_nothing_else_of_mutmuts(trees):
    _, take = mutants.read(trees[0], trees[1], "kept")

    assert mutants.applied(trees[0], trees[1], take) == SOURCE.replace("name not in", "name in")


def test_lines_that_a_mutant_joins_or_drops():
    before = ["def f():", "    g(", "        1,", "    )", "    return 2"]

    assert mutants.difference(before, ["def f():", "    g()", "    return 2"]) == (1, "g(\n1,\n)", "g()")
    assert mutants.difference(before, [*before[:2], *before[3:]]) == (2, "1,", "")


@pytest.mark.parametrize("code", [1, 3, -24, 36])
def test_a_test_that_fails_or_never_ends_has_found_it(trees, code):
    _settle(trees, code)
    assert mutants.read(trees[0], trees[1], "kept")[1].is_found


@pytest.mark.parametrize("code", [None, 0, 5, 33, 2, -11])
def test_whatever_else_pytest_ends_with_has_not(trees, code):
    _settle(trees, code)
    assert not mutants.read(trees[0], trees[1], "kept")[1].is_found


def test_only_what_survived_is_run_again(trees):
    mutants.forget_survivors(trees[1], "kept")

    assert [each.outcome for each in mutants.read(trees[0], trees[1], "kept")] == [1, None]


def test_nothing_is_forgotten_of_a_module_that_was_never_run(trees):
    mutants.forget_survivors(trees[1], "other")

    assert not (trees[1] / "other.py.meta").exists()


def _settle(trees, code):
    file = trees[1] / "kept.py.meta"
    file.write_text(json.dumps({"exit_code_by_key": {FREE: 1, TAKE: code}}), encoding="utf-8")
