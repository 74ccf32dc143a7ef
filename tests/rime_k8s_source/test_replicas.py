"""Which replicas there are, by their Leases and the clock of who watches them."""

import pytest

from rime_k8s_source.reflector import Change
from rime_k8s_source.replicas import ENTRY_PATIENCE, ENTRY_RENEW, PATIENCE, RENEW, Replicas, Strangers, replica_name


@pytest.fixture
def replicas():
    return Replicas("rime/own")


def hears(replicas, now, *names, namespace="rime"):
    replicas.take([Change((namespace, name), "before", str(now)) for name in names], now)


def every_renewal(replicas, since, until, *names):
    for tick in range(int(since), int(until) + 1, int(RENEW)):
        hears(replicas, float(tick), *names)


def goes(replicas, now, name):
    replicas.take([Change(("rime", name), "before", None)], now)


def test_one_that_does_not_renew_its_lease_is_gone_after_a_minute(replicas):
    every_renewal(replicas, 1000, 1060, "own", "other")
    every_renewal(replicas, 1075, 1120, "own")
    assert not replicas.is_stale("rime/other", 1130)
    assert replicas.stale(1130) == []
    hears(replicas, 1121.0, "own")
    assert replicas.is_stale("rime/other", 1130)
    assert replicas.stale(1130) == ["rime/other"]
    hears(replicas, 1131.0, "other")
    assert not replicas.is_stale("rime/other", 1131), "it was only slow"


def test_one_whose_lease_is_taken_away_is_gone_at_once_and_may_come_back(replicas):
    every_renewal(replicas, 1000, 1015, "own", "other")
    goes(replicas, 1016, "other")
    assert replicas.is_stale("rime/other", 1016)
    assert replicas.stale(1016) == [], "there is no Lease to take away"
    hears(replicas, 1017.0, "other")
    assert not replicas.is_stale("rime/other", 1017)


def test_one_without_a_lease_is_gone_unless_that_is_on_its_way(replicas):
    hears(replicas, 1000.0, "own")
    assert not replicas.is_stale("rime/other", 1001)
    hears(replicas, 1016.0, "own")
    assert not replicas.is_stale("rime/other", 1016)
    hears(replicas, 1016.5, "own")
    assert replicas.is_stale("rime/other", 1017)
    hears(replicas, 1018.0, "other")
    assert not replicas.is_stale("rime/other", 1018)
    every_renewal(replicas, 1030, 1060, "own")
    assert not replicas.is_stale("rime/other", 1061)


def test_it_is_never_gone_itself_and_knows_nothing_before_it_hears_of_itself(replicas):
    hears(replicas, 1000.0, "other")
    goes(replicas, 1001.0, "other")
    assert not replicas.is_heard
    assert not replicas.is_stale("rime/other", 5000)
    hears(replicas, 5000.0, "own")
    assert replicas.is_heard
    assert replicas.is_stale("rime/other", 5000)
    assert not replicas.is_stale("rime/own", 9000)


def test_leases_tell_nothing_of_those_of_another_namespace(replicas):
    hears(replicas, 1000.0, "own")
    hears(replicas, 1000.0, "other", namespace="shop")
    every_renewal(replicas, 1015, 1300, "own")
    assert not replicas.is_stale("shop/other", 1300)
    assert not replicas.is_stale("shop/never-heard", 1300)


def test_while_nothing_is_heard_nobody_is_gone_and_afterwards_all_have_as_long_as_ever(replicas):
    every_renewal(replicas, 1000, 1030, "own", "other")
    assert not replicas.is_stale("rime/other", 9000), "it hears itself no more than the other"
    hears(replicas, 9000.0, "own")
    assert not replicas.is_stale("rime/other", 9000)
    every_renewal(replicas, 9015, 9060, "own")
    assert not replicas.is_stale("rime/other", 9060)
    hears(replicas, 9061.0, "own")
    assert replicas.is_stale("rime/other", 9061)


def test_a_renewal_or_two_that_are_late_begin_nothing_anew(replicas):
    every_renewal(replicas, 1000, 1015, "own", "other")
    hears(replicas, 1015 + 2.5 * RENEW, "own")
    hears(replicas, 1015 + PATIENCE + 1, "own")
    assert replicas.is_stale("rime/other", 1100)


# --- those of other namespaces ---------------------------------------------------------------------------------------

KEY = ("shop", "edge")


@pytest.fixture
def strangers():
    return Strangers("rime/own")


def written(strangers, since, until, *writing, silent=()):
    """Entries are in the object all that time, and these are written anew as often as they should be; who is gone."""
    entries = {who: {"renewTime": f"before {since}"} for who in silent}
    gone = []
    for tick in range(int(since), int(until) + 1, int(ENTRY_RENEW)):
        entries = entries | {who: {"renewTime": str(tick)} for who in writing}
        gone = strangers.look(KEY, entries, float(tick))
    return gone


def test_an_entry_of_another_namespace_that_nobody_writes_anew_is_of_one_that_is_gone(strangers):
    assert written(strangers, 10_000, 10_000 + ENTRY_PATIENCE, "rime/own", "a/x", silent=["b/dead"]) == []
    entries = {"rime/own": {"renewTime": "later"}, "a/x": {}, "b/dead": {"renewTime": "before 10000"}}
    assert strangers.look(KEY, entries, 10_001 + ENTRY_PATIENCE) == ["b/dead"]
    assert strangers.look(KEY, entries | {"b/dead": {"renewTime": "now"}}, 10_002 + ENTRY_PATIENCE) == [], "only slow"
    assert strangers.look(("shop", "other"), entries, 10_001 + ENTRY_PATIENCE) == [], "another object is by itself"


def test_of_its_own_namespace_its_lease_tells(strangers):
    assert written(strangers, 10_000, 90_000, "rime/own", silent=["rime/dead"]) == []
    assert not strangers.is_due(KEY, 99_000), "nobody needs it"


def test_before_it_has_an_entry_of_its_own_or_while_that_is_not_heard_nobody_is_gone(strangers):
    assert written(strangers, 10_000, 90_000, silent=["a/x"]) == []
    assert written(strangers, 100_000, 100_000, "rime/own", silent=["a/x"]) == [], "nobody is gone at once"
    assert written(strangers, 150_000, 150_000, silent=["rime/own", "a/x"]) == []
    assert written(strangers, 200_000, 200_000 + ENTRY_PATIENCE, "rime/own", silent=["a/x"]) == []
    assert written(strangers, 201_000 + ENTRY_PATIENCE, 201_000 + ENTRY_PATIENCE, "rime/own", silent=["a/x"]) == []


def test_its_own_entry_is_due_ten_minutes_after_it_was_written_where_there_are_strangers(strangers):
    assert not strangers.is_due(KEY, 10_000)
    written(strangers, 10_000, 10_000, silent=["a/x"])
    assert not strangers.is_due(KEY, 90_000), "it has none yet"
    written(strangers, 10_100, 10_100, "rime/own", silent=["a/x"])
    assert not strangers.is_due(KEY, 10_099 + ENTRY_RENEW)
    assert strangers.is_due(KEY, 10_100 + ENTRY_RENEW)
    strangers.forget(KEY)
    assert not strangers.is_due(KEY, 10_100 + ENTRY_RENEW)


def test_a_replica_is_called_after_its_host_and_like_no_other_process():
    assert replica_name("rime-6d5f-x2", lambda: 0.5) == "rime-6d5f-x2-8000"
    assert replica_name("Émile's.Laptop", lambda: 0.0) == "mile-s-laptop-0000"
    assert replica_name("", lambda: 0.9999999) == "rime-ffff"
    assert replica_name("x" * 63, lambda: 0.0) == "x" * 40 + "-0000"
    assert replica_name("rime") != replica_name("rime")
