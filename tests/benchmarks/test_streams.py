"""How the highest rate is found at which all clients follow."""

import pytest
from benchmarks.streams import NARROW, highest_rate


@pytest.mark.parametrize("limit", [1.5, 30.0, 32.0, 362.0, 14_480.0, 92_682.0, 5e6])
def test_the_highest_rate_is_found_to_within_a_factor(limit):
    tried: list[float] = []

    def follows(rate):
        tried.append(rate)
        return rate <= limit

    found = highest_rate(follows)
    assert found <= limit < found * NARROW
    assert len(tried) == len(set(tried)) <= 14


def test_who_does_not_follow_at_all_has_no_rate():
    assert highest_rate(lambda _: False) == 0
