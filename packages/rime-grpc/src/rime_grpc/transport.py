"""The transport as the app runs it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio

from rime_core import Server, Siblings, Started
from rime_grpc import address, config
from rime_grpc.serving import serve
from rime_grpc.siblings import Shared
from rime_grpc.threads import give_way


class GrpcTransport:
    """`grpc:127.0.0.1:18000`: aggregated discovery for Envoy.

    Raises:
        UsageError: the place is no address, or an option is wrong.
    """

    def __init__(self, place: str, options: Mapping[str, str]) -> None:
        self._address: Final = str(address.parse(place))
        self._config: Final = config.read(options)

        self._shared: Shared | None = None

    def share(self, siblings: Siblings, folder: Path) -> None:
        """Listen where other processes do, too."""
        self._shared = Shared(siblings, folder)

    async def run(self, server: Server, *, task_status: Started) -> None:
        """Serve until cancelled; then every stream ends with a status that its client comes back on.

        Raises:
            UsageError: the address is in use, or others could connect unencrypted without that being asked for.
        """
        async with serve(server, self._address, self._config, shared=self._shared) as bound:
            give_way()
            task_status.started(bound.address)
            await anyio.sleep_forever()
