"""The folder that rime serves: the example's files, with ports that are free here, and many more services."""

import shutil
from pathlib import Path

HERE = Path(__file__).parent

OTHER_SERVICES = 100
"""Clusters beside the one that is looked at, each with its endpoints: so that there is much that need not be sent."""

OTHER_SERVICE = """\
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: service-{number:03}
  type: EDS
  connect_timeout: 1s
  eds_cluster_config: {{eds_config: {{ads: {{}}, resource_api_version: V3}}}}
- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: service-{number:03}
  endpoints:
  - lb_endpoints:
    - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"""


def lay_out(folder: Path, *, web: int, blue: int) -> None:
    """Copy what the example has to `folder`; Envoy is to listen on port `web`, and the endpoint has port `blue`."""
    shutil.copy(HERE / "envoy.yaml", folder)
    shutil.copytree(HERE / "conf", folder / "conf")
    _replace_port(folder / "conf/listeners.yaml", 10000, web)
    _replace_port(folder / "conf/endpoints.yaml", 8081, blue)
    others = [OTHER_SERVICE.format(number=number, port=blue) for number in range(1, OTHER_SERVICES + 1)]
    (folder / "conf/other-services.yaml").write_text("resources:\n" + "".join(others))


def move_endpoint(folder: Path, old: int, new: int) -> None:
    """Save endpoints.yaml with another port."""
    _replace_port(folder / "conf/endpoints.yaml", old, new)


def _replace_port(file: Path, old: int, new: int) -> None:
    file.write_text(file.read_text().replace(f"port_value: {old}", f"port_value: {new}"))
