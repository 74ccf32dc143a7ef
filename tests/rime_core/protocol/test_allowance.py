"""What a client may ask for, of one type: how many names, and which. Over streams: test_stream and others."""

import pytest

from rime_core import SECRET, PeerError, Plane, describe
from rime_core.protocol.allowance import MAX_NAMES, Allowance
from rime_core.protocol.events import Refused


class Rules:
    """Refuses what begins with an x; `type` and `names` of no other type are asked for."""

    def __init__(self, why=None):
        self.why = why
        self.asked = []

    def type(self, type_url):
        assert type_url == SECRET
        return self.why

    def names(self, type_url):
        assert type_url == SECRET
        return self.why_not

    def why_not(self, name):
        self.asked.append(name)
        return f"{name} is not yours" if name.startswith("x") else None


class RefusingEverything(Rules):
    """As a Rules; and "*"."""

    def why_not(self, name):
        return "too much" if name == "*" else super().why_not(name)


class RefusingNoName(Rules):
    """As a Rules that says so at once."""

    def names(self, type_url):
        assert type_url == SECRET


def made(permissions=None, most=MAX_NAMES):
    events: list[Refused] = []
    return Allowance(describe(SECRET), most=most, permissions=permissions, tell=events.append), events


class TestNames:
    def test_without_permissions_all_are_granted(self):
        allowance, events = made()
        names = ["a", "*", "x"]
        assert allowance.granted(names) is names
        assert (allowance.whole, allowance.refused(), events) == (True, (), [])

    def test_those_that_are_refused_are_told_and_missing_once(self):
        rules = Rules()
        allowance, events = made(rules)
        assert allowance.granted(["a", "x1", "b", "x2"]) == ["a", "b"]
        assert events == [Refused(SECRET, "x1 is not yours", ("x1", "x2"))]
        assert allowance.refused() == ("x1", "x2")
        assert allowance.refused() == ()

    def test_a_name_is_refused_again_each_time_that_it_is_asked_for(self):
        allowance, events = made(Rules())
        for _ in range(2):
            assert allowance.granted(["x"]) == []
            assert allowance.refused() == ("x",)
        assert len(events) == 2

    def test_everything_is_asked_for_by_its_name_and_is_not_missing(self):
        rules = Rules()
        allowance, _ = made(rules)
        assert allowance.granted(["*", "a"]) == ["*", "a"]
        assert rules.asked == ["*", "a"]
        assert not allowance.star_refused

        allowance, events = made(RefusingEverything())
        assert allowance.granted(["*", "a"]) == ["a"]
        assert allowance.granted(["b"]) == ["b"]
        assert (allowance.star_refused, allowance.refused()) == (True, ())
        assert events == [Refused(SECRET, "too much", ("*",))]
        assert allowance.granted(["x"]) == []
        assert (allowance.star_refused, allowance.refused()) == (True, ("x",))

    def test_what_is_given_up_meanwhile_needs_no_answer(self):
        allowance, _ = made(Rules())
        allowance.granted(["x1", "x2"])
        allowance.forget(["x1", "never asked for"])
        assert allowance.refused() == ("x2",)

    def test_permissions_that_refuse_no_name_of_a_type_are_not_asked_for_each(self):
        allowance, _ = made(RefusingNoName())
        names = ["x"]
        assert allowance.granted(names) is names


class TestType:
    def test_one_that_is_refused_is_told_and_no_name_of_it_is_looked_at(self):
        rules = Rules("not for you")
        allowance, events = made(rules)
        assert not allowance.whole
        assert events == [Refused(SECRET, "not for you")]
        assert allowance.granted(["a"]) == ["a"]
        assert rules.asked == []


class TestLimit:
    def subscriber(self, *names):
        return Plane().server().subscribe(SECRET, names)

    def test_as_many_as_it_says_and_no_more(self):
        allowance, _ = made(most=3)
        allowance.limit(["a", "b", "c"])
        with pytest.raises(PeerError, match="more than 3 names of secrets on one stream") as refused:
            allowance.limit(["a", "b", "c", "d"])
        assert refused.value.code == "RESOURCE_EXHAUSTED"

    def test_those_it_has_count_and_none_twice(self):
        allowance, _ = made(most=3)
        subscriber = self.subscriber("a", "b", "*")
        allowance.limit(["c", "c", "a", "*"], subscriber)
        with pytest.raises(PeerError):
            allowance.limit(["c", "d"], subscriber)

    def test_refused_names_count_until_they_are_answered(self):
        allowance, _ = made(Rules(), most=2)
        allowance.granted(["x1", "x2"])
        allowance.limit(["x1"])
        with pytest.raises(PeerError):
            allowance.limit(["x3"])
        allowance.refused()
        allowance.limit(["x3"])

    def test_what_is_brought_may_be_as_much_beyond_what_there_is(self):
        allowance, _ = made(most=3)
        allowance.limit_known(range(8), 5)
        with pytest.raises(PeerError) as refused:
            allowance.limit_known(range(9), 5)
        assert str(refused.value) == (
            "9 known versions of secrets on one stream, where 8 are the most, by max_names and what there is"
        )
        assert refused.value.code == "RESOURCE_EXHAUSTED"

    @pytest.mark.parametrize("most", [3, MAX_NAMES + 3])
    def test_what_is_brought_before_it_is_known_what_there_is_may_be_many(self, most):
        allowance, _ = made(most=most)
        enough = max(most, MAX_NAMES)
        allowance.limit_known(range(enough), None)
        with pytest.raises(PeerError):
            allowance.limit_known(range(enough + 1), None)

    def test_there_may_be_none(self):
        allowance, _ = made(most=None)
        allowance.limit([str(number) for number in range(MAX_NAMES + 1)])
        allowance.limit_known(range(MAX_NAMES + 1), 0)
