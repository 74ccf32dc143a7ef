"""The transport as the app runs it."""

from collections.abc import Mapping
from typing import Final

import anyio

from rime_core import Server, Started
from rime_ws import config
from rime_ws.serving import parse, serve


class WsTransport:
    """`ws:127.0.0.1:18080`: the JSON debug stream, and its page.

    Raises:
        UsageError: the place is no address, or an option is wrong.
    """

    def __init__(self, place: str, options: Mapping[str, str]) -> None:
        self._address: Final = str(parse(place))
        self._config: Final = config.read(options)

    async def run(self, server: Server, *, task_status: Started) -> None:
        """Serve until cancelled.

        Raises:
            UsageError: the address is in use, or others could look without that being asked for.
        """
        async with serve(server, self._address, self._config) as bound:
            task_status.started(bound.address)
            await anyio.sleep_forever()
