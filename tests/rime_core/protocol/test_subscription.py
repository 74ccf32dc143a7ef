"""The tables at the top of subscription.py, row by row. That the rows hold on a stream: tests/conformance."""

import pytest

from rime_core import CLUSTER, ENDPOINT, SECRET, describe
from rime_core.protocol.subscription import first_names, listed_names


@pytest.mark.parametrize(
    ("type_url", "subscribe", "unsubscribe", "names"),
    [
        (CLUSTER, [], [], ["*"]),  # R38
        ("type.googleapis.com/own.Type", [], [], ["*"]),  # R45
        (ENDPOINT, [], [], []),  # R45
        (SECRET, [], [], []),  # R45
        (CLUSTER, ["*"], ["*"], []),  # R46
        (CLUSTER, ["*", "a"], ["*"], ["a"]),  # R46
        (CLUSTER, ["a"], ["a"], ["a"]),  # R50
        (CLUSTER, ["a", "*"], ["b"], ["a", "*"]),
        (CLUSTER, [], ["phantom"], []),  # R47: names were spoken of, so it is no legacy wildcard
    ],
)
def test_what_a_first_request_subscribes_to(type_url, subscribe, unsubscribe, names):
    assert list(first_names(describe(type_url), subscribe, unsubscribe)) == names


@pytest.mark.parametrize(
    ("type_url", "requests", "names"),
    [
        (CLUSTER, [[]], ["*"]),  # R37
        ("type.googleapis.com/own.Type", [[]], ["*"]),  # R45
        (ENDPOINT, [[]], []),  # R45
        (SECRET, [[], []], []),  # R45
        (CLUSTER, [[], []], ["*"]),  # R37: an acknowledgement
        (CLUSTER, [["a"]], ["a"]),
        (CLUSTER, [[], ["a"], []], []),  # R33, R41
        (CLUSTER, [["*", "a"], ["a"]], ["a"]),  # R32, R39
        (CLUSTER, [["*"], []], []),  # R33: a star is a name
    ],
)
def test_what_a_list_asks_for(type_url, requests, names):
    *before, last = requests
    assert list(listed_names(describe(type_url), last, named_before=any(before))) == names
