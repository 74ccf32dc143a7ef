"""The Index keeps resources in order of last change: what changed since a cursor is its tail."""

import pytest

from rime_core import CLUSTER, Plane
from rime_core.index import KEPT, UPDATE, Index, call_all

A_FEW = 8
"""Past states that an entry may gather before any is dropped."""


class Kept:
    """One type of one Plane, and what subscribers of it do."""

    def __init__(self, **options):
        self.plane = Plane(**options)

    @property
    def index(self) -> Index:
        return self.plane.store.indexes[CLUSTER]

    def put(self, *names: str, body: bytes = b"x", **options) -> None:
        for name in names:
            self.plane.apply(CLUSTER, name, body, **options)

    def tail(self, cursor: int) -> list[str]:
        return [name for name, _ in self.index.tail(cursor)]

    def reading(self, names=None):
        subscriber = self.plane.server().subscribe(CLUSTER, names)
        subscriber.initial()
        return subscriber

    def past(self, name: str) -> list[str | None]:
        return [state.version for state in self.index.entries[name].past]


@pytest.fixture
def kept():
    return Kept()


# --- the order of change


def test_what_changed_since_a_cursor_is_the_tail_the_latest_first(kept):
    kept.put("a", "b", "c")
    assert kept.tail(1) == ["c", "b"]
    kept.put("a", body=b"y")
    assert kept.tail(1) == ["a", "c", "b"]
    assert kept.tail(kept.index.ordinal) == []


def test_a_past_state_has_the_lifetime_that_clients_were_told_then(kept):
    kept.put("a", ttl=5)
    kept.reading()
    kept.put("a", body=b"y", ttl=6)
    entry = kept.index.entries["a"]
    states = [entry.state_at(1), entry.state_at(2)]
    assert [state.ttl for state in states if state is not None] == [5.0, 6.0]


def test_an_unchanged_resource_does_not_move(kept):
    kept.put("a", "b")
    kept.put("a")
    assert kept.tail(0) == ["b", "a"]


def test_a_removed_name_is_in_the_tail(kept):
    kept.put("a", "b")
    kept.plane.remove(CLUSTER, "a")
    assert kept.tail(2) == ["a"]
    assert kept.index.resources == 1


# --- the past of an entry


def test_what_nobody_read_is_not_remembered(kept):
    for each in range(20):
        kept.put("a", body=b"%d" % each)
    assert kept.past("a") == []


def test_what_a_cursor_stands_on_is_remembered_exactly_and_all_else_is_bounded(kept):
    kept.put("a", body=b"first")
    first = kept.index.entries["a"].resource.version
    stalled, reader = kept.reading(), kept.reading()
    for each in range(1_000):
        kept.put("a", body=b"%d" % each)
        reader.acknowledge_update(reader.poll())
        assert len(kept.past("a")) <= A_FEW
    kept.put("a", body=b"first")
    assert first in kept.past("a")
    assert stalled.poll() is None, "it has this content"
    assert reader.poll() is not None


def test_once_nobody_stands_on_it_the_past_is_dropped(kept):
    kept.put("a")
    subscribers = [kept.reading()]
    for each in range(30):
        kept.put("a", body=b"%d" % each)
        subscribers.append(kept.reading())
    assert len(kept.past("a")) >= 30
    for subscriber in subscribers:
        subscriber.close()
    reader = kept.reading()
    for each in range(100):
        kept.put("a", body=b"%d" % each)
        reader.acknowledge_update(reader.poll())
    assert len(kept.past("a")) <= A_FEW


def test_the_cursors_of_those_who_want_other_names_keep_nothing(kept):
    kept.put("hot")
    reader = kept.reading(["hot"])
    for each in range(200):
        kept.put("hot", body=b"%d" % each)
        reader.acknowledge_update(reader.poll())
        kept.reading(["cold"])
    assert len(kept.past("hot")) <= A_FEW


def test_what_is_in_flight_or_was_rejected_is_remembered_until_it_is_settled(kept):
    reader = kept.reading()
    updates = []
    for each in range(40):
        kept.put("a", body=b"%d" % each)
        updates.append(reader.poll())
    for update in updates[:30]:
        reader.acknowledge_update(update)
        assert reader.acknowledged("a") == update.resources[0].version
    reader.reject(updates[30], "no")
    for update in updates[31:]:
        reader.reject(update, "no")
    assert reader.acknowledged("a") == updates[29].resources[0].version


# --- tombstones


def test_removed_names_do_not_pile_up():
    kept = Kept(tombstones=3)
    for each in range(20):
        kept.put(f"n{each}")
        kept.plane.remove(CLUSTER, f"n{each}")
    assert list(kept.index.entries) == ["n17", "n18", "n19"]
    assert kept.index.resources == 0


def test_the_floor_is_the_last_removal_that_was_forgotten():
    kept = Kept(tombstones=1)
    kept.put("a", "b")
    kept.plane.remove(CLUSTER, "a")
    assert kept.index.floor == 0
    kept.plane.remove(CLUSTER, "b")
    assert kept.index.floor == 3


def test_a_name_that_lives_again_is_not_forgotten():
    kept = Kept(tombstones=1)
    kept.put("a", "b")
    kept.plane.remove(CLUSTER, "a")
    kept.put("a")
    kept.plane.remove(CLUSTER, "b")
    assert set(kept.index.entries) == {"a", "b"}
    assert kept.index.floor == 0


def test_a_type_that_nobody_asks_for_and_that_has_nothing_is_forgotten(kept):
    kept.reading().close()
    assert CLUSTER not in kept.plane.store.indexes


# --- aliases


def test_a_name_is_answered_by_what_has_it_as_name_or_alias(kept):
    kept.put("a", aliases=["x"])
    kept.put("b", aliases=["x", "b"])
    kept.put("x")
    assert [resource.name for resource in kept.index.matches("x")] == ["x", "a", "b"]
    assert [resource.name for resource in kept.index.matches("b")] == ["b"]
    kept.put("a")
    kept.plane.remove(CLUSTER, "b")
    kept.plane.remove(CLUSTER, "x")
    assert kept.index.matches("x") == []
    assert not kept.index._aliases


# --- calling


def test_one_that_raises_does_not_keep_the_others_from_being_called():
    called = []

    def fail(what):
        called.append(what)
        raise RuntimeError(what)

    with pytest.raises(RuntimeError, match="first"):
        call_all([lambda: fail("first"), lambda: fail("second"), lambda: called.append("third")])
    assert called == ["first", "second", "third"]


def test_it_knows_which_names_have_which_lifetime(kept):
    kept.put("a", "b", ttl=10)
    kept.put("c", ttl=20)
    kept.put("d")
    assert {ttl: list(names) for ttl, names in kept.index.lifetimes.items()} == {10: ["a", "b"], 20: ["c"]}
    kept.put("a", body=b"y", ttl=10)
    kept.put("b", ttl=20)
    kept.put("c")
    assert {ttl: list(names) for ttl, names in kept.index.lifetimes.items()} == {10: ["a"], 20: ["b"]}
    kept.plane.remove(CLUSTER, "a")
    assert list(kept.index.lifetimes) == [20]
    kept.put("a", ttl=10)
    assert {each.name for each in kept.index.with_ttl(10)} == {"a"}


# --- what is kept for others


def removal_of(index, counts, first=0):
    """An Update that counts for so much in what is kept; how many are kept then."""
    index.update_of((), tuple(f"n{first + each}" for each in range(counts - UPDATE)))
    return len(index.updates)


@pytest.mark.parametrize(("second", "then"), [(KEPT - 100, 2), (KEPT - 99, 1)])
def test_updates_are_kept_until_they_are_too_many(kept, second, then):
    """Of a type that does not change, each who asks for other names would leave one."""
    kept.put("a")
    assert removal_of(kept.index, 100) == 1
    assert removal_of(kept.index, 100) == 1, "it is the same"
    assert removal_of(kept.index, second) == then


@pytest.mark.parametrize(("last", "then"), [(KEPT - 200, 2), (KEPT - 199, 1)])
def test_the_one_that_was_too_much_is_the_first_of_the_next(kept, last, then):
    kept.put("a")
    assert removal_of(kept.index, KEPT) == 1
    assert removal_of(kept.index, 200) == 1
    assert removal_of(kept.index, last, first=1) == then


def test_a_change_makes_room(kept):
    kept.put("a")
    assert removal_of(kept.index, 200) == 1
    kept.put("a", body=b"y")
    assert removal_of(kept.index, 100) == 1
    assert removal_of(kept.index, KEPT - 100) == 2


def test_resources_count_as_removals_do(kept):
    kept.put("a", "b")
    kept.index.update_of(tuple(kept.index.present()), ("c",))
    assert kept.index.kept == UPDATE + 3


def test_as_much_is_kept_as_there_is(kept):
    kept.put(*(f"n{each}" for each in range(KEPT + 100)))
    assert removal_of(kept.index, KEPT) == 1
    assert removal_of(kept.index, 100) == 2
    assert removal_of(kept.index, 100, first=1) == 1
