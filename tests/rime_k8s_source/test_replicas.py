"""Which replicas there are, by their Leases and the clock of who watches them."""

import pytest

from rime_k8s_source.reflector import Change
from rime_k8s_source.replicas import PATIENCE, RENEW, Replicas, replica_name


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


def test_those_of_another_namespace_are_not_its_affair(replicas):
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


def test_a_replica_is_called_after_its_host_and_like_no_other_process():
    assert replica_name("rime-6d5f-x2", lambda: 0.5) == "rime-6d5f-x2-8000"
    assert replica_name("Émile's.Laptop", lambda: 0.0) == "mile-s-laptop-0000"
    assert replica_name("", lambda: 0.9999999) == "rime-ffff"
    assert replica_name("x" * 63, lambda: 0.0) == "x" * 40 + "-0000"
    assert replica_name("rime") != replica_name("rime")
