"""What `status` of an `XdsResources` says: the entry of a replica, and the sums over all entries. No I/O.

Each replica has an entry of its own in `status.replicas`. The sums are written with it, by whoever writes, and only
if the object is still the one that they were counted from (`metadata.resourceVersion`): so in every version of the
object they are the sums of the entries that are in it, but for those that speak of an older generation of the spec, and
of what has been taken out just before, for which they are written next. (An entry goes before it is not counted any
more: replicas that do not yet agree on who has gone would otherwise write their sums by turns.) None of the sums is
ever left out, since a field that one replica leaves out stays as another has applied it.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any, Final

from rime_core.type_urls import describe
from rime_k8s_source.errors import one_line
from rime_k8s_source.kinds import XDS_RESOURCES
from rime_k8s_source.reflector import Key, Object

if TYPE_CHECKING:
    from rime_core import Reception

ENTRIES: Final = 512 << 10
"""Bytes of all entries together, as JSON, at most. Of an object etcd takes 1.5 MiB, unless told otherwise: the rest is
for the spec, and for some 350 bytes by which the API server knows who applied each entry.
"""

ENTRY: Final = 8 << 10
"""Bytes of one entry, at most: enough for some 80 resources, or for 20 that were rejected."""

_AROUND: Final = 256
"""Bytes of an entry that are not counted: its name, its time, the names of what it lists."""

RENEWED: Final = "renewTime"
"""When an entry was written, by the clock of its replica: for people, and so that it is another each time."""

SUMMED: Final = ("resources", "clients", "acknowledged", "rejected")


@dataclass(frozen=True, slots=True)
class Standing:
    """One resource of an object, and what clients made of it; None where that of `holder` is served in its place."""

    type_url: str
    name: str
    reception: "Reception | None"
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What of an object its status is written from: what the API server has."""

    version: str
    generation: int
    replicas: Mapping[str, Any]
    sums: Mapping[str, Any]


def keep(body: Object, *, own: str) -> Seen:
    """What is remembered of an object; what other replicas than `own` list is not."""
    metadata, status = body["metadata"], body.get("status") or {}
    entries = status.get("replicas") or {}
    return Seen(
        str(metadata.get("resourceVersion") or ""),
        metadata.get("generation") or 0,
        {name: each if name == own else _without(each, "listed") for name, each in entries.items()},
        _without(status, "replicas"),
    )


def share(replicas: int) -> int:
    """How many bytes of JSON an entry may have where there are so many. With one replica more it is mostly the same:
    where it is not, all write their entries anew.
    """
    return min(ENTRY, ENTRIES >> (replicas - 1).bit_length())


def entry(
    generation: int, faults: Sequence[str], standings: Iterable[Standing], *, room: int = ENTRY
) -> dict[str, Any]:
    """What one replica says in `room` bytes: the counts, and of all else what has room, and how much has not.

    The rejection is the last one, of whichever resource. Of the resources those that were rejected are listed first.
    """
    standings = list(standings)
    lines: list[dict[str, Any]] = [_line(each) for each in standings]
    refused = [each.reception for each in standings if each.reception is not None and each.reception.rejected]
    last = max(refused, key=lambda each: each.rejected_at, default=None)
    hidden = next((line for line in lines if "holder" in line), None)
    said: dict[str, Any] = {
        "observedGeneration": generation,
        "valid": not faults,
        "resources": len(lines),
        **{name: sum(line[name] for line in lines) for name in SUMMED[1:]},
    }
    rejected_first = sorted(lines, key=lambda line: not line["rejected"])
    left = room - _AROUND - _size(said)
    if last is not None:
        left -= _put(said, left, "rejection", one_line(last.reason))
    if hidden is not None:
        text = f"{hidden['type']} {hidden['name']!r} is served from {hidden['holder']}"
        left -= _put(said, left, "hidden", one_line(text))
    left -= _put_some(said, left // 2, "faults", [one_line(fault) for fault in faults], "unlistedFaults")
    _put_some(said, left, "listed", rejected_first, "unlisted")
    return said


def sums(generation: int, entries: Mapping[str, Any]) -> dict[str, Any]:
    """What all replicas say together of a generation of the spec; `resources` is what most of them have."""
    current = [each for _, each in sorted(entries.items()) if each.get("observedGeneration") == generation]
    if not current:
        return {}
    wrong = [(*each.get("faults", ())[:1], each.get("rejection"), each.get("hidden")) for each in current]
    message = next((text for texts in wrong for text in texts if text), "")
    return {
        "observedGeneration": generation,
        "valid": all(each.get("valid") for each in current),
        "resources": max(each.get("resources", 0) for each in current),
        **{name: sum(each.get(name, 0) for each in current) for name in SUMMED[1:]},
        "message": message,
    }


def applied(
    key: Key, seen: Seen, replica: str, own: Mapping[str, Any], stale: Collection[str] = (), *, anew: bool = False
) -> Object | None:
    """What `replica` applies to say `own`; None where the object says it already, and its sums are right, and it is not
    to be said `anew`.

    The entries of `stale` replicas do not count.
    """
    entries = {name: each for name, each in seen.replicas.items() if name not in stale} | {replica: own}
    total = sums(seen.generation, entries)
    said = _without(seen.replicas.get(replica, {}), RENEWED)
    if said == own and seen.sums == total and not anew:
        return None
    return {**withdrawn(key, seen), "status": {**total, "replicas": {replica: own}}}


def dated(body: Object, at: str) -> Object:
    """What is applied, with the time in its entries: it is not the same as what was applied before."""
    if "status" not in body:
        return body
    replicas = {name: {**each, RENEWED: at} for name, each in body["status"]["replicas"].items()}
    return {**body, "status": {**body["status"], "replicas": replicas}}


def withdrawn(key: Key, seen: Seen) -> Object:
    """What is applied in the name of a replica that has gone: nothing, and so its entry goes, and its name among the
    managers of the object's fields.
    """
    return {
        "apiVersion": XDS_RESOURCES.api_version,
        "kind": "XdsResources",
        "metadata": {"namespace": key[0], "name": key[1], "resourceVersion": seen.version},
    }


def _line(standing: Standing) -> dict[str, Any]:
    """One resource, as it is listed."""
    reception = standing.reception
    line: dict[str, Any] = {"type": describe(standing.type_url).plural, "name": one_line(standing.name)}
    if reception is None:
        return {**line, "clients": 0, "acknowledged": 0, "rejected": 0, "holder": standing.holder}
    line["version"] = reception.version
    line |= {name: getattr(reception, name) for name in SUMMED[1:]}
    return {**line, "rejection": one_line(reception.reason)} if reception.rejected else line


def _put(said: dict[str, Any], left: int, name: str, value: object) -> int:
    """Say something if there is room for it; how many bytes it took."""
    size = _size({name: value})
    if size > left:
        return 0
    said[name] = value
    return size


def _put_some(said: dict[str, Any], left: int, name: str, values: Sequence[object], others: str) -> int:
    """Say as many of the first as there is room for, and how many `others` there are; how many bytes it took."""
    totals = list(takewhile(left.__ge__, accumulate(_size(each) + 1 for each in values)))
    if totals:
        said[name] = list(values[: len(totals)])
    if len(totals) < len(values):
        said[others] = len(values) - len(totals)
    return totals[-1] if totals else 0


def _size(value: object) -> int:
    """Bytes of a value in etcd, at most: there <, > and & have six each, as Go writes JSON."""
    text = json.dumps(value)
    return len(text) + 5 * sum(map(text.count, "<>&"))


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in mapping.items() if each != name}
