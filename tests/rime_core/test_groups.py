"""Groups are made on demand, within a bound, and closed when nobody has been served from them for a while."""

import pytest

from rime_core import CLUSTER, Client, Groups, Node, PeerError, Plane
from rime_core.groups import LOOKS


class Family:
    """A base, the groups on it, and a clock that is set."""

    def __init__(self, **options):
        self.base = Plane()
        self.base.apply(CLUSTER, "base", b"1")
        self.now = 0.0
        self.filled = []
        self.groups = Groups(self.base, self.fill, clock=lambda: self.now, **options)

    def fill(self, name, plane):
        self.filled.append(name)
        if name == "broken":
            raise KeyError(name)
        plane.apply(CLUSTER, name, b"own")

    def client(self, name):
        subscriber = self.groups.server(name).subscribe(CLUSTER)
        return subscriber, {resource.name for resource in subscriber.initial().resources}


@pytest.fixture
def family():
    return Family(most=3, linger=10.0)


def test_a_group_is_made_for_its_first_client_and_shared_by_the_next(family):
    assert family.client("a")[1] == {"base", "a"}
    assert family.client("a")[1] == {"base", "a"}
    assert family.client("b")[1] == {"base", "b"}
    assert family.filled == ["a", "b"]
    assert len(family.groups) == 2
    assert "a" in family.groups
    assert "c" not in family.groups


def test_it_is_what_a_server_asks(family):
    server = family.base.server(group=lambda client: family.groups.server(client.node.cluster))
    serving = server.serving(Client(Node(cluster="a")))
    assert set(serving.snapshot()[CLUSTER]) == {"base", "a"}


def test_what_cannot_be_filled_is_not_there(family):
    with pytest.raises(KeyError):
        family.groups.server("broken")
    assert "broken" not in family.groups
    assert not family.base.store.groups


def test_one_that_nobody_is_served_from_is_closed_after_a_while(family):
    subscriber, _ = family.client("a")
    family.now = 10.0
    family.groups.expire()
    assert "a" in family.groups
    subscriber.close()
    family.now = 19.9
    family.groups.expire()
    assert "a" in family.groups, "it was in use ten seconds ago at most"
    family.now = 20.0
    family.groups.expire()
    assert "a" not in family.groups
    assert not family.base.store.groups


def test_another_client_that_comes_is_when_that_is_seen(family):
    family.groups.server("a")
    family.now = 10.0
    family.groups.server("b")
    assert "a" not in family.groups


def test_who_comes_back_finds_it_made_anew(family):
    family.groups.server("a")
    family.now = 10.0
    assert family.client("a")[1] == {"base", "a"}
    assert family.filled == ["a", "a"]


def test_at_the_bound_one_that_is_not_in_use_makes_room(family):
    family.client("a")
    family.groups.server("b")
    family.client("c")
    family.client("d")
    assert [name in family.groups for name in "abcd"] == [True, False, True, True]


def test_at_the_bound_whose_group_is_there_is_served(family):
    for name in "abc":
        family.client(name)
    assert family.client("b")[1] == {"base", "b"}


def test_at_the_bound_with_all_in_use_the_client_is_sent_away(family):
    for name in "abc":
        family.client(name)
    with pytest.raises(PeerError, match="there are 3 groups already, and all are in use") as raised:
        family.groups.server("d")
    assert raised.value.code == "RESOURCE_EXHAUSTED"
    assert family.filled == ["a", "b", "c"]


def test_only_a_few_are_looked_at_for_one_client_and_others_for_the_next():
    family = Family(most=2 * LOOKS)
    kept = [family.client(f"n{each}") for each in range(2 * LOOKS)]
    kept[-1][0].close()
    with pytest.raises(PeerError):
        family.groups.server("more")
    family.groups.server("more")
    assert f"n{2 * LOOKS - 1}" not in family.groups


def test_one_that_is_closed_ends_its_clients(family):
    subscriber, _ = family.client("a")
    family.groups.close("a")
    family.groups.close("a")
    assert subscriber.closed
    assert len(family.groups) == 0


@pytest.mark.parametrize("option", [{"most": 0}, {"linger": -1.0}])
def test_what_makes_no_sense(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        Family(**option)


@pytest.mark.parametrize("linger", [0.0, 0.5])
def test_there_may_be_one_at_once_that_is_kept_for_hardly_any_time(linger):
    family = Family(most=1, linger=linger)
    family.client("a")[0].close()
    family.now += linger
    family.groups.expire()
    assert len(family.groups) == 0
    kept, _ = family.client("b")
    with pytest.raises(PeerError, match="there are 1 groups"):
        family.client("c")
    assert not kept.closed


def test_where_nothing_lingers_all_that_are_in_use_stay_and_the_others_go():
    family = Family(most=3, linger=0.0)
    subscribers = {name: family.client(name)[0] for name in "abc"}
    subscribers["b"].close()
    family.groups.expire()
    assert [name in family.groups for name in "abc"] == [True, False, True]


def test_unless_it_says_so_there_are_a_thousand_kept_for_ten_minutes():
    family = Family()
    used, *unused = [family.client(f"n{each}")[0] for each in range(1000)]
    with pytest.raises(PeerError, match="there are 1000 groups"):
        family.groups.server("more")
    for subscriber in unused:
        subscriber.close()
    family.now = 599.0
    family.groups.expire()
    assert len(family.groups) == 1000
    family.now = 600.0
    family.groups.expire()
    assert len(family.groups) == 1
    assert not used.closed
