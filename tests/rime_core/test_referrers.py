"""Referrers: who refers to a name now, and who did until when."""

import pytest

from rime_core import CLUSTER, ENDPOINT, ROUTE, Plane
from rime_core.referrers import ENDED, NAMES, Referrers

C, D = (CLUSTER, "c"), (CLUSTER, "d")
R, S = (ROUTE, "r"), (ROUTE, "s")


@pytest.fixture
def referrers():
    return Referrers()


def test_what_nothing_ever_referred_to(referrers):
    assert C not in referrers
    assert list(referrers.of(C)) == []


def test_who_refers_to_a_name(referrers):
    referrers.change(R, (), (C, D), 1)
    referrers.change(S, (), (C,), 2)
    assert C in referrers
    assert list(referrers.of(C)) == [(R, None), (S, None)]
    assert list(referrers.of(D)) == [(R, None)]


def test_a_reference_that_ended_stays_known_with_its_ordinal(referrers):
    referrers.change(R, (), (C, D), 1)
    referrers.change(S, (), (C,), 2)
    assert referrers.change(R, (C, D), (D,), 3) == []
    assert list(referrers.of(C)) == [(S, None), (R, 3)]
    assert referrers.change(S, (C,), (), 4) == [C]
    assert C not in referrers
    assert list(referrers.of(C)) == [(S, 4), (R, 3)], "the latest first"


def test_a_reference_that_began_again_has_not_ended(referrers):
    referrers.change(R, (), (C,), 1)
    referrers.change(R, (C,), (), 2)
    referrers.change(R, (), (C,), 3)
    assert list(referrers.of(C)) == [(R, None)]


def test_a_reference_that_stays_does_not_end(referrers):
    referrers.change(R, (), (C,), 1)
    assert referrers.change(R, (C,), (C, D), 2) == []
    assert list(referrers.of(C)) == [(R, None)]


def test_of_one_name_the_latest_ends_are_remembered(referrers):
    for number in range(ENDED + 3):
        referrer = (ROUTE, f"r{number}")
        referrers.change(referrer, (), (C,), 2 * number)
        referrers.change(referrer, (C,), (), 2 * number + 1)
    ended = [name for (_, name), _ in referrers.of(C)]
    assert ended == [f"r{number}" for number in reversed(range(3, ENDED + 3))]


def test_of_the_names_the_latest_are_remembered(referrers):
    for number in range(NAMES + 2):
        referrers.change(R, (), ((CLUSTER, f"c{number}"),), 2 * number)
        referrers.change(R, ((CLUSTER, f"c{number}"),), (), 2 * number + 1)
    assert list(referrers.of((CLUSTER, "c1"))) == []
    assert list(referrers.of((CLUSTER, "c2"))) == [(R, 5)]


def test_a_plane_knows_who_refers_to_what():
    plane = Plane(references=lambda _, body: [(ENDPOINT, name) for name in body.decode().split()])
    plane.apply(CLUSTER, "c", b"e f")
    plane.apply(CLUSTER, "c", b"f")
    assert list(plane.store.referrers.of((ENDPOINT, "e"))) == [(C, 2)]
    plane.remove(CLUSTER, "c")
    assert list(plane.store.referrers.of((ENDPOINT, "f"))) == [(C, 3)]
