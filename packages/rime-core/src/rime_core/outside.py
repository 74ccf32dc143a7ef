"""Outside: what refers to a name from the other side, where a Plane stands on another.

A secret stays while something refers to it (R59). A listener of a group may use the secret of its base, and one of the
base what a group has of its own. So a base knows how many of its groups refer to a name, and which of them wait for its
own references to a name to end. Both are kept for such names alone, so they cost nothing elsewhere.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from rime_core.resource import Reference

if TYPE_CHECKING:
    from rime_core.store import Store


class Outside:
    """What a base knows of its groups' references."""

    __slots__ = ("_referring", "waiting")

    def __init__(self) -> None:
        self._referring: Final[dict[Reference, int]] = {}
        self.waiting: Final[dict[Reference, dict[Store, None]]] = {}
        """Name → the groups that wait for it."""

    def __contains__(self, name: Reference) -> bool:
        """Whether a group refers to it."""
        return name in self._referring

    def refer(self, name: Reference) -> None:
        """One group more refers to `name`."""
        self._referring[name] = self._referring.get(name, 0) + 1

    def refer_no_more(self, name: Reference) -> None:
        """One group less does."""
        self._referring[name] -= 1
        if not self._referring[name]:
            del self._referring[name]

    def wait(self, group: "Store", name: Reference) -> None:
        """`group` holds the removal of `name` until the base does not refer to it, or has it itself."""
        self.waiting.setdefault(name, {})[group] = None

    def released(self, name: Reference) -> Collection["Store"]:
        """Those that wait for `name`, which they need no longer."""
        return self.waiting.pop(name, {}) if self.waiting else ()

    def leave(self, group: "Store") -> None:
        """`group` waits for nothing any more."""
        for name, groups in tuple(self.waiting.items()):
            groups.pop(group, None)
            if not groups:
                del self.waiting[name]
