"""A response that one client has not accepted."""

import pytest

from rime_core.flight import Carried, Flight, common
from rime_core.update import Manifest


@pytest.fixture
def manifest():
    return Manifest(3, {"a": "1", "b": "2", "gone": None})


def test_it_says_something_of_what_it_carried(manifest):
    carried = Carried(manifest)
    assert [name for name in ("a", "gone", "other") if carried.says(name)] == ["a", "gone"]
    assert list(carried.names()) == ["a", "b", "gone"]
    assert not carried.is_empty


def test_what_does_not_count_any_more(manifest):
    carried = Carried(manifest)
    carried.drop(["a"])
    carried.drop(["b", "other"])
    assert list(carried.names()) == ["gone"]
    carried.drop({"gone": None})
    assert carried.is_empty


def test_a_flight_is_on_its_way_and_nobody_knows_what_becomes_of_it(manifest):
    flight = Flight(manifest, 2)
    assert (flight.on_its_way, flight.passed, flight.reason) == (True, False, None)
    assert (flight.prior, flight.left) == (2, None)
    assert flight.says("a")


@pytest.mark.parametrize(("one", "other"), [("abc", "bcd"), ("bcdefg", "bc"), ("bc", "abcdef")])
def test_the_names_in_both(one, other):
    assert common(list(one), dict.fromkeys(other)) == ["b", "c"]
