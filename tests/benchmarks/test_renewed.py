"""A part of the results is measured anew, and the rest stays."""

import pytest
from benchmarks.__main__ import OtherError, renewed

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
    return {each["figure"]: each["median"] for each in kept["figures"]}


def test_the_part_is_renewed_and_the_rest_stays():
    kept = renewed(results(apply=1.0, storm=2.0), results(COMMAND, "2026-01-02", apply=0.5, load=3.0))
    assert medians(kept) == {"apply": 0.5, "storm": 2.0, "load": 3.0}


def test_how_that_was_is_told_beside_how_the_rest_was():
    kept = renewed(results(apply=1.0), results(COMMAND, "2026-01-02", apply=0.5))
    assert (kept["command"], kept["date"]) == ("make bench-peers", "2026-01-01")
    assert kept["again"] == {COMMAND: "2026-01-02"}
    again = renewed(kept, results(COMMAND, "2026-01-03", apply=0.4))
    assert again["again"] == {COMMAND: "2026-01-03"}


def test_figures_of_other_versions_do_not_stand_beside_each_other():
    with pytest.raises(OtherError, match=r"versions was .*1\.0.*, and is .*2\.0.*: measure all anew"):
        renewed(results(apply=1.0), results(COMMAND, grpcio="2.0", apply=0.5))


def test_versions_that_only_the_whole_tells_of_are_none_of_a_part():
    whole = results(apply=1.0)
    whole["versions"]["go"] = "1.26"
    assert renewed(whole, results(COMMAND, apply=0.5))["versions"]["go"] == "1.26"
