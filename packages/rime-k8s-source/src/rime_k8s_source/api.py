"""The API server over HTTP: lists, watches, what is written of status, with aiohttp's errors as ours."""

import ipaddress
import json
import os
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from rime_k8s_source.access import Access
from rime_k8s_source.credentials import Authenticator, Credentials
from rime_k8s_source.errors import (
    AbsentError,
    ApiError,
    ExpiredError,
    ForbiddenError,
    MalformedError,
    UnauthorizedError,
    UnreachableError,
    one_line,
)
from rime_k8s_source.kinds import Kind, Selection
from rime_k8s_source.lines import Lines
from rime_k8s_source.reflector import PAGE, List, Object, Watch
from rime_k8s_source.tls import Contexts

CONNECT: Final = 10.0
"""Seconds to connect; client-go has 30, but another replica of the API server may answer sooner."""

ANSWER: Final = 60.0
"""Seconds without a byte of an answer that has an end; the API server itself gives up after 60."""


@dataclass(frozen=True, slots=True)
class State:
    """Which object, and in which of its states: its `uid`, which one of the same name that is made later does not have,
    and its resourceVersion.
    """

    uid: str
    version: str

    @classmethod
    def of(cls, body: Object) -> Self:
        """The state in which an object came; two are equal where it is the same object, unchanged."""
        metadata = body["metadata"]
        return cls(str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or ""))


class ApiServer:
    """One API server, as one user; an async context manager.

    `idle`: seconds that a watch may be silent before its connection counts as lost.
    """

    def __init__(self, access: Access, *, idle: float) -> None:
        self._access: Final = access
        self._authenticator: Final = Authenticator(access)
        self._contexts: Final = Contexts(access)
        self._proxy: Final = proxy_of(access)
        self._patient: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=ANSWER)
        self._watching: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=idle)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # One connection for each watch, however many there are; no cookies, and no redirect to who knows where.
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def page(self, selection: Selection, request: List, *, limit: int = PAGE) -> Object:
        """One page of a list, of `limit` objects.

        Raises:
            SourceError: it does not come.
        """
        parameters = {**_selectors(selection), "limit": str(limit)}
        if request.token:
            parameters["continue"] = request.token
        path = selection.kind.path(selection.namespace)
        needs = ("list", selection.kind.resource, selection.namespace)
        async with self._answer("GET", path, parameters, needs) as answer:
            return _object(await self._text(answer))

    async def has(self, kind: Kind) -> bool:
        """Whether it has this kind now, as its discovery says.

        Raises:
            SourceError: it does not say.
        """
        try:
            async with self._answer("GET", kind.api, {}, ("get", kind.api, "")) as answer:
                listed = _object(await self._text(answer)).get("resources") or ()
        except AbsentError:
            return False
        return any(isinstance(each, dict) and each.get("name") == kind.plural for each in listed)

    @asynccontextmanager
    async def events(
        self, selection: Selection, request: Watch, *, seconds: int
    ) -> AsyncIterator[AsyncIterator[list[Object]]]:
        """A watch, which the server ends after `seconds`: its events, as many at once as have arrived.

        Raises:
            SourceError: it cannot be opened, or breaks.
        """
        parameters = {
            **_selectors(selection),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": request.version,
            "timeoutSeconds": str(seconds),
        }
        if request.initial:
            parameters |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        path = selection.kind.path(selection.namespace)
        needs = ("watch", selection.kind.resource, selection.namespace)
        async with self._answer("GET", path, parameters, needs, limits=self._watching) as answer:
            yield self._events(answer)

    async def apply(self, kind: Kind, body: Object, *, manager: str, subresource: str = "") -> Object:
        """Server-side apply of `body`, whose fields are `manager`'s from then on; the whole object. Where `body` has a
        `metadata.resourceVersion`, only if the object is as it was at that.

        Raises:
            SourceError: it was not applied; ApiError with the code 409 where the object is another by now.
        """
        metadata = body["metadata"]
        namespace = str(metadata.get("namespace") or "")
        path = kind.path(namespace, str(metadata["name"]), subresource)
        needs = ("patch", f"{kind.resource}/{subresource}" if subresource else kind.resource, namespace)
        async with self._answer("PATCH", path, {"fieldManager": manager, "force": "true"}, needs, body=body) as answer:
            return _object(await self._text(answer))

    async def delete(self, kind: Kind, namespace: str, name: str, *, only: State) -> None:
        """Delete an object, if it is in this state.

        Raises:
            SourceError: it was not deleted; AbsentError where there is none, ApiError with the code 409 where it is
                another, or in another state, by now.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": only.uid, "resourceVersion": only.version},
        }
        needs = ("delete", kind.resource, namespace)
        async with self._answer("DELETE", kind.path(namespace, name), {}, needs, body=options):
            pass

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        needs: tuple[str, str, str],
        *,
        limits: aiohttp.ClientTimeout | None = None,
        body: Object | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, once it is one; after a 401 asked once more, with new credentials."""
        with self._as_ours():
            answer, credentials = await self._request(method, path, parameters, limits, body)
            if answer.status == 401:
                self._authenticator.refused(credentials)
                answer.close()
                answer, _ = await self._request(method, path, parameters, limits, body)
        try:
            if not 200 <= answer.status < 300:
                raise _error(answer.status, await self._text(answer), needs)
            yield answer
        finally:
            # What was read to its end has given its connection back. A watch that is left in the middle has not; over
            # TLS, to close it is to wait for the other side to agree, which may be the one that does not answer.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
            answer.close()

    async def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        limits: aiohttp.ClientTimeout | None,
        body: Object | None,
    ) -> tuple[aiohttp.ClientResponse, Credentials]:
        assert self._session is not None, "it is an async context manager"  # noqa: S101 - for the type checker
        credentials = await self._authenticator.current()
        headers = {"Accept": "application/json", **self._access.user.impersonate}
        if credentials.token:
            headers["Authorization"] = f"Bearer {credentials.token}"
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        answer = await self._session.request(
            method,
            f"{self._access.server}{path}",
            params=parameters,
            headers=headers,
            data=json.dumps(body) if body is not None else None,
            ssl=self._contexts.context(credentials) if self._access.server.startswith("https:") else True,
            server_hostname=self._access.server_name or None,
            proxy=self._proxy,
            timeout=limits or self._patient,
            allow_redirects=False,
        )
        return answer, credentials

    async def _text(self, answer: aiohttp.ClientResponse) -> bytes:
        with self._as_ours():
            return await answer.read()

    @contextmanager
    def _as_ours(self) -> Iterator[None]:
        """What other libraries raise of a connection becomes ours."""
        try:
            yield
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreachableError(f"{one_line(self._access.server)}: {_why(error)}") from error

    async def _events(self, answer: aiohttp.ClientResponse) -> AsyncIterator[list[Object]]:
        lines = Lines()
        with self._as_ours():
            async for piece in answer.content.iter_any():
                events = [_object(line) for line in lines.feed(piece)]
                if events:
                    yield events


def _selectors(selection: Selection) -> dict[str, str]:
    given = {"labelSelector": selection.labels, "fieldSelector": selection.fields}
    return {name: value for name, value in given.items() if value}


def _object(text: bytes) -> Object:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MalformedError("what came is not JSON") from error
    if not isinstance(value, dict):
        raise MalformedError("what came is no JSON object")
    return value


def _error(code: int, text: bytes, needs: tuple[str, str, str]) -> ApiError:
    try:
        said = str(_object(text)["message"])
    except (MalformedError, KeyError):
        said = text.decode("utf-8", "replace") or "no reason given"
    verb, resource, namespace = needs
    if code == 401:
        return UnauthorizedError(code, said)
    if code == 403:
        return ForbiddenError(said, verb=verb, resource=resource, namespace=namespace)
    if code == 404:
        return AbsentError(code, said)
    if code == 410:
        return ExpiredError(code, said)
    return ApiError(code, said)


def _why(error: Exception) -> str:
    """What went wrong with a connection, in a few words."""
    if isinstance(error, aiohttp.ServerTimeoutError | TimeoutError):
        return "nothing was heard for too long"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return one_line(f"the server's certificate is not accepted: {_verification(error.certificate_error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        said = os.strerror(number) if number and number > 0 else one_line(str(error.os_error))
        return said or "the connection broke"
    return one_line(str(error)) or type(error).__name__


def _verification(error: Exception) -> str:
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)


def proxy_of(access: Access) -> str | None:
    """The access's own proxy, or the environment's (HTTPS_PROXY, NO_PROXY), as for kubectl."""
    if access.proxy is not None:
        return access.proxy
    url = urlsplit(access.server)
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(url.netloc.rpartition("@")[2]) or _is_in(url.hostname, proxies.get("no", "")):
        return None
    return proxies.get(url.scheme)


def _is_in(host: str | None, networks: str) -> bool:
    """Whether a host is an address in one of the networks of NO_PROXY, which urllib does not know."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    for each in networks.split(","):
        with suppress(ValueError):
            if address in ipaddress.ip_network(each.strip(), strict=False):
                return True
    return False
