"""What lower rooms know of upper ones is a Protocol; writers and subscribers are what fulfils it."""

import typing

import pytest

from rime_core import CLUSTER, Plane
from rime_core.parties import Owner, Reader


def public(each):
    return {name for name in dir(each) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("protocol", "known"),
    [
        (Owner, {"name", "rank", "is_busy", "is_ready", "lacks", "owned", "note_written", "staleness"}),
        (Reader, {"nudge", "wants", "is_given", "acknowledged", "refusal", "pins", "close"}),
    ],
)
@pytest.mark.interpreted
def test_all_that_is_known_is_there(protocol, known):
    plane = Plane()
    party = plane if protocol is Owner else plane.server().subscribe(CLUSTER)
    assert public(protocol) | set(typing.get_type_hints(protocol)) == known
    assert known <= public(party)
