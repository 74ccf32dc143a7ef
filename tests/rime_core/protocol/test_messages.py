"""What goes over the wire are plain values, of which none can be changed by who is given it."""

import pytest

from rime_core import Update
from rime_core.protocol.messages import DeltaRequest, DeltaResponse, DiscoveryRequest, DiscoveryResponse


def test_an_acknowledgement_without_anything_is_the_default():
    request = DeltaRequest()
    assert request == DeltaRequest("", None, (), (), {}, "", None)
    assert DiscoveryRequest() == DiscoveryRequest("", None, (), "", "", None)
    assert request.error is None, "no error is not an empty error"


def test_no_two_messages_share_their_mappings():
    assert DeltaRequest().initial_versions is not DeltaRequest().initial_versions


@pytest.mark.parametrize(
    "message",
    [
        DeltaRequest(),
        DeltaResponse("t", Update((), (), ordinal=1), "n", True),
        DiscoveryRequest(),
        DiscoveryResponse("t", Update((), (), ordinal=1), "v", "n", True),
    ],
)
def test_a_message_is_read_only(message):
    with pytest.raises(AttributeError):
        message.nonce = "other"
