"""`rime bootstrap`: the Envoy configuration that connects to this rime."""

import sys
from pathlib import Path

import click

from rime_core import UsageError


@click.command(
    epilog="""\b
Examples:
  rime bootstrap > envoy-rime.yaml               a new Envoy
  rime bootstrap envoy.yaml > envoy-rime.yaml    the Envoy that you have: rime serve takes over what can be dynamic
  rime bootstrap --at rime.example:18000 --tls-ca ca.pem --tls-cert envoy.pem --tls-key envoy.key > envoy-rime.yaml
"""
)
@click.argument("envoy_yaml", required=False, type=click.Path(path_type=Path), metavar="[ENVOY.yaml]")
@click.option("--at", "address", default="127.0.0.1:18000", show_default=True, help="Where rime listens.")
@click.option("--node-id", default="envoy", show_default=True, help="Who this Envoy says that it is.")
@click.option("--node-cluster", default="envoy", show_default=True, help="Which group of Envoys it says it is of.")
@click.option("--tls-ca", default="", metavar="FILE", help="Connect over TLS: whose signature rime's certificate has.")
@click.option("--tls-cert", default="", metavar="FILE", help="The certificate that Envoy shows.")
@click.option("--tls-key", default="", metavar="FILE", help="Its private key.")
@click.option(
    "--tls-server-name", default="", metavar="NAME", help="Who rime's certificate is for.  [default: as --at]"
)
def bootstrap(
    envoy_yaml: Path | None,
    address: str,
    node_id: str,
    node_cluster: str,
    tls_ca: str,
    tls_cert: str,
    tls_key: str,
    tls_server_name: str,
) -> None:
    """Print an Envoy bootstrap that takes its configuration from rime.

    What ENVOY.yaml has that cannot come from a control plane (admin, stats, tracing, runtime, node) is kept; clusters,
    listeners and secrets are left out: `rime serve --source file:ENVOY.yaml` serves them.

    The files of TLS are those that Envoy reads, when it starts; a relative path starts where Envoy is started.
    """
    from rime_envoy_api import make_bootstrap  # noqa: PLC0415 - loads protobuf, which --help must not
    from rime_grpc import address as addresses  # noqa: PLC0415 - as above

    text = None
    if envoy_yaml is not None:
        try:
            text = envoy_yaml.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {envoy_yaml}: {getattr(error, 'strerror', None) or error}") from error
    where = str(addresses.parse(address))
    made = make_bootstrap(
        text,
        origin=str(envoy_yaml or "bootstrap"),
        address=where,
        node_id=node_id,
        node_cluster=node_cluster,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_server_name=tls_server_name,
    )
    sys.stdout.write(made)
