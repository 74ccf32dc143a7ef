"""Whose turn it is, with virtual time and a virtual event loop: who began is a list."""

import random

import pytest

from rime_grpc.turns import PUSHES, STALLED, Turn, Turns


class Streams:
    """Streams by name; `begun` has those whose turn came after they had to wait."""

    def __init__(self, first_answers):
        self.turns = Turns(first_answers)
        self.begun = []

    def first(self, name):
        return Turn(lambda: self.begun.append(name))

    def answered(self, name):
        turn = self.first(name)
        turn.first = False
        return turn

    def ask(self, *asking, now=0.0):
        return [self.turns.ask(turn, now) for turn in asking]


def test_first_answers_begin_in_order_and_no_more_than_allowed():
    streams = Streams(2)
    asking = [streams.first(name) for name in "abcde"]
    assert streams.ask(*asking) == [True, True, False, False, False]
    streams.turns.leave(asking[1], 0.0)
    assert streams.begun == ["c"]
    streams.turns.leave(asking[0], 0.0)
    streams.turns.leave(asking[2], 0.0)
    assert streams.begun == ["c", "d", "e"]
    assert streams.turns.under_way == 2


def test_who_ends_while_waiting_is_not_called():
    streams = Streams(1)
    one, two, three = (streams.first(name) for name in "abc")
    gone, stays = streams.answered("gone"), streams.answered("stays")
    streams.ask(one, two, three, gone, stays)
    streams.turns.leave(two, 0.0)
    streams.turns.leave(one, 0.0)
    streams.turns.leave(gone, 0.0)
    streams.turns.let_pushes_through()
    assert streams.begun == ["c", "stays"]


def test_leaving_twice_gives_one_place():
    streams = Streams(1)
    asking = [streams.first(name) for name in "abc"]
    streams.ask(*asking)
    streams.turns.leave(asking[0], 0.0)
    streams.turns.leave(asking[0], 0.0)
    assert streams.begun == ["b"]


def test_pushes_go_at_once_while_no_first_answer_waits():
    streams = Streams(1)
    assert streams.ask(streams.first("first"), *(streams.answered(f"p{number}") for number in range(50))) == [True] * 51


def test_first_answers_go_before_pushes_and_neither_starves_the_other():
    streams = Streams(1)
    first = [streams.first(f"f{number}") for number in range(3)]
    streams.ask(*first)
    pushes = [streams.answered(f"p{number}") for number in range(PUSHES + 3)]
    assert not any(streams.ask(*pushes))
    # a round of the loop, in which no first answer gets on
    assert streams.turns.let_pushes_through()
    assert streams.begun == [f"p{number}" for number in range(PUSHES)]
    streams.turns.leave(first[0], 0.0)
    assert streams.begun[PUSHES:] == ["f1"]
    assert not streams.turns.let_pushes_through()
    assert streams.begun[PUSHES + 1 :] == [f"p{PUSHES + number}" for number in range(3)]


def test_when_no_first_answer_waits_any_more_all_pushes_go():
    streams = Streams(1)
    one, two = streams.first("a"), streams.first("b")
    streams.ask(one, two, *(streams.answered(f"p{number}") for number in range(5 * PUSHES)))
    streams.turns.leave(one, 0.0)
    assert not streams.turns.let_pushes_through()
    assert len(streams.begun) == 1 + 5 * PUSHES


def test_a_client_that_takes_nothing_makes_room():
    streams = Streams(2)
    stalled, reading, waiting, late = (streams.first(name) for name in ("stalled", "reading", "waiting", "late"))
    streams.ask(reading, stalled, now=100.0)
    assert streams.turns.due() is None, "nobody waits"
    streams.ask(waiting, late, now=100.0)
    assert streams.turns.due() == 100.0 + STALLED
    streams.turns.moved(reading, 100.0 + STALLED / 2)
    streams.turns.pass_over(100.0 + STALLED)
    assert streams.begun == ["waiting"]
    assert streams.turns.due() == 100.0 + STALLED * 1.5
    # it goes on writing, but has no place to give or to keep
    streams.turns.moved(stalled, 100.0 + STALLED)
    streams.turns.leave(stalled, 100.0 + STALLED)
    assert streams.begun == ["waiting"]
    assert streams.turns.under_way == 2


def test_a_place_that_was_given_has_its_own_patience():
    streams = Streams(1)
    one, two, three = (streams.first(name) for name in "abc")
    streams.ask(one, two, three, now=0.0)
    streams.turns.leave(one, 10.0)
    streams.turns.pass_over(10.0 + STALLED / 2)
    assert streams.begun == ["b"]
    assert streams.turns.due() == 10.0 + STALLED


def test_nobody_could_be_answered_none_at_a_time():
    with pytest.raises(ValueError, match="nobody would be answered"):
        Turns(0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_streams_do_all_get_their_turn(seed):
    """Rounds of a loop with streams that come, read, stall and go at random."""
    choose = random.Random(seed)  # noqa: S311 - no secret
    at_a_time = choose.randint(1, 4)
    turns = Turns(at_a_time)
    waited: dict[Turn, int] = {}
    working: dict[Turn, int] = {}
    order: list[tuple[bool, int]] = []

    def stream(number):
        def begin():
            order.append((turn.first, number))
            del waited[turn]
            working[turn] = choose.choice([0, 0, 1, 3, 1_000_000])

        turn = Turn(begin)
        return turn

    streams = [stream(number) for number in range(60)]
    answered = set()
    asked: list[tuple[bool, int]] = []
    for now in range(2000):
        for number, turn in enumerate(streams):
            if turn not in waited and turn not in working and choose.random() < 0.3 and now < 1900:
                if turns.ask(turn, now):
                    working[turn] = choose.choice([0, 0, 1, 3, 1_000_000])
                else:
                    waited[turn] = now
                    asked.append((turn.first, number))
        for turn in list(working):
            working[turn] -= 1
            if working[turn] < 0 or choose.random() < 0.05:
                del working[turn]
                turn.first = False
                answered.add(turn)
                turns.leave(turn, now)
        turns.let_pushes_through()
        if (due := turns.due()) is not None and due <= now:
            turns.pass_over(now)
        assert turns.under_way <= at_a_time
    assert not waited
    assert answered == set(streams)
    for first in (True, False):
        assert [each for each in order if each[0] is first] == [each for each in asked if each[0] is first], "in order"
