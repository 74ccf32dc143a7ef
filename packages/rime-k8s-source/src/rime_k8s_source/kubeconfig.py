"""Reading kubeconfig files, as kubectl does.

Several files are one: of entries with one name the first counts, and so does the first `current-context`. Paths in a
file are relative to it. https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from rime_core.errors import UsageError
from rime_k8s_source.access import Access, Content, ExecPlugin, User

DEFAULT: Final = Path(".kube") / "config"
"""Where it is in the home of a user who says nothing else."""

_API_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

_IMPERSONATE: Final = {"as": "Impersonate-User", "as-uid": "Impersonate-Uid"}


def find(environment: Mapping[str, str], home: Path) -> list[Path]:
    """The files that count: those that `KUBECONFIG` names, as far as they are there, or the user's own if it is."""
    named = [Path(name).expanduser() for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    return [path for path in named or [home / DEFAULT] if path.is_file()]


def load(paths: Sequence[Path], context: str = "") -> Access:
    """The access that these files describe, by the named context, or by their current one.

    Raises:
        UsageError: a file cannot be read, or what it says is not enough; one line, with the file.
    """
    merged = _Merged(paths)
    name = context or merged.current
    if not name:
        raise UsageError(f"kubernetes: {merged.shown}: there is no current-context: say kubernetes:CONTEXT")
    of_context = merged.entry("context", name)
    cluster = merged.entry("cluster", of_context.text("cluster", required=True))
    user = of_context.text("user")
    server = cluster.text("server", required=True).rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise cluster.fault("server", "should be a URL such as https://127.0.0.1:6443")
    proxy = cluster.text("proxy-url")
    if proxy and not proxy.startswith(("http://", "https://")):
        raise cluster.fault("proxy-url", "should be an HTTP proxy: no other kind is supported")
    return Access(
        name=f"context {name}",
        server=server,
        user=_user(merged.entry("user", user)) if user else User(),
        namespace=of_context.text("namespace"),
        authority=cluster.content("certificate-authority"),
        server_name=cluster.text("tls-server-name"),
        verify=not cluster.flag("insecure-skip-tls-verify"),
        proxy=proxy or None,
    )


def _user(entry: "_Entry") -> User:
    if "auth-provider" in entry.values:
        raise entry.fault("auth-provider", "is not supported, nor by kubectl any more: use exec")
    if entry.text("username"):
        raise entry.fault("username", "is not supported: no API server takes passwords since Kubernetes 1.19")
    token = entry.text("token")
    token_file = entry.path("tokenFile")
    plugin = entry.values.get("exec")
    impersonate = {header: entry.text(key) for key, header in _IMPERSONATE.items() if entry.text(key)}
    if entry.values.get("as-groups"):
        raise entry.fault("as-groups", "is not supported: give the groups to a user")
    if entry.values.get("as-user-extra"):
        raise entry.fault("as-user-extra", "is not supported")
    return User(
        token=token_file if token_file is not None else token.encode() or None,
        certificate=entry.content("client-certificate"),
        key=entry.content("client-key"),
        plugin=_plugin(entry.below("exec", plugin)) if plugin else None,
        impersonate=impersonate,
    )


def _plugin(entry: "_Entry") -> ExecPlugin:
    version = entry.text("apiVersion")
    if version not in _API_VERSIONS:
        raise entry.fault("apiVersion", f"should be {_API_VERSIONS[0]}, not {version or 'left out'}")
    if entry.text("interactiveMode") == "Always":
        raise entry.fault("interactiveMode", "is Always, but nobody is there to be asked")
    command = entry.text("command", required=True)
    if os.sep in command:  # as a shell: a name alone is looked for in PATH
        command = str(entry.file.parent / command)
    try:
        environment = {str(each["name"]): str(each["value"]) for each in entry.values.get("env") or ()}
    except (TypeError, KeyError) as error:
        raise entry.fault("env", "should be a list of name and value") from error
    return ExecPlugin(
        command=command,
        arguments=tuple(str(each) for each in entry.values.get("args") or ()),
        environment=environment,
        api_version=version,
        provide_cluster=entry.flag("provideClusterInfo"),
        hint=entry.text("installHint"),
    )


class _Entry:
    """A mapping of a file, and where it stands there; `what` is for people: user 'admin'."""

    def __init__(self, values: Mapping[str, Any], file: Path, what: str) -> None:
        self.values = values
        self.file = file
        self._what = what

    def fault(self, key: str, why: str) -> UsageError:
        return UsageError(f"kubernetes: {self.file}: {self._what}: {key} {why}")

    def text(self, key: str, *, required: bool = False) -> str:
        value = self.values.get(key)
        if value is None or value == "":
            if required:
                raise self.fault(key, "is missing")
            return ""
        if not isinstance(value, str):
            raise self.fault(key, "should be a text")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.fault(key, "should be true or false")
        return value

    def path(self, key: str) -> Path | None:
        text = self.text(key)
        return self.file.parent / text if text else None

    def content(self, key: str) -> Content | None:
        """What stands in `key`-data, or the file that `key` names."""
        data = self.text(f"{key}-data")
        if not data:
            return self.path(key)
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise self.fault(f"{key}-data", "is not base64") from error

    def below(self, key: str, values: object) -> "_Entry":
        if not isinstance(values, dict):
            raise self.fault(key, "should be a mapping")
        return _Entry(values, self.file, f"{self._what}: {key}")


class _Merged:
    """Several files as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.shown = ", ".join(str(path) for path in paths)
        self.current = ""
        self._entries: dict[tuple[str, str], _Entry] = {}
        for path in paths:
            self._take(path)

    def _take(self, path: Path) -> None:
        values = _read(path)
        current = values.get("current-context")
        self.current = self.current or (current if isinstance(current, str) else "")
        for kind in ("context", "cluster", "user"):
            try:
                listed = [(str(each["name"]), each.get(kind) or {}) for each in values.get(f"{kind}s") or ()]
            except (TypeError, KeyError, AttributeError) as error:
                raise UsageError(f"kubernetes: {path}: {kind}s should be a list with names") from error
            for name, content in listed:
                what = f"{kind} {name!r}"
                if not isinstance(content, dict):
                    raise UsageError(f"kubernetes: {path}: {what} should be a mapping")
                self._entries.setdefault((kind, name), _Entry(content, path.absolute(), what))

    def entry(self, kind: str, name: str) -> _Entry:
        entry = self._entries.get((kind, name))
        if entry is None:
            there = ", ".join(known for of, known in self._entries if of == kind) or "none"
            raise UsageError(f"kubernetes: {self.shown}: there is no {kind} {name!r}; there is {there}")
        return entry


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise UsageError(f"kubernetes: {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise UsageError(f"kubernetes: {path}{line}: is not YAML") from error
    if not isinstance(values, dict):
        raise UsageError(f"kubernetes: {path}: is not a kubeconfig")
    return values
