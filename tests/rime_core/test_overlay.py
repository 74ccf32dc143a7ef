"""A group's clients see its own resources over those of its base, now and at their cursors; what is the base's is made
once for all groups.
"""

import pytest

from rime_core import CLUSTER, SECRET, Plane
from rime_core.kept import ANSWERS, SMALL
from rime_core.resource import content_digest
from tests.rime_core.client import Client, reading, said


class Family:
    """A base and the groups on it."""

    def __init__(self, groups=2, **options):
        self.base = Plane(**options)
        tombstones = options.get("tombstones")
        bounds = {} if tombstones is None else {"tombstones": tombstones}
        self.groups = [Plane(base=self.base, **bounds) for _ in range(groups)]


@pytest.fixture
def family():
    return Family()


@pytest.fixture(params=["*", "named"])
def names(request):
    return None if request.param == "*" else ["a", "b", "c"]


def put(plane, **bodies):
    for name, body in bodies.items():
        plane.apply(CLUSTER, name, body.encode())


def view_of(plane):
    return plane.store.view(CLUSTER)


# --- who wins


def test_what_is_only_in_one_of_them_is_seen(family, names):
    put(family.base, a="base")
    put(family.groups[0], b="own")
    first, second = (reading(group, names) for group in family.groups)
    assert first.has == {"a": b"base", "b": b"own"}
    assert second.has == {"a": b"base"}


def test_the_groups_own_wins_and_when_it_goes_the_bases_is_back(family, names):
    group, other = family.groups
    put(family.base, a="base")
    clients = [reading(group, names), reading(other, names)]
    put(group, a="own")
    assert [client.poll() for client in clients] == [({"a": b"own"}, set()), None]
    group.remove(CLUSTER, "a")
    assert [client.poll() for client in clients] == [({"a": b"base"}, set()), None]


def test_a_change_of_what_is_covered_is_not_seen_until_the_cover_goes(family, names):
    group, other = family.groups
    put(family.base, a="base")
    put(group, a="own")
    clients = [reading(group, names), reading(other, names)]
    put(family.base, a="new")
    assert [client.poll() for client in clients] == [None, ({"a": b"new"}, set())]
    group.remove(CLUSTER, "a")
    assert clients[0].poll() == ({"a": b"new"}, set())


def test_what_the_base_removes_under_a_cover_is_gone_when_the_cover_goes(family, names):
    group = family.groups[0]
    put(family.base, a="base")
    put(group, a="own")
    client = reading(group, names)
    family.base.remove(CLUSTER, "a")
    assert client.poll() is None
    group.remove(CLUSTER, "a")
    assert client.poll() == ({}, {"a"})


def test_covered_and_uncovered_between_two_polls_is_nothing(family, names):
    group = family.groups[0]
    put(family.base, a="base")
    client = reading(group, names)
    put(group, a="own")
    group.remove(CLUSTER, "a")
    assert client.poll() is None


def test_covered_with_equal_content_is_nothing(family, names):
    group = family.groups[0]
    put(family.base, a="same")
    client = reading(group, names)
    put(group, a="same")
    assert client.poll() is None
    put(family.base, a="new")
    group.remove(CLUSTER, "a")
    assert client.poll() == ({"a": b"new"}, set())


def test_who_comes_back_with_the_versions_of_what_it_sees_is_sent_nothing(family, names):
    group = family.groups[0]
    put(family.base, a="base", b="base")
    put(group, a="own")
    known = {name: resource.version for name, resource in group.snapshot()[CLUSTER].items()}
    assert Client(group, names).begin({**known, "c": "gone"}) == ({}, {"c"})
    bases = {name: resource.version for name, resource in family.base.snapshot()[CLUSTER].items()}
    assert Client(group, None).begin(bases) == ({"a": b"own"}, set())


def test_what_was_acknowledged_is_the_cover_or_what_is_under_it(family):
    group = family.groups[0]
    put(family.base, a="base")
    subscriber = group.server().subscribe(CLUSTER)
    subscriber.acknowledge_update(subscriber.initial())
    bases = family.base.snapshot()[CLUSTER]["a"].version
    put(group, a="own")
    update = subscriber.poll()
    assert subscriber.acknowledged("a") == bases
    subscriber.acknowledge_update(update)
    assert subscriber.acknowledged("a") == group.snapshot()[CLUSTER]["a"].version
    group.remove(CLUSTER, "a")
    subscriber.acknowledge_update(subscriber.poll())
    assert subscriber.acknowledged("a") == bases


def test_a_cover_that_is_on_demand_takes_the_name_out_of_the_wildcard(family):
    group = family.groups[0]
    put(family.base, a="base")
    client = reading(group)
    group.apply(CLUSTER, "a", b"own", on_demand=True)
    assert client.poll() == ({}, {"a"})
    group.remove(CLUSTER, "a")
    assert client.poll() == ({"a": b"base"}, set())


def test_a_type_without_a_wildcard(family):
    family.base.apply(SECRET, "s", b"base")
    subscriber = family.groups[0].server().subscribe(SECRET)
    assert said(subscriber.initial()) == ({}, set())


# --- aliases


def test_an_alias_of_what_is_covered_answers_no_more(family):
    group = family.groups[0]
    family.base.apply(CLUSTER, "a", b"base", aliases=["x"])
    client = reading(group, ["x"])
    assert client.has == {"a": b"base"}
    put(group, a="own")
    assert client.poll() == ({}, {"a"})
    group.remove(CLUSTER, "a")
    assert client.poll() == ({"a": b"base"}, set())


def test_who_asked_for_an_alias_of_what_is_covered_is_told_nothing_when_that_changes(family):
    group = family.groups[0]
    family.base.apply(CLUSTER, "a", b"base", aliases=["x"])
    put(group, a="own")
    assert reading(family.base, ["x"]).has == {"a": b"base"}
    client = reading(group, ["x"])
    assert client.has == {}
    family.base.apply(CLUSTER, "a", b"new", aliases=["x"])
    assert client.poll() is None


def test_an_alias_that_both_have_is_answered_by_both(family):
    group = family.groups[0]
    family.base.apply(CLUSTER, "a", b"base", aliases=["x"])
    group.apply(CLUSTER, "b", b"own", aliases=["x"])
    for plane, has in ((family.base, {"a": b"base"}), (group, {"a": b"base", "b": b"own"})):
        assert reading(plane, ["x"]).has == has


def test_the_aliases_of_a_name_are_those_of_both(family):
    group = family.groups[0]
    family.base.apply(CLUSTER, "a", b"base", aliases=["x"])
    group.apply(CLUSTER, "a", b"own", aliases=["y"])
    assert view_of(group).entry("a").aliases == ("y", "x")


def test_an_alias_of_the_groups_own(family):
    group = family.groups[0]
    put(family.base, a="base")
    client = reading(group, ["x"])
    group.apply(CLUSTER, "a", b"own", aliases=["x"])
    assert client.poll() == ({"a": b"own"}, set())
    assert [resource.body for resource in view_of(group).matches("a")] == [b"own"]


# --- equal versions of other content


@pytest.fixture
def alike():
    """A family in which all content has one version."""
    return Family(digest=lambda _: "same")


def test_content_of_the_other_side_with_an_equal_version_is_sent(alike):
    group = alike.groups[0]
    put(alike.base, a="base")
    client = reading(group)
    put(group, a="own")
    assert client.poll() == ({"a": b"own"}, set())
    group.remove(CLUSTER, "a")
    assert client.poll() == ({"a": b"base"}, set())


def test_what_was_acknowledged_is_told_apart_from_other_content_of_equal_version(alike):
    group = alike.groups[0]
    put(alike.base, a="base")
    subscriber = group.server().subscribe(CLUSTER)
    subscriber.acknowledge_update(subscriber.initial())
    assert subscriber.acknowledged("a") == "same"
    put(group, a="own")
    assert subscriber.acknowledged("a") == "same~1"
    subscriber.acknowledge_update(subscriber.poll())
    assert subscriber.acknowledged("a") == "same"
    group.remove(CLUSTER, "a")
    subscriber.acknowledge_update(subscriber.poll())
    put(group, a="own")
    assert subscriber.acknowledged("a") == "same~1"


# --- what is forgotten


def test_whose_cover_is_long_gone_is_told_the_bases(names):
    family = Family(tombstones=0)
    group = family.groups[0]
    put(family.base, a="base")
    put(group, a="own")
    client = reading(group, names)
    group.remove(CLUSTER, "a")
    assert view_of(group).floor == 3
    update = client.subscriber.poll()
    assert update.full is (names is None)
    assert said(update) == ({"a": b"base"}, set())


def test_who_came_after_a_cover_that_is_forgotten_has_the_bases():
    base = Plane()
    group = Plane(base=base, tombstones=0)
    put(base, a="base")
    put(group, a="own")
    group.remove(CLUSTER, "a")
    subscriber = group.server().subscribe(CLUSTER)
    subscriber.acknowledge_update(subscriber.initial())
    assert subscriber.cursor == view_of(group).floor == 3
    assert subscriber.acknowledged("a") == version_of(b"base")


def test_who_knows_that_a_name_is_gone_is_told_so_again_only_where_that_is_forgotten():
    base = Plane(tombstones=0)
    group = Plane(base=base, tombstones=1)
    put(group, a="own")
    group.remove(CLUSTER, "a")
    put(base, z="base")
    base.remove(CLUSTER, "z")
    client = reading(group, ["a", "b"])
    assert client.subscriber.cursor == base.store.indexes[CLUSTER].floor
    put(group, a="own")
    put(group, b="own")
    for name in ("b", "a"):
        group.remove(CLUSTER, name)
    assert client.poll() == ({}, {"b"})


def test_what_the_base_forgot_is_removed_although_the_group_had_it_once(names):
    base = Plane(tombstones=0)
    group = Plane(base=base)
    put(base, a="base", b="base")
    put(group, a="own")
    group.remove(CLUSTER, "a")
    client = reading(group, names)
    base.remove(CLUSTER, "a")
    update = client.subscriber.poll()
    assert update.full is (names is None)
    assert said(update) == (({"b": b"base"}, set()) if names is None else ({}, {"a"}))


def test_who_fell_behind_in_the_base_is_given_what_the_group_has_as_well():
    base = Plane(tombstones=0)
    group = Plane(base=base)
    put(base, a="base", b="base")
    put(group, c="own")
    client = reading(group)
    base.remove(CLUSTER, "a")
    update = client.subscriber.poll()
    assert update.full
    assert said(update) == ({"b": b"base", "c": b"own"}, set())


# --- late answers


def test_a_late_rejection_of_a_cover_that_has_gone_is_of_no_account(family):
    group = family.groups[0]
    put(family.base, a="base")
    client = reading(group)
    put(group, a="own")
    cover = client.subscriber.poll()
    group.remove(CLUSTER, "a")
    client.poll()
    client.subscriber.reject(cover, "no")
    put(group, a="own")
    assert client.poll() == ({"a": b"own"}, set())


def test_what_was_settled_stays_so_when_an_answer_of_the_bases_own_age_is_acknowledged(family):
    """What the base alone has is said with the base's ordinal, which may be lower than that of an earlier update."""
    group = family.groups[0]
    put(family.base, a="base", b="base")
    subscriber = group.server().subscribe(CLUSTER)
    subscriber.acknowledge_update(subscriber.initial())
    put(group, c="own")
    subscriber.acknowledge_update(subscriber.poll())
    subscriber.add(["a"])
    answer = subscriber.poll()
    assert answer.ordinal == 2
    put(group, d="own")
    subscriber.poll()
    subscriber.acknowledge_update(answer)
    assert not subscriber.has_before("c", 4)
    put(group, c="new")
    in_flight = subscriber.poll()
    assert subscriber.acknowledged("c") == version_of(b"own")
    assert in_flight.manifest.versions["c"] == version_of(b"new")


def test_what_is_acknowledged_of_such_an_answer_settles_no_less_than_before(family):
    group = family.groups[0]
    put(family.base, a="base", b="base")
    subscriber = group.server().subscribe(CLUSTER)
    subscriber.acknowledge_update(subscriber.initial())
    put(group, c="own")
    subscriber.acknowledge_update(subscriber.poll())
    subscriber.add(["a", "b"])
    assert subscriber.poll().ordinal == 2
    subscriber.acknowledge("a", version_of(b"base"))
    put(family.base, a="new")
    subscriber.poll()
    assert not subscriber.has_before("a", 3)
    assert subscriber.has_before("a", 4)


def version_of(body):
    return content_digest(body)


# --- one body, one Update, one serialization


def test_no_body_is_copied_and_no_entry_made(family):
    put(family.base, a="base")
    for group in family.groups:
        reading(group)
        assert group.snapshot()[CLUSTER]["a"] is family.base.snapshot()[CLUSTER]["a"]
        assert not group.store.indexes[CLUSTER].entries


def test_clients_of_all_groups_are_sent_the_same_update(family, names):
    put(family.base, a="base", b="base")
    put(family.groups[0], c="own")
    subscribers = [plane.server().subscribe(CLUSTER, names) for plane in (*family.groups, family.base)]
    first, *others = [subscriber.initial() for subscriber in subscribers]
    assert others[0] is others[1] is not first
    put(family.base, a="new")
    assert len({id(subscriber.poll()) for subscriber in subscribers}) == 1


def test_first_answers_of_groups_that_have_nothing_of_the_type_are_one(family, names):
    put(family.base, a="base")
    family.groups[0].apply(SECRET, "s", b"own")
    answers = [plane.server().subscribe(CLUSTER, names).initial() for plane in (*family.groups, family.base)]
    assert len(set(map(id, answers))) == 1


def test_first_answers_that_hold_only_the_bases_are_one_where_names_were_asked_for(family):
    put(family.base, a="base")
    put(family.groups[0], b="own")
    answers = [plane.server().subscribe(CLUSTER, ["a"]).initial() for plane in (*family.groups, family.base)]
    assert len(set(map(id, answers))) == 1


@pytest.mark.parametrize("bodies", [{}, {"a": "base"}])
def test_first_answers_of_groups_that_have_nothing_at_all_are_one(family, names, bodies):
    put(family.base, **bodies)
    answers = [plane.server().subscribe(CLUSTER, names).initial() for plane in (*family.groups, family.base)]
    assert len(set(map(id, answers))) == 1


@pytest.mark.parametrize("bodies", [{}, {"a": "base"}])
@pytest.mark.parametrize("own", [False, True])
def test_answers_to_names_that_only_the_base_can_answer_are_one(family, bodies, own):
    put(family.base, **bodies)
    if own:
        for group in family.groups:
            put(group, b="own")
    subscribers = [plane.server().subscribe(CLUSTER, []) for plane in (*family.groups, family.base)]
    for subscriber in subscribers:
        subscriber.initial()
        subscriber.add(["a"])
    answers = [subscriber.poll() for subscriber in subscribers]
    assert len(set(map(id, answers))) == 1
    assert answers[0].manifest.versions.keys() == {"a"}


def test_what_was_covered_is_the_bases_again_from_its_next_change_on(family, names):
    group, other = family.groups
    put(family.base, a="base")
    put(group, a="own")
    group.remove(CLUSTER, "a")
    subscribers = [reading(plane, names).subscriber for plane in (group, other, family.base)]
    put(family.base, a="new")
    answers = [subscriber.poll() for subscriber in subscribers]
    assert len(set(map(id, answers))) == 1
    assert said(answers[0]) == ({"a": b"new"}, set())


def test_what_renews_lifetimes_is_one_for_all_groups_that_have_nothing_of_the_type(family):
    family.base.apply(CLUSTER, "a", b"base", ttl=10)
    subscribers = [plane.server().subscribe(CLUSTER) for plane in (*family.groups, family.base)]
    for subscriber in subscribers:
        subscriber.acknowledge_update(subscriber.initial())
    renewals = [subscriber.renewal_of_all(10) for subscriber in subscribers]
    assert len(set(map(id, renewals))) == 1
    assert [resource.name for resource in renewals[0].resources] == ["a"]


def test_what_renews_lifetimes_is_of_what_shows(family):
    family.base.apply(CLUSTER, "a", b"base", ttl=10)
    family.base.apply(CLUSTER, "b", b"base", ttl=10)
    family.groups[0].apply(CLUSTER, "a", b"own")
    family.groups[0].apply(CLUSTER, "c", b"own", ttl=10)
    subscriber = family.groups[0].server().subscribe(CLUSTER)
    subscriber.acknowledge_update(subscriber.initial())
    assert {resource.name for resource in subscriber.renewal_of_all(10).resources} == {"b", "c"}
    assert subscriber.renewal_of_all(20) is None


@pytest.mark.parametrize("tombstones", [0, 10])
def test_what_goes_from_the_group_is_not_said_to_be_as_old_as_the_base(tombstones):
    base = Plane()
    group = Plane(base=base, tombstones=tombstones)
    put(base, b="base")
    put(group, a="own")
    client = reading(group, ["a"])
    group.remove(CLUSTER, "a")
    update = client.subscriber.poll()
    assert (update.removed, update.ordinal) == (("a",), 3)


def test_what_comes_back_is_not_said_to_be_older_than_the_cover(family):
    """Its Update is not the base's, whose ordinal would say that the client has not seen the cover."""
    group = family.groups[0]
    put(family.base, a="base")
    put(group, a="own")
    client = reading(group)
    group.remove(CLUSTER, "a")
    assert client.subscriber.poll().ordinal == view_of(group).ordinal == 3


def test_what_is_shared_in_a_group_is_so_until_either_changes(family, names):
    group = family.groups[0]
    put(family.base, a="base")
    put(group, b="own")
    for change in (lambda: put(group, b="new"), lambda: put(family.base, a="new"), lambda: group.remove(CLUSTER, "b")):
        one, two = (reading(group, names).subscriber for _ in range(2))
        change()
        update = one.poll()
        assert update
        assert two.poll() is update


@pytest.mark.parametrize("names", [None, ["a", "b"]])
def test_nothing_of_an_earlier_moment_is_shared_in_a_group(family, names):
    group = family.groups[0]
    put(family.base, a="base")
    put(group, b="own")
    clients = [reading(group, names) for _ in range(3)]
    put(group, b="new")
    assert clients[0].poll() == ({"b": b"new"}, set())
    put(family.base, a="new")
    assert clients[1].poll() == ({"a": b"new", "b": b"new"}, set())
    put(group, b="newer")
    assert clients[2].poll() == ({"a": b"new", "b": b"newer"}, set())


def test_an_update_has_the_ordinal_of_its_moment(family):
    group = family.groups[0]
    put(group, a="own")
    view = view_of(group)
    content = (tuple(view.matches("a")), ())
    first = view.update_of(*content)
    assert view.update_of(*content) is first
    put(group, b="own")
    assert view.update_of(*content).ordinal == 2
    put(family.base, c="base")
    assert view.update_of(*content).ordinal == 3


def test_so_many_small_updates_are_kept_and_no_more(family):
    group = family.groups[0]
    put(group, **{f"n{each}": "own" for each in range(ANSWERS + 1)})
    view = view_of(group)
    first, *others = [view.update_of(tuple(view.matches(f"n{each}")), ()) for each in range(ANSWERS)]
    assert view.update_of(first.resources, ()) is first
    view.update_of(tuple(view.matches(f"n{ANSWERS}")), ())
    assert view.update_of(first.resources, ()) is not first
    assert others


def test_who_is_sent_parts_of_a_large_answer_is_sent_the_same_ones(family):
    group = family.groups[0]
    for each in range(SMALL + 1):
        put(group, **{f"n{each}": "x"})
    first, second = (group.server().subscribe(CLUSTER, max_bytes=5_000) for _ in range(2))
    parts = [[subscriber.initial(), subscriber.poll()] for subscriber in (first, second)]
    assert parts[0] == parts[1]
    assert parts[0][1] is not None


# --- order


def test_a_clients_cursor_reads_both(family):
    group = family.groups[0]
    put(family.base, a="1")
    put(group, b="2")
    put(family.base, c="3")
    put(group, a="4")
    view = view_of(group)
    assert view.ordinal == 4
    assert [name for name, _ in view.tail(1)] == ["a", "b", "c"]
    assert [name for name, _ in view.tail(2)] == ["a", "c"]
    assert [name for name, _ in view.tail(3)] == ["a"]


def test_a_name_that_changed_in_both_is_in_the_tail_once(family):
    group = family.groups[0]
    put(family.base, a="1")
    put(group, a="2")
    put(family.base, a="3")
    assert [name for name, _ in view_of(group).tail(0)] == ["a"]


def test_the_label_is_that_of_the_last_change(family):
    group = family.groups[0]
    with family.base.transaction(version="base-1") as change:
        change.apply(CLUSTER, "a", b"1")
    with group.transaction(version="own-1") as change:
        change.apply(CLUSTER, "b", b"1")
    assert view_of(group).label == "own-1"
    assert group.server().subscribe(CLUSTER).initial().label == "own-1"
    with family.base.transaction(version="base-2") as change:
        change.apply(CLUSTER, "a", b"2")
    assert view_of(group).label == "base-2"
