"""The version of a set: of its content alone, whatever the order and the way that it came about."""

import random
from collections import Counter

import pytest

from rime_core import CLUSTER, SECRET, Plane, set_version
from rime_core.set_version import mark_of, version_text


def version_of(plane, names=None, type_url=CLUSTER):
    with plane.server().subscribe(type_url, names) as subscriber:
        return subscriber.version()


def anew(plane, names=None):
    """The version of the same content in a Plane that never had another."""
    fresh = Plane()
    for resource in plane.snapshot().get(CLUSTER, {}).values():
        fresh.apply(CLUSTER, resource.name, resource.body, aliases=resource.aliases, on_demand=resource.on_demand)
    return version_of(fresh, names)


def test_it_is_written_down():
    """Replicas of different releases must agree; this one is `printf 1:a1 | b2sum -l 128`."""
    assert version_text(mark_of("a", "1")) == "8c71f50b7980eceb698ffbc9c431e6ac"
    assert version_text(0) == "0" * 32
    assert version_text(-1) == "f" * 32


def test_neither_the_order_of_names_nor_where_one_ends_makes_pairs_equal():
    assert len({mark_of(*pair) for pair in [("a", "bc"), ("ab", "c"), ("abc", ""), ("b", "ac")]}) == 4


@pytest.mark.parametrize("names", [None, ["n1", "n2", "other"], ["*", "n1", "other"], ["alias", "n3"], []])
def test_it_is_that_of_the_content_whatever_happened(names):
    plane = Plane(tombstones=3)
    choose = random.Random(7)  # noqa: S311 - the same each time
    with plane.server().subscribe(CLUSTER, names) as subscriber:
        seen = set()
        for _ in range(400):
            name = f"n{choose.randrange(6)}"
            if choose.random() < 0.3:
                plane.remove(CLUSTER, name)
            else:
                aliases = ["alias"] if choose.random() < 0.3 else []
                on_demand = choose.random() < 0.3
                plane.apply(CLUSTER, name, b"%d" % choose.randrange(3), aliases=aliases, on_demand=on_demand)
            if choose.random() < 0.3:
                assert subscriber.version() == anew(plane, names)
                seen.add(subscriber.version())
        assert len(seen) > 20 or names == []


@pytest.mark.parametrize("names", [None, ["n1", "n2", "other"], ["*", "n1", "other"], ["alias", "n3"], []])
def test_that_of_a_group_is_that_of_what_its_clients_see(names):
    base = Plane(tombstones=1)
    group = Plane(base=base, tombstones=1)
    choose = random.Random(8)  # noqa: S311 - the same each time
    with group.server().subscribe(CLUSTER, names) as subscriber, base.server().subscribe(CLUSTER, names) as below:
        for _ in range(600):
            plane = base if choose.random() < 0.5 else group
            name = f"n{choose.randrange(6)}"
            if choose.random() < 0.4:
                plane.remove(CLUSTER, name)
            else:
                aliases = ["alias"] if choose.random() < 0.3 else []
                on_demand = choose.random() < 0.3
                plane.apply(CLUSTER, name, b"%d" % choose.randrange(3), aliases=aliases, on_demand=on_demand)
            if choose.random() < 0.2 and names:
                (subscriber.discard if choose.random() < 0.5 else subscriber.add)([f"n{choose.randrange(6)}"])
            if choose.random() < 0.3:
                asked = [*subscriber.names, *(["*"] if subscriber.wildcard else [])]
                assert subscriber.version() == anew(group, asked)
            if choose.random() < 0.3:
                assert below.version() == anew(base, names)


def test_it_follows_a_set_of_names_that_changes():
    plane = Plane()
    for name in "abcd":
        plane.apply(CLUSTER, name, name.encode(), aliases=[f"{name}'"])
    with plane.server().subscribe(CLUSTER, ["a"]) as subscriber:
        for step in ("+b", "+c +d -a", "+a'", "+a", "-a'", "-a", "+x +* -b"):
            subscriber.version()
            subscriber.add([name[1:] for name in step.split() if name[0] == "+"])
            subscriber.discard([name[1:] for name in step.split() if name[0] == "-"])
            names = [*subscriber.names, *(["*"] if subscriber.wildcard else [])]
            assert subscriber.version() == anew(plane, names)


def test_a_set_that_others_hold_too_is_left_as_it_is():
    plane = Plane()
    for name in "ab":
        plane.apply(CLUSTER, name, b"1")
    server = plane.server()
    with server.subscribe(CLUSTER, ["a"]) as one, server.subscribe(CLUSTER, ["a"]) as other:
        version = one.version()
        other.add(["b"])
        assert one.version() == version != other.version()


def test_removals_that_are_forgotten_are_in_it_all_the_same():
    plane = Plane(tombstones=1)
    for name in "abcd":
        plane.apply(CLUSTER, name, b"1")
    with plane.server().subscribe(CLUSTER) as subscriber:
        subscriber.version()
        for name in "abc":
            plane.remove(CLUSTER, name)
        assert subscriber.version() == anew(plane)


def test_what_a_star_does_not_give_is_not_in_it():
    plane = Plane()
    plane.apply(SECRET, "key", b"1")
    assert version_of(plane, ["*"], SECRET) == version_text(0)
    assert version_of(plane, ["*", "key"], SECRET) == version_of(plane, ["key"], SECRET) != version_text(0)


@pytest.mark.interpreted
def test_a_change_costs_one_mark_however_many_there_are(monkeypatch):
    marks: Counter[int] = Counter()

    def counted(name, version):
        marks[n] += 1
        return mark_of(name, version)

    monkeypatch.setattr(set_version, "mark_of", counted)
    for n in (10, 1000):
        plane = Plane()
        plane.replace(CLUSTER, {f"n{each}": b"1" for each in range(n)})
        names = [f"n{each}" for each in range(n)]
        with plane.server().subscribe(CLUSTER) as star, plane.server().subscribe(CLUSTER, names) as named:
            star.version()
            named.version()
            marks.clear()
            plane.apply(CLUSTER, "n5", b"2")
            assert star.version() == named.version()
            star.version()
            named.version()
            assert marks == {n: 2}, "one for each that is kept"


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.interpreted
def test_nor_does_it_cost_more_once_a_removal_is_forgotten(grouped, monkeypatch):
    marks = []

    def counted(name, version):
        marks.append(name)
        return mark_of(name, version)

    monkeypatch.setattr(set_version, "mark_of", counted)
    plane = Plane(base=Plane() if grouped else None, tombstones=0)
    names = [f"n{each}" for each in range(10)]
    plane.replace(CLUSTER, dict.fromkeys(names, b"1"))
    with plane.server().subscribe(CLUSTER) as star, plane.server().subscribe(CLUSTER, names) as named:
        plane.remove(CLUSTER, "n0")
        star.version()
        named.version()
        marks.clear()
        plane.apply(CLUSTER, "n5", b"2")
        assert star.version() == named.version()
        assert marks == ["n5", "n5"], "one for each that is kept"
