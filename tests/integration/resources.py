"""Envoy's resources as people write them: the text of one file of YAML each."""

import yaml

TYPE = "type.googleapis.com/envoy"

AGGREGATED = "{ads: {}, resource_api_version: V3}"


def by_stream_of_its_own(text, api_type):
    """The same resources, where what they take from the control plane comes over a stream of its own."""
    own = (
        f"{{api_config_source: {{api_type: {api_type}, transport_api_version: V3, "
        "grpc_services: [{envoy_grpc: {cluster_name: rime}}]}, resource_api_version: V3}"
    )
    return text.replace(AGGREGATED, own)


def with_streams_of_their_own(bootstrap):
    """The bootstrap, where clusters and listeners each come over a stream of their own."""
    made = yaml.safe_load(bootstrap)
    own = {"api_config_source": made["dynamic_resources"]["ads_config"], "resource_api_version": "V3"}
    made["dynamic_resources"] = {"cds_config": own, "lds_config": own}
    return yaml.safe_dump(made)


def cluster(name="shop", timeout="1s"):
    """A cluster whose endpoints come from the control plane too."""
    return f"""\
resources:
- "@type": {TYPE}.config.cluster.v3.Cluster
  name: {name}
  type: EDS
  connect_timeout: {timeout}
  eds_cluster_config: {{eds_config: {{ads: {{}}, resource_api_version: V3}}}}
"""


def cluster_that_envoy_rejects(name):
    """Only Envoy sees, while it applies this, that there is an endpoint too many."""
    endpoint = "endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}"
    return f"""\
resources:
- "@type": {TYPE}.config.cluster.v3.Cluster
  name: {name}
  type: LOGICAL_DNS
  connect_timeout: 1s
  load_assignment:
    cluster_name: {name}
    endpoints:
    - lb_endpoints: [{{{endpoint}}}, {{{endpoint}}}]
"""


def endpoints(port, name="shop"):
    return f"""\
resources:
- "@type": {TYPE}.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: {name}
  endpoints:
  - lb_endpoints:
    - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"""


def route(cluster="shop", name="web", prefix="/"):
    return f"""\
resources:
- "@type": {TYPE}.config.route.v3.RouteConfiguration
  name: {name}
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes:
    - match: {{prefix: {prefix}}}
      route: {{cluster: {cluster}}}
"""


def listener(name="web", route="web", *, port=0):
    """A listener, on any free port unless said, whose routes come from the control plane too."""
    return f"""\
resources:
- "@type": {TYPE}.config.listener.v3.Listener
  name: {name}
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": {TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: {name}
        rds: {{route_config_name: {route}, config_source: {{ads: {{}}, resource_api_version: V3}}}}
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {{"@type": {TYPE}.extensions.filters.http.router.v3.Router}}
"""


def listener_with_routes(cluster, name="web", *, port=0):
    """A listener, on any free port unless said, that has its routes in itself."""
    return f"""\
resources:
- "@type": {TYPE}.config.listener.v3.Listener
  name: {name}
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": {TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: {name}
        route_config:
          virtual_hosts:
          - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: {cluster}}}}}]}}
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {{"@type": {TYPE}.extensions.filters.http.router.v3.Router}}
"""


def tcp_listener(cluster, name="web", *, port=0):
    """A listener, on any free port unless said, that passes on every connection as it is."""
    return f"""\
resources:
- "@type": {TYPE}.config.listener.v3.Listener
  name: {name}
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.tcp_proxy
      typed_config:
        "@type": {TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy
        stat_prefix: {name}
        cluster: {cluster}
"""


ADMIN = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"
"""The part of a bootstrap that makes Envoy tell about itself."""
