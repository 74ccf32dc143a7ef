"""The recorded traces: what they say can be read, and is what a Subscriber is sent."""

import pytest

from rime_core import CLUSTER, Plane, Update
from rime_core.traces import TRACES, Change, Come, Go, Sent, steps_of


def test_a_trace_is_what_happens_and_what_is_sent_then():
    assert steps_of("""
        + a=1 -b c=
        client edge a=0
        < a=1 -b
        gone
    """) == [
        Change({"a": b"1", "b": None, "c": b""}),
        Come("edge", {"a": b"0"}),
        Sent({"a": b"1", "b": None}),
        Go(),
    ]


@pytest.mark.parametrize("line", ["client", "* a=1", "gone away", "a=1"])
def test_a_line_that_is_none(line):
    with pytest.raises(ValueError, match="a line of a trace that is none"):
        steps_of(line)


class Reading:
    """A Plane, and a Subscriber of it while a client is there."""

    def __init__(self) -> None:
        self.plane = Plane()
        self.subscriber = self.plane.server().subscribe(CLUSTER)
        self.first: list[Update | None] = []

    def change(self, bodies):
        with self.plane.transaction() as change:
            for name, body in bodies.items():
                if body is None:
                    change.remove(CLUSTER, name)
                else:
                    change.apply(CLUSTER, name, body)

    def come(self, known):
        before = Reading()
        before.change(known)
        versions = {name: each.version for name, each in before.plane.snapshot()[CLUSTER].items()}
        self.subscriber = self.plane.server().subscribe(CLUSTER)
        self.first = [self.subscriber.initial(versions)]

    def sent(self):
        updates = [each for each in (*self.first, self.subscriber.poll()) if each is not None]
        self.first = []
        found: dict[str, bytes | None] = {each.name: each.body for update in updates for each in update.resources}
        return found | {name: None for update in updates for name in update.removed}


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_each_is_what_a_subscriber_is_sent(trace):
    reading = Reading()
    for step in steps_of(trace):
        match step:
            case Change(bodies):
                reading.change(bodies)
            case Come(_, known):
                reading.come(known)
            case Go():
                reading.subscriber.close()
            case Sent(bodies):
                assert reading.sent() == bodies
    assert reading.subscriber.closed or reading.sent() == {}
