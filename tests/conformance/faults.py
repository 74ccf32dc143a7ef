"""For each rule a fault, one line of code, that turns its test red: a test that no fault can fail proves nothing.

`make mutation` puts each into a copy of the sources and runs the tests of its rule. `before` must stand in the file
exactly once (test_page.py sees to it).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`before` becomes `after` in a file of rime_core."""

    file: str
    before: str
    after: str


_DELTA = "protocol/delta.py"
_SUBSCRIPTION = "protocol/subscription.py"

FAULTS: dict[str, Fault] = {
    "R1": Fault(_DELTA, "self._server = self._server.serving(self.node)", "self._server.serving(self.node)"),
    "R2": Fault(_DELTA, "        if not type_url:\n", "        if type_url is None:\n"),
    "R3": Fault(
        _DELTA,
        "            self._settle(one_type, request)\n",
        "            [self._settle(each, request) for each in self._types.values()]\n",
    ),
    "R4": Fault(_DELTA, "self._own_nonces += 1", "self._own_nonces = 1"),
    "R5": Fault(
        _DELTA,
        "        self.nonces: dict[str, Manifest] = {}\n",
        "        self.nonces: dict[str, Manifest] = _Type.wake.__dict__.setdefault('nonces', {})\n",
    ),
    "R6": Fault(
        _DELTA, "return DeltaResponse(one_type.described.url, ", "return DeltaResponse(next(iter(self._types)), "
    ),
    "R7": Fault(
        "selection.py",
        "                if known.get(resource.name) != resource.version:\n"
        "                    resources[resource.name] = resource\n",
        "                if known.get(resource.name) != resource.version:\n"
        "                    resources[name] = resource\n",
    ),
    "R8": Fault(
        _DELTA,
        "            self._events.append(UnknownType(type_url))\n            return\n",
        "            raise PeerError(type_url)\n",
    ),
    "R9": Fault(
        "subscriber.py",
        "index.interest.step(self._names, added, removed, index.ordinal)",
        "index.interest.follow(added - removed, index.ordinal)",
    ),
    "R10": Fault("resource.py", "    version = digest(body)\n", "    version = digest(body[:0])\n"),
    "R11": Fault(_DELTA, "        if error is not None:\n", "        if error:\n"),
    "R12": Fault("selection.py", "if not asked and self._is_refused(resource):", "if False:"),
    "R13": Fault(
        "delivery.py",
        "return refusal is not None and refusal.rejected.version == resource.version",
        "return refusal is not None",
    ),
    "R14": Fault(
        _DELTA,
        "        elif self._changed:\n",
        "        elif self._changed and not any(each.subscriber.rejected for each in self._types.values()):\n",
    ),
    "R15": Fault(
        "selection.py",
        "if (resource.version if resource is not None else None) != had and not self._is_refused(resource):",
        "if not self._is_refused(resource):",
    ),
    "R16": Fault(
        _DELTA,
        "            _change(one_type.subscriber, request)\n",
        "            _change(one_type.subscriber, request) if not request.nonce else None\n",
    ),
    "R18": Fault(
        _DELTA,
        "manifest = one_type.nonces.pop(nonce, None)",
        "manifest = one_type.nonces.popitem()[1] if one_type.nonces else None",
    ),
    "R21": Fault(
        _DELTA,
        "            self._settle(one_type, request)\n",
        "            if request.nonce and request.nonce not in one_type.nonces: return\n"
        "            self._settle(one_type, request)\n",
    ),
    "R22": Fault(_DELTA, "one_type.nonces.pop(nonce, None)", "one_type.nonces.pop(nonce)"),
    "R23": Fault(
        _DELTA,
        "        if not nonce:\n            return\n",
        "        if not nonce:\n            return one_type.nonces.clear()\n",
    ),
    "R24": Fault(
        _DELTA,
        "                if one_type in self._changed:\n",
        "                if one_type in self._changed and not one_type.nonces:\n",
    ),
    "R25": Fault(
        "selection.py",
        "            matches = self._index.matches(name)\n",
        "            matches = self._index.matches(name)[1:]\n",
    ),
    "R27": Fault("subscriber.py", "            self._owed.update(dict.fromkeys(wanted, True))\n", ""),
    "R28": Fault("selection.py", "            if not found and name not in self._kept and", "            if False and"),
    "R29": Fault("subscriber.py", "            self._names.waiting[self] = None\n", "            pass\n"),
    "R30": Fault(
        _DELTA,
        "    if request.subscribe:\n        subscriber.add(_named(request.subscribe))\n",
        "    subscriber.add(_named(request.subscribe or ['*']))\n",
    ),
    "R31": Fault(
        _DELTA,
        "first_names(one_type.described, request.subscribe, request.unsubscribe)",
        "first_names(one_type.described, not request.initial_versions and request.subscribe or (), ())",
    ),
    "R34": Fault(
        _DELTA,
        "names = first_names(one_type.described, request.subscribe, request.unsubscribe)",
        "names = ('*', *first_names(one_type.described, request.subscribe, request.unsubscribe))",
    ),
    "R35": Fault("index.py", "for named in self._aliases.get(name, ()):", "for named in ():"),
    "R36": Fault("index.py", "return self.described.star and not resource.on_demand", "return True"),
    "R38": Fault(_SUBSCRIPTION, "return (STAR,) if described.legacy_wildcard else NOTHING", "return NOTHING"),
    "R40": Fault("subscriber.py", "        if STAR in unwanted and self._star:\n", "        if False:\n"),
    "R41": Fault(
        _DELTA,
        "            _change(one_type.subscriber, request)\n",
        "            _change(one_type.subscriber, request)\n"
        "            one_type.subscriber.names or one_type.subscriber.add(['*'])\n",
    ),
    "R42": Fault("subscriber.py", "self._move(False, self._names)", "self._move(False, None)"),
    "R43": Fault("subscriber.py", "                self._owed[name] = True\n", ""),
    "R44": Fault(_DELTA, "if update or (subscriber.wildcard and not known):", "if update:"),
    "R45": Fault("type_urls.py", "    legacy_wildcard: bool = False\n", "    legacy_wildcard: bool = True\n"),
    "R46": Fault(_SUBSCRIPTION, "return [name for name in subscribe if name != STAR]", "return subscribe"),
    "R47": Fault(
        _DELTA,
        "subscriber.discard(_named(request.unsubscribe))",
        "subscriber.discard(name for name in request.unsubscribe if name in subscriber.names or 1 / 0)",
    ),
    "R48": Fault(
        "subscriber.py",
        "                self._owed.pop(name, None)\n                self._supersede(name)\n",
        "                self._owed[name] = True\n                self.nudge()\n",
    ),
    "R49": Fault("subscriber.py", "        self._step(frozenset(), gone)\n", ""),
    "R50": Fault(
        _DELTA,
        "        subscriber.add(_named(request.subscribe))\n",
        "        subscriber.add(_named(set(request.subscribe) - set(request.unsubscribe)))\n",
    ),
    "R55": Fault("index.py", "                removed.append(name)\n", "                pass\n"),
    "R56": Fault(
        "selection.py", "self._index.since(self._cursor) if self._star", "self._index.everything() if self._star"
    ),
    "R57": Fault(
        "selection.py",
        "self._index.update_of(tuple(resources.values()), tuple(removed))",
        "self._index.update_of(tuple(resources.values()), (*removed, *resources))",
    ),
    "R58": Fault(
        "index.py",
        "            if entry.ordinal <= self.observed:\n",
        "            if entry.ordinal <= self.observed and old is not None:\n",
    ),
    "R59": Fault("type_urls.py", "star=False, stays_while_referred=True", "star=False"),
    "R60": Fault(
        _DELTA,
        "one_type.known = request.initial_versions",
        "one_type.known = {name: each.version for name, each in self._server.snapshot()[type_url].items()}",
    ),
    "R61": Fault("subscriber.py", "self._first(known)", "self._first({})"),
    "R62": Fault(
        _DELTA,
        "            _change(one_type.subscriber, request)\n",
        "            _change(one_type.subscriber, request) if not request.initial_versions else None\n",
    ),
    "R63": Fault(
        _DELTA,
        "return [name for names in self._unasked.pop(type_url, ()) for name in names if name in known]",
        "return []",
    ),
    "R72": Fault(_DELTA, "            waited_for.subscriber.resend(names)\n", ""),
}
