"""The keys debounce and debounce_max, and what is said of those that cannot be."""

import pytest

from rime_app.debounce import read_debounce
from rime_core import Debounce, UsageError

BEFORE = Debounce(1, 2)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, BEFORE),
        ({"other": "x"}, BEFORE),
        ({"debounce": "100ms"}, Debounce(0.1, 1.0)),
        ({"debounce": "100ms", "debounce_max": "5s"}, Debounce(0.1, 5.0)),
        ({"debounce": "1s", "debounce_max": "1s"}, Debounce(1.0, 1.0)),
        ({"debounce": "0"}, Debounce(0, 0)),
    ],
)
def test_what_they_say(values, expected):
    assert read_debounce("rime.toml [serve]", values, BEFORE) == expected


def test_where_nobody_says_anything_nothing_is_put_off():
    assert read_debounce("rime.toml [serve]", {}, None) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"debounce": "fast"}, "debounce='fast' should be a duration such as 100ms, 1.5s or 2m"),
        ({"debounce": "1s", "debounce_max": "5"}, "debounce_max='5' should be a duration such as 100ms, 1.5s or 2m"),
        ({"debounce": "1s", "debounce_max": "900ms"}, "debounce_max='900ms' is shorter than debounce='1s'"),
        ({"debounce_max": "5s"}, "debounce_max says how long debounce may go on, and needs debounce beside it"),
    ],
)
def test_what_cannot_be_is_said(values, expected):
    with pytest.raises(UsageError) as raised:
        read_debounce("rime.toml [serve]", values, None)
    assert str(raised.value) == f"rime.toml [serve]: {expected}"
