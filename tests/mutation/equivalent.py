"""The mutants that change nothing anybody can observe, each with its reason: `make mutation` lets these alone survive.

One is known by its module, its function, and the lines that differ, without their indentation: it may move within the
file. A mutant that no longer exists, or that a test finds, fails `make mutation`, so that this list stays true.
"""

from tests.mutation.mutants import Known

SAME_LENGTH = "the two are of one length by construction; `strict` only says so"
ESTIMATE = "where this sum, which is never less than their number, is larger, the names are counted one by one"
ASSIGNMENTS = (
    "an assignment counts in `_assignments` as in `_earlier`, as long as the latest of a name comes last: answers do"
)
NUMBERS = "a response with clusters and one with assignments have two numbers: each response of a stream has its own"

EQUIVALENT: tuple[Known, ...] = (
    Known(
        "flight",
        "common",
        "if len(one) > len(other):",
        "if len(one) >= len(other):",
        "where both are equally long either may be gone through; in which order the names are found means nothing",
    ),
    Known(
        "group_interest",
        "GroupNames.__init__",
        "self._below_at = 0",
        "self._below_at = 1",
        "what it guards is empty until it is compared for the first time",
    ),
    Known(
        "group_interest",
        "GroupInterest.holders",
        "if len(sets) < len(holders):",
        "if len(sets) <= len(holders):",
        "both ways find the same sets; which is taken where they cost the same does not matter",
    ),
    Known(
        "index",
        "Index.put",
        "if resource is not None and (entry.past or (old is not None and resource.version in old.version)):",
        "if resource is not None and (entry.past or (old is not None or resource.version in old.version)):",
        "`told_apart` finds that out as well; asking first saves the call",
    ),
    Known(
        "index",
        "Index._needed",
        "for state, end in zip(past, ends, strict=True)",
        "for state, end in zip(past, ends, )",
        SAME_LENGTH,
    ),
    Known(
        "index",
        "Index._needed",
        "for state, end in zip(past, ends, strict=True)",
        "for state, end in zip(past, ends, strict=False)",
        SAME_LENGTH,
    ),
    Known("options", "OptionReader.share", "share = -1.0", "share = -2.0", "either is no share, and refused as such"),
    Known(
        "overlay",
        "Overlay.__init__",
        "self._at = 0",
        "self._at = 1",
        "what it guards is empty until it is compared for the first time",
    ),
    Known(
        "overlay",
        "Overlay.since",
        "if cursor >= self.own.ordinal:",
        "if cursor > self.own.ordinal:",
        "from the group's last change on both ways find the same Update; this one costs less",
    ),
    Known(
        "overlay",
        "Overlay._is_of_base",
        "if entry is not None and (entry.resource is not None or entry.ordinal > since):",
        "if entry is not None and (entry.resource is not None or entry.ordinal >= since):",
        "a base and its groups number their changes together: no change of a group has an ordinal of the base's",
    ),
    Known(
        "protocol/allowance",
        "Allowance.limit",
        "if most is None or len(names) + len(self._refused) + (subscriber.named if subscriber else 0) <= most:",
        "if most is None or len(names) + len(self._refused) + (subscriber.named if subscriber else 1) <= most:",
        ESTIMATE,
    ),
    Known(
        "protocol/allowance",
        "Allowance.limit",
        "if most is None or len(names) + len(self._refused) + (subscriber.named if subscriber else 0) <= most:",
        "if most is None or len(names) + len(self._refused) + (subscriber.named if subscriber else 0) < most:",
        ESTIMATE,
    ),
    Known(
        "protocol/order",
        "Order.settled",
        "if len(self._assignments) >= IN_FLIGHT:",
        "if len(self._assignments) > IN_FLIGHT:",
        ASSIGNMENTS,
    ),
    Known(
        "protocol/order",
        "Order.settled",
        "oldest = self._assignments.pop(0)",
        "oldest = self._assignments.pop(1)",
        ASSIGNMENTS,
    ),
    Known(
        "protocol/order",
        "Order._has_assignment",
        "return self._earlier.get(name, 0) > since or any(",
        "return self._earlier.get(name, 1) > since or any(",
        "`since` is the number of a response, and the first has the number 1",
    ),
    Known(
        "protocol/order",
        "Order._has_assignment",
        "return self._earlier.get(name, 0) > since or any(",
        "return self._earlier.get(name, 0) >= since or any(",
        NUMBERS,
    ),
    Known(
        "protocol/order",
        "Order._has_assignment",
        "flight.number > since and name in flight.manifest.versions for flight in self._assignments",
        "flight.number >= since and name in flight.manifest.versions for flight in self._assignments",
        NUMBERS,
    ),
    Known(
        "protocol/returning",
        "Returning.accepted",
        'for name, version in (*flight.manifest.versions.items(), (STAR, "")):',
        'for name, version in (*flight.manifest.versions.items(), (STAR, "XXXX")):',
        "of a version only whether there is one counts here",
    ),
    Known(
        "protocol/channel",
        "Channel._reject",
        "before = subscriber.rejected if subscriber.has_rejected else {}",
        "before = subscriber.rejected if (subscriber.has_rejected) or True else {}",
        "there is nothing in it where nothing is rejected; not to ask saves the way through all that is on its way",
    ),
    Known(
        "protocol/heartbeat",
        "Heartbeats.take",
        "update = subscriber.renewal_of_all(ttls[0])",
        "update = None",
        "what is found by name has the same content then, and equal content is one Update; it is found once for all",
    ),
    Known(
        "protocol/heartbeat",
        "Heartbeats._due",
        "apart = self._apart() if ttls else {}",
        "apart = self._apart() if (ttls) or True else {}",
        "it is read for these lifetimes alone",
    ),
    Known(
        "protocol/sotw",
        "SotwChannel.ask",
        "if len(granted) < len(names):",
        "if len(granted) <= len(names):",
        "where all are granted, none is added to those that are denied; that is only found out at a cost",
    ),
    Known(
        "protocol/sotw",
        "SotwChannel.first",
        "return update if update or self.described.full_set else None",
        "return update if (update or self.described.full_set) or True else None",
        "of a type without full sets, `send` makes no response of an update that is empty, and it is in no flight",
    ),
    Known(
        "protocol/stream",
        "Stream.warm",
        "if len(awaited) > IN_FLIGHT:  # a client that never asks: names, not their history",
        "if len(awaited) >= IN_FLIGHT:  # a client that never asks: names, not their history",
        "the names are the same whenever they are put together",
    ),
    Known(
        "selection",
        "Selection._answer",
        "found = answered = waits = False",
        "found = answered = waits = None",
        "of each it is only asked whether it is true",
    ),
    Known(
        "set_version",
        "SetVersion.__init__",
        "self.at = 0",
        "self.at = 1",
        "whoever makes one sets it before it is read",
    ),
    Known(
        "set_version",
        "SetVersion.put",
        "def put(self, name: str, mark: int, on_demand: int = 0) -> None:",
        "def put(self, name: str, mark: int, on_demand: int = 1) -> None:",
        'only the sum of what "*" gives is made without it, and of that nobody reads what "*" does not give',
    ),
    Known(
        "set_version",
        "of_names",
        "kept += [_of_group_names(own, base, each) for own, each in zip(above, own_names, strict=True)]",
        "kept += [_of_group_names(own, base, each) for own, each in zip(above, own_names, )]",
        SAME_LENGTH,
    ),
    Known(
        "set_version",
        "of_names",
        "kept += [_of_group_names(own, base, each) for own, each in zip(above, own_names, strict=True)]",
        "kept += [_of_group_names(own, base, each) for own, each in zip(above, own_names, strict=False)]",
        SAME_LENGTH,
    ),
    Known(
        "store",
        "Store._wins",
        "wins = writer.rank < owner.rank",
        "wins = writer.rank <= owner.rank",
        "no two writers have one rank, and none contests a name with itself",
    ),
)
