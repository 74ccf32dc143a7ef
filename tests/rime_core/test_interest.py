"""Equal sets of names are one, however they came about; a change finds those who named it and nobody else."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER, Plane
from rime_core.interest import NameSet, NameSets


@pytest.fixture
def interest():
    return NameSets()


def step(interest, names, add=(), discard=(), since=0):
    return interest.step(names, frozenset(add), frozenset(discard), since)


def holders(interest, name):
    return set(interest.holders(name))


# --- equal sets are one


def test_equal_names_in_any_order_are_one_set(interest):
    first = interest.follow(["a", "b"], 0)
    assert interest.follow(["b", "a", "b"], 0) is first
    assert first.followers == 2


def test_other_names_are_another_set(interest):
    assert interest.follow(["a"], 0) is not interest.follow(["a", "b"], 0)


def test_sets_whose_keys_are_equal_by_chance_are_told_apart(interest, monkeypatch):
    monkeypatch.setattr("rime_core.interest._fold", lambda _: 0)
    one, other = interest.follow(["a"], 0), interest.follow(["b"], 0)
    assert (one.names, other.names) == ({"a"}, {"b"})
    interest.leave(one)
    assert holders(interest, "b") == {other}


def test_who_steps_to_the_names_of_others_joins_them(interest):
    there = interest.follow(["a", "b"], 0)
    assert step(interest, interest.follow(["a"], 0), add=["b"]) is there
    assert holders(interest, "a") == {there}


# --- steps


def test_a_set_with_one_follower_is_changed_in_place(interest):
    names = interest.follow(["a"], 0)
    assert step(interest, names, add=["b"], discard=["a"]) is names
    assert names.names == {"b"}
    assert interest.follow(["b"], 0) is names


def test_one_of_many_leaves_the_others_as_they_are(interest):
    names = interest.follow(["a"], 0)
    interest.follow(["a"], 0)
    mine = step(interest, names, add=["b"])
    assert (names.names, mine.names) == ({"a"}, {"a", "b"})
    assert (names.followers, mine.followers) == (1, 1)


def test_who_takes_the_same_step_comes_to_the_same_set(interest):
    names = [interest.follow(["a"], 0) for _ in range(3)]
    after = {step(interest, each, add=["b"]) for each in names}
    assert len(after) == 1
    assert after.pop().followers == 3
    assert holders(interest, "a") == holders(interest, "b")


def test_a_step_that_changes_nothing(interest):
    names = interest.follow(["a"], 0)
    assert step(interest, names, add=["a"], discard=["phantom"]) is names


def test_a_step_is_not_taken_to_a_set_that_has_changed_since(interest):
    names = interest.follow(["a"], 0)
    interest.follow(["a"], 0)
    first = step(interest, names, add=["b"])
    interest.follow(["a"], 0)
    assert step(interest, first, add=["c"]) is first, "changed in place"
    assert step(interest, names, add=["b"]).names == {"a", "b"}


def test_a_step_is_not_taken_to_a_set_that_all_have_left(interest):
    names = interest.follow(["a"], 0)
    interest.follow(["a"], 0)
    left = step(interest, names, add=["b"])
    interest.follow(["a"], 0)
    interest.leave(left)
    again = step(interest, names, add=["b"])
    assert again.names == {"a", "b"}
    assert holders(interest, "b") == {again}


# --- what changed


def test_a_set_remembers_the_order_of_its_changes(interest):
    names = interest.follow(["a", "b"], 0)
    for ordinal, name in enumerate(["a", "b", "a"], start=1):
        names.touched(name, ordinal)
    assert list(names.tail(0)) == ["a", "b"]
    assert list(names.tail(2)) == ["a"]
    assert list(names.tail(3)) == []


def test_what_was_given_up_is_no_longer_among_its_changes(interest):
    names = interest.follow(["a", "b"], 0)
    names.touched("b", 1)
    step(interest, names, discard=["b"])
    assert list(names.tail(0)) == []


def test_answers_are_kept_for_a_bounded_number_of_cursors():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"1")
    view = plane.store.view(CLUSTER)
    names = view.follow(["a"])
    for cursor in range(200):
        assert names.lacking(view, cursor) is names.lacking(view, cursor)
        assert len(names.shared) <= 64


# --- nothing is kept of what is gone


def test_a_set_that_nobody_follows_is_forgotten(interest):
    names = interest.follow(["a", "b"], 0)
    interest.follow(["a", "b"], 0)
    interest.leave(names)
    assert interest
    interest.leave(names)
    assert not interest
    assert holders(interest, "a") == set()


def test_a_step_does_not_keep_the_set_that_it_led_to(interest):
    def alive():
        gc.collect()
        return sum(type(each) is NameSet for each in gc.get_objects())

    names = interest.follow(["a"], 0)
    interest.follow(["a"], 0)
    before = alive()
    target = step(interest, names, add=["b"])
    interest.leave(target)
    assert alive() == before + 1
    del target
    assert alive() == before


def test_the_same_step_leads_to_the_same_set_without_its_names_being_looked_at(interest):
    names = interest.follow(["a"], 0)
    for _ in range(2):
        interest.follow(["a"], 0)
    target = step(interest, names, add=["b"])
    target.names.add("found by its key, and not compared")
    assert step(interest, names, add=["b"]) is target


def test_a_step_does_not_lead_to_a_set_that_has_other_names_since(interest):
    names = interest.follow(["a"], 0)
    for _ in range(3):
        interest.follow(["a"], 0)
    target = step(interest, names, add=["b"])
    assert step(interest, target, add=["c"]) is target
    again = step(interest, names, add=["b"])
    assert again is not target
    assert again.names == {"a", "b"}


def test_nor_to_one_that_had_others_meanwhile(interest, monkeypatch):
    """What has the same key has not always the same names."""
    monkeypatch.setattr("rime_core.interest._fold", lambda _: 0)
    names = interest.follow(["a"], 0)
    for _ in range(3):
        interest.follow(["a"], 0)
    target = step(interest, names, add=["b"])
    assert step(interest, step(interest, target, add=["c"]), discard=["b"]) is target
    again = step(interest, names, add=["b"])
    assert again.names == {"a", "b"}


def test_few_steps_are_remembered(interest):
    names = interest.follow(["a"], 0)
    interest.follow(["a"], 0)
    for number in range(200):
        interest.follow(["a"], 0)
        step(interest, names, add=[str(number)])
        assert len(names.steps) <= 64


# --- against plain sets

NAMES = st.sampled_from("abcd")
ACTS = st.lists(
    st.tuples(st.sampled_from(["follow", "step", "leave"]), st.integers(0, 5), st.sets(NAMES), st.sets(NAMES)),
    max_size=30,
)


@given(ACTS)
def test_whatever_happens_it_is_as_with_plain_sets(acts):
    interest = NameSets()
    followers = []
    for act, which, some, others in acts:
        if act == "follow":
            followers.append((interest.follow(some, 0), set(some)))
        elif followers:
            names, model = followers.pop(which % len(followers))
            if act == "leave":
                interest.leave(names)
            else:
                after = step(interest, names, some - others, others)
                followers.append((after, (model | some) - others))
        check(interest, followers)


def check(interest, followers):
    assert [names.names for names, _ in followers] == [model for _, model in followers]
    by_content: dict[frozenset[str], NameSet] = {}
    for names, model in followers:
        assert by_content.setdefault(frozenset(model), names) is names, "equal sets are one"
    for names in by_content.values():
        assert names.followers == sum(each is names for each, _ in followers)
    for name in "abcd":
        assert holders(interest, name) == {names for content, names in by_content.items() if name in content}
