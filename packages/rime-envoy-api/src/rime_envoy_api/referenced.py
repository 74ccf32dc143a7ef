"""What a resource refers to: a cluster to its assignment, a listener to routes, clusters and secrets, and so on.

`_NAMES` says, as data, which fields of which messages hold a name of another resource, wherever these messages stand:
in a filter's `typed_config` just as in a route. From a type's fields only those are followed that can lead to such a
message, so what cannot refer to anything costs next to nothing. A name that comes from a file instead of from the
control plane (`path_config_source`) is no reference.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from rime_core.errors import SourceError
from rime_core.type_urls import CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SCOPED_ROUTE, SECRET, VIRTUAL_HOST
from rime_envoy_api.canonical import unpack
from rime_envoy_api.pool import AUTHORITY, Dynamic, class_of_type_url, message_class

Reference: TypeAlias = tuple[str, str]


def references(type_url: str, body: bytes) -> tuple[Reference, ...]:
    """The (type URL, name) pairs that a resource refers to, each once, in the order in which they stand there.

    Types that refer to nothing are not parsed.

    Raises:
        SourceError: the body is not of that type.
    """
    if type_url not in _REFERRING:
        return ()
    try:
        message = message_class(type_url.removeprefix(AUTHORITY)).FromString(body)
    except DecodeError as error:
        raise SourceError(f"the body is not that of a {type_url.removeprefix(AUTHORITY)}") from error
    return references_in(message)


def references_in(message: Dynamic) -> tuple[Reference, ...]:
    """The same for any message of this package's own pool."""
    return tuple(dict.fromkeys(_walk(message)))


_REFERRING: Final = frozenset((CLUSTER, LISTENER, ROUTE, SCOPED_ROUTE, VIRTUAL_HOST, EXTENSION_CONFIG))
_ANY: Final = "google.protobuf.Any"

_CORE: Final = "envoy.config.core.v3."
_ROUTES: Final = "envoy.config.route.v3."
_HTTP_MANAGER: Final = "envoy.extensions.filters.network.http_connection_manager.v3."
_NETWORK: Final = "envoy.extensions.filters.network."
_REDIS: Final = f"{_NETWORK}redis_proxy.v3.RedisProxy.PrefixRoutes."

# message: its field that names a cluster, or several.
_CLUSTERS: Final[dict[str, str]] = {
    f"{_CORE}ApiConfigSource": "cluster_names",
    f"{_CORE}GrpcService.EnvoyGrpc": "cluster_name",
    f"{_CORE}HttpUri": "cluster",
    f"{_ROUTES}RouteAction": "cluster",
    f"{_ROUTES}RouteAction.RequestMirrorPolicy": "cluster",
    f"{_ROUTES}WeightedCluster.ClusterWeight": "name",
    f"{_NETWORK}tcp_proxy.v3.TcpProxy": "cluster",
    f"{_NETWORK}tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": "name",
    f"{_REDIS}Route": "cluster",
    f"{_REDIS}Route.RequestMirrorPolicy": "cluster",
    f"{_REDIS}Route.ReadCommandPolicy": "cluster",
    f"{_NETWORK}thrift_proxy.v3.RouteAction": "cluster",
    f"{_NETWORK}thrift_proxy.v3.RouteAction.RequestMirrorPolicy": "cluster",
    f"{_NETWORK}thrift_proxy.v3.WeightedCluster.ClusterWeight": "name",
    f"{_NETWORK}dubbo_proxy.v3.RouteAction": "cluster",
    f"{_NETWORK}generic_proxy.action.v3.RouteAction": "cluster",
    "envoy.config.bootstrap.v3.ClusterManager": "local_cluster_name",
    "envoy.config.metrics.v3.StatsdSink": "tcp_cluster_name",
    "envoy.config.trace.v3.DatadogConfig": "collector_cluster",
    "envoy.config.trace.v3.ZipkinConfig": "collector_cluster",
    "envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig": "cluster",
    "envoy.extensions.clusters.aggregate.v3.ClusterConfig": "clusters",
    "envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig": "cluster",
    "envoy.extensions.filters.http.mcp_router.v3.McpRouter.McpCluster": "cluster",
    "envoy.extensions.filters.udp.udp_proxy.v3.Route": "cluster",
    "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig": "cluster",
    "envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig": "default_cluster",
    "envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction": "cluster",
    "envoy.extensions.tracers.fluentd.v3.FluentdConfig": "cluster",
}
# message: its field that names another resource, of which type, and its field that says where that comes from.
_SOURCED: Final[dict[str, tuple[str, str, str]]] = {
    f"{_HTTP_MANAGER}Rds": ("route_config_name", ROUTE, "config_source"),
    "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": ("name", SECRET, "sds_config"),
    f"{_HTTP_MANAGER}HttpFilter": ("name", EXTENSION_CONFIG, "config_discovery"),
    "envoy.config.cluster.v3.Filter": ("name", EXTENSION_CONFIG, "config_discovery"),
    "envoy.config.listener.v3.Filter": ("name", EXTENSION_CONFIG, "config_discovery"),
    "envoy.config.listener.v3.ListenerFilter": ("name", EXTENSION_CONFIG, "config_discovery"),
}
_PATHS: Final = ("path", "path_config_source")


def _named_clusters(field: str, message: Dynamic) -> Iterator[Reference]:
    given = getattr(message, field)
    for name in (given,) if isinstance(given, str) else given:
        if name:
            yield CLUSTER, name


def _sourced(field: str, type_url: str, source: str, message: Dynamic) -> Iterator[Reference]:
    if message.HasField(source) and _is_discovered(getattr(message, source)):
        yield type_url, getattr(message, field)


def _is_discovered(source: Dynamic) -> bool:
    if source.DESCRIPTOR.name == "ExtensionConfigSource":
        source = source.config_source
    return source.WhichOneof("config_source_specifier") not in _PATHS


def _assignment(message: Dynamic) -> Iterator[Reference]:
    eds = message.eds_cluster_config
    if message.type == _EDS and _is_discovered(eds.eds_config):
        yield ENDPOINT, eds.service_name or message.name


def _scope(message: Dynamic) -> Iterator[Reference]:
    if message.route_configuration_name:
        yield ROUTE, message.route_configuration_name


def _hosts(message: Dynamic) -> Iterator[Reference]:
    """What a route configuration has on demand, all of it: `<its name>/*`."""
    if message.HasField("vhds") and _is_discovered(message.vhds.config_source):
        yield VIRTUAL_HOST, f"{message.name}/*"


_EDS: Final = 3  # Cluster.DiscoveryType.EDS
_Extractor: TypeAlias = Callable[[Dynamic], Iterator[Reference]]
_EXTRACTORS: Final[dict[str, _Extractor]] = {
    "envoy.config.cluster.v3.Cluster": _assignment,
    f"{_ROUTES}ScopedRouteConfiguration": _scope,
    f"{_ROUTES}RouteConfiguration": _hosts,
    **{message: partial(_named_clusters, field) for message, field in _CLUSTERS.items()},
    **{message: partial(_sourced, *fields) for message, fields in _SOURCED.items()},
}


class _Plan(NamedTuple):
    own: _Extractor | None
    fields: dict[str, bool]  # those that can lead on: whether it is a map


def _walk(message: Dynamic) -> Iterator[Reference]:
    plan = _plan(message.DESCRIPTOR)
    if plan.own is not None:
        yield from plan.own(message)
    if not plan.fields:
        return
    for field, value in message.ListFields():
        is_map = plan.fields.get(field.name)
        if is_map is None:
            continue
        parts = value.values() if is_map else value if field.is_repeated else (value,)
        for part in parts:
            yield from _walk(part)


def _walk_any(packed: Dynamic) -> Iterator[Reference]:
    made = class_of_type_url(packed.type_url)
    if made is not None and any(_plan(made.DESCRIPTOR)):
        content = unpack(packed)
        if content is not None:
            yield from _walk(content)


@cache
def _plan(described: Dynamic) -> _Plan:
    if described.full_name == _ANY:
        return _Plan(_walk_any, {})
    leading = {
        field.name: field.message_type.GetOptions().map_entry
        for field in described.fields
        if field.message_type is not None and _leads(field.message_type)
    }
    return _Plan(_EXTRACTORS.get(described.full_name), leading)


@cache
def _leads(described: Dynamic) -> bool:
    """Whether a message of this type may hold a name of another resource, itself or further inside."""
    seen = {described.full_name}
    waiting = [described]
    while waiting:
        current = waiting.pop()
        if current.full_name == _ANY or current.full_name in _EXTRACTORS:
            return True
        for field in current.fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)
    return False
