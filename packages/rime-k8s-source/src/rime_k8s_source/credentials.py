"""Who asks, now: tokens that are rotated, certificates that are renewed, and programs that are asked for either.

Files are read for each request: there is one every few minutes for each watch, and so nothing has to know when a file
was rotated. What a plugin gave is kept until shortly before it expires, or until the API server refuses it. Then it is
asked again at once; where that is refused as well, after pauses that grow: some plugins ask a server, or a person.
"""

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any, Final

import anyio

from rime_k8s_source.access import Access, Content, ExecPlugin
from rime_k8s_source.backoff import LONGEST, Backoff
from rime_k8s_source.errors import CredentialsError, one_line

MARGIN: Final = timedelta(seconds=30)
"""How long before they expire credentials are renewed: longer than a request takes to begin."""

PATIENCE: Final = 60.0
"""Seconds that a plugin may take. Some ask a server far away; none that runs without a person takes a minute."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one request comes with; a certificate and its key are PEM."""

    token: str = ""
    certificate: bytes | None = None
    key: bytes | None = None


def read(content: Content | None, what: str) -> bytes | None:
    """The bytes themselves.

    Raises:
        CredentialsError: the file cannot be read.
    """
    if not isinstance(content, Path):
        return content
    try:
        return content.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{content}: the {what} cannot be read: {error.strerror}") from error


class Authenticator:
    """The credentials of one user of one cluster.

    `now` tells the time, in UTC; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        access: Access,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access: Final = access
        self._now: Final = now
        self._clock: Final = clock
        self._lock: Final = anyio.Lock()
        self._given = Credentials()
        self._expires: datetime | None = None
        self._given_at = -inf
        self._is_good = False
        """Whether what was given may still be accepted."""
        self._backoff: Final = Backoff()
        self._pause = 0.0
        """How long a plugin is not asked again after the next refusal."""
        self._ask_from = -inf
        """From when on it may be asked, where what it gave is not good."""

    async def current(self) -> Credentials:
        """What to come with now.

        Raises:
            CredentialsError: there is nothing, since a file cannot be read or a plugin fails.
        """
        user = self._access.user
        token = (read(user.token, "token") or b"").decode("utf-8", "replace").strip()
        certificate, key = read(user.certificate, "client certificate"), read(user.key, "client key")
        if user.plugin is None or token:
            return Credentials(token, certificate, key)
        async with self._lock:  # several watches begin at once, and one answer serves them all
            if self._is_due():
                self._given, self._expires = await self._ask(user.plugin)
                self._given_at, self._is_good = self._clock(), True
            given = self._given
        return Credentials(given.token, given.certificate or certificate, given.key or key)

    def refused(self, credentials: Credentials) -> None:
        """The API server did not accept these: a plugin is asked again, unless it has given others since.

        At once where what it gave has been good for a while, and otherwise after a pause.
        """
        given, now = self._given, self._clock()
        is_given = given.token == credentials.token and given.certificate in {None, credentials.certificate}
        if not self._is_good or not is_given:
            return
        if now - self._given_at > LONGEST:
            self._backoff.reset()
            self._pause = 0.0
        self._is_good, self._ask_from = False, now + self._pause
        self._pause = self._backoff.pause()

    def _is_due(self) -> bool:
        """Whether a plugin is to be asked now."""
        if not self._is_good:
            return self._clock() >= self._ask_from
        return self._expires is not None and self._expires - MARGIN <= self._now()

    async def _ask(self, plugin: ExecPlugin) -> tuple[Credentials, datetime | None]:
        info: dict[str, Any] = {"interactive": False}
        if plugin.provide_cluster:
            info["cluster"] = _described(self._access)
        environment = {
            **os.environ,
            **plugin.environment,
            "KUBERNETES_EXEC_INFO": json.dumps(
                {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": info}
            ),
        }
        try:
            with anyio.fail_after(PATIENCE):
                done = await anyio.run_process(
                    [plugin.command, *plugin.arguments], stdin=subprocess.DEVNULL, env=environment, check=False
                )
        except FileNotFoundError as error:
            hint = f": {one_line(plugin.hint)}" if plugin.hint else ""
            raise CredentialsError(f"the exec plugin {plugin.command!r} is not installed{hint}") from error
        except OSError as error:
            raise CredentialsError(f"the exec plugin {plugin.command!r} cannot be run: {error.strerror}") from error
        except TimeoutError as error:
            raise CredentialsError(f"the exec plugin {plugin.command!r} took more than {PATIENCE:g} s") from error
        if done.returncode:
            said = one_line(done.stderr.decode("utf-8", "replace")) or "it says nothing"
            raise CredentialsError(f"the exec plugin {plugin.command!r} failed ({done.returncode}): {said}")
        return _understood(done.stdout, plugin)


def _described(access: Access) -> Mapping[str, Any]:
    """The cluster as a plugin is told of it: `spec.cluster` of an ExecCredential."""
    described: dict[str, Any] = {"server": access.server}
    if access.server_name:
        described["tls-server-name"] = access.server_name
    if not access.verify:
        described["insecure-skip-tls-verify"] = True
    if access.proxy:
        described["proxy-url"] = access.proxy
    authority = read(access.authority, "certificate authority")
    if authority is not None:
        described["certificate-authority-data"] = base64.b64encode(authority).decode()
    return described


def _understood(printed: bytes, plugin: ExecPlugin) -> tuple[Credentials, datetime | None]:
    try:
        answer = json.loads(printed)
        version, status = answer["apiVersion"], answer["status"]
        token = status.get("token") or ""
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        expires = status.get("expirationTimestamp")
        until = datetime.fromisoformat(expires) if expires else None
        if until is not None and until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CredentialsError(f"the exec plugin {plugin.command!r} did not print an ExecCredential") from error
    if version != plugin.api_version:
        raise CredentialsError(
            f"the exec plugin {plugin.command!r} speaks {version!r}; the kubeconfig asks for {plugin.api_version!r}"
        )
    if not token and not (certificate and key):
        raise CredentialsError(
            f"the exec plugin {plugin.command!r} gave neither a token nor a certificate with its key"
        )
    return (
        Credentials(
            str(token),
            str(certificate).encode() if certificate else None,
            str(key).encode() if key else None,
        ),
        until,
    )
