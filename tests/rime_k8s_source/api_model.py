"""What an API server promises, as a model without I/O: one selection of objects, their history, lists and watches.

It delivers one message at a time, so that a test can cut a connection after any of them. `Client` drives a Reflector
against it as `rime_k8s_source.follow` does against a real one.
"""

from rime_k8s_source.errors import ApiError, ExpiredError
from rime_k8s_source.reflector import INITIAL_EVENTS_END, Change, List

PAGE = 2
ENDLESS = 10_000
"""More messages than a model has."""


def body(key, value, version):
    """An object as the API server sends it."""
    namespace, name = key
    metadata = {"name": name, "resourceVersion": str(version), **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "data": value}


def event(kind, key, value, version):
    return {"type": kind, "object": body(key, value, version)}


def bookmark(version, *, ends_initial=False):
    annotations = {INITIAL_EVENTS_END: "true"} if ends_initial else {}
    return {
        "type": "BOOKMARK",
        "object": {"metadata": {"resourceVersion": str(version), "annotations": annotations}},
    }


def gone(message="too old resource version"):
    return {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": message}}


class ApiModel:
    """`streams`: it has streaming lists. `disorder` puts the keys of one in any order, as a real one may. `page`: how
    many objects are in a page of the others.
    """

    def __init__(self, *, streams=True, disorder=sorted, page=PAGE):
        self.version = 1
        self.compacted = 0
        self.streams = streams
        self.disorder = disorder
        self.page = page
        self.as_status = False
        """Whether a watch from what is forgotten is refused with the HTTP status 410, or with an event."""
        self._states: dict[int, dict[tuple[str, str], object]] = {1: {}}
        self._history = []

    @property
    def objects(self):
        return self._states[self.version]

    def at(self, version):
        return self._states[int(version)]

    def put(self, key, value):
        """Create, change, or with None delete; what is not there cannot be deleted."""
        now = dict(self.objects)
        if value is None:
            if key not in now:
                return
            kind, last = "DELETED", now.pop(key)
        else:
            kind, last = "MODIFIED" if key in now else "ADDED", value
            now[key] = value
        self.version += 1
        self._states[self.version] = now
        self._history.append((self.version, event(kind, key, last, self.version)))

    def compact(self):
        """Forget all that was before now."""
        self.compacted = self.version

    def since(self, version):
        return [each for at, each in self._history if at > version]

    def open(self, request):
        """The answer to a request, message by message."""
        if isinstance(request, List):
            return self._page(request.token)
        if request.initial:
            return self._stream()
        return self._watch(int(request.version))

    def _page(self, token):
        version, start = (int(part) for part in token.split("@")) if token else (self.version, 0)
        if version < self.compacted:
            yield "refused", ExpiredError(410, "the provided continue parameter is too old")
            return
        keys = sorted(self.at(version))
        items = [body(key, self.at(version)[key], version) for key in keys[start : start + self.page]]
        rest = f"{version}@{start + self.page}" if start + self.page < len(keys) else ""
        yield "page", {"metadata": {"resourceVersion": str(version), "continue": rest}, "items": items}

    def _stream(self):
        if not self.streams:
            yield "refused", ApiError(422, "sendInitialEvents is forbidden for watch")
            return
        version = self.version
        for key in self.disorder(self.at(version)):
            yield "event", event("ADDED", key, self.at(version)[key], version)
        # what happened meanwhile comes before the bookmark as well as after it
        meanwhile = self.since(version)
        for each in meanwhile:
            yield "event", each
        reached = int(meanwhile[-1]["object"]["metadata"]["resourceVersion"]) if meanwhile else version
        yield "event", bookmark(reached, ends_initial=True)
        yield from self._following(reached)

    def _watch(self, version):
        if version < self.compacted:
            yield ("refused", ExpiredError(410, "too old resource version")) if self.as_status else ("event", gone())
            return
        yield from self._following(version)

    def _following(self, version):
        while True:
            pending = self.since(version)
            if pending:
                version = int(pending[0]["object"]["metadata"]["resourceVersion"])
                yield "event", pending[0]
            elif version < self.version:
                version = self.version
                yield "event", bookmark(version)
            else:
                yield "idle", None


class Client:
    """Drives a reflector against a model, a message at a time; what it was told is in `changes`."""

    def __init__(self, server, reflector, tell=None):
        self.server = server
        self.reflector = reflector
        self.changes: list[Change[object]] = []
        self._tell = tell or self.changes.extend
        self._connection = None

    def cut(self):
        """The connection breaks."""
        self._connection = None

    def step(self):
        """The next message; False where there is none now."""
        if self._connection is None:
            self._connection = self.server.open(self.reflector.request())
        what, message = next(self._connection)
        if what == "idle":
            return False
        if what == "refused":
            self._connection = None
            assert self.reflector.refused(message), message
        elif what == "page":
            self._connection = None
            self._tell(self.reflector.page(message))
        else:
            try:
                self._tell(self.reflector.event(message))
            except ExpiredError:
                self.cut()
        return True

    def finish(self):
        """Until there is nothing more."""
        for _ in range(ENDLESS):
            if not self.step():
                return
        raise AssertionError("it asks without end")
