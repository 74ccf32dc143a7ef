"""docs/protocol.md, the tests and the recorded faults are in step."""

import re
from pathlib import Path

import pytest

from tests.conformance.conftest import AGGREGATED, ways_of
from tests.conformance.faults import FAULTS
from tests.conformance.mutate import SOURCES

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/protocol.md"
ROWS = dict(re.findall(r"^\| (R\d+) \|.*\| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def rules_in(file: str) -> set[str]:
    """The rules that have tests in `file`."""
    return set(re.findall(r"^async def test_(R\d+)_", (HERE / file).read_text(encoding="utf-8"), re.MULTILINE))


FILES = ("test_rules.py", "test_order_rules.py", "test_sotw_rules.py")
"""In the order in which the page names them: the first that has tests of a rule."""

FIRST = {rule: file for file in reversed(FILES) for rule in rules_in(file)}


def test_the_page_lists_every_rule():
    assert list(ROWS) == [f"R{number}" for number in range(1, 92)]


def test_the_page_says_which_rules_have_tests():
    assert {rule: tests for rule, tests in ROWS.items() if tests in FILES} == FIRST
    assert set(ROWS.values()) == {*FILES, "not supported"}


def test_every_tested_rule_has_a_fault_that_its_test_finds():
    *incremental, sotw = map(rules_in, FILES)
    assert set(FAULTS) == set().union(*incremental) | {f"{rule} sotw" for rule in sotw}


def test_what_is_about_aggregated_streams_alone_is_there_and_the_rest_runs_on_streams_of_one_type_too():
    tests = re.findall(
        r"^async def test_((R\d+)_\w+)",
        "".join((HERE / file).read_text(encoding="utf-8") for file in FILES),
        re.MULTILINE,
    )
    assert set(AGGREGATED) <= {each for test in tests for each in test}
    aggregated = {test for test, _ in tests if "grpc-per-type" not in ways_of(f"test_{test}")}
    assert aggregated == {test for test, rule in tests if {test, rule} & set(AGGREGATED)}


@pytest.mark.parametrize("rule", FAULTS)
def test_the_fault_can_be_put_into_the_code(rule):
    fault = FAULTS[rule]
    assert (SOURCES / fault.file).read_text(encoding="utf-8").count(fault.before) == 1
