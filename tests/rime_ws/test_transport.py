"""WsTransport keeps the contract of transports, and refuses what cannot be served."""

import pytest

from rime_core import UsageError
from rime_core.testing import check_transport
from rime_ws import WsTransport
from tests.rime_ws.clients import connect


@pytest.mark.asyncio
async def test_it_keeps_the_contract_of_transports():
    await check_transport(WsTransport, "127.0.0.1:0", {}, connect=connect)


@pytest.mark.parametrize(
    ("place", "options", "said"),
    [
        ("nowhere", {}, "ws: 'nowhere' is no address: it should look like 127.0.0.1:18000"),
        ("127.0.0.1:0", {"max_names": "many"}, "max_names='many' should be a whole number"),
        ("127.0.0.1:0", {"token": "x"}, "did you mean 'token_file'?"),
    ],
)
def test_what_it_cannot_be_made_with_is_said_in_one_line(place, options, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")) as error:
        WsTransport(place, options)
    assert "\n" not in str(error.value)
