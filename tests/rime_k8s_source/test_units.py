"""Objects make up units, and a change makes only its own anew."""

import pytest

from rime_k8s_source.kinds import ENDPOINT_SLICES, SERVICES
from rime_k8s_source.mapping import Claim, Made, Trouble
from rime_k8s_source.reflector import Change
from rime_k8s_source.services import ServiceMapper
from rime_k8s_source.template import Template
from rime_k8s_source.units import Unit, Units

from .objects import endpoint, endpoint_slice, service

NAMES = Template("{namespace}/{service}/{port}", option="names", known=("namespace", "service", "port"), needed=())


class Letters:
    """A mapper whose objects are texts: each letter is a unit, which has the objects with it."""

    name = "letter"
    wanted = ()

    def keep(self, kind, body):
        return body

    def units(self, kind, key, kept):
        return [("", letter) for letter in kept]

    def make(self, unit, objects):
        if unit[1] == "!":
            raise ValueError("it\nbreaks")
        found = ",".join(sorted(key[1] for of_kind in objects.values() for key in of_kind))
        return Made([Claim("t", unit[1], found.encode())])


def of(made):
    return {unit.key[1]: [claim.body.decode() for claim in what.claims] for unit, what in made.items()}


def put(units, key, old, new, kind=SERVICES):
    units.change(0, kind, [Change(("", key), old, new)])


def test_a_unit_is_made_of_all_its_objects():
    units = Units([Letters()])
    put(units, "x", None, "ab")
    put(units, "y", None, "b", ENDPOINT_SLICES)

    assert of(units.make()) == {"a": ["x"], "b": ["x,y"]}
    assert units.make() == {}


def test_a_change_touches_what_the_object_was_in_and_what_it_is_in():
    units = Units([Letters()])
    put(units, "x", None, "ab")
    put(units, "y", None, "bcd")
    units.make()
    put(units, "x", "ab", "bd")

    assert of(units.make()) == {"a": [], "b": ["x,y"], "d": ["x,y"]}


def test_a_unit_without_objects_is_empty_and_forgotten():
    units = Units([Letters()])
    put(units, "x", None, "a")
    units.make()
    put(units, "x", "a", None)

    assert of(units.make()) == {"a": []}
    assert units._objects == {}


def test_mappers_have_units_of_their_own():
    units = Units([Letters(), Letters()])
    units.change(1, SERVICES, [Change(("", "x"), None, "a")])

    assert list(units.make()) == [Unit(1, ("", "a"))]


def test_what_a_mapper_raises_is_a_trouble_that_hides_all_of_that_unit():
    units = Units([Letters()])
    put(units, "x", None, "!a")
    made = units.make()

    assert made[Unit(0, ("", "!"))].troubles == [Trouble("letter !: it breaks")]
    assert of(made)["a"] == ["x"]


class Hosts:
    """A mapper whose objects are of the unit of their host; `keep` and `units` raise for what has none."""

    name = "host"
    wanted = ()

    def keep(self, kind, body):
        return body["spec"]

    def units(self, kind, key, kept):
        return [("", kept["host"])]

    def make(self, unit, objects):
        return Made([Claim("t", unit[1], ",".join(sorted(key[1] for key in objects[SERVICES])).encode())])


@pytest.mark.parametrize(
    ("body", "why"), [({}, "KeyError: 'spec'"), ({"spec": {"port": 1}}, "KeyError: 'host'")], ids=["keep", "units"]
)
def test_an_object_for_which_a_mapper_raises_is_a_trouble_and_stays_as_it_was(body, why):
    units = Units([Letters(), Hosts()])
    keep = units.keep(1, SERVICES)
    kept = {"x": None, "y": None}

    def become(name, body):
        """What is made when an object is this, or is not there."""
        metadata = {"metadata": {"namespace": "shop", "name": name}}
        old, kept[name] = kept[name], None if body is None else keep(body | metadata)
        units.change(1, SERVICES, [Change(("shop", name), old, kept[name])])
        made = units.make()
        return of(made), [trouble.text for what in made.values() for trouble in what.troubles]

    line = f"host: services shop/x: {why}"
    assert become("x", body) == ({"services/x": []}, [line])
    assert become("y", {"spec": {"host": "h"}}) == ({"h": ["y"]}, [])
    assert become("x", {"spec": {"host": "h"}}) == ({"services/x": [], "h": ["x,y"]}, [])
    assert become("x", body) == ({"services/x": []}, [line])
    assert become("x", body | {"kind": "still"}) == ({"services/x": []}, [line])
    assert become("y", {"spec": {"host": "g"}}) == ({"h": ["x"], "g": ["y"]}, [])
    assert become("x", {"spec": {"host": "g"}}) == ({"services/x": [], "h": [], "g": ["x,y"]}, [])
    assert become("x", body)[1] == [line]
    assert become("x", None) == ({"services/x": [], "g": ["y"]}, [])


class Counting(ServiceMapper):
    """Notes which units were made, of how many objects each."""

    def __init__(self):
        super().__init__(NAMES)
        self.made = []

    def make(self, unit, objects):
        self.made.append((unit, sum(len(of_kind) for of_kind in objects.values())))
        return super().make(unit, objects)


def test_one_pods_readiness_makes_its_service_anew_and_looks_at_no_other():
    """1,000 Services, or 10: the objects examined are those of one."""
    for count in (10, 1000):
        mapper = Counting()
        units = Units([mapper])
        keep = mapper.keep
        for number in range(count):
            name = f"s{number}"
            units.change(0, SERVICES, [Change(("prod", name), None, keep(SERVICES, service(80, name=name)))])
            slices = endpoint_slice("10.0.0.1", "10.0.0.2", service=name)
            units.change(0, ENDPOINT_SLICES, [Change(("prod", f"{name}-1"), None, keep(ENDPOINT_SLICES, slices))])
        before = units.make()
        mapper.made.clear()
        old = keep(ENDPOINT_SLICES, endpoint_slice("10.0.0.1", "10.0.0.2", service="s7"))
        new = keep(ENDPOINT_SLICES, endpoint_slice("10.0.0.1", endpoint("10.0.0.2", ready=False), service="s7"))
        units.change(0, ENDPOINT_SLICES, [Change(("prod", "s7-1"), old, new)])
        made = units.make()

        assert mapper.made == [(("prod", "s7"), 2)]
        [unit] = made
        was, now = before[unit].claims, made[unit].claims
        assert was[0] == now[0], "the cluster is as it was"
        assert was[1] != now[1], "one assignment differs"
