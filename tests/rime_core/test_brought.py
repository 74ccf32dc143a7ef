"""What a client brings, as what differs from what another brought, is compared with what there is as any other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER, Brought, Resource, Update
from rime_core.brought import COMPARED, compare

names = st.sampled_from("abcdefgh")
versions = st.dictionaries(names, st.sampled_from("123"))


def update_with(there, removed=()):
    resources = tuple(Resource(CLUSTER, name, version, b"") for name, version in there.items())
    return Update(resources, tuple(removed), ordinal=1)


def as_differing(like, known):
    """`known`, said as what differs from `like`."""
    other = {name: version for name, version in known.items() if like.get(name) != version}
    return Brought(like).but(other, frozenset(like) - frozenset(known))


@given(there=versions, like=versions, known=versions, removed=st.sets(names))
def test_what_is_lacking_and_what_is_besides_is_that_of_a_plain_dict(there, like, known, removed):
    update = update_with(there, removed - there.keys())
    lacks, besides = compare(update, known)
    for brought in (as_differing(like, known), Brought(known)):
        for _ in range(2):
            found, more = compare(update, brought)
            assert list(found.items()) == list(lacks.items()), "in the update's order"
            assert sorted(more) == sorted(besides)


@given(like=versions, known=versions)
def test_it_is_the_versions_that_it_stands_for(like, known):
    brought = as_differing(like, known)
    assert dict(brought) == known
    assert len(brought) == len(known)
    for name in "abcdefgh":
        assert brought.get(name) == Brought(known).get(name) == known.get(name)
        assert (name in brought) == (name in Brought(known)) == (name in known)


def test_what_many_brought_is_compared_once():
    updates = [update_with(dict.fromkeys("abcd", "1")) for _ in range(COMPARED)]
    brought = Brought(dict.fromkeys("abcx", "1"))
    once = [brought.compared_to(update) for update in updates]
    for update, compared in zip(updates, once, strict=True):
        for known in (brought, brought.but({"a": "2"}, frozenset("b"))):
            compare(update, known)
        assert brought.compared_to(update) == compared == ([3], ["x"])
        assert brought.compared_to(update)[0] is compared[0]


def test_of_how_it_compares_only_so_much_is_remembered():
    brought = Brought({"a": "1"})
    updates = [update_with({"a": str(number)}) for number in range(2 * COMPARED)]
    for update in updates:
        compare(update, brought)
    assert [each[0]() for each in brought._compared] == updates[: COMPARED - 1 : -1]


def test_what_it_does_not_have_is_named():
    for brought in (Brought({"a": "1"}), Brought({"a": "1", "b": "1"}).but({}, frozenset("b"))):
        with pytest.raises(KeyError, match="'b'"):
            brought["b"]


def test_how_it_compares_with_what_is_gone_is_forgotten():
    brought = Brought({"a": "1"})
    for number in range(3 * COMPARED):
        update = update_with({f"b{number}": "1"})
        assert list(compare(update, brought)[0]) == [f"b{number}"]
        assert len(brought._compared) <= 2


def test_what_is_handed_out_is_the_callers():
    update = update_with(dict.fromkeys("ab", "1"))
    brought = Brought({"x": "1"})
    for known in (brought, brought.but({"y": "1"}, frozenset())):
        lacks, besides = compare(update, known)
        lacks.clear()
        besides.clear()
        lacks, besides = compare(update, known)
        assert list(lacks) == ["a", "b"]
        assert "x" in besides
