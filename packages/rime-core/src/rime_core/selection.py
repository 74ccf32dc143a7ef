"""Selection: what one client must be sent, given what it wants, what it was sent, and the exceptions.

What it lacks is the tail of a feed: of all changes where it holds "*" (`View.tail`), of the changes among its names
otherwise (`Names.tail`). Whoever has no exceptions shares the answer with all that stand at the same cursor; it is
worked out for one only where there are:

- `owed`: names that must be answered whatever the client has (it asked for them just now);
- `held`: names of which the client has something else than the Plane, and is not sent it yet. A name is *kept* while
  the Plane's view is not complete, and held where the `Gate` says that it must wait: a route for the cluster that it
  names, a removal for what still refers to it. When the reason is gone, what the client has is compared again;
- versions that it rejected.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from rime_core.brought import compare
from rime_core.delivery import NOTHING, Delivery
from rime_core.entry import Known
from rime_core.resource import Resource
from rime_core.set_version import mark_of, of_names, of_star, version_text
from rime_core.store import Store
from rime_core.update import Update
from rime_core.view import View

if TYPE_CHECKING:
    from rime_core.interest import Names
    from rime_core.parties import Gate


class Selection(Delivery):
    """The part of a Subscriber that chooses what to send."""

    __slots__ = (
        "_absent",
        "_all_owed",
        "_anew",
        "_gate",
        "_had_star",
        "_kept",
        "_names",
        "_owed",
        "_released",
        "_star",
        "_store",
    )

    def __init__(self, store: Store, view: View, gate: "Gate | None", absent: Callable[[str], Resource] | None) -> None:
        super().__init__(view)
        self._store: Final = store
        self._gate: Final = gate
        self._absent = absent
        """What answers for a name that it asks for and that does not exist; None: the name as removed."""
        self._star = False
        self._had_star = False
        """Whether it held "*" when its cursor was set."""
        self._names: Names | None = None
        self._owed: dict[str, bool] = {}
        """Name → whether it is answered even where the client rejected what there is (it asked)."""
        self._all_owed = False
        self._kept: dict[str, None] = {}
        """Those that are held because the Plane's view is not complete."""
        self._released: dict[str, None] = {}
        """Those that need not wait any more."""
        self._anew: set[str] | None = None
        """Of what it asked for since it was last sent something: what it did not see before."""

    def wants(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether it wants what has this name and these aliases; "*" wants everything."""
        return self._star or self._names_any(name, aliases)

    def _ask_anew(self, resources: Iterable[Resource]) -> None:
        """It wants these too from now on, with `initial()` behind it: of those that it did not see until now it has
        nothing.
        """
        for resource in resources:
            if not self._visible_resource(resource):
                self._behind.setdefault(resource.name, NOTHING)
                if self._anew is None:
                    self._anew = set()
                self._anew.add(resource.name)

    def _repeated(self, versions: Mapping[str, str]) -> Update | None:
        """What was sent of these names, where it still is what there is, and is not on its way again."""
        on_its_way = [flight for flight in self._flights if flight.on_its_way]
        resources = []
        for name, version in versions.items():
            resource = self._visible(self._view.entry(name))
            if resource is None or resource.version != version or self._is_refused(resource):
                continue
            if name not in self._held and not any(flight.says(name) for flight in on_its_way):
                resources.append(resource)
        return self._view.update_of(tuple(resources), ())

    def _due(self) -> Update | None:
        """What must be sent now."""
        if (
            self._rejected
            or self._masses
            or self._held
            or self._owed
            or self._all_owed
            or (self._star and self._names is not None)
        ):
            return self._particular()
        if self._cursor == self._view.ordinal:
            return None
        update = self._view.since(self._cursor) if self._star else self._since_named()
        return update if self._gate is None or self._passes(update) else self._particular()

    def _since_named(self) -> Update | None:
        """What those who hold exactly these names and stand here must be sent; made once for all of them."""
        names, cursor = self._names, self._cursor
        if names is None:
            return None
        if cursor not in names.shared and names.followers == 1:
            update = self._particular()
            names.clear(self._view.ordinal)
            return update
        return names.lacking(self._view, cursor)

    def _passes(self, update: Update | None) -> bool:
        """Whether nothing in `update` has to wait."""
        return self._gate is None or update is None or self._gate.passes(update)

    def _changed_names(self) -> Iterator[str]:
        """The names of what changed in its interest after the cursor, in order of change."""
        names = self._names
        if self._star:
            return reversed([name for name, _ in self._view.tail(self._cursor)])
        if names is None:
            return iter(())
        return self._view.changed_among(names, self._cursor)

    def _particular(self) -> Update | None:
        """What this one must be sent, exceptions and all."""
        if self._star and self._cursor < self._view.floor:
            return self._all(full=True)
        if self._kept and self._store.complete:
            self._released.update(self._kept)
            self._kept = {}
        released, self._released = self._released, {}
        return self._compared(dict.fromkeys((*released, *self._changed_names())), self._gate)

    def _compared(self, names: Iterable[str], gate: "Gate | None") -> Update | None:
        """What differs among `names` from what the client has, and what it asked for; less what has to wait."""
        view = self._view
        resources: dict[str, Resource] = {}
        removed: dict[str, None] = {}
        back: list[str] = []
        for name in self._swapped(names) if view.described.swapped else names:
            entry = view.entry(name)
            resource = self._visible(entry)
            had = self._held[name] if name in self._held else self._had(name, entry)
            if resource is None and name in self._kept:
                continue
            if (resource.version if resource is not None else None) != had and not self._is_refused(resource):
                if gate is not None and gate.holds(name, resource, had):
                    self._hold(name, had)
                    self._kept.pop(name, None)
                    continue
                if resource is not None:
                    resources[name] = resource
                else:
                    removed[name] = None
                self._send_late(name)
            elif name in self._held and resource is not None and resource.version == had:
                back.append(name)
            else:
                self._forget_held(name)
        if self._all_owed:
            self._all_owed = False
            for each in self._view.first().resources:
                if self._must_wait(each, gate):
                    self._owed[each.name] = True
                else:
                    resources[each.name] = each
        if self._owed:
            owed, self._owed = self._owed, {}
            self._answer(owed, resources, removed, gate)
        for name in back:  # it is as the client has it, which what was asked for had to know
            self._forget_held(name)
        return self._shared(resources, removed)

    def _swapped(self, names: Iterable[str]) -> list[str]:
        """`names`, and all whose removal is held: those that are there first, for the removal of others waits for them
        if they have to wait.
        """
        present = {name: self._visible(self._view.entry(name)) is not None for name in (*names, *self._held)}
        return sorted(present, key=lambda name: not present[name])

    def _must_wait(self, resource: Resource, gate: "Gate | None") -> bool:
        """Whether what was asked for, and so is sent whatever the client has, has to wait all the same.

        Not where the client was sent just this: waiting would protect nothing.
        """
        name = resource.name
        if gate is None:
            return False
        if name in self._held:
            had = self._held[name]
        else:
            had = None if self._anew is not None and name in self._anew else self._had(name, self._view.entry(name))
        if had == resource.version or not gate.holds(name, resource, had):
            return False
        self._hold(name, had)
        return True

    def _hold(self, name: str, had: str | None) -> None:
        """It is not sent for now, and the client has what it was sent before: `had`."""
        if self._lost is not None:
            self._behind.setdefault(name, self._accepted(name))
        self._held[name] = had

    def _send_late(self, name: str) -> None:
        """It is sent now; where it was held, the client has what it had until it accepts this."""
        if name in self._held:
            self._behind.setdefault(name, self._accepted(name))
            self._forget_held(name)

    def _forget_held(self, name: str, *, given_up: bool = False) -> None:
        if name in self._held:
            del self._held[name]
            if self._gate is not None:
                self._gate.forget(name, given_up=given_up)
        self._kept.pop(name, None)

    def _first(self, known: Mapping[str, str]) -> Update | None:
        """All that it wants, less what is known: that is as if it had been sent."""
        if known or (self._star and self._names is not None):
            return self._all(known)
        update = self.everything()
        return update if self._passes(update) else self._all()

    def everything(self) -> Update | None:
        """All that it wants, as what must be sent to one who knows nothing: one Update for all who want the same, with
        nothing held back. None where it wants nothing.
        """
        names = self._names
        if names is None:
            return self._view.first() if self._star else None
        if self._star or self._absent is not None:
            return self._from_nothing()
        return names.first(self._view)

    def full_set(self, last: tuple[Resource, ...]) -> Update:
        """All that it wants, as its client is to have it: of what is held, what is in `last`, the set before this."""
        everything = self.everything()
        if self._held:
            held = self._held
            present = everything.resources if everything is not None else ()
            had = [resource for resource in last if held.get(resource.name)]
            everything = self._view.update_of((*[each for each in present if each.name not in held], *had), ())
        return everything or Update((), (), ordinal=self._view.ordinal)

    def version(self) -> str:
        """The version of all that it wants, as its client has it once it was sent what `poll()` gives: what is held
        counts as the client has it. Kept from when it is first asked for, at the cost of what changes.
        """
        total = of_star(self._view) if self._star else 0
        if self._names is not None:
            total += of_names(self._view, self._names, besides_star=self._star)
        for name, had in self._held.items():
            resource = self._visible(self._view.entry(name))
            if resource is not None:
                total -= mark_of(name, resource.version)
            if had:
                total += mark_of(name, had)
        return version_text(total)

    def _from_nothing(self) -> Update | None:
        resources, missing = self._compared_to({})
        return self._view.update_of(tuple(resources.values()), tuple(missing))

    def _all(self, known: Mapping[str, str] = MappingProxyType({}), *, full: bool = False) -> Update | None:
        resources, missing = self._compared_to(known)
        if full:
            everything = tuple(resources.values())
            return Update(everything, (), ordinal=self._view.ordinal, full=True, label=self._view.label)
        if not self._store.complete:
            self._kept = {name: None for name in missing if name in known and not self._view.matches(name)}
            self._held.update((name, known[name]) for name in self._kept)
        gate = self._gate
        if gate is not None:
            for name, resource in resources.items():
                if gate.holds(name, resource, known.get(name)):
                    self._held[name] = known.get(name)
            for name in missing:
                if name in known and name not in self._kept and gate.holds(name, None, known[name]):
                    self._held[name] = known[name]
        if not self._held:
            return self._shared(resources, missing)
        return self._shared(
            {name: resource for name, resource in resources.items() if name not in self._held},
            {name: None for name in missing if name not in self._held},
        )

    def _compared_to(self, known: Mapping[str, str]) -> tuple[dict[str, Resource], dict[str, None]]:
        """All that it wants, less what is known, and the names that it asked for, or knows, and that nothing answers
        to.
        """
        resources: dict[str, Resource] = {}
        besides: list[str] = []
        if self._star:
            resources, besides = compare(self._view.first(), known)
        missing: dict[str, None] = {}
        if self._names is not None:
            named, missing = self._named(self._names, known)
            resources.update(named)
        if not self._view.tells_missing:
            missing = {name: None for name in missing if name in known}
        elif self._absent is not None:
            resources.update((name, self._absent(name)) for name in missing if name not in known)
            missing = {name: None for name in missing if name in known}
        missing.update((name, None) for name in besides if self._visible(self._view.entry(name)) is None)
        return resources, missing

    def _named(self, names: "Names", known: Mapping[str, str]) -> tuple[dict[str, Resource], dict[str, None]]:
        """What answers to `names`, less what is known, and those that nothing answers to; where the type's clients are
        not told that something is missing, only those that are known.
        """
        if names.followers == 1 or not known:
            return self._view.answers(names, known)
        everything = names.first(self._view) or Update((), (), ordinal=self._view.ordinal)
        resources, besides = compare(everything, known)
        missing = dict.fromkeys(everything.removed)
        if not self._view.tells_missing:
            gone = [name for name in besides if name in names.names]
            missing.update((name, None) for name in gone if not self._view.matches(name))
        return resources, missing

    def _answer(
        self, owed: dict[str, bool], resources: dict[str, Resource], removed: dict[str, None], gate: "Gate | None"
    ) -> None:
        """Answer each owed name with its resources, or as missing; one of which all have to wait stays owed."""
        for name, asked in owed.items():
            found = answered = waits = False
            for resource in self._view.matches(name):
                if self._visible_resource(resource):
                    found = True
                    if not asked and self._is_refused(resource):
                        continue
                    if resource.name not in resources and self._must_wait(resource, gate):
                        waits = True
                    else:
                        answered = True
                        resources[resource.name] = resource
                        self._send_late(resource.name)
            if waits and not answered:
                self._owed[name] = asked
            if not found and not self._view.tells_missing and self._names_any(name, ()):
                continue
            if not found and name not in self._kept and (asked or name not in self._held):
                if self._absent is None or name in removed:
                    removed[name] = None
                else:
                    resources[name] = self._absent(name)
                self._send_late(name)

    def _is_refused(self, resource: Resource | None) -> bool:
        refusal = self.refusal(resource.name) if resource is not None else None
        return refusal is not None and resource is not None and refusal.version == resource.version

    def _shared(self, resources: dict[str, Resource], removed: dict[str, None]) -> Update | None:
        return self._view.update_of(tuple(resources.values()), tuple(removed))

    def _had(self, name: str, entry: Known | None) -> str | None:
        """The version that the client had been sent when its cursor was set; None where it had none."""
        if self._star and self._had_star and self._view.described.star:
            state = entry.state_at(self._cursor) if entry is not None else None
            if state is not None and not state.on_demand:
                return state.version
        return self._view.had_among(self._names, name, entry, self._cursor)

    def asks_for(self, name: str) -> bool:
        """Whether it wants what has this name, or had it last."""
        if self._star:
            return True
        entry = self._view.entry(name)
        return self._names_any(name, entry.aliases if entry is not None else ())

    def present(self, name: str) -> Resource | None:
        """What there is of this name now; None: nothing."""
        entry = self._view.entry(name)
        return entry.resource if entry is not None else None

    # --- lifetimes ---------------------------------------------------------------------------------------------------

    @property
    def lifetimes(self) -> Collection[float]:
        """The lifetimes that there are, in seconds; usually none."""
        feeds = self._view.feeds
        return feeds[0].lifetimes if len(feeds) == 1 else {ttl for feed in feeds for ttl in feed.lifetimes}

    def with_ttl(self, ttl: float) -> Iterator[Resource]:
        """What it is to have that has this lifetime, in seconds."""
        for resource in self._view.with_ttl(ttl):
            if self._visible_resource(resource):
                yield resource

    def update_with(self, resources: Iterable[Resource]) -> Update | None:
        """The one Update with these; None where there are none."""
        return self._view.update_of(tuple(resources), ())

    def renewal_of_all(self, ttl: float) -> Update | None:
        """What renews the lifetime `ttl` of all that it is to have, where it holds "*" alone and its client accepted
        everything; made once for all of them. None where it is to be found out by name.
        """
        if self._names is not None or not self._star or self._cursor != self._view.ordinal:
            return None
        if self._held or self._flights or self._behind or self._rejected:
            return None
        return self._view.renewal(ttl)

    def _visible(self, entry: Known | None) -> Resource | None:
        """The resource of `entry` where this subscriber is to have it."""
        resource = entry.resource if entry is not None else None
        return resource if resource is not None and self._visible_resource(resource) else None

    def _visible_resource(self, resource: Resource) -> bool:
        return (self._star and self._view.in_star(resource)) or self._names_any(resource.name, resource.aliases)

    def _names_any(self, name: str, aliases: Iterable[str]) -> bool:
        """Whether it asked for what has this name and these aliases by one of them."""
        return self._names is not None and self._names.hold(name, aliases)
