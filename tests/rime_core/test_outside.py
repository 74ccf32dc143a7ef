"""A secret stays while something refers to it, on whichever side of a base and its groups that is."""

import pytest

from rime_core import LISTENER, SECRET, Plane
from rime_core.outside import Outside


def names(type_url, body):
    return [(SECRET, body.decode())] if type_url == LISTENER and body else []


@pytest.fixture
def base():
    return Plane(references=names)


@pytest.fixture
def groups(base):
    return [Plane(base=base) for _ in range(2)]


def held(plane):
    return {(each.type_url, each.name): each.waits_for for each in plane.status().held}


WAITS = {(SECRET, "s"): "referrers"}


# --- a secret of the base


def test_a_secret_of_the_base_stays_while_a_group_refers_to_it(base, groups):
    base.apply(SECRET, "s", b"key")
    for group in groups:
        group.apply(LISTENER, "l", b"s")
    assert base.remove(SECRET, "s") is False
    assert held(base) == WAITS
    groups[0].remove(LISTENER, "l")
    assert held(base) == WAITS
    groups[1].apply(LISTENER, "l", b"other")
    assert held(base) == {}
    assert SECRET not in base.snapshot()


def test_what_is_held_still_is_told_of_once():
    told: list[str] = []
    base = Plane(references=names, report=lambda notice: told.append(notice.kind))
    group = Plane(base=base)
    base.apply(SECRET, "s", b"key")
    base.apply(LISTENER, "l", b"s")
    group.apply(LISTENER, "l", b"s")
    base.remove(SECRET, "s")
    base.remove(LISTENER, "l")
    assert told == ["removal-held"]
    group.remove(LISTENER, "l")
    assert told == ["removal-held", "removal-released"]


def test_whose_own_references_end_while_a_group_refers_to_it_stays(base, groups):
    base.apply(SECRET, "s", b"key")
    base.apply(LISTENER, "l", b"s")
    groups[0].apply(LISTENER, "m", b"s")
    base.remove(SECRET, "s")
    base.remove(LISTENER, "l")
    assert held(base) == WAITS
    groups[0].remove(LISTENER, "m")
    assert held(base) == {}


def test_two_of_a_group_that_refer_to_it_count_until_the_last(base, groups):
    base.apply(SECRET, "s", b"key")
    for name in "lm":
        groups[0].apply(LISTENER, name, b"s")
    base.remove(SECRET, "s")
    groups[0].remove(LISTENER, "l")
    assert held(base) == WAITS
    groups[0].remove(LISTENER, "m")
    assert held(base) == {}


def test_a_group_that_is_closed_refers_to_nothing(base, groups):
    base.apply(SECRET, "s", b"key")
    groups[0].apply(LISTENER, "l", b"s")
    subscriber = base.server().subscribe(SECRET, ["s"])
    subscriber.initial()
    base.remove(SECRET, "s")
    groups[0].close()
    assert held(base) == {}
    assert subscriber.poll().removed == ("s",)


# --- a secret of a group


def test_a_secret_of_a_group_stays_while_the_base_refers_to_it(base, groups):
    base.apply(LISTENER, "l", b"s")
    for group in groups:
        group.apply(SECRET, "s", b"key")
        assert group.remove(SECRET, "s") is False
        assert held(group) == WAITS
    subscriber = groups[0].server().subscribe(SECRET, ["s"])
    subscriber.initial()
    base.remove(LISTENER, "l")
    assert held(groups[0]) == held(groups[1]) == {}
    assert subscriber.poll().removed == ("s",)


def test_it_need_not_stay_where_the_base_has_it_too(base, groups):
    base.apply(LISTENER, "l", b"s")
    base.apply(SECRET, "s", b"base")
    groups[0].apply(SECRET, "s", b"own")
    assert groups[0].remove(SECRET, "s") is True
    assert groups[0].snapshot()[SECRET]["s"].body == b"base"


def test_it_goes_when_the_base_gets_it(base, groups):
    base.apply(LISTENER, "l", b"s")
    groups[0].apply(SECRET, "s", b"own")
    groups[0].remove(SECRET, "s")
    base.apply(SECRET, "s", b"base")
    assert held(groups[0]) == {}
    assert groups[0].snapshot()[SECRET]["s"].body == b"base"


def test_it_stays_until_neither_refers_to_it(base, groups):
    base.apply(LISTENER, "l", b"s")
    groups[0].apply(LISTENER, "m", b"s")
    groups[0].apply(SECRET, "s", b"own")
    groups[0].remove(SECRET, "s")
    groups[0].remove(LISTENER, "m")
    assert held(groups[0]) == WAITS
    base.remove(LISTENER, "l")
    assert held(groups[0]) == {}


def test_it_stays_for_its_own_group_when_the_base_has_let_go(base, groups):
    base.apply(LISTENER, "l", b"s")
    groups[0].apply(LISTENER, "m", b"s")
    groups[0].apply(SECRET, "s", b"own")
    groups[0].remove(SECRET, "s")
    base.remove(LISTENER, "l")
    assert held(groups[0]) == WAITS
    groups[0].remove(LISTENER, "m")
    assert held(groups[0]) == {}


def test_another_group_does_not_count(groups):
    groups[1].apply(LISTENER, "l", b"s")
    groups[0].apply(SECRET, "s", b"own")
    assert groups[0].remove(SECRET, "s") is True


def test_a_group_that_is_closed_waits_for_nothing(base, groups):
    base.apply(LISTENER, "l", b"s")
    groups[0].apply(SECRET, "s", b"own")
    groups[0].remove(SECRET, "s")
    groups[0].close()
    assert base.remove(LISTENER, "l") is True
    assert held(groups[0]) == WAITS


def test_a_group_that_refers_to_it_again_counts_again(base, groups):
    base.apply(SECRET, "s", b"key")
    for _ in range(2):
        groups[0].apply(LISTENER, "l", b"s")
        assert base.remove(SECRET, "s") is False
        assert held(base) == WAITS
        groups[0].remove(LISTENER, "l")
        assert held(base) == {}
        assert SECRET not in base.snapshot()
        base.apply(SECRET, "s", b"key")


def test_a_group_that_is_closed_leaves_what_others_wait_for(base, groups):
    for name in "st":
        base.apply(LISTENER, name, name.encode())
    for group, secrets in zip(groups, ("s", "st"), strict=True):
        for name in secrets:
            group.apply(SECRET, name, b"key")
            group.remove(SECRET, name)
    groups[0].close()
    for name in "st":
        base.remove(LISTENER, name)
    assert held(groups[1]) == {}
    assert SECRET not in groups[1].snapshot()


def test_nothing_is_kept_of_what_refers_no_more():
    outside = Outside()
    outside.refer((SECRET, "s"))
    outside.refer_no_more((SECRET, "s"))
    assert (SECRET, "s") not in outside
    plane = Plane().store
    outside.wait(plane, (SECRET, "s"))
    assert list(outside.released((SECRET, "t"))) == []
    assert list(outside.released((SECRET, "s"))) == [plane]
    assert list(outside.released((SECRET, "s"))) == []
    outside.wait(plane, (SECRET, "s"))
    outside.leave(plane)
    assert not outside.waiting
