"""Times as text, of the wall and of the event loop."""

from rime_ws.times import Times


def test_times_are_in_utc_to_the_millisecond():
    times = Times(lambda: 1_700_000_000.0625, lambda: 50.0)
    assert times.now() == "2023-11-14T22:13:20.062Z"
    assert times.of(50.0) == times.now()
    assert times.of(48.0) == "2023-11-14T22:13:18.062Z"
