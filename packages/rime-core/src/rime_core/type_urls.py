"""The types of xDS resources, and what differs between them, as data.

A type URL is `type.googleapis.com/<package>.<Message>`. People use the short names: `clusters`, `cluster` or `cds`.
A type that is not listed here is served like any other, by the rules for types of the user's own.

Sources: the xDS protocol document, "Resource Types" and "Eventual consistency considerations" (the order); which types
begin with an empty request that means everything: `scoped_rds.h` in Envoy, and the rules R36–R38 in docs/protocol.md.
"""

from dataclasses import dataclass
from typing import Literal

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SCOPED_ROUTE = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
VIRTUAL_HOST = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - a type URL
RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"
EXTENSION_CONFIG = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"

Missing = Literal["removed", "unanswered"]
"""What is said of a name that does not exist."""

Removal = Literal["at once", "when unreferenced", "never"]
"""When a resource that is taken away goes."""


@dataclass(frozen=True, slots=True)
class XdsType:
    """What is particular to one type of resource.

    `order` is the place of its additions in a batch: make before break. `legacy_wildcard`: a first request without
    names means "*" (R37, R38). `star`: "*" gives what there is; where False it gives nothing, and a resource has to be
    named, because a client that asks for all must not get every key there is. `warmed_by`: the type of what Envoy waits
    for when one of these changes (R72). `missing` and `removal` are the default policy (`rime_core.policy`): what is
    said of a name that does not exist (R28), and when what is taken away goes (R59: Envoy deals badly with the removal
    of what is in use). `full_set`: a state-of-the-world response holds all that its client needs, for the client
    deletes what is left out (R51, R53). `asked_by_alias`: the client looks for the name that it asked for among the
    aliases of the answer, and waits on where a name that does not exist is reported as removed (R77). `parent`: its
    names are `<name of one of that type>/<...>`, and the client forgets it when that one changes (R78).

    For the order in which one client is sent things (`protocol.order`): `waits_for` is the type that one of these waits
    for where it names one that is on its way (R71). `referred_by` are the types that may refer to one of these, which
    is removed last, when nothing that the client has does (R70). `outlives_removal`: Envoy goes on using one that is in
    use and removed, until it gives up the name. `drains`: what it referred to is used for a while after it is gone.
    `swapped`: what is removed goes with what is added, not before (two listeners cannot have one address).
    """

    url: str
    plural: str
    singular: str
    abbreviation: str
    order: int
    legacy_wildcard: bool = False
    star: bool = True
    warmed_by: str | None = None
    missing: Missing = "removed"
    removal: Removal = "at once"
    waits_for: str | None = None
    referred_by: tuple[str, ...] = ()
    outlives_removal: bool = False
    drains: bool = False
    swapped: bool = False
    full_set: bool = False
    asked_by_alias: bool = False
    parent: str | None = None


_NAMING_CLUSTERS = (EXTENSION_CONFIG, LISTENER, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST)

TYPES: tuple[XdsType, ...] = (
    XdsType(
        SECRET, "secrets", "secret", "sds", 0, star=False, removal="when unreferenced", referred_by=(CLUSTER, LISTENER)
    ),
    XdsType(
        CLUSTER,
        "clusters",
        "cluster",
        "cds",
        1,
        legacy_wildcard=True,
        warmed_by=ENDPOINT,
        referred_by=_NAMING_CLUSTERS,
        full_set=True,
    ),
    XdsType(ENDPOINT, "endpoints", "endpoint", "eds", 2, referred_by=(CLUSTER,)),
    XdsType(
        EXTENSION_CONFIG,
        "extensions",
        "extension",
        "ecds",
        3,
        removal="when unreferenced",
        waits_for=CLUSTER,
        referred_by=(LISTENER,),
        outlives_removal=True,
    ),
    XdsType(
        LISTENER,
        "listeners",
        "listener",
        "lds",
        4,
        legacy_wildcard=True,
        waits_for=CLUSTER,
        drains=True,
        swapped=True,
        full_set=True,
    ),
    XdsType(
        SCOPED_ROUTE, "scoped-routes", "scoped-route", "srds", 5, legacy_wildcard=True, waits_for=CLUSTER, full_set=True
    ),
    XdsType(
        ROUTE,
        "routes",
        "route",
        "rds",
        6,
        waits_for=CLUSTER,
        referred_by=(LISTENER, SCOPED_ROUTE),
        outlives_removal=True,
    ),
    XdsType(
        VIRTUAL_HOST, "virtual-hosts", "virtual-host", "vhds", 7, waits_for=CLUSTER, asked_by_alias=True, parent=ROUTE
    ),
    XdsType(RUNTIME, "runtimes", "runtime", "rtds", 8),
)

LEAVES = frozenset(each.url for each in TYPES).difference(*[each.referred_by for each in TYPES])
"""Type URLs of what refers to nothing; one of the user's own may."""

CHILDREN = {each.parent: each.url for each in TYPES if each.parent is not None}
"""Type URL → that of which it is the parent."""

_BY_URL = {xds_type.url: xds_type for xds_type in TYPES}
_BY_SHORT_NAME = {
    name: xds_type for xds_type in TYPES for name in (xds_type.plural, xds_type.singular, xds_type.abbreviation)
}
_LAST = len(TYPES)


def check_type_url(type_url: str) -> None:
    """Raise unless `type_url` is `<authority>/<package>.<Message>`.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it has no "/", or no "package.Message" after it.
    """
    if not isinstance(type_url, str):
        raise TypeError(f"a type URL is a str such as rime_core.CLUSTER, not {type(type_url).__name__}")
    authority, slash, message = type_url.rpartition("/")
    if not (authority and slash and all(part.isidentifier() for part in message.split(".")) and "." in message):
        raise ValueError(f"{type_url!r} is no type URL: it should look like {CLUSTER!r}")


def is_known(type_url: str) -> bool:
    """Whether the type is one of `TYPES`."""
    return type_url in _BY_URL


def describe(type_url: str) -> XdsType:
    """What is known of a type; one of the user's own comes after all others, has the legacy wildcard (R45), and is sent
    in full sets: nobody knows what its clients do with what is left out.
    """
    known = _BY_URL.get(type_url)
    if known is not None:
        return known
    message = type_url.rpartition("/")[2]
    return XdsType(type_url, message, message, message, _LAST, legacy_wildcard=True, full_set=True)


def depth(type_url: str) -> int:
    """How many types may stand above it, each of which refers to the next: what refers comes before."""
    return max((1 + depth(each) for each in describe(type_url).referred_by), default=0)


def by_short_name(name: str) -> XdsType:
    """The type that people call `name`: `clusters`, `cluster`, `cds`; a type URL is taken too.

    Raises:
        ValueError: there is no such short name; the text lists those there are.
    """
    found = _BY_SHORT_NAME.get(name)
    if found is not None:
        return found
    if "/" in name:
        check_type_url(name)
        return describe(name)
    known = ", ".join(xds_type.plural for xds_type in TYPES)
    raise ValueError(f"{name!r} is no type of resource; there are {known}, or a type URL")
