"""A feed is silent for a moment after it has spoken, and longer where speaking is dear."""

from rime_ws.pace import LEAST, SHARE, Pace


def test_it_may_speak_at_first():
    assert Pace().due < 0


def test_after_that_not_at_once():
    pace = Pace()
    pace.spoke(5.0, 5.0)
    assert pace.due == 5.0 + LEAST


def test_what_takes_long_is_said_less_often_so_that_it_takes_a_tenth_of_the_time():
    pace = Pace()
    pace.spoke(5.0, 6.0)
    assert pace.due == 6.0 + SHARE
    assert 1.0 / (pace.due - 5.0) == 0.1
