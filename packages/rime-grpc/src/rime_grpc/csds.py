"""CSDS, the client status discovery service (R90): what each client has, as Envoy's own tools ask for it.

A request is answered with all clients that it matches, and for each with every resource that it asks for: name,
version, how far the client has got, and, unless the request says not to, what is in it: that which it should have now,
without keys, passwords and tokens. What cannot be decoded, and so not redacted, is told by name and version alone. A
rejection's message was redacted when it came.

Two things have no field of their own. How long a client has been silent is in its node's metadata, under `rime`, in
place of what the client put there. What a resource waits for, while it is held back, is in the details of its error
state, which says why a client does not have what there is.

Names and rejections are for whoever runs rime, not for its clients. So only callers from this machine are answered,
unless `client_status` says otherwise; and an answer is bounded, since 1,000 clients may ask for 10,000 resources each.
What is in a resource is made out once for an answer, and told with each client that asks for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError

from rime_core import Peer, Resource
from rime_envoy_api import message_class
from rime_grpc import address
from rime_grpc.bodies import Bodies
from rime_grpc.clients import ConnectedClient
from rime_grpc.config import Config
from rime_grpc.errors import RefusedError

if TYPE_CHECKING:
    from rime_core.protocol.hold import Hold
    from rime_core.protocol.progress import Progress, State
    from rime_grpc.stream import Context

Others = Callable[[bytes], Awaitable[bytes]]
"""What the others answer to a request, as bytes that can follow one's own answer."""

METHODS: Final = tuple(
    f"/envoy.service.status.v3.ClientStatusDiscoveryService/{name}"
    for name in ("StreamClientStatus", "FetchClientStatus")
)

MOST: Final = 200_000
"""Resources in one answer: about 30 MB, and a second of work. Who has more clients asks for some of them."""

MOST_BYTES: Final = 64 << 20
"""Of bodies in one answer. (gRPC's own clients take 4 MiB unless told otherwise.)"""

_PAUSE: Final = 2_000
"""Resources after which others have their turn: 10 ms of work."""

_PAUSE_BYTES: Final = 64 << 10
"""Bytes of bodies, decoded, after which they have it: 5 to 10 ms."""

_STATES: "Final[dict[State, tuple[str, str]]]" = {
    "synced": ("SYNCED", "ACKED"),
    "sent": ("STALE", "REQUESTED"),
    "rejected": ("ERROR", "NACKED"),
    "not sent": ("NOT_SENT", "REQUESTED"),
    "missing": ("UNKNOWN", "DOES_NOT_EXIST"),
}
"""State → what the service calls it, by rime (`ConfigStatus`) and by the client (`ClientResourceStatus`)."""


class ClientStatus:
    """Answers the service's two methods; `clients` gives who is connected, `others` what other workers answer."""

    def __init__(
        self, clients: Callable[[], list[ConnectedClient]], config: Config, others: "Others | None" = None
    ) -> None:
        self._clients: Final = clients
        self._config: Final = config
        self._others: Final = others or _nobody

    async def serve(self, context: "Context", peer: Peer) -> None:
        """One answer for each request, until the client has no more."""
        try:
            self._check(peer)
            while isinstance(data := await context.read(), bytes):
                answer = await self._answer(data)
                await context.write(answer + await self._others(data))
        except RefusedError as refused:
            await context.abort(refused.code, str(refused))

    async def serve_sibling(self, context: "Context") -> None:
        """One answer, about this worker's clients alone, to another worker, which knows who may ask."""
        try:
            if isinstance(data := await context.read(), bytes):
                await context.write(await self._answer(data))
        except RefusedError as refused:
            await context.abort(refused.code, str(refused))

    def _check(self, peer: Peer) -> None:
        if not (self._config.client_status or address.parse(peer.address).is_loopback):
            raise RefusedError(
                grpc.StatusCode.PERMISSION_DENIED,
                "the status of clients is told to callers on rime's own machine only; client_status=true tells others",
            )

    async def _answer(self, data: bytes) -> bytes:
        try:
            request = message_class("envoy.service.status.v3.ClientStatusRequest").FromString(data)
        except DecodeError:
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT, f"{len(data)} bytes that are no ClientStatusRequest"
            ) from None
        matches = [_matcher(each) for each in request.node_matchers]
        response = message_class("envoy.service.status.v3.ClientStatusResponse")()
        bodies = None if request.exclude_resource_contents else Bodies()
        told = size = paused = 0
        for client in self._clients():
            if matches and not any(match(client.node.id) for match in matches):
                continue
            config = response.config.add(client_scope=client.peer.address)
            _name(config.node, client)
            holds = {(hold.type_url, hold.name): hold for hold in client.holds()}
            for told, progress in enumerate(client.progress(), told + 1):  # noqa: B020 - goes on counting
                if told > MOST:
                    raise RefusedError(
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                        f"more than {MOST:,} resources of clients: ask for some clients, by node_matchers",
                    )
                entry = config.generic_xds_configs.add()
                _tell(entry, progress, holds.get((progress.type_url, progress.name)))
                if bodies is not None and progress.resource is not None:
                    size += _tell_body(entry, progress.resource, bodies)
                    if size > MOST_BYTES:
                        raise RefusedError(
                            grpc.StatusCode.RESOURCE_EXHAUSTED,
                            f"resources of clients of more than {MOST_BYTES >> 20} MiB: ask for some clients, by "
                            "node_matchers, or for no contents, by exclude_resource_contents",
                        )
                    if bodies.decoded - paused > _PAUSE_BYTES:
                        paused = bodies.decoded
                        await asyncio.sleep(0)
                if told % _PAUSE == 0:
                    await asyncio.sleep(0)
        answer: bytes = response.SerializeToString()
        return answer


async def _nobody(_request: bytes) -> bytes:
    """There are no other workers."""
    return b""


def _name(node: Any, client: ConnectedClient) -> None:  # noqa: ANN401 - made from a descriptor at run time
    node.id, node.cluster = client.node.id, client.node.cluster
    locality = node.locality
    locality.region, locality.zone, locality.sub_zone = client.node.region, client.node.zone, client.node.sub_zone
    node.metadata.update({"rime": {"silent_seconds": round(client.silent, 3)}})


def _tell(config: Any, progress: "Progress", hold: "Hold | None") -> None:  # noqa: ANN401 - as above
    config.type_url, config.name, config.version_info = progress.type_url, progress.name, progress.version or ""
    config.config_status, config.client_status = _STATES[progress.state]
    rejection = progress.rejection
    if rejection is not None:
        error = config.error_state
        error.details, error.version_info = rejection.message, rejection.version or ""
        if rejection.at is not None:
            ago = asyncio.get_running_loop().time() - rejection.at
            error.last_update_attempt.FromMilliseconds(round((time.time() - ago) * 1000))
    if hold is not None:
        # a version that was rejected before the one that is held back is told as well
        details = config.error_state.details
        config.error_state.details = f"{hold}; {details}" if details else str(hold)


def _tell_body(config: Any, resource: Resource, bodies: Bodies) -> int:  # noqa: ANN401 - as above
    """What is in a resource, where that can be told; in how many bytes."""
    body = bodies.of(resource)
    if body is None:
        return 0
    config.xds_config.type_url, config.xds_config.value = resource.type_url, body
    return len(body)


def _matcher(matcher: Any) -> Callable[[str], bool]:  # noqa: ANN401 - as above
    """Whether a node's id is one that a `NodeMatcher` means."""
    if matcher.node_metadatas:
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "node_matchers: clients are matched by node_id alone")
    text = matcher.node_id
    pattern = text.WhichOneof("match_pattern")
    compare = _COMPARED.get(pattern)
    if compare is None:
        raise RefusedError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"node_matchers: node_id is matched by {', '.join(_COMPARED)}, not by {pattern or 'nothing'}",
        )
    wanted: str = getattr(text, pattern)
    if text.ignore_case:
        return lambda node: compare(node.lower(), wanted.lower())
    return lambda node: compare(node, wanted)


_COMPARED: Final[dict[str, Callable[[str, str], bool]]] = {
    "exact": lambda node, wanted: node == wanted,
    "prefix": lambda node, wanted: node.startswith(wanted),
    "suffix": lambda node, wanted: node.endswith(wanted),
    "contains": lambda node, wanted: wanted in node,
}
