"""Who holds which resource, where several may hold one name."""

from dataclasses import replace

import pytest

from rime_core import CLUSTER, ENDPOINT, Claim, Plane
from rime_core.claims import Claims, Moves, last_good, write

A, B, C = ((CLUSTER, name) for name in "abc")


def claim(name, body="1", type_url=CLUSTER):
    return Claim(type_url, name, body.encode())


def of(*claims):
    return {(each.type_url, each.name): each for each in claims}


@pytest.fixture
def claims():
    return Claims()


def test_a_claim_is_what_a_writer_applies_and_equal_by_all_of_that():
    plain = Claim(CLUSTER, "a", b"1")
    assert (plain.aliases, plain.ttl, plain.on_demand) == ((), None, False)
    others = ({"body": b"2"}, {"aliases": ("x",)}, {"ttl": 5.0}, {"on_demand": True})
    assert all(replace(plain, **other) != plain for other in others)


def test_what_a_holder_claims_comes_changes_and_goes(claims):
    assert claims.change("one", of(claim("a"), claim("b"))) == Moves(came=(A, B))
    assert claims.change("one", of(claim("b", "2"), claim("c"))) == Moves(gone=(A,), came=(C,), changed=(B,))
    assert claims.of("one") == of(claim("b", "2"), claim("c"))
    assert claims.change("one", of(claim("b", "2"), claim("c"))) == Moves()
    assert claims.change("one", {}) == Moves(gone=(B, C))
    assert claims.of("one") == {}


def test_a_name_has_all_who_claim_it(claims):
    claims.change("one", of(claim("a")))
    claims.change("two", of(claim("a", "2"), claim("b")))
    assert (set(claims.holders(A)), set(claims.holders(B)), set(claims.holders(C))) == ({"one", "two"}, {"two"}, set())
    claims.change("one", {})
    assert set(claims.holders(A)) == {"two"}
    claims.change("two", {})
    assert not claims.holders(A)


def test_nothing_is_remembered_of_what_nobody_claims(claims):
    claims.change("one", of(claim("a")))
    claims.change("two", of(claim("a")))
    claims.change("one", {})
    claims.change("one", {})
    claims.change("two", {})
    assert (claims._of, claims._holders) == ({}, {})


def test_one_who_never_claimed_anything_claims_nothing(claims):
    assert claims.of("one") == {}
    assert claims.change("one", {}) == Moves()


@pytest.mark.parametrize(
    ("hidden", "kept"),
    [
        ([], set()),
        ([(CLUSTER, "a")], {A}),
        ([(CLUSTER, "x")], set()),
        ([(ENDPOINT, "a")], set()),
        ([(CLUSTER, None)], {A, B}),
        ([(ENDPOINT, None)], {(ENDPOINT, "e")}),
        ([(None, None)], {A, B, (ENDPOINT, "e")}),
    ],
)
def test_what_a_fault_hides_stays_as_it_was(hidden, kept):
    before = of(claim("a"), claim("b"), claim("e", type_url=ENDPOINT))
    found = last_good([claim("c")], hidden, before)

    assert set(found) == kept | {C}
    assert all(found[name] is before[name] for name in kept)


def test_what_can_be_read_is_as_it_is_read_whatever_is_hidden():
    assert last_good([claim("a", "2")], [(None, None)], of(claim("a"))) == of(claim("a", "2"))


def test_all_is_written_in_one_transaction():
    plane = Plane()
    plane.apply(CLUSTER, "gone", b"1")
    written = Claim(CLUSTER, "a", b"2", aliases=("x",), ttl=5.0, on_demand=True)
    with plane.server().subscribe(CLUSTER, ["a", "gone"]) as subscriber:
        subscriber.initial()
        write(plane, [written, claim("b")], [(CLUSTER, "gone")])
        update = subscriber.poll()

    assert update is not None
    [sent] = update.resources
    assert (sent.name, sent.body, sent.aliases, sent.ttl, sent.on_demand) == ("a", b"2", ("x",), 5.0, True)
    assert list(update.removed) == ["gone"]
    assert plane.sequence == 2
    assert plane.snapshot()[CLUSTER]["b"].body == b"1"
