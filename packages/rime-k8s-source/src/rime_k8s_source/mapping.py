"""What becomes of objects: the face of a mapping, ours as well as yours.

A mapping says which kinds it wants, what of an object is remembered, to which *units* an object belongs, and what a
unit's objects are as resources. A unit is the smallest part that is made as a whole: a Service with its
EndpointSlices, a Secret. When an object changes, the units that it belonged to and belongs to are made anew, and no
other is looked at; so the cost of a change is that of its unit, whatever else there is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rime_core.claims import Claim as Claim  # noqa: PLC0414 - what a mapping makes is a part of its face
from rime_k8s_source.kinds import Kind
from rime_k8s_source.reflector import Key, Object


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kind that a mapping watches; the selectors are written as for `kubectl` and applied by the API server.

    `namespaces`: where, in place of where the source is told to look.
    """

    kind: Kind
    labels: str = ""
    fields: str = ""
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a unit that cannot be read, as one line for people.

    It hides the resource `type_url`, `name`, whose last good content stays; any of that type where `name` is None, and
    any at all where `type_url` is None too.
    """

    text: str
    type_url: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a unit is: its resources, what in it cannot be read, and what is worth a warning.

    `generation` is that of an `XdsResources`, whose status tells what became of it; None of all else.
    """

    claims: Sequence[Claim] = ()
    troubles: Sequence[Trouble] = ()
    warnings: Sequence[str] = ()
    generation: int | None = None


class Mapper(Protocol):
    """A function from objects to resources, and what it needs to be called no more often than it must.

    `name` is what people are shown. Nothing here does I/O, knows the time, or depends on anything but its arguments:
    another replica has to come to the same.
    """

    @property
    def name(self) -> str:
        """What people are shown before the name of a unit: service."""
        ...

    @property
    def wanted(self) -> Sequence[Wanted]:
        """The kinds, each once."""
        ...

    def keep(self, kind: Kind, body: Object) -> Any | None:  # noqa: ANN401 - the mapper's own
        """What of an object is remembered; None where it is not of interest. Equal values are no change.

        What it raises counts as a trouble of that object, which stays what it was.
        """
        ...

    def units(self, kind: Kind, key: Key, kept: Any) -> Iterable[Key]:  # noqa: ANN401 - what `keep` gave
        """To which units an object belongs. What it raises counts as what `keep` raises."""
        ...

    def make(self, unit: Key, objects: Mapping[Kind, Mapping[Key, Any]]) -> Made:
        """What a unit is, by its objects; of kinds of which it has none there is no entry.

        What it raises counts as a trouble that hides all of the unit.
        """
        ...
