"""Resources of one type, as a client of the debug stream sees them: a Subscriber, as every other client has one.

Nothing is queued: what there is to tell is asked for when the last message is written. A debug client acknowledges
nothing, so what it is given counts as acknowledged at once.

"*" gives nothing of a type whose resources have to be asked for by name (secrets). Looking at them must not be asking
for them, which a source may be told of and act on; so who wants all of such a type is told how a Snapshot differs from
what it was told before.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rime_core import ClosedError, Resource, Server, SourceError, Update, describe
from rime_envoy_api import to_shown

if TYPE_CHECKING:
    from rime_ws.requests import SubscribeResources

MOST_BYTES: Final = 64 << 10
"""Of bodies in one message. Decoding so much takes 5 to 10 ms, after which others have their turn."""

LARGEST: Final = 1 << 20
"""Bytes of a body that is shown: a larger one would hold up all others for 0.1 s and more."""

_NOTHING: Final[Mapping[str, Resource]] = {}


class ResourceFeed:
    """What one subscription to resources has to say.

    Args:
        request: what is subscribed to.
        server: where the resources are seen as the subscription asks.
        wake: called when `take` may have something.
        time: what the time is, as text.

    Raises:
        ValueError: one of the names cannot be that of a resource.
        ClosedError: the group has gone.
    """

    due: float | None = None
    """It speaks when something changed, and at no other time."""

    def __init__(
        self, request: "SubscribeResources", server: Server, wake: Callable[[], None], time: Callable[[], str]
    ) -> None:
        self._request: Final = request
        self._server: Final = server
        self._wake: Final = wake
        self._time: Final = time
        self._described: Final = describe(request.type_url)
        self._subscriber: Final = server.subscribe(
            request.type_url, request.names, wake=wake, max_bytes=MOST_BYTES, is_client=False
        )
        self._all_by_name: Final = request.names is None and not self._described.star
        self._versions: Final = dict(request.known) if self._all_by_name else {}
        """Name → version of what was told, where "*" gives nothing."""
        self._begun = False
        self._told_first = False
        self._had: Mapping[str, Resource] = _NOTHING
        """What there was when the last whole update was made, for who wants to be told what was before."""
        self._before: Mapping[str, Resource] = _NOTHING
        """The same, of the update before that."""
        self._last = True

    def take(self, now: float) -> dict[str, Any] | None:  # noqa: ARG002 - as every feed
        """The next message; None where there is none at present, and before the server is ready.

        Raises:
            ClosedError: the group that is looked at has gone.
        """
        update = self._update()
        if update is None:
            return None
        if self._request.previous and self._last:
            self._before, self._had = self._had, self._server.snapshot()[self._request.type_url]
        self._last = update.last
        self._subscriber.acknowledge_update(update)
        return self._message(update)

    def close(self) -> None:
        """No more of it."""
        self._server.not_when_ready(self._wake)
        self._subscriber.close()

    def _update(self) -> Update | None:
        if self._subscriber.closed:
            raise ClosedError("what was subscribed to has gone")
        if self._begun:
            update = self._subscriber.poll()
            return self._difference() if self._all_by_name else update
        if not self._server.ready:
            self._server.when_ready(self._wake)
            return None
        self._begun = True
        update = self._subscriber.initial(self._request.known)
        return self._difference() or update if self._all_by_name else update

    def _difference(self) -> Update | None:
        """How what there is differs from what was told; None: not at all."""
        there = self._server.snapshot()[self._request.type_url]
        changed = tuple(each for each in there.values() if self._versions.get(each.name) != each.version)
        gone = tuple(name for name in self._versions if name not in there)
        if not (changed or gone):
            return None
        self._versions.update((each.name, each.version) for each in changed)
        for name in gone:
            del self._versions[name]
        return Update(changed, gone, ordinal=self._subscriber.cursor)

    def _message(self, update: "Update") -> dict[str, Any]:
        first = not self._told_first
        with_body = self._request.bodies == "all" or (self._request.bodies == "changes" and not first)
        message: dict[str, Any] = {
            "message": "resources",
            "id": self._request.id,
            "type": self._described.plural,
            "type_url": self._request.type_url,
            "sequence": update.ordinal,
            "time": self._time(),
            "first": first,
            "more": not update.last,
            "resources": [shown(resource, with_body=with_body) for resource in update.resources],
            "removed": list(update.removed),
        }
        if update.full:
            message["full"] = True
        if update.label is not None:
            message["label"] = update.label
        if self._request.previous and not first:
            message["previous"] = self._previous((*(each.name for each in update.resources), *update.removed))
        if update.last:
            self._told_first = True
        return message

    def _previous(self, names: Iterable[str]) -> dict[str, Any]:
        """What these names were, of those that were something."""
        return {name: shown(self._before[name], with_body=True) for name in names if name in self._before}


def shown(resource: Resource, *, with_body: bool) -> dict[str, Any]:
    """What anybody may see of a resource; of what cannot be decoded, and so not redacted, name, version and size."""
    told: dict[str, Any] = {"name": resource.name, "version": resource.version, "size": len(resource.body)}
    if resource.aliases:
        told["aliases"] = list(resource.aliases)
    if resource.ttl is not None:
        told["ttl"] = resource.ttl
    if resource.on_demand:
        told["on_demand"] = True
    if resource.references:
        told["refers_to"] = [[describe(type_url).plural, name] for type_url, name in resource.references]
    if with_body:
        told |= _body(resource)
    return told


def _body(resource: Resource) -> dict[str, Any]:
    if len(resource.body) > LARGEST:
        return {"withheld": f"it is larger than {LARGEST:,} bytes"}
    try:
        return {"body": to_shown(resource.type_url, resource.body)}
    except SourceError as error:
        return {"withheld": str(error)}
