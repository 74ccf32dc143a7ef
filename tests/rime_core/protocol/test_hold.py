"""A hold says in one line what is held back from a client, and what for."""

import dataclasses

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE
from rime_core.protocol.hold import Hold


@pytest.mark.parametrize(
    ("hold", "line"),
    [
        (
            Hold(ROUTE, "r", False, "warming", ((CLUSTER, "c"), (ENDPOINT, "e")), 1.0, 16.0),
            "route 'r' waits for cluster 'c', endpoint 'e' (warming)",
        ),
        (
            Hold(CLUSTER, "c", True, "in use", ((ROUTE, "r"),), 1.0, None),
            "the removal of cluster 'c' waits for route 'r' (in use)",
        ),
        (
            Hold(CLUSTER, "c", True, "returning", ((LISTENER, "*"), (ROUTE, "*")), 1.0, None),
            "the removal of cluster 'c' waits for all listeners, all routes (returning)",
        ),
    ],
)
def test_a_line_for_people(hold, line):
    assert str(hold) == line


def test_it_is_read_only():
    hold = Hold(CLUSTER, "c", True, "in use", ((ROUTE, "r"),), 1.0, None)
    field = dataclasses.fields(hold)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(hold, field, "other")
