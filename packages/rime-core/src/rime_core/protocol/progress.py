"""How far one client has got with each resource that it asks for: what status pages, and CSDS (R90), are made of.

Read from the facts that are kept anyway, when somebody asks: O(what the client asks for), and nothing between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rime_core.resource import Bodiless, Resource

if TYPE_CHECKING:
    from rime_core.protocol.channel import Channel
    from rime_core.protocol.rejection import Rejection
    from rime_core.protocol.stream import Stream

State = Literal["synced", "sent", "rejected", "not sent", "missing"]
"""What became of the present version of a resource, with one client.

- synced: the client has acknowledged it;
- sent: it is on its way;
- rejected: the client has refused it;
- not sent: it is held back, or to be sent with the next batch; the removal of one that is gone, too;
- missing: the client asks for a name, and there is nothing of it.
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """One client and one resource, None where there is none now; `version` is the present one.

    `rejection` is what the client refused last, of this version or of the removal; None where it accepted since.
    """

    type_url: str
    name: str
    version: str | None
    state: State
    rejection: "Rejection | None" = None
    resource: Resource | None = None


def progress(stream: "Stream[Any, Any]") -> Iterator[Progress]:
    """Of each resource that the client of this stream asks for, type by type in the order of a batch."""
    rejections = {(each.type_url, each.name): each for each in stream.rejections()}
    for type_url in stream.subscribers():
        channel = stream.channel(type_url)
        if channel is not None:
            yield from _of_type(channel, rejections)


def _of_type(channel: "Channel[Any, Any]", rejections: "dict[tuple[str, str], Rejection]") -> Iterator[Progress]:
    type_url, subscriber = channel.described.url, channel.subscriber
    on_its_way: dict[str, str | None] = {}
    for flight in channel.flights.values():
        on_its_way.update(flight.manifest.versions)
    everything = subscriber.everything()
    resources = everything.resources if everything is not None else ()
    answered: set[str] = set()
    for resource in (each for each in resources if not isinstance(each, Bodiless)):
        name, version = resource.name, resource.version
        answered.update((name, *resource.aliases))
        rejection = rejections.get((type_url, name))
        state: State = "not sent"
        if rejection is not None and rejection.version == version:
            state = "rejected"
        elif on_its_way.get(name) == version:
            state = "sent"
        elif name not in on_its_way and subscriber.acknowledged(name) == version:
            state = "synced"
        yield Progress(type_url, name, version, state, rejection, resource)
    for name in (each for each in (*subscriber.held, *subscriber.kept) if each not in answered):
        answered.add(name)
        yield Progress(type_url, name, None, "not sent", rejections.get((type_url, name)))
    for url, name in rejections:
        if url == type_url and name not in answered:
            answered.add(name)
            yield Progress(type_url, name, None, "rejected", rejections[url, name])
    for name in sorted(subscriber.names - answered):
        yield Progress(type_url, name, None, "missing")
