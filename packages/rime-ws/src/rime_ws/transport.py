"""The transport as the app runs it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio

from rime_core import Server, Siblings, Started
from rime_ws import config
from rime_ws.serving import parse, serve
from rime_ws.siblings import Shared


class WsTransport:
    """`ws:127.0.0.1:18080`: the JSON debug stream, and its page.

    Raises:
        UsageError: the place is no address, or an option is wrong.
    """

    def __init__(self, place: str, options: Mapping[str, str]) -> None:
        self._address: Final = str(parse(place))
        self._config: Final = config.read(options)

        self._shared: Shared | None = None

    def share(self, siblings: Siblings, folder: Path) -> None:
        """Listen where other processes do, too, and show what they all have."""
        self._shared = Shared(siblings, folder)

    async def run(self, server: Server, *, task_status: Started) -> None:
        """Serve until cancelled.

        Raises:
            UsageError: the address is in use, or others could look without that being asked for.
        """
        async with serve(server, self._address, self._config, shared=self._shared) as bound:
            task_status.started(bound.address)
            await anyio.sleep_forever()
