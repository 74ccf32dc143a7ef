"""Requests and answers over HTTP, and what other libraries raise as errors for people."""

import json
import ssl
from typing import Any, cast

import aiohttp
import pytest
import trustme

from rime_k8s_source.access import Access, ExecPlugin, User
from rime_k8s_source.api import ApiServer, State, _why, proxy_of
from rime_k8s_source.errors import (
    AbsentError,
    ApiError,
    CredentialsError,
    ExpiredError,
    ForbiddenError,
    MalformedError,
    UnauthorizedError,
    UnreachableError,
)
from rime_k8s_source.kinds import CONFIG_MAPS, LEASES, XDS_RESOURCES, Selection
from rime_k8s_source.reflector import List, Watch

from .fake_api import FakeApi, status

pytestmark = pytest.mark.asyncio

SELECTION = Selection(CONFIG_MAPS, "shop", "a=b", "metadata.name=x")
EMPTY = {"metadata": {"resourceVersion": "5"}, "items": []}


def at(url, user=None, idle=5.0, **access):
    return ApiServer(Access("context dev", url, user or User(token=b"t"), **access), idle=idle)


async def page(api, request=None):
    async with api:
        return await api.page(SELECTION, request or List(""))


async def first_events(api, request):
    async with api, api.events(SELECTION, request, seconds=300) as events:
        return await anext(events)


async def test_a_page_is_asked_for_with_both_selectors_and_the_token():
    async with FakeApi(lambda _: (200, EMPTY)) as fake:
        assert await page(at(fake.url), List("next")) == EMPTY

    [request] = fake.requests
    assert (request.method, request.path) == ("GET", "/api/v1/namespaces/shop/configmaps")
    assert dict(request.query) == {
        "labelSelector": "a=b",
        "fieldSelector": "metadata.name=x",
        "limit": "500",
        "continue": "next",
    }
    assert request.headers["Authorization"] == "Bearer t"
    assert "gzip" in request.headers["Accept-Encoding"]


async def test_the_first_page_is_the_newest_and_not_what_some_cache_has():
    async with FakeApi(lambda _: (200, EMPTY)) as fake:
        await page(at(fake.url))

    assert fake.requests[0].query.keys() & {"resourceVersion", "continue"} == set()


async def test_a_watch_goes_on_from_a_version_with_bookmarks():
    event = {"type": "BOOKMARK", "object": {}}
    async with FakeApi(lambda _: [event, event]) as fake:
        assert (await first_events(at(fake.url), Watch("7")))[0] == event

    query = dict(fake.requests[0].query)
    assert query == {
        "labelSelector": "a=b",
        "fieldSelector": "metadata.name=x",
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "7",
        "timeoutSeconds": "300",
    }


async def test_a_streaming_list_is_as_new_as_a_list():
    async with FakeApi(lambda _: [{"type": "BOOKMARK"}]) as fake:
        await first_events(at(fake.url), Watch("", initial=True))

    query = fake.requests[0].query
    assert (query["sendInitialEvents"], query["resourceVersionMatch"], query["resourceVersion"]) == (
        "true",
        "NotOlderThan",
        "",
    )


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (status(403, "forbidden"), ForbiddenError, "the verb 'list' on 'configmaps' in the namespace 'shop' is not"),
        (status(404, "not found"), AbsentError, "the API server answers 404: not found"),
        (status(410, "too old"), ExpiredError, "the API server answers 410: too old"),
        (status(500, "etcd is slow"), ApiError, "the API server answers 500: etcd is slow"),
        ((503, "upstream\nconnect error"), ApiError, "the API server answers 503: upstream connect error"),
        ((502, ""), ApiError, "the API server answers 502: no reason given"),
        ((302, ""), ApiError, "the API server answers 302: no reason given"),
        ((200, "<html>"), MalformedError, "what came is not JSON"),
        ((200, "[]"), MalformedError, "what came is no JSON object"),
    ],
)
async def test_what_it_refuses_is_one_line(answer, kind, said):
    async with FakeApi(lambda _: answer) as fake:
        with pytest.raises(kind) as caught:
            await page(at(fake.url))

    assert str(caught.value).startswith(said)
    assert type(caught.value) is kind


async def test_a_401_is_asked_again_with_new_credentials(tmp_path):
    """Once: what is refused then is refused."""
    given = tmp_path / "given"
    answer = '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "%s"}}'
    program = f"echo x >> {given}; n=$(wc -l < {given}); printf '{answer}' $n"
    user = User(plugin=ExecPlugin("sh", ("-c", program)))

    def accepts_the_second(request):
        accepted = request.headers["Authorization"] == "Bearer 2"
        return (200, EMPTY) if accepted else status(401, "Unauthorized")

    async with FakeApi(accepts_the_second) as fake:
        assert await page(at(fake.url, user)) == EMPTY
    async with FakeApi(lambda _: status(401, "Unauthorized")) as fake:
        with pytest.raises(UnauthorizedError, match=r"does not accept the credentials \(401\): Unauthorized"):
            await page(at(fake.url, user))
    assert len(fake.requests) == 2
    assert given.read_text().count("x") == 4


async def test_where_new_credentials_are_refused_as_well_a_plugin_is_not_asked_by_each_request(tmp_path):
    given = tmp_path / "given"
    printed = '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "t"}}'
    user = User(plugin=ExecPlugin("sh", ("-c", f"echo x >> {given}; echo '{printed}'")))
    async with FakeApi(lambda _: status(401, "Unauthorized")) as fake, at(fake.url, user) as api:
        for _ in range(5):
            with pytest.raises(UnauthorizedError):
                await api.page(SELECTION, List(""))
    assert given.read_text().count("x") == 2


async def test_without_credentials_nothing_is_asked(tmp_path):
    async with FakeApi(lambda _: (200, EMPTY)) as fake:
        with pytest.raises(CredentialsError):
            await page(at(fake.url, User(token=tmp_path / "token")))
    assert fake.requests == []


async def test_somebody_else_is_acted_as():
    async with FakeApi(lambda _: (200, EMPTY)) as fake:
        await page(at(fake.url, User(impersonate={"Impersonate-User": "me"})))

    assert fake.requests[0].headers["Impersonate-User"] == "me"


async def test_a_server_that_is_not_there_is_one_line():
    async with FakeApi(lambda _: (200, EMPTY)) as fake:
        url = fake.url
    with pytest.raises(UnreachableError) as caught:
        await page(at(url))
    assert str(caught.value) == f"{url}: Connection refused"


async def test_a_watch_that_is_silent_for_too_long_is_lost():
    async with (
        FakeApi(lambda _: [{"type": "BOOKMARK"}]) as fake,
        at(fake.url, idle=0.5) as api,
        api.events(SELECTION, Watch("7"), seconds=300) as events,
    ):
        assert await anext(events) == [{"type": "BOOKMARK"}]
        with pytest.raises(UnreachableError) as caught:
            await anext(events)
    assert str(caught.value) == f"{fake.url}: nothing was heard for too long"


async def test_an_event_is_given_when_its_line_has_ended():
    async with (
        FakeApi(lambda _: []) as fake,
        at(fake.url) as api,
        api.events(SELECTION, Watch("7"), seconds=300) as events,
    ):
        await fake.send(b'{"type": "ADDED"}\n{"type": "DEL')
        assert await anext(events) == [{"type": "ADDED"}]
        await fake.send(b'ETED"}\n{"type": ')
        assert await anext(events) == [{"type": "DELETED"}]


async def test_a_proxy_is_the_accesss_own_or_the_environments(monkeypatch):
    async with FakeApi(lambda _: (200, EMPTY)) as proxy:
        await page(at("http://api.example", proxy=proxy.url))
        monkeypatch.setenv("http_proxy", proxy.url)
        await page(at("http://api.example"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with FakeApi(lambda _: (200, EMPTY)) as direct:
            await page(at(direct.url))

    assert [request.host for request in proxy.requests] == ["api.example"] * 2
    assert len(direct.requests) == 1


@pytest.mark.parametrize(
    ("server", "is_direct"),
    [
        ("http://10.96.0.1:443", True),
        ("http://me:pw@10.96.0.1:443", True),
        ("http://[fd00::1]:443", True),
        ("http://[fe80::1]:443", False),
        ("http://11.0.0.1:443", False),
        ("http://api.example", False),
        ("http://api.svc", True),
    ],
)
async def test_no_proxy_may_name_networks_as_for_kubectl(server, is_direct, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8, fd00::/8,.svc,172.16.0.0/99")

    assert (proxy_of(Access("context dev", server)) is None) == is_direct


async def test_the_password_of_a_proxy_or_a_server_is_in_no_message():
    async with FakeApi(lambda _: (407, "")) as proxy:
        with_password = proxy.url.replace("//", "//me:hunter2@")
        for api in (at("https://api.example", proxy=with_password), at(with_password), at("https://me:hunter2@h:1")):
            with pytest.raises(UnreachableError) as caught:
                await page(api)
            assert "hunter2" not in str(caught.value)


AUTHORITY = trustme.CA()
PEM = AUTHORITY.cert_pem.bytes()


def tls(*names, clients=None):
    """A server's context, with a certificate of these names; `clients` signs those of its clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(*names).configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_a_connection_over_tls_is_closed_when_this_ends():
    """Nothing is left to be warned of: with each test the event loop ends."""
    async with FakeApi(lambda _: [{"type": "BOOKMARK"}], tls("127.0.0.1")) as fake:
        await first_events(at(fake.url, authority=PEM), Watch("7"))


async def test_the_servers_certificate_has_to_be_for_its_name_or_for_another_that_is_told():
    async with FakeApi(lambda _: (200, EMPTY), tls("kubernetes.default.svc")) as fake:
        assert await page(at(fake.url, authority=PEM, server_name="kubernetes.default.svc")) == EMPTY
        with pytest.raises(UnreachableError) as caught:
            await page(at(fake.url, authority=PEM))
    assert str(caught.value).startswith(f"{fake.url}: the server's certificate is not accepted: IP address mismatch")


async def test_a_certificate_of_another_authority_is_not_accepted_unless_none_is_looked_at():
    async with FakeApi(lambda _: (200, EMPTY), tls("127.0.0.1")) as fake:
        with pytest.raises(UnreachableError) as caught:
            await page(at(fake.url, authority=trustme.CA().cert_pem.bytes()))
        assert await page(at(fake.url, verify=False)) == EMPTY
    assert str(caught.value) == (
        f"{fake.url}: the server's certificate is not accepted: unable to get local issuer certificate"
    )


async def test_a_client_may_come_with_a_certificate(tmp_path):
    clients = trustme.CA()
    mine = clients.issue_cert(common_name="me")
    (tmp_path / "crt").write_bytes(mine.cert_chain_pems[0].bytes())
    (tmp_path / "key").write_bytes(mine.private_key_pem.bytes())
    async with FakeApi(lambda _: (200, EMPTY), tls("127.0.0.1", clients=clients)) as fake:
        user = User(certificate=tmp_path / "crt", key=tmp_path / "key")
        assert await page(at(fake.url, user, authority=PEM)) == EMPTY
        with pytest.raises(UnreachableError):
            await page(at(fake.url, authority=PEM))


async def test_a_new_certificate_of_a_plugin_is_what_the_next_connection_comes_with(tmp_path):
    clients = trustme.CA()

    def give(name):
        issued = clients.issue_cert(common_name=name)
        given = {"clientCertificateData": issued.cert_chain_pems[0], "clientKeyData": issued.private_key_pem}
        status = {key: pem.bytes().decode() for key, pem in given.items()}
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "status": status}
        (tmp_path / "answer").write_text(json.dumps(answer))

    came = []

    def accepts_the_new_one(request):
        names = {name: value for ((name, value),) in request.transport.get_extra_info("peercert")["subject"]}
        came.append(names["commonName"])
        give("new")
        return (200, EMPTY) if came[-1] == "new" else status(401, "Unauthorized")

    give("old")
    user = User(plugin=ExecPlugin("cat", (str(tmp_path / "answer"),)))
    async with (
        FakeApi(accepts_the_new_one, tls("127.0.0.1", clients=clients)) as fake,
        at(fake.url, user, authority=PEM) as api,
    ):
        for _ in range(3):
            assert await api.page(SELECTION, List("")) == EMPTY
    assert came == ["old", "new", "new", "new"]


# --- discovery, and what is written


@pytest.mark.parametrize(
    ("answer", "is_there"),
    [
        ((200, {"resources": [{"name": "configmaps/x"}, {"name": "configmaps"}]}), True),
        ((200, {"resources": [{"name": "pods"}, "configmaps"]}), False),
        ((200, {}), False),
        (status(404, "not found"), False),
    ],
)
async def test_its_discovery_says_whether_there_is_a_kind(answer, is_there):
    async with FakeApi(lambda _: answer) as fake, at(fake.url) as api:
        assert await api.has(CONFIG_MAPS) is is_there
    assert [(request.method, request.path) for request in fake.requests] == [("GET", "/api/v1")]


@pytest.mark.parametrize("code", [500, 503])
async def test_discovery_that_is_not_there_for_now_says_nothing(code):
    async with FakeApi(lambda _: status(code, "service unavailable")) as fake, at(fake.url) as api:
        with pytest.raises(ApiError, match=f"{code}: service unavailable"):
            await api.has(XDS_RESOURCES)


async def test_discovery_that_is_refused_says_nothing():
    async with FakeApi(lambda _: status(403, "no")) as fake, at(fake.url) as api:
        with pytest.raises(ForbiddenError, match=r"the verb 'get' on '/apis/rime\.dev/v1alpha1'"):
            await api.has(XDS_RESOURCES)


BODY = {"metadata": {"namespace": "shop", "name": "edge"}, "status": {"valid": True}}


async def test_a_status_is_applied_as_its_manager():
    async with FakeApi(lambda _: (200, {})) as fake, at(fake.url) as api:
        await api.apply(XDS_RESOURCES, BODY, manager="rime/a", subresource="status")

    [request] = fake.requests
    path = "/apis/rime.dev/v1alpha1/namespaces/shop/xdsresources/edge/status"
    assert (request.method, request.path) == ("PATCH", path)
    assert dict(request.query) == {"fieldManager": "rime/a", "force": "true"}
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert fake.bodies == [BODY]


async def test_an_object_is_applied_as_a_whole_and_deleted_if_it_is_as_it_was_then():
    applied = {"metadata": {"namespace": "shop", "name": "edge", "uid": "u", "resourceVersion": "8"}}
    async with FakeApi(lambda _: (200, applied)) as fake, at(fake.url) as api:
        state = State.of(await api.apply(LEASES, BODY, manager="rime/a"))
        await api.delete(LEASES, "shop", "edge", only=state)

    path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/edge"
    assert [(request.method, request.path) for request in fake.requests] == [("PATCH", path), ("DELETE", path)]
    assert fake.requests[1].headers["Content-Type"] == "application/json"
    assert fake.bodies[1] == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "8"},
    }


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda api: api.apply(XDS_RESOURCES, BODY, manager="a", subresource="status"), "xdsresources.rime.dev/status"),
        (lambda api: api.apply(LEASES, BODY, manager="a"), "leases.coordination.k8s.io"),
        (lambda api: api.delete(LEASES, "shop", "edge", only=State("u", "8")), "leases.coordination.k8s.io"),
    ],
)
async def test_what_it_may_not_write_says_what_a_role_has_to_name(call, missing):
    async with FakeApi(lambda _: status(403, "no")) as fake, at(fake.url) as api:
        with pytest.raises(ForbiddenError) as caught:
            await call(api)
    assert (caught.value.resource, caught.value.namespace) == (missing, "shop")
    assert caught.value.verb in {"patch", "delete"}


async def test_a_write_of_an_old_version_is_a_conflict_and_of_nothing_an_absence():
    answers = [status(409, "the object has been modified"), status(404, "not found")]
    async with FakeApi(lambda _: answers.pop(0)) as fake, at(fake.url) as api:
        with pytest.raises(ApiError, match="409: the object has been modified"):
            await api.apply(XDS_RESOURCES, BODY, manager="a", subresource="status")
        with pytest.raises(AbsentError):
            await api.delete(LEASES, "shop", "edge", only=State("u", "8"))


async def test_a_write_with_old_credentials_is_sent_once_more():
    answers = [status(401, "Unauthorized"), (200, {})]
    async with FakeApi(lambda _: answers.pop(0)) as fake, at(fake.url) as api:
        await api.apply(LEASES, BODY, manager="rime/a")
    assert fake.bodies == [BODY, BODY]


async def test_a_connection_that_breaks_without_a_word_is_told_in_words():
    error = aiohttp.ClientConnectorError(cast("Any", None), ConnectionResetError())
    assert _why(error) == "the connection broke"
