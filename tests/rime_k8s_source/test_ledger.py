"""What is written when: changes at once, what may be a move after `settle`."""

from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER
from rime_k8s_source.ledger import Ledger
from rime_k8s_source.mapping import Claim, Made, Trouble
from rime_k8s_source.units import Unit

A, B = Unit(0, ("prod", "a")), Unit(0, ("prod", "b"))
OF_LATER_MAPPER = Unit(1, ("prod", "a"))


class Desk:
    """A ledger with a clock, and what was written."""

    def __init__(self, served=()):
        self.ledger = Ledger(1.0, served=served)
        self.now = 0.0
        self.written: dict[str, str] = {}

    def has(self, unit, **bodies):
        """This unit has these clusters now; what is written at once."""
        self.ledger.observe({unit: made(**bodies)}, self.now)
        return self.take()

    def take(self):
        delivery = self.ledger.take(self.now)
        applied = {claim.name: claim.body.decode() for claim in delivery.apply}
        removed = {name for _, name in delivery.remove}
        self.written.update(applied)
        for name in removed:
            self.written.pop(name, None)
        self.delivery = delivery
        return applied | dict.fromkeys(removed)

    def later(self, seconds):
        self.now += seconds
        return self.take()


def made(*troubles, **bodies):
    return Made([Claim(CLUSTER, name, body.encode()) for name, body in bodies.items()], troubles)


def test_what_is_new_and_what_changed_is_written_at_once():
    desk = Desk()

    assert desk.has(A, x="1", y="1") == {"x": "1", "y": "1"}
    assert desk.has(A, x="2", y="1") == {"x": "2"}
    assert desk.has(A, x="2", y="1") == {}
    assert desk.ledger.due() is None


def test_what_a_unit_has_is_told_whoever_serves_it_and_of_what_cannot_be_read_too():
    desk = Desk()
    desk.has(A, x="1")
    desk.has(B, x="2", y="2")
    assert list(desk.ledger.names(B)) == [(CLUSTER, "x"), (CLUSTER, "y")]
    desk.ledger.observe({B: made(Trouble("wrong", CLUSTER, "y"))}, desk.now)
    assert list(desk.ledger.names(B)) == [(CLUSTER, "y")]
    desk.has(B)
    assert list(desk.ledger.names(B)) == []


def test_what_is_gone_is_removed_when_it_has_stayed_away():
    desk = Desk()
    desk.has(A, x="1")

    assert desk.has(A) == {}
    assert desk.ledger.due() == 1.0
    assert desk.later(0.9) == {}
    assert desk.later(0.1) == {"x": None}
    assert desk.ledger.due() is None
    assert desk.ledger.serving == {}


def test_what_comes_back_meanwhile_was_never_gone_and_its_new_content_is_written():
    desk = Desk()
    desk.has(A, x="1")
    desk.has(A)

    assert desk.has(A, x="2") == {"x": "2"}
    assert desk.later(5) == {}


def test_what_moves_to_another_unit_is_written_there_at_once_and_never_removed():
    desk = Desk()
    desk.has(A, x="1")
    desk.has(A)

    assert desk.has(B, x="2") == {"x": "2"}
    assert desk.later(5) == {}
    assert desk.ledger.serving == {(CLUSTER, "x"): B}


def test_what_is_added_there_before_it_goes_here_stays_until_it_goes():
    desk = Desk()
    desk.has(B, x="1")

    assert desk.has(A, x="2") == {}
    assert desk.has(B) == {"x": "2"}
    assert desk.later(5) == {}
    assert not desk.delivery.warnings


def test_of_two_the_first_in_order_is_served_once_it_has_lasted_and_said():
    desk = Desk()
    desk.has(B, x="1")
    desk.has(A, x="2")

    assert desk.later(1) == {"x": "2"}
    assert desk.delivery.warnings == (
        "prod/a and prod/b hold the same clusters 'x'; that of prod/a is served, the first in order",
    )
    assert desk.has(B, x="3") == {}, "the other's content waits"
    assert desk.has(A) == {"x": "3"}
    assert desk.later(1) == {}
    assert not desk.delivery.warnings


def test_a_mapper_that_comes_first_wins_whatever_the_names():
    desk = Desk()
    desk.has(OF_LATER_MAPPER, x="1")
    desk.has(B, x="2")

    assert desk.later(1) == {"x": "2"}


def test_what_a_unit_cannot_read_keeps_its_last_good_content():
    desk = Desk()
    desk.has(A, x="1", y="1")
    desk.ledger.observe({A: made(Trouble("a: x is wrong", CLUSTER, "x"), y="2")}, desk.now)

    assert desk.take() == {"y": "2"}
    assert desk.delivery.troubles == ("a: x is wrong",)
    assert desk.later(5) == {}
    assert desk.has(A, y="2") == {}
    assert desk.later(1) == {"x": None}
    assert not desk.delivery.troubles


def test_a_trouble_that_does_not_say_which_keeps_all_that_are_not_there():
    desk = Desk()
    desk.has(A, x="1", y="1")
    desk.ledger.observe({A: made(Trouble("a: is not YAML"), y="2")}, desk.now)
    desk.take()

    assert desk.later(5) == {}
    assert desk.written == {"x": "1", "y": "2"}


def test_a_trouble_of_another_type_or_name_keeps_nothing():
    desk = Desk()
    desk.has(A, x="1", y="1")
    troubles = (Trouble("one", CLUSTER, "z"), Trouble("two", "another type", None))
    desk.ledger.observe({A: made(*troubles)}, desk.now)
    desk.take()

    assert desk.later(1) == {"x": None, "y": None}


def test_what_an_earlier_run_left_is_removed_at_once_unless_a_unit_has_it():
    desk = Desk(served=[(CLUSTER, "x"), (CLUSTER, "y")])

    assert desk.has(A, x="1") == {"x": "1", "y": None}


def test_warnings_of_units_come_with_them_and_go():
    desk = Desk()
    desk.ledger.observe({A: Made(warnings=["a: beware"])}, 0)
    desk.take()
    assert desk.delivery.warnings == ("a: beware",)
    desk.has(A)
    assert not desk.delivery.warnings


units = st.sampled_from([A, B, OF_LATER_MAPPER])
contents = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("123"))


@given(st.lists(st.tuples(units, contents, st.sampled_from([0.0, 0.4, 1.0])), max_size=30))
def test_whatever_the_order_it_ends_where_a_fresh_start_would(steps):
    desk = Desk()
    now = {}
    for unit, bodies, pause in steps:
        now[unit] = bodies
        desk.has(unit, **bodies)
        desk.later(pause)
    desk.later(1)
    fresh = Desk()
    for unit in sorted(now):
        fresh.has(unit, **now[unit])
    fresh.later(1)

    assert desk.written == fresh.written
    assert desk.delivery.warnings == fresh.delivery.warnings
    expected: dict[str, str] = {}
    for unit in sorted(now, reverse=True):
        expected |= now[unit]
    assert desk.written == expected
