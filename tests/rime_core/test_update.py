"""An Update is shared by all who need it; what is derived from it is made once and kept on it."""

import pytest

from rime_core import CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST, Resource, Update
from rime_core.resource import unknown


def resource(name: str, size: int = 1, references=(), aliases=()) -> Resource:
    return Resource(CLUSTER, name, f"v-{name}", b"x" * size, aliases, False, tuple(references))


def update(*resources: Resource, removed=(), full: bool = False) -> Update:
    return Update(tuple(resources), tuple(removed), ordinal=7, full=full, label="abc123")


# --- what it says


def test_it_is_true_where_there_is_anything_in_it():
    assert update(resource("a"))
    assert update(removed=["a"])
    assert not update()


def test_a_full_one_says_something_even_where_it_is_empty():
    assert update(full=True)


def test_it_shows_names_and_no_bodies():
    assert repr(update(resource("a"), removed=["b"])) == "Update(resources=['a'], removed=['b'])"
    assert repr(update(full=True)) == "Update(resources=[], removed=[], full=True)"


def test_its_manifest_holds_names_and_versions_and_no_bodies():
    manifest = update(resource("a"), removed=["b"]).manifest
    assert manifest.versions == {"a": "v-a", "b": None}
    assert manifest.ordinal == 7
    assert manifest.__slots__ == ("ordinal", "versions")


def test_it_is_encoded_by_nobody_until_a_transport_does():
    assert update(resource("a")).encoded is None


# --- what it refers to


def test_references_are_by_type_and_each_name_once():
    shared = (ENDPOINT, "e")
    made = update(resource("a", references=[shared, (ROUTE, "r")]), resource("b", references=[shared, (ENDPOINT, "f")]))
    assert made.references == {ENDPOINT: ("e", "f"), ROUTE: ("r",)}
    assert made.references is made.references, "computed once"


def test_what_refers_to_nothing():
    assert update(resource("a")).references == {}


# --- parts


def test_what_is_small_enough_is_not_split():
    whole = update(resource("a"), removed=["b"])
    assert whole.parts(1_000) == (whole,)


def test_parts_together_are_the_whole_in_order():
    whole = update(*(resource(f"r{each}", 400) for each in range(10)), removed=[f"gone{each}" for each in range(30)])
    parts = whole.parts(1_000)
    assert len(parts) > 4
    assert tuple(each for part in parts for each in part.resources) == whole.resources
    assert tuple(name for part in parts for name in part.removed) == whole.removed
    assert [part.part for part in parts] == list(range(len(parts)))
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert whole.last
    assert {part.ordinal for part in parts} == {whole.ordinal}
    assert {part.label for part in parts} == {whole.label}
    assert all(part.manifest is not whole.manifest for part in parts)


def test_a_part_is_filled_before_the_next_is_begun():
    parts = update(*(resource(f"r{each}", 100) for each in range(10))).parts(1_000)
    assert [len(part.resources) for part in parts] == [4, 4, 2]


def test_a_split_is_made_once_for_all_who_split_there():
    whole = update(resource("a", 600), resource("b", 600))
    assert whole.parts(1_000) is whole.parts(1_000)
    assert len(whole.parts(2_000)) == 1


def test_one_resource_is_never_split():
    parts = update(resource("a", 5_000), resource("b", 10)).parts(1_000)
    assert [[each.name for each in part.resources] for part in parts] == [["a"], ["b"]]


@pytest.mark.parametrize(
    "item",
    [resource("n" * 300, 10), resource("ä" * 150, 10), resource("a", 10, aliases=("l" * 300,)), resource("a", 300)],
)
def test_names_aliases_and_bodies_count_by_their_bytes(item):
    one_fits = 300 + 48 * 2 + len(CLUSTER) + 310
    assert len(update(item, item).parts(one_fits)) == 2


def test_what_has_no_body_counts_by_its_name():
    answers = [unknown(VIRTUAL_HOST, "n" * 300), unknown(VIRTUAL_HOST, "m" * 300)]
    assert len(update(*answers).parts(2_000)) == 1
    assert len(update(*answers).parts(1_000)) == 2


@pytest.mark.parametrize("filling", ["0" * 51, "ä" * 25 + "0"])
def test_a_part_may_be_as_large_as_the_bound(filling):
    names = [f"{filling}{number}" for number in range(4)]  # each takes 100 bytes
    assert [part.removed for part in update(removed=names).parts(200)] == [tuple(names[:2]), tuple(names[2:])]
    assert len(update(removed=names).parts(199)) == 4
    assert len(update(removed=names).parts(400)) == 1


def test_a_part_does_not_say_that_it_is_everything():
    parts = update(resource("a", 600), resource("b", 600), full=True).parts(1_000)
    assert [part.full for part in parts] == [False, False]


def test_removed_names_count_too():
    assert len(update(removed=["n" * 300, "m" * 300]).parts(500)) == 2
