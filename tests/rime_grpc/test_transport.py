"""GrpcTransport keeps the contract of transports, and refuses what cannot be served."""

import pytest

from rime_core import UsageError
from rime_core.testing import check_transport
from rime_grpc import GrpcTransport
from tests.rime_grpc.clients import connect


@pytest.mark.asyncio
async def test_it_keeps_the_contract_of_transports():
    await check_transport(GrpcTransport, "127.0.0.1:0", {}, connect=connect)


@pytest.mark.parametrize(
    ("place", "options", "said"),
    [
        ("nowhere", {}, "should look like 127.0.0.1:18000"),
        ("127.0.0.1:0", {"keepalive": "soon"}, "keepalive='soon' should be a duration"),
        ("127.0.0.1:0", {"max_response_byte": "1MiB"}, "did you mean 'max_response_bytes'?"),
    ],
)
def test_what_it_cannot_be_made_with_is_said_in_one_line(place, options, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")) as error:
        GrpcTransport(place, options)
    assert "\n" not in str(error.value)
