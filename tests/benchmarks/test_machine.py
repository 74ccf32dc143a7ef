"""What is measured begins on a machine that is as fast as it was, or anyway after a while."""

import pytest
from benchmarks import machine


def never(_seconds: float) -> None:
    pytest.fail("it is waited for")


@pytest.fixture
def looks(monkeypatch):
    """What the work takes on two cores, look by look."""
    looks: list[tuple[float, float]] = []
    monkeypatch.setattr(machine, "_best", {})
    monkeypatch.setattr(machine, "_look", lambda: dict(enumerate(looks.pop(0))))
    return looks


def test_a_machine_that_is_as_fast_as_at_best_is_not_waited_for(looks):
    looks += [(1.0, 2.0), (1.1, 2.2)]
    assert machine.wait_until_fast(never)
    assert machine.wait_until_fast(never)


def test_one_that_is_slower_on_any_core_is_waited_for(looks):
    pauses: list[float] = []
    looks += [(1.0, 1.0), (1.0, 1.5), (1.5, 1.0), (1.1, 1.1)]
    assert machine.wait_until_fast(never)
    assert not machine.wait_until_fast(pauses.append)
    assert pauses == [machine.PAUSE]
    assert not looks


def test_after_a_while_it_is_measured_anyway_and_not_waited_again_for_what_is_gone(looks):
    def is_fast():
        return machine.wait_until_fast(never, patience=-1.0)

    looks += [(1.0, 1.0), (1.5, 1.5), (1.5, 1.5), (1.6, 1.6), (1.2, 1.2), (1.6, 1.6), (1.2, 1.2)]
    assert is_fast()
    assert not is_fast()
    assert is_fast(), "1.6 is about as fast as 1.5"
    assert is_fast(), "and 1.2 is faster"
    assert not is_fast(), "which is then what counts"


def test_a_trial_counts_that_begins_and_ends_when_the_machine_is_fast(looks):
    looks += [(1.0,), (1.0,), (1.5,), (1.0,), (1.0,)]
    machine.wait_until_fast(never)
    found = machine.trials(iter("abc").__next__, 2, at_least=1, seconds=60, pause=lambda _seconds: None)
    assert found == ["a", "c"], "it became slower during b"


def test_after_long_enough_fewer_trials_do_and_all_count(looks):
    found = machine.trials(iter("ab").__next__, 60, at_least=2, seconds=-1.0, pause=never)
    assert found == ["a", "b"]
    assert not looks, "it is not looked at any more"
