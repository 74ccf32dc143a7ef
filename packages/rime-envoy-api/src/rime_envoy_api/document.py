"""A file of resources: what it holds, and what is wrong with it.

Three shapes are read, told apart by their first level:

- `resources:` with a list, the DiscoveryResponse that Envoy's own filesystem subscription reads; a resource may be
  wrapped in `envoy.service.discovery.v3.Resource`, which gives it aliases, a lifetime, or a name when its message has
  none, and may say that it is on demand (see `rime_envoy_api.wrapper`);
- an Envoy bootstrap: the clusters, listeners and secrets of its `static_resources` become resources, except the
  clusters through which that Envoy reaches its control plane so far. The rest of it is between the user and Envoy;
- one resource, with "@type".

A file may hold several documents. A resource with a fault does not take the others of its file with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from rime_core.claims import Claim
from rime_core.resource import check_name
from rime_core.type_urls import CLUSTER, LISTENER, SECRET
from rime_envoy_api import scalars
from rime_envoy_api.control_plane import clusters_of_control_plane
from rime_envoy_api.convert import convert, field_names, locate, unknown_field, unknown_type
from rime_envoy_api.json_tree import read_json
from rime_envoy_api.names import describe_resource, name_of
from rime_envoy_api.pool import AUTHORITY, class_of_type_url
from rime_envoy_api.rules import Path, violations
from rime_envoy_api.tree import Node, UnreadableError, read_yaml
from rime_envoy_api.wrapper import WRAPPER, Wrapper, read_wrapper


@dataclass(frozen=True, slots=True)
class ParsedResource(Claim):
    """One resource of a file, and the `line` where it begins; where that is makes no difference between two."""

    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a file, for people: `str()` of it is one line that says where and what.

    `path` leads through the resource, or through the file when it isn't known which resource this is.
    """

    origin: str
    line: int
    message: str
    path: str = ""
    type_url: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.origin}:{self.line}"]
        if self.type_url is not None:
            parts.append(describe_resource(self.type_url, self.name))
        if self.path:
            parts.append(self.path)
        return ": ".join((*parts, self.message))


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds: the resources that are right, and everything that is wrong."""

    origin: str
    resources: tuple[ParsedResource, ...]
    faults: tuple[Fault, ...]


def parse(text: str | bytes, *, origin: str) -> Document:
    """Read a file of resources; `origin` is what people call it, and ".json" at its end makes it JSON.

    Whatever the text is, it raises nothing: what is wrong is in the faults.
    """
    reading = _Reading(origin)
    try:
        for node in read_documents(text, origin):
            reading.document(node)
    except UnreadableError as fault:
        reading.fault(fault.line, str(fault))
    return Document(origin, tuple(reading.resources), tuple(reading.faults))


def read_documents(text: str | bytes, origin: str) -> list[Node]:
    """The documents of a file, of which there is at least one.

    Raises:
        UnreadableError: it is not YAML, or JSON where `origin` says so, or there is nothing in it.
    """
    decoded = text if isinstance(text, str) else _decode(text)
    documents = read_json(decoded) if origin.endswith(".json") else read_yaml(decoded)
    if not documents:
        raise UnreadableError(1, "there is nothing in it: to serve no resources, write `resources: []`")
    return documents


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise UnreadableError(line, f"not UTF-8: the byte {text[error.start]:#04x} has no place there") from error


def show_path(path: Path) -> str:
    """A path for people: load_assignment.endpoints[0]."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif step.isidentifier():
            shown += f".{step}"
        else:
            shown += f"[{step!r}]"
    return shown.removeprefix(".")


_STATIC: Final = {"clusters": CLUSTER, "listeners": LISTENER, "secrets": SECRET}
_BOOTSTRAP: Final = "envoy.config.bootstrap.v3.Bootstrap"
_RESPONSE: Final = "envoy.service.discovery.v3.DiscoveryResponse"
_NAME_PATHS: Final = frozenset[Path]((("name",), ("cluster_name",)))
_BARE: Final = Wrapper()


class _Reading:
    def __init__(self, origin: str) -> None:
        self.resources: list[ParsedResource] = []
        self.faults: list[Fault] = []
        self._origin = origin
        self._lines: dict[tuple[str, str], int] = {}

    def fault(
        self, line: int, message: str, path: Path = (), type_url: str | None = None, name: str | None = None
    ) -> None:
        self.faults.append(Fault(self._origin, line, message, show_path(path), type_url, name))

    def document(self, node: Node) -> None:
        if not isinstance(node.value, dict):
            found = scalars.describe_kind(node.value)
            raise UnreadableError(node.line, f"{found} where a mapping belongs, such as `resources:` with a list")
        if "@type" in node.value:
            self._resource(node, ())
        elif "resources" in node.value:
            self._response(node, node.value)
        elif node.value.keys() & field_names(_BOOTSTRAP):
            self._bootstrap(node.value)
        else:
            expected = ("resources", *sorted(field_names(_BOOTSTRAP)))
            near = [close for key in node.value for close in get_close_matches(key, expected, n=1, cutoff=0.8)]
            hint = f"did you mean `{near[0]}`?" if near else "it has none of `resources`, `static_resources`, `@type`"
            raise UnreadableError(node.line, f"neither a list of resources nor a bootstrap: {hint}")

    def _response(self, node: Node, entries: dict[str, Node]) -> None:
        rest = {key: value for key, value in entries.items() if key != "resources"}
        for fault in convert(Node(rest, node.line), _RESPONSE)[1]:
            self.fault(fault.line, fault.message, fault.path)
        listed = entries["resources"]
        if listed.value is None:
            # a file that is cut off here, or a template that gave nothing, must not take anything away
            self.fault(listed.line, "`resources:` has no value: to serve no resources, write `resources: []`")
        for place, item in _items(listed):
            self._resource(item, ("resources", place))

    def _bootstrap(self, entries: dict[str, Node]) -> None:
        for key in entries.keys() - field_names(_BOOTSTRAP):
            self.fault(entries[key].line, unknown_field(_BOOTSTRAP, key), (key,))
        static = entries.get("static_resources") or entries.get("staticResources")
        if static is None or static.value is None:
            return
        if not isinstance(static.value, dict):
            self.fault(
                static.line, f"wants a mapping, not {scalars.describe_value(static.value)}", ("static_resources",)
            )
            return
        own = clusters_of_control_plane(entries)
        for key, items in static.value.items():
            path = ("static_resources", key)
            if key not in _STATIC:
                self.fault(items.line, unknown_field(f"{_BOOTSTRAP}.StaticResources", key), path)
                continue
            for place, item in _items(items):
                if key != "clusters" or _text(item, "name") not in own:
                    self._message(item, _STATIC[key], (*path, place))

    def _resource(self, node: Node, path: Path) -> None:
        """One entry of `resources`, or a whole file: a message with "@type"."""
        try:
            type_url, content = _typed(node)
            if type_url != f"{AUTHORITY}{WRAPPER}":
                self._message(content, type_url, path)
                return
            assert isinstance(content.value, dict)  # noqa: S101 - for the type checker: `_typed` made it one
            wrapped = content.value.pop("resource", None)
            wrapper, faults = read_wrapper(content)
            for fault in faults:
                self.fault(fault.line, fault.message, (*path, *fault.path))
            if wrapped is None or wrapped.value is None:
                self.fault(content.line, "is required", (*path, "resource"))
            elif not faults:
                type_url, content = _typed(wrapped)
                self._message(content, type_url, (*path, "resource"), wrapper)
        except scalars.UnfitError as error:
            self.fault(node.line, str(error), path)

    def _message(self, node: Node, type_url: str, path: Path, wrapper: Wrapper = _BARE) -> None:
        """Take the resource that `node` describes, or say what is wrong with it; `path` leads to it in the file."""
        message, found = convert(node, type_url.removeprefix(AUTHORITY))
        wrong = {fault.path: (fault.line, fault.message) for fault in found}
        for where, complaint in violations(message):
            if not any(where[:length] in wrong for length in range(len(where) + 1)):
                wrong[where] = locate(node, where), complaint
        own_name = name_of(message)
        name = (wrapper.name if own_name is None else own_name) or ""
        if not wrong.keys() & _NAME_PATHS and (refused := self._claim(type_url, name, wrapper.name, node.line)):
            wrong[()] = node.line, refused
        for where, (line, complaint) in wrong.items():
            self.fault(line, complaint, where if name else (*path, *where), type_url, name or None)
        if not wrong:
            body = message.SerializeToString(deterministic=True)
            self.resources.append(
                ParsedResource(type_url, name, body, wrapper.aliases, wrapper.ttl, wrapper.on_demand, node.line)
            )

    def _claim(self, type_url: str, name: str, outer_name: str, line: int) -> str | None:
        """Why a resource cannot have its name, or None when it now has it."""
        if not name:
            return "it has no name"
        if not name.isprintable():
            return "its name holds a character that cannot be shown"
        try:
            check_name(name)
        except ValueError as error:
            return str(error)
        if outer_name not in ("", name):
            return f"`Resource.name` is {outer_name!r}, but it calls itself {name!r}: they must agree"
        if (type_url, name) in self._lines:
            return f"this name is taken in line {self._lines[type_url, name]} already"
        self._lines[type_url, name] = line
        return None


def _typed(node: Node) -> tuple[str, Node]:
    """The type that "@type" names, under the authority that xDS uses, and the rest.

    Raises:
        scalars.UnfitError: there is none, or Envoy's API has no such message.
    """
    if not isinstance(node.value, dict):
        raise scalars.unfit("wants a mapping, not", node.value)
    given = node.value.get("@type")
    if given is None:
        raise scalars.UnfitError('wants an "@type", such as type.googleapis.com/envoy.config.cluster.v3.Cluster')
    type_url = scalars.read_text(given.value)
    made = class_of_type_url(type_url)
    if made is None or "/" not in type_url:
        raise scalars.UnfitError(unknown_type(type_url))
    rest = {key: value for key, value in node.value.items() if key != "@type"}
    return AUTHORITY + made.DESCRIPTOR.full_name, Node(rest, node.line)


def _items(node: Node) -> Iterator[tuple[int, Node]]:
    """The entries of a list; one alone may stand for a list of it, and what is null is not there."""
    nodes = node.value if isinstance(node.value, list) else [node]
    return ((place, item) for place, item in enumerate(nodes) if item.value is not None)


def _text(node: Node, key: str) -> str | None:
    found = node.value.get(key) if isinstance(node.value, dict) else None
    return found.value if found is not None and isinstance(found.value, str) else None
