"""The bootstrap of an Envoy that takes its configuration from rime."""

import ipaddress
import json
import re
from typing import Final

from rime_core.errors import SourceError, UsageError
from rime_core.node import TTL
from rime_core.type_urls import CLUSTER
from rime_envoy_api.convert import convert, locate
from rime_envoy_api.document import Fault, read_documents, show_path
from rime_envoy_api.output import dump_yaml, fields_of
from rime_envoy_api.pool import Dynamic, message_class
from rime_envoy_api.referenced import references_in
from rime_envoy_api.rules import violations
from rime_envoy_api.tree import Node, UnreadableError, read_yaml

_BOOTSTRAP: Final = "envoy.config.bootstrap.v3.Bootstrap"
_ADDRESS = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+)):(?P<port>[0-9]{1,5})", re.ASCII)
_DYNAMIC: Final = """
ads_config:
  api_type: DELTA_GRPC
  transport_api_version: V3
  set_node_on_first_message_only: true
  grpc_services: [{{envoy_grpc: {{cluster_name: "{cluster}"}}}}]
cds_config: {{ads: {{}}, resource_api_version: V3}}
lds_config: {{ads: {{}}, resource_api_version: V3}}
"""
# The keepalive finds a connection that is dead without having been closed, as after the control plane's host is gone.
_CONTROL_PLANE: Final = """
name: "{cluster}"
type: {discovery}
connect_timeout: 5s
load_assignment:
  cluster_name: "{cluster}"
  endpoints:
  - lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: "{host}", port_value: {port}}}}}}}}}]
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {{http2_protocol_options: {{connection_keepalive: {{interval: 30s, timeout: 5s}}}}}}
"""
# Envoy checks no name unless told to: any certificate of that authority, another client's too, would do for rime's.
_TLS: Final = """
name: envoy.transport_sockets.tls
typed_config:
  "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
  sni: {sni}
  common_tls_context:
    tls_params: {{tls_minimum_protocol_version: TLSv1_2}}
    tls_certificates: {certificates}
    validation_context:
      trusted_ca: {{filename: {ca}}}
      match_typed_subject_alt_names: [{{san_type: {kind}, matcher: {{exact: {name}}}}}]
"""


def make_bootstrap(
    text: str | bytes | None = None,
    *,
    origin: str = "bootstrap",
    address: str = "127.0.0.1:18000",
    node_id: str = "envoy",
    node_cluster: str = "envoy",
    tls_ca: str = "",
    tls_cert: str = "",
    tls_key: str = "",
    tls_server_name: str = "",
) -> str:
    """The YAML of a bootstrap whose Envoy takes clusters and listeners from rime at `address`, as host:port.

    `text` is the bootstrap that somebody has, and `origin` what people call it. What cannot come from a control plane
    stays: the node, admin, statistics, tracing, the overload manager, runtime layers, extensions, secrets that the file
    holds, and those of its clusters that one of these needs. `parse` reads the clusters and listeners of the same file.
    `node_id` and `node_cluster` are used where the file says nothing. The node announces that it understands lifetimes
    of resources, which Envoy does and does not say by itself.

    With `tls_ca` Envoy connects over TLS, and accepts a certificate that one of the authorities in this file has signed
    for `tls_server_name`, a DNS name, an IP address or a URI such as spiffe://...; where that is empty, for the host of
    `address`. `tls_cert` and `tls_key`, given together, are the certificate that Envoy shows. All three are the paths
    of files in PEM form as Envoy will find them; nothing is read here.

    Raises:
        UsageError: the address is not host:port; or of the options of TLS one lacks another.
        SourceError: the file is no bootstrap that Envoy would take; the text is the first fault.
    """
    host, port = _split(address)
    _check_tls(tls_ca, tls_cert, tls_key, tls_server_name)
    bootstrap: Dynamic = message_class(_BOOTSTRAP)() if text is None else _read(text, origin)
    _keep_what_is_needed(bootstrap)
    bootstrap.node.id = bootstrap.node.id or node_id
    bootstrap.node.cluster = bootstrap.node.cluster or node_cluster
    bootstrap.node.client_features.extend({TTL} - set(bootstrap.node.client_features))
    cluster = _free_name(bootstrap)
    filled = {
        "cluster": cluster,
        "host": host,
        "port": port,
        "discovery": "STATIC" if _is_ip(host) else "STRICT_DNS",
    }
    bootstrap.dynamic_resources.CopyFrom(_made(_DYNAMIC.format(**filled), f"{_BOOTSTRAP}.DynamicResources"))
    control_plane = _made(_CONTROL_PLANE.format(**filled), "envoy.config.cluster.v3.Cluster")
    if tls_ca:
        control_plane.transport_socket.CopyFrom(_tls(tls_ca, tls_cert, tls_key, tls_server_name or host))
    bootstrap.static_resources.clusters.append(control_plane)
    return f"# An Envoy that takes its clusters and listeners from {address}.\n{dump_yaml(fields_of(bootstrap))}"


def _read(text: str | bytes, origin: str) -> Dynamic:
    try:
        documents = read_documents(text, origin)
    except UnreadableError as error:
        raise SourceError(str(Fault(origin, error.line, str(error)))) from error
    node = documents[0]
    if len(documents) > 1:
        raise SourceError(str(Fault(origin, documents[1].line, "a bootstrap is one document, and here begins another")))
    bootstrap, found = convert(node, _BOOTSTRAP)
    faults = [Fault(origin, fault.line, fault.message, show_path(fault.path)) for fault in found]
    faults += [
        Fault(origin, locate(node, path), complaint, show_path(path)) for path, complaint in violations(bootstrap)
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SourceError(f"{faults[0]}{more}")
    return bootstrap


def _keep_what_is_needed(bootstrap: Dynamic) -> None:
    """Drop the clusters and listeners that can come from a control plane, and how they came so far."""
    clusters = {cluster.name: cluster for cluster in bootstrap.static_resources.clusters}
    bootstrap.ClearField("dynamic_resources")
    bootstrap.static_resources.ClearField("listeners")
    bootstrap.static_resources.ClearField("clusters")
    needed: dict[str, Dynamic] = {}
    waiting = _clusters_of(bootstrap)
    while waiting:
        name = waiting.pop()
        if name in clusters and name not in needed:
            needed[name] = clusters[name]
            waiting += _clusters_of(clusters[name])
    bootstrap.static_resources.clusters.extend(cluster for name, cluster in clusters.items() if name in needed)


def _clusters_of(message: Dynamic) -> list[str]:
    return [name for type_url, name in references_in(message) if type_url == CLUSTER]


def _free_name(bootstrap: Dynamic) -> str:
    taken = {cluster.name for cluster in bootstrap.static_resources.clusters}
    name = "rime"
    while name in taken:
        name += "_"
    return name


def _made(text: str, full_name: str) -> Dynamic:
    node: Node
    (node,) = read_yaml(text)
    return convert(node, full_name)[0]


def _check_tls(ca: str, cert: str, key: str, server_name: str) -> None:
    if bool(cert) != bool(key):
        raise UsageError("tls_cert and tls_key are of no use without each other: give both, or neither")
    if not ca and (cert or server_name):
        raise UsageError("without tls_ca Envoy would connect unencrypted: give the authority that signed for rime")


def _tls(ca: str, cert: str, key: str, server_name: str) -> Dynamic:
    kind = "IP_ADDRESS" if _is_ip(server_name) else "URI" if "://" in server_name else "DNS"
    certificates = [{"certificate_chain": {"filename": cert}, "private_key": {"filename": key}}] if cert else []
    text = _TLS.format(
        sni=json.dumps(server_name if kind == "DNS" else ""),
        certificates=json.dumps(certificates),
        ca=json.dumps(ca),
        kind=kind,
        name=json.dumps(server_name),
    )
    return _made(text, "envoy.config.core.v3.TransportSocket")


def _split(address: str) -> tuple[str, int]:
    parts = _ADDRESS.fullmatch(address)
    if parts is None or not 0 < int(parts["port"]) < 65536:
        raise UsageError(f"{address!r} is no address: write it as host:port, such as 127.0.0.1:18000")
    return parts["bracketed"] or parts["host"], int(parts["port"])


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
