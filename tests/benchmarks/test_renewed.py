"""A part of the results is measured anew, and the rest stays."""

import json

import pytest
from benchmarks.__main__ import OtherError, kept_beside, renewed

COMMAND = 'make bench-peers ARGS="--only kernel"'


def results(command="make bench-peers", date="2026-01-01", grpcio="1.0", **medians):
    return {
        "command": command,
        "date": date,
        "machine": {"cores": 2},
        "system": "Linux",
        "versions": {"grpcio": grpcio},
        "figures": [
            {"figure": name, "of": "rime", "n": 10, "streams": 0, "median": median} for name, median in medians.items()
        ],
    }


def medians(kept):
    return [(each["figure"], each["median"]) for each in kept["figures"]]


def test_the_part_is_renewed_and_the_rest_stays():
    kept = renewed(results(apply=1.0, storm=2.0), results(COMMAND, "2026-01-02", apply=0.5, load=3.0))
    assert medians(kept) == [("apply", 0.5), ("storm", 2.0), ("load", 3.0)]


def test_how_that_was_is_told_beside_how_the_rest_was():
    kept = renewed(results(apply=1.0), results(COMMAND, "2026-01-02", apply=0.5))
    assert (kept["command"], kept["date"]) == ("make bench-peers", "2026-01-01")
    assert kept["again"] == {COMMAND: "2026-01-02"}
    again = renewed(kept, results(COMMAND, "2026-01-03", apply=0.4))
    assert again["again"] == {COMMAND: "2026-01-03"}


@pytest.fixture
def out(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results(grpcio="1.0") | {"versions": {"grpcio": "1.0", "go": "1.26"}}))
    return path


def test_figures_of_other_versions_do_not_stand_beside_each_other(out):
    with pytest.raises(OtherError, match=r"results\.json: grpcio was 1\.0, and is 2\.0: measure all anew"):
        kept_beside(results(COMMAND, grpcio="2.0"), out)


def test_nor_do_those_of_another_machine(out):
    with pytest.raises(OtherError, match=r"machine was .*2.*, and is .*64.*: measure all anew"):
        kept_beside(results(COMMAND) | {"machine": {"cores": 64}}, out)


def test_versions_that_only_the_whole_tells_of_are_none_of_a_part(out):
    kept = kept_beside(results(COMMAND), out)
    assert kept is not None
    assert kept["versions"]["go"] == "1.26"
    assert renewed(kept, results(COMMAND))["versions"]["go"] == "1.26"


def test_where_there_are_no_results_a_part_is_all(tmp_path):
    assert kept_beside(results(COMMAND), tmp_path / "results.json") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "\\"])
def test_a_file_that_holds_something_else_is_left_alone(text, tmp_path):
    out = tmp_path / "other.json"
    out.write_text(text)
    with pytest.raises(OtherError, match=r"other\.json: these are no results of benchmarks"):
        kept_beside(results(COMMAND), out)
