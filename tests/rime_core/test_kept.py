"""A small answer is kept until it is out of date, a large one while somebody is being sent it."""

import gc

import pytest

from rime_core import CLUSTER
from rime_core.kept import SMALL, Kept
from rime_core.resource import Resource
from rime_core.update import Update


def update_of(resources):
    return Update(tuple(Resource(CLUSTER, f"n{each}", "v", b"") for each in range(resources)), (), ordinal=1)


@pytest.fixture
def kept():
    return Kept()


def test_a_small_one_stays(kept):
    kept[1] = update_of(SMALL)
    kept[2] = None
    gc.collect()
    assert set(kept) == {1, 2}
    assert len(kept[1].resources) == SMALL
    assert kept[2] is None


def test_a_large_one_goes_with_the_last_who_is_sent_it(kept):
    sent = kept[1] = update_of(SMALL + 1)
    assert kept[1] is sent
    assert len(kept) == 1
    del sent
    gc.collect()
    assert 1 not in kept
    assert len(kept) == 0


def test_all_are_forgotten(kept):
    sent = kept[1] = update_of(SMALL + 1)
    kept[2] = None
    kept.clear()
    assert list(kept) == []
    assert sent is not None


def test_one_is_forgotten(kept):
    sent = kept[1] = update_of(SMALL + 1)
    kept[2] = None
    del kept[1], kept[2]
    assert list(kept) == []
    assert sent is not None
    with pytest.raises(KeyError, match="1"):
        del kept[1]


def test_who_forgets_what_is_not_kept_is_told_which(kept):
    with pytest.raises(KeyError, match="7"):
        del kept[7]
