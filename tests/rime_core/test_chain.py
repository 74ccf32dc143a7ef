"""A chain is a list from which anything is taken, and put at the end, without a look at the rest."""

from hypothesis import given
from hypothesis import strategies as st

from rime_core import Plane
from rime_core.chain import Chain
from rime_core.entry import Entry

NAMES = "abcde"
acts = st.lists(st.tuples(st.sampled_from(["append", "move_to_end", "remove"]), st.sampled_from(NAMES)))


@given(acts=acts)
def test_it_is_in_the_order_that_a_list_would_have(acts):
    chain = Chain()
    expected: list[str] = []
    entries = {name: Entry(name, None, 1, Plane()) for name in NAMES}
    for act, name in acts:
        if (name in expected) == (act == "append"):
            continue
        getattr(chain, act)(entries[name])
        if act != "append":
            expected.remove(name)
        if act != "remove":
            expected.append(name)
        assert [entry.name for entry in chain] == expected
        assert [entry.name for entry in reversed(chain)] == expected[::-1]


def test_what_was_taken_out_keeps_nothing_of_the_others():
    chain = Chain()
    one, other = (Entry(name, None, 1, Plane()) for name in "ab")
    chain.append(one)
    chain.append(other)
    chain.remove(one)
    assert (one.before, one.after) == (other.before, other.after) == (None, None)
