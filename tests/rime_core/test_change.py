"""Everything that can fail about a change fails while it is prepared."""

import pytest

from rime_core import CLUSTER, ENDPOINT, Plane
from rime_core.change import Preparation, check_label
from rime_core.resource import content_digest


def prepare(plane: Plane) -> Preparation:
    return Preparation(plane.store.indexes, content_digest, lambda _, body: [(ENDPOINT, body.decode())])


@pytest.fixture
def plane():
    plane = Plane()
    plane.apply(CLUSTER, "a", b"x", aliases=["alias"], ttl=5)
    return plane


def test_a_resource_is_made_as_it_will_be(plane):
    resource = prepare(plane).resource(CLUSTER, "b", bytearray(b"y"), ["alias", "alias", "other"], True, 5)
    assert (resource.type_url, resource.name, resource.body) == (CLUSTER, "b", b"y")
    assert resource.aliases == ("alias", "other")
    assert resource.on_demand is True
    assert resource.ttl == 5.0
    assert resource.references == ((ENDPOINT, "y"),)


def test_equal_content_is_the_resource_there_is(plane):
    there = plane.snapshot()[CLUSTER]["a"]
    assert prepare(plane).resource(CLUSTER, "a", b"x", ("alias",), False, 5.0001) is there


@pytest.mark.parametrize(
    ("body", "aliases", "on_demand", "ttl"),
    [
        (b"y", ("alias",), False, 5),
        (b"x", (), False, 5),
        (b"x", ("alias",), True, 5),
        (b"x", ("alias",), False, 6),
        (b"x", ("alias",), False, None),
    ],
)
def test_other_content_is_another(plane, body, aliases, on_demand, ttl):
    there = plane.snapshot()[CLUSTER]["a"]
    assert prepare(plane).resource(CLUSTER, "a", body, aliases, on_demand, ttl) is not there


def test_preparing_changes_nothing(plane):
    before = plane.snapshot()
    prepare(plane).resource(CLUSTER, "b", b"y", (), False)
    prepare(plane).resource(ENDPOINT, "b", b"y", (), False)
    prepare(plane).check_removal(CLUSTER, "a")
    assert plane.snapshot() is before
    assert list(plane.store.indexes) == [CLUSTER]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((CLUSTER, "b", "text", (), False), TypeError, "a body is bytes"),
        ((CLUSTER, "a", 5, (), False), TypeError, "a body is bytes"),
        ((CLUSTER, "", b"", (), False), ValueError, "must not be empty"),
        ((CLUSTER, 5, b"", (), False), TypeError, "a resource's name is a str"),
        (
            (CLUSTER, "b", b"", "alias", False),
            TypeError,
            "aliases is a collection of names, not one: pass \\['alias'\\]",
        ),
        ((CLUSTER, "b", b"", [""], False), ValueError, "must not be empty"),
        ((CLUSTER, "b", b"", (), False, 0.5), ValueError, r"a lifetime \(ttl\) is from 1 s"),
        ((CLUSTER, "a", b"x", ("alias",), False, "5"), TypeError, r"a lifetime \(ttl\) is a number of seconds"),
        (("clusters", "b", b"", (), False), ValueError, "is no type URL"),
        ((None, "b", b"", (), False), TypeError, "a type URL is a str"),
    ],
)
@pytest.mark.interpreted
def test_what_is_wrong_is_said_before_anything_happens(plane, arguments, error, text):
    with pytest.raises(error, match=text):
        prepare(plane).resource(*arguments)


@pytest.mark.parametrize(
    ("arguments", "error"), [(("clusters", "a"), ValueError), ((CLUSTER, 5), TypeError), ((CLUSTER, ""), ValueError)]
)
def test_a_removal_that_makes_no_sense(plane, arguments, error):
    with pytest.raises(error):
        prepare(plane).check_removal(*arguments)


def test_references_are_asked_for_once_for_each_changed_resource_and_never_for_an_unchanged_one():
    asked = []

    def references(type_url, body):
        asked.append((type_url, body))
        return ()

    plane = Plane(references=references)
    plane.apply(CLUSTER, "a", b"x")
    plane.apply(CLUSTER, "a", b"x")
    with plane.transaction() as change:
        change.apply(CLUSTER, "a", b"x")
        change.apply(CLUSTER, "b", b"y")
    assert asked == [(CLUSTER, b"x"), (CLUSTER, b"y")]


def test_references_are_asked_for_once_whether_they_differ_or_not():
    asked = []

    def references(_, body):
        asked.append(body)
        return [(ENDPOINT, body.decode()[0])]

    plane = Plane(references=references)
    bodies = [b"a1", b"a2", b"b"]
    for body in bodies:
        assert plane.apply(CLUSTER, "a", body)
    assert asked == bodies
    assert plane.snapshot()[CLUSTER]["a"].references == ((ENDPOINT, "b"),)


def test_references_that_raise_refuse_the_change():
    def references(_, body):
        if body == b"bad":
            raise RuntimeError("cannot be decoded")
        return ()

    plane = Plane(references=references)
    plane.apply(CLUSTER, "a", b"x")
    before = plane.snapshot()
    with pytest.raises(RuntimeError, match="cannot be decoded"):
        plane.replace(CLUSTER, {"b": b"y", "a": b"bad"})
    assert plane.snapshot() is before


# --- what people call a version


@pytest.mark.parametrize("label", ["e9fc6eb", "v1.2", "ä", "x" * 200])
def test_a_version_label(label):
    check_label(label)


@pytest.mark.parametrize(
    ("label", "error", "text"),
    [
        ("", ValueError, "a version label has 1 to 200 characters, not 0"),
        ("x" * 201, ValueError, "a version label has 1 to 200 characters, not 201"),
        ("\ud800", ValueError, "cannot be encoded in UTF-8"),
        (7, TypeError, "a version label is a str such as a Git commit, not int"),
        (b"e9fc6eb", TypeError, "a version label is a str such as a Git commit, not bytes"),
    ],
)
@pytest.mark.interpreted
def test_no_version_label(label, error, text):
    with pytest.raises(error, match=text):
        check_label(label)
