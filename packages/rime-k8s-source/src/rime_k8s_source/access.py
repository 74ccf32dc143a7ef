"""How an API server is reached and who asks: what a kubeconfig, or a Pod's own files, say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from rime_core.errors import UsageError

Content: TypeAlias = bytes | Path
"""Bytes as they stand, or the file that has them and is read whenever they are needed: it may be rotated."""

POD_FILES: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program that prints credentials (`client.authentication.k8s.io`).

    `provide_cluster` says that it is told which cluster they are for; `hint` is what to do where it is not installed.
    """

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1"
    provide_cluster: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """What to authenticate with. `token` wins over what an exec plugin gives, as in kubectl.

    `impersonate`: the headers by which it acts as somebody else.
    """

    token: Content | None = None
    certificate: Content | None = None
    key: Content | None = None
    plugin: ExecPlugin | None = None
    impersonate: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Access:
    """One API server, and one user of it.

    name: for people: `context dev`, `in-cluster`.
    server: its URL.
    namespace: the context's own, "" where it has none.
    authority: the certificates that sign the server's; None are the system's.
    server_name: what the server's certificate is to say, "" is the URL's host.
    verify: whether that is looked at.
    proxy: the URL of an HTTP proxy; None: as the environment says.
    """

    name: str
    server: str
    user: User = field(default_factory=User)
    namespace: str = ""
    authority: Content | None = None
    server_name: str = ""
    verify: bool = True
    proxy: str | None = None


def in_cluster(environment: Mapping[str, str], files: Path = POD_FILES) -> Access | None:
    """What a Pod is given; None outside of one.

    Raises:
        UsageError: it is in a Pod that is given no token (`automountServiceAccountToken: false`).
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        return None
    token, authority, namespace = files / "token", files / "ca.crt", files / "namespace"
    if not token.is_file():
        raise UsageError(
            f"kubernetes: {token}: there is no such file: this Pod has no ServiceAccount token;"
            " see automountServiceAccountToken"
        )
    return Access(
        name="in-cluster",
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        user=User(token=token),
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else "",
        authority=authority if authority.is_file() else None,
    )
