"""What a stream has to tell are values: they compare by content, and cannot be changed by who is told first."""

import dataclasses
import typing

import pytest

from rime_core.protocol import events
from rime_core.protocol.events import Acknowledged, Deferred, Event, Held, LetGo, Refused, RejectedResponse, UnknownType
from rime_core.protocol.hold import Hold

HOLD = Hold("t/t.T", "a", False, "warming", (("t/t.U", "b"),), 0.0, 15.0)
EXAMPLES = [
    Acknowledged("t", "n"),
    RejectedResponse("t", "n", {"a": "v"}, "why"),
    Refused("t", "why", ("a",)),
    UnknownType("t"),
    Deferred("t"),
    Held(HOLD),
    LetGo(HOLD, "silence"),
]


def test_every_kind_of_event_is_in_the_union():
    kinds = {
        each
        for each in vars(events).values()
        if dataclasses.is_dataclass(each) and getattr(each, "__module__", "") == events.__name__
    }
    assert kinds == set(typing.get_args(Event)) == {type(each) for each in EXAMPLES}


@pytest.mark.parametrize("event", EXAMPLES)
@pytest.mark.interpreted
def test_an_event_compares_by_content_and_is_read_only(event):
    assert event == dataclasses.replace(event)
    field = dataclasses.fields(event)[0].name
    assert event != dataclasses.replace(event, **{field: "other"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, field, "other")
