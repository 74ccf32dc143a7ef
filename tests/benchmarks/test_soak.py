"""A short soak: what thousands of clients that come and go would leave behind is counted where hundreds do."""

from benchmarks.soak import soak

CONNECTS = 600
WARM_UP = 180


def test_clients_that_come_and_go_leave_nothing_behind():
    """Clients of each kind, some of which go in the middle of what they are sent, while resources change and go.

    One object, or piece of memory, that is left of each client is 600 of them, a whole stream some 20,000. What remains
    is of the removed names that are remembered (some 10 each, and 20 more of them), and of what waits to be freed.
    """
    before, after = soak(CONNECTS, 120, lambda _: None, warm_up=WARM_UP, wave=60)
    assert after.objects - before.objects < 450
    assert after.blocks - before.blocks < 1_500
