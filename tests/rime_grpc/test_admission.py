"""Limits, rate and age, with time and randomness as arguments."""

import pytest

from rime_grpc.admission import (
    BURST,
    CONNECTION_SHARE,
    JITTER,
    LOG_INTERVAL,
    LogPace,
    OpenStreams,
    RequestRate,
    client_address,
    stream_age,
)


def test_more_streams_than_the_limit_are_sent_to_another_replica():
    streams = OpenStreams(max_streams=2, max_streams_per_address=0)
    assert streams.enter("a") is None
    assert streams.enter("b") is None
    refusal = streams.enter("c")
    assert refusal is not None
    assert (refusal.option, refusal.code) == ("max_streams", "UNAVAILABLE")
    assert refusal.message == "2 streams are open, which is max_streams"
    streams.leave("a")
    assert streams.enter("c") is None


def test_a_runaway_is_refused_and_the_others_are_not():
    streams = OpenStreams(max_streams=10, max_streams_per_address=2)
    assert [streams.enter("runaway") for _ in range(2)] == [None, None]
    refusal = streams.enter("runaway")
    assert refusal is not None
    assert (refusal.option, refusal.code) == ("max_streams_per_address", "RESOURCE_EXHAUSTED")
    assert refusal.message == "2 streams of runaway are open, which is max_streams_per_address"
    assert streams.enter("other") is None
    streams.leave("runaway")
    assert streams.enter("runaway") is None
    assert streams.count == 3


def test_what_was_refused_is_not_counted():
    streams = OpenStreams(max_streams=1, max_streams_per_address=1)
    streams.enter("a")
    for _ in range(5):
        streams.enter("a")
    streams.leave("a")
    assert streams.count == 0
    assert streams.enter("a") is None


def test_addresses_that_are_gone_cost_nothing():
    streams = OpenStreams(max_streams=0, max_streams_per_address=0)
    for number in range(100):
        assert streams.enter(str(number)) is None
        streams.leave(str(number))
    assert not streams._by_address


def test_a_burst_is_read_at_once_and_then_the_rate():
    rate = RequestRate(10, now=50.0)
    assert [rate.take(50.0) for _ in range(int(10 * BURST))] == [0.0] * int(10 * BURST)
    assert rate.take(50.0) == pytest.approx(0.1)
    assert rate.take(50.1) == pytest.approx(0.1)
    assert rate.take(51.0) == 0.0


def test_a_client_that_was_silent_for_a_year_has_one_burst():
    rate = RequestRate(10, now=0.0)
    rate.take(0.0)
    waits = [rate.take(1e8) for _ in range(int(10 * BURST) + 1)]
    assert waits[:-1] == [0.0] * int(10 * BURST)
    assert waits[-1] == pytest.approx(0.1)


def test_reading_never_stays_behind_for_longer_than_one_request():
    """The reader waits as long as it is told to, so the debt is at most one token."""
    rate, now = RequestRate(10, now=0.0), 0.0
    for _ in range(1000):
        wait = rate.take(now)
        assert wait <= 0.1 + 1e-9
        now += wait
    assert now == pytest.approx((1000 - 10 * BURST) / 10)


def test_what_acknowledges_changes_is_read_however_many_there_are():
    rate = RequestRate(10, now=0.0)
    for _ in range(10_000):
        rate.earn()
        assert rate.take(0.0) == 0.0


def test_what_was_earned_and_not_used_is_no_more_than_a_burst():
    rate = RequestRate(10, now=0.0)
    for _ in range(10_000):
        rate.earn()
    assert sum(not rate.take(0.0) for _ in range(1000)) == 10 * BURST


def test_without_a_rate_nothing_waits():
    rate = RequestRate(0, now=0.0)
    assert {rate.take(0.0) for _ in range(1000)} == {0.0}


def test_a_storm_is_one_line_that_counts_the_rest():
    pace = LogPace()
    assert [pace.lines("max_streams", 5.0 + number / 1000) for number in range(1000)] == [1] + [0] * 999
    assert pace.lines("max_streams", 5.0 + LOG_INTERVAL) == 1000
    assert pace.lines("max_streams", 5.0 + 3 * LOG_INTERVAL) == 1


def test_a_storm_of_one_kind_does_not_hide_another():
    pace = LogPace()
    assert pace.lines("max_streams", 0.0) == 1
    assert pace.lines("max_streams_per_address", 0.0) == 1


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.0.0.1:5000", "10.0.0.1"),
        ("[::1]:5000", "[::1]"),
        ("unix:", "unix"),
    ],
)
def test_an_address_is_the_peer_without_its_port(peer, address):
    assert client_address(peer) == address


def test_ages_are_spread_around_the_middle():
    assert stream_age(100.0, 0.5) == 100.0
    assert stream_age(100.0, 0.0) == pytest.approx(100 * (1 - JITTER))
    assert stream_age(100.0, 1.0) == pytest.approx(100 * (1 + JITTER))


def test_a_connection_takes_no_new_streams_before_any_of_its_streams_ends():
    """Else a stream that ends would be followed by one to the same replica. 1.1: gRPC's own jitter (A9)."""
    assert CONNECTION_SHARE * 1.1 < 1 - JITTER
