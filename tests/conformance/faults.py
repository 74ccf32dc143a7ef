"""For each rule a fault, one line of code, that turns its test red: a test that no fault can fail proves nothing.

`R12` is for the tests in test_rules.py and test_order_rules.py, `R12 sotw` for those in test_sotw_rules.py.
`make mutation-rules` puts each into a copy of the sources and runs the tests of its rule. `before` must stand in the
file exactly once (test_page.py sees to it).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`before` becomes `after` in a file of rime_core."""

    file: str
    before: str
    after: str


_STREAM = "protocol/stream.py"
_CHANNEL = "protocol/channel.py"
_DELTA = "protocol/delta.py"
_SOTW = "protocol/sotw.py"
_ORDER = "protocol/order.py"
_HEARTBEAT = "protocol/heartbeat.py"
_SUBSCRIPTION = "protocol/subscription.py"

FAULTS: dict[str, Fault] = {
    "R1": Fault(_STREAM, "self._server = self._server.serving(", "self._server.serving("),
    "R2": Fault(_STREAM, "        if not type_url:\n", "        if type_url is None:\n"),
    "R3": Fault(
        _DELTA,
        "            self.settle(request.nonce, request.error)\n",
        "            [each.settle(request.nonce, request.error) for each in self.stream._channels.values()]\n",
    ),
    "R4": Fault(_CHANNEL, "self.stream.number += 1", "self.stream.number = 1"),
    "R5": Fault(
        _CHANNEL,
        "        self.flights: dict[str, Flight] = {}\n",
        "        self.flights: dict[str, Flight] = Channel.wake.__dict__.setdefault('flights', {})\n",
    ),
    "R6": Fault(
        _DELTA, "return DeltaResponse(self.described.url, ", "return DeltaResponse(next(iter(self.stream._channels)), "
    ),
    "R7": Fault(
        "view.py",
        "                if known.get(resource.name) != resource.version:\n"
        "                    resources[resource.name] = resource\n",
        "                if known.get(resource.name) != resource.version:\n"
        "                    resources[name] = resource\n",
    ),
    "R8": Fault(
        _STREAM,
        "            self.tell(UnknownType(type_url))\n            return\n",
        "            raise PeerError(type_url)\n",
    ),
    "R9": Fault(
        "subscriber.py",
        "view.step(self._names, added, removed)",
        "view.follow(added - removed)",
    ),
    "R10": Fault("resource.py", "    version = digest(body)\n", "    version = digest(body[:0])\n"),
    "R11": Fault(_CHANNEL, "        if error is not None:\n", "        if error:\n"),
    "R12": Fault("selection.py", "if not asked and self._is_refused(resource):", "if False:"),
    "R13": Fault(
        "selection.py",
        "return refusal is not None and resource is not None and refusal.version == resource.version",
        "return refusal is not None",
    ),
    "R14": Fault(
        _STREAM,
        "            if self._changed:\n",
        "            if self._changed and not any(each.subscriber.rejected for each in self._channels.values()):\n",
    ),
    "R15": Fault(
        "selection.py",
        "if (resource.version if resource is not None else None) != had and not self._is_refused(resource):",
        "if not self._is_refused(resource):",
    ),
    "R16": Fault(
        _DELTA,
        "            self.settle(request.nonce, request.error)\n",
        "            return self.settle(request.nonce, request.error)\n",
    ),
    "R18": Fault(
        _CHANNEL,
        "flight = self.flights.pop(nonce, None)",
        "flight = self.flights.popitem()[1] if self.flights else None",
    ),
    "R21": Fault(
        _DELTA,
        "            self.settle(request.nonce, request.error)\n",
        "            if request.nonce not in self.flights: return\n"
        "            self.settle(request.nonce, request.error)\n",
    ),
    "R22": Fault(_CHANNEL, "self.flights.pop(nonce, None)", "self.flights.pop(nonce)"),
    "R23": Fault(
        _DELTA,
        "        if request.nonce:\n            self.settle",
        "        if not request.nonce:\n            self.flights.clear()\n        else:\n            self.settle",
    ),
    "R24": Fault(
        _STREAM,
        "                if channel in self._changed:\n",
        "                if channel in self._changed and not channel.flights:\n",
    ),
    "R25": Fault(
        "view.py",
        "            matches = self.matches(name)\n",
        "            matches = self.matches(name)[1:]\n",
    ),
    "R27": Fault("subscriber.py", "            self._owed.update(dict.fromkeys(wanted, True))\n", ""),
    "R28": Fault("selection.py", "            if not found and name not in self._kept and", "            if False and"),
    "R29": Fault("interest.py", "        return (self,)\n", "        return ()\n"),
    "R30": Fault(
        _DELTA,
        "        if request.subscribe:\n            names = named(request.subscribe)\n",
        "        if True:\n            names = named(request.subscribe or ['*'])\n",
    ),
    "R31": Fault(
        _DELTA,
        "first_names(self.described, request.subscribe, request.unsubscribe)",
        "first_names(self.described, not request.initial_versions and request.subscribe or (), ())",
    ),
    "R34": Fault(
        _DELTA,
        "return first_names(self.described, request.subscribe, request.unsubscribe)",
        "return ('*', *first_names(self.described, request.subscribe, request.unsubscribe))",
    ),
    "R35": Fault("index.py", "for named in self._aliases.get(name, ()):", "for named in ():"),
    "R36": Fault("view.py", "return self.described.star and not resource.on_demand", "return True"),
    "R38": Fault(_SUBSCRIPTION, "return (STAR,) if described.legacy_wildcard else NOTHING", "return NOTHING"),
    "R40": Fault("subscriber.py", "        if STAR in unwanted and self._star:\n", "        if False:\n"),
    "R41": Fault(
        _DELTA,
        "            self.discard(named(request.unsubscribe))\n",
        "            self.discard(named(request.unsubscribe))\n"
        "            self.subscriber.names or self.subscriber.add(['*'])\n",
    ),
    "R42": Fault("subscriber.py", "self._move(False, self._names)", "self._move(False, None)"),
    "R43": Fault("subscriber.py", "                self._owed[name] = True\n", ""),
    "R44": Fault(_DELTA, "if update or ((self.subscriber.wildcard or nothing) and not known) else", "if update else"),
    "R45": Fault("type_urls.py", "    legacy_wildcard: bool = False\n", "    legacy_wildcard: bool = True\n"),
    "R46": Fault(_SUBSCRIPTION, "return [name for name in subscribe if name != STAR]", "return subscribe"),
    "R47": Fault(
        _DELTA,
        "self.discard(named(request.unsubscribe))",
        "self.discard(name for name in request.unsubscribe if name in self.subscriber.names or 1 / 0)",
    ),
    "R48": Fault(
        "subscriber.py",
        "            self._owed.pop(name, None)\n",
        "            self._owed[name] = True\n            self.nudge()\n",
    ),
    "R49": Fault("subscriber.py", "        self._step(frozenset(), gone)\n", ""),
    "R50": Fault(
        _DELTA,
        "            names = named(request.subscribe)\n",
        "            names = named(set(request.subscribe) - set(request.unsubscribe))\n",
    ),
    "R55": Fault("view.py", "                removed.append(name)\n", "                pass\n"),
    "R56": Fault(
        "selection.py", "self._view.since(self._cursor) if self._star", "self._view.everything() if self._star"
    ),
    "R57": Fault(
        "selection.py",
        "self._view.update_of(tuple(resources.values()), tuple(removed))",
        "self._view.update_of(tuple(resources.values()), (*removed, *resources))",
    ),
    "R58": Fault(
        "index.py",
        "            if entry.ordinal <= self.observed:\n",
        "            if entry.ordinal <= self.observed and old is not None:\n",
    ),
    "R59": Fault("type_urls.py", 'star=False, removal="when unreferenced"', "star=False"),
    "R60": Fault(
        _DELTA,
        "self._known = request.initial_versions",
        "self._known = {name: each.version for name, each in self.stream._server.snapshot()[self.described.url].items()}",  # noqa: E501 - one line of code
    ),
    "R61": Fault("subscriber.py", "self._first(known or {})", "self._first({})"),
    "R62": Fault(
        _DELTA,
        "        if request.nonce:\n",
        "        if request.initial_versions:\n            return\n        if request.nonce:\n",
    ),
    "R63": Fault(
        _STREAM,
        "return [name for names in self._awaited.pop(type_url, ()) for name in names]",
        "return []",
    ),
    "R65": Fault("type_urls.py", '        "cds",\n        1,\n', '        "cds",\n        9,\n'),
    "R66": Fault("type_urls.py", '"endpoint", "eds", 2', '"endpoint", "eds", 0'),
    "R67": Fault("type_urls.py", '"lds",\n        4,\n', '"lds",\n        1,\n'),
    "R68": Fault("type_urls.py", '        "rds",\n        6,\n', '        "rds",\n        3,\n'),
    "R69": Fault("type_urls.py", '"virtual-host", "vhds", 7', '"virtual-host", "vhds", 3'),
    "R70": Fault(_ORDER, "            yield from self._referred(described, name)\n", "            return\n"),
    "R71": Fault(_ORDER, "if url == described.waits_for else None", "if not url else None"),
    "R72": Fault(_DELTA, "        self.subscriber.resend(needed)\n", "        pass\n"),
    "R73": Fault(_DELTA, "return TTL in features", "return True"),
    "R74": Fault("resource.py", "    if ttl is not None:\n        version +=", "    if False:\n        version +="),
    "R75": Fault(
        _HEARTBEAT,
        "        version = subscriber.acknowledged(name)\n",
        '        version = getattr(subscriber.present(name), "version", None)\n',
    ),
    "R76": Fault(_HEARTBEAT, "SHARE: Final = 0.4", "SHARE: Final = 0.6"),
    "R77": Fault(_DELTA, "if self.described.asked_by_alias else None", "if False else None"),
    "R78": Fault("type_urls.py", "parent=ROUTE", "parent=CLUSTER"),
    "R79": Fault("selection.py", "if self._absent is None or name in removed:", "if self._view.described.order != 1:"),
    "R90": Fault("protocol/progress.py", "if rejection is not None and rejection", "if False and rejection"),
    "R91": Fault("change.py", "        if entry is None:\n            check_name(name)\n", "        body.decode()\n"),
    "R73 sotw": Fault(_SOTW, "TTL in features and not WRAPPED.isdisjoint(features)", "TTL in features"),
    "R75 sotw": Fault(_SOTW, "            found.append(accepted[name])\n", "            found.append(resource)\n"),
    "R76 sotw": Fault(
        _SOTW,
        "            self.refresh(versions, whole, batch)\n",
        "            self.refresh(versions, subscriber.update_with(whole.resources[:1]) or whole, batch)\n",
    ),
    "R4 sotw": Fault(_CHANNEL, 'return f"~{self.stream.number}"', 'return "~"'),
    "R5 sotw": Fault(
        _SOTW,
        "        return self._listed(request)\n",
        "        return () if request.nonce else self._listed(request)\n",
    ),
    "R7 sotw": Fault(
        "view.py",
        "                if known.get(resource.name) != resource.version:\n"
        "                    resources[resource.name] = resource\n",
        "                if known.get(resource.name) != resource.version:\n"
        "                    resources[name] = resource\n",
    ),
    "R10 sotw": Fault("set_version.py", 'f"{len(name)}:{name}{version}"', 'f"{len(name)}:{name}"'),
    "R12 sotw": Fault(
        _SOTW,
        "            self._settle(nonce, request.error)\n",
        "            self._settle(nonce, request.error)\n"
        "            if request.error: self.subscriber.add(list(self.subscriber.names or ['*']))\n",
    ),
    "R13 sotw": Fault(
        "selection.py",
        "        if self._held:\n            held = self._held\n",
        "        if self._held or self._rejected:\n            held = dict.fromkeys(self._rejected)\n",
    ),
    "R17 sotw": Fault(
        _SOTW,
        "            self._settle(nonce, request.error)\n",
        "            self._settle(nonce, None if request.version == self.subscriber.version() else request.error)\n",
    ),
    "R19 sotw": Fault(_SOTW, "            self.discard(gone)\n", "            pass\n"),
    "R20 sotw": Fault(_SOTW, "        if nonce and nonce != self._latest:\n", "        if False:\n"),
    "R24 sotw": Fault(
        _SOTW, "        elif update.resources:\n            super()", "        elif update:\n            super()"
    ),
    "R26 sotw": Fault(_SOTW, "            subscriber.add(self.ask(list(new)))\n", "            pass\n"),
    "R29 sotw": Fault("interest.py", "        return (self,)\n", "        return ()\n"),
    "R32 sotw": Fault(_SOTW, "        gone = held - listed\n", "        gone = set()\n"),
    "R33 sotw": Fault(_SUBSCRIPTION, "names if names or named_before else", "names if names else"),
    "R35 sotw": Fault("index.py", "for named in self._aliases.get(name, ()):", "for named in ():"),
    "R36 sotw": Fault("view.py", "return self.described.star and not resource.on_demand", "return True"),
    "R37 sotw": Fault(_SUBSCRIPTION, "return (STAR,) if described.legacy_wildcard else NOTHING", "return NOTHING"),
    "R39 sotw": Fault(
        _SOTW, "{*subscriber.names, STAR} if subscriber.wildcard else subscriber.names", "subscriber.names"
    ),
    "R41 sotw": Fault(_SOTW, "self._named = self._named or bool(names)", "pass"),
    "R42 sotw": Fault("subscriber.py", "self._move(False, self._names)", "self._move(False, None)"),
    "R44 sotw": Fault(_SOTW, "return update if update or self.described.full_set else None", "return update or None"),
    "R51 sotw": Fault(
        _SOTW, "            self.carry(update, whole, batch)\n", "            self.carry(update, update, batch)\n"
    ),
    "R52 sotw": Fault(
        _SOTW,
        "            super().send(update, batch)\n",
        "            self.carry(update, self.subscriber.everything(), batch)\n",
    ),
    "R53 sotw": Fault("selection.py", "*[each for each in present if each.name not in held], *had)", "*present,)"),
    "R54 sotw": Fault(
        _SOTW, "        elif update.resources:\n            super()", "        elif update:\n            super()"
    ),
    "R58 sotw": Fault(
        "index.py",
        "            if entry.ordinal <= self.observed:\n",
        "            if entry.ordinal <= self.observed and old is not None:\n",
    ),
    "R63 sotw": Fault(_SOTW, "            subscriber.resend(awaited)\n", "            pass\n"),
    "R64 sotw": Fault(_SOTW, "        if known and known == subscriber.version():\n", "        if False:\n"),
    "R72 sotw": Fault(_SOTW, "            subscriber.resend(self._warming)\n", "            pass\n"),
}
