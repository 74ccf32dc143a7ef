"""`make mutation` without mutmut: what is laid out, and what makes it fail."""

import pytest

from tests.mutation import run
from tests.mutation.mutants import Known, Mutant

KNOWN = Known("kept", "Kept.take", "a + 1", "a - 1", "the same")


def mutant(*, outcome=0, after="a - 1", module="kept", seconds=0.0):
    return Mutant(f"{module}.x_{after}", module, "Kept.take", 7, "a + 1", after, outcome, seconds)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PROJECT", tmp_path)
    monkeypatch.setattr(run, "LAID_OUT", tmp_path / "src/rime_core")
    monkeypatch.setattr(run, "MUTATED", tmp_path / "mutants/src/rime_core")
    return tmp_path


# --- what makes it fail


def test_all_is_well_where_only_what_is_listed_survives():
    assert run.compared([mutant()], [mutant(), mutant(outcome=1, after="a * 1")], [KNOWN]) == []


def test_a_survivor_that_is_not_listed():
    assert run.compared([mutant()], [mutant()], []) == ["SURVIVED: kept.py:7 Kept.take\n- a + 1\n+ a - 1"]


def test_a_listed_one_that_a_test_finds():
    assert run.compared([], [mutant(outcome=1)], [KNOWN]) == [
        "LISTED, BUT A TEST FINDS IT: kept Kept.take\n- a + 1\n+ a - 1"
    ]


def test_a_listed_one_that_is_no_more():
    assert run.compared([], [mutant(outcome=1, after="a * 1")], [KNOWN]) == [
        "LISTED, BUT THERE IS NONE SUCH: kept Kept.take\n- a + 1\n+ a - 1"
    ]


def test_what_is_listed_of_modules_that_were_not_run_is_left_alone():
    assert run.compared([], [mutant(outcome=1, module="hold")], [KNOWN]) == []


# --- what is said


def test_the_table_has_a_line_for_each_module():
    found, typed, left = mutant(outcome=1, seconds=150), mutant(after="a * 1"), mutant(module="hold")

    assert run.table([found, typed, left], {typed.key}, [left]).splitlines() == [
        "| module | mutants | found by a test | by mypy | survive | time |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| hold | 1 | 0 | 0 | 1 | 0 s |",
        "| kept | 2 | 1 | 1 | 0 | 2 min |",
    ]


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (5400, "90 min")])
def test_times_in_words(seconds, said):
    assert run.duration(seconds) == said


def test_a_module_that_there_is_not(capsys):
    with pytest.raises(SystemExit, match="2"):
        run.main(["holds"])

    assert "no such module: holds; there are adapter, address, aio" in capsys.readouterr().err


# --- what is laid out


def test_the_project_has_the_sources_and_their_tests(project):
    run.lay_out(["kept", "protocol/hold"], fresh=False)
    settings = (project / "pyproject.toml").read_text(encoding="utf-8")

    assert 'only_mutate = ["src/rime_core/kept.py", "src/rime_core/protocol/hold.py"]' in settings
    assert (project / "src/rime_core/kept.py").read_bytes() == (run.SOURCES / "kept.py").read_bytes()
    assert (project / "tests/rime_core/protocol/test_hold.py").is_file()
    assert not (project / "tests/rime_core/test_cost.py").exists()


def test_what_is_the_same_is_not_written_again_and_what_is_gone_goes(project):
    run.lay_out(["kept"], fresh=False)
    kept, gone = (project / "src/rime_core" / name for name in ("kept.py", "gone.py"))
    gone.write_text("", encoding="utf-8")
    before = kept.stat().st_mtime_ns
    run.lay_out(["kept"], fresh=False)

    assert kept.stat().st_mtime_ns == before
    assert not gone.exists()


def test_which_test_reaches_what_is_kept_until_a_test_changes(project):
    run.lay_out(["kept"], fresh=False)
    reaches = project / "mutants/mutmut-stats.json"
    reaches.write_text("{}", encoding="utf-8")
    run.lay_out(["kept"], fresh=False)
    assert reaches.exists()

    (project / "tests/rime_core/test_kept.py").write_text("", encoding="utf-8")
    run.lay_out(["kept"], fresh=False)
    assert not reaches.exists()


def test_which_test_reaches_what_is_found_out_anew_for_other_modules(project):
    run.lay_out(["kept"], fresh=False)
    reaches = project / "mutants/mutmut-stats.json"
    reaches.write_text("{}", encoding="utf-8")
    run.lay_out(["change"], fresh=False)
    assert not reaches.exists()


def test_a_module_that_was_not_chosen_before_is_mutated_now(project):
    plain, done = (project / "mutants/src/rime_core" / name for name in ("kept.py", "change.py"))
    run.lay_out(["kept"], fresh=False)
    plain.parent.mkdir()
    plain.write_text("X = 1\n", encoding="utf-8")
    done.write_text("@_mutmut_mutated(mutants_x_free__mutmut)\n", encoding="utf-8")
    run.lay_out(["kept", "change"], fresh=False)

    assert (plain.exists(), done.exists()) == (False, True)


def test_fresh_forgets_all(project):
    run.lay_out(["kept"], fresh=False)
    (project / "mutants/mutmut-stats.json").write_text("{}", encoding="utf-8")
    run.lay_out(["kept"], fresh=True)

    assert not (project / "mutants/mutmut-stats.json").exists()
