"""A short soak: what thousands of clients that come and go would leave behind is counted where hundreds do."""

from benchmarks.soak import soak

CONNECTS = 600
WARM_UP = 1_200
WAVE = 60


def test_clients_that_come_and_go_leave_nothing_behind():
    """Clients of each kind, some of which go in the middle of what they are sent, while resources change and go.

    One object, or piece of memory, that is left of each client is 600 of them, and of a stream as a whole some 20,000;
    none may be left of that (`Soak.state`). What remains is of the names that were removed, and are remembered.
    """
    before, after = soak(CONNECTS, CONNECTS // WAVE, lambda _: None, warm_up=WARM_UP, wave=WAVE)
    assert after.objects - before.objects < 0.75 * CONNECTS
    assert after.blocks - before.blocks < 2 * CONNECTS
