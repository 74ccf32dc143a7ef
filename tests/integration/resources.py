"""Envoy's resources as people write them: the text of one file of YAML each."""

TYPE = "type.googleapis.com/envoy"


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


def listener(name="web", route="web"):
    """A listener on any free port, whose routes come from the control plane too."""
    return f"""\
resources:
- "@type": {TYPE}.config.listener.v3.Listener
  name: {name}
  address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
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


ADMIN = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"
"""The part of a bootstrap that makes Envoy tell about itself."""
