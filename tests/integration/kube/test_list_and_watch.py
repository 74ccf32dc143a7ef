"""A Follower at a real API server: whatever happens to it, to its past and to the connection, nothing is missed."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from rime_k8s_source.api import ApiServer
from rime_k8s_source.errors import ExpiredError
from rime_k8s_source.follow import Follower, Timing
from rime_k8s_source.kinds import CONFIG_MAPS, Kind, Selection
from rime_k8s_source.kubeconfig import load
from rime_k8s_source.reflector import List, Reflector, Watch
from tests.integration.waiting import eventually

from .faults import FaultyRelay
from .objects import custom, install

pytestmark = pytest.mark.asyncio

GADGETS = Kind("tests.example", "v1", "gadgets")
WIDGETS = Kind("tests.example", "v1", "widgets")


def text_of(item):
    return (item.get("data") or {}).get("text")


@asynccontextmanager
async def following(namespace, *, url=None, kubeconfig=None, kind=CONFIG_MAPS, idle=20.0, labels="", timing=None):
    """A Follower of the ConfigMaps of a namespace, running."""
    access = load([kubeconfig or namespace.server.kubeconfig(**({"server": url} if url else {}))])
    async with ApiServer(access, idle=idle) as api:
        told: list[object] = []
        follower = Follower(
            api,
            Selection(kind, namespace.name, labels),
            text_of,
            tell=told.extend,
            stirred=lambda: None,
            timing=timing or Timing(longest_pause=0.2),
        )
        follower.told = told  # type: ignore[attr-defined] # for the test
        task = asyncio.create_task(follower.run())
        try:
            yield follower
        finally:
            assert not task.done(), "it goes on whatever happens"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def put(namespace, name, text, **labels):
    namespace.create("configmaps", {"metadata": {"name": name, "labels": labels}, "data": {"text": text}})


def write(namespace, name, text):
    namespace.change("configmaps", name, {"data": {"text": text}})


def names(follower):
    return {name: text for (_, name), text in follower.reflector.objects.items()}


async def until(follower, **expected):
    await eventually(lambda: follower.reflector.is_following and names(follower) == expected)


async def test_what_is_created_changed_and_deleted(namespace):
    put(namespace, "a", "1")
    async with following(namespace) as follower:
        await until(follower, a="1")
        put(namespace, "b", "1")
        write(namespace, "a", "2")
        await until(follower, a="2", b="1")
        namespace.delete("configmaps", "a")
        await until(follower, b="1")

        assert follower.reflector.lists == 1
        assert [(change.key[1], change.old, change.new) for change in follower.told] == [
            ("a", None, "1"),
            ("b", None, "1"),
            ("a", "1", "2"),
            ("a", "2", None),
        ]


async def test_a_list_of_several_pages(namespace):
    expected = {f"m-{number:03}": str(number) for number in range(12)}
    for name, text in expected.items():
        put(namespace, name, text)
    access = load([namespace.server.kubeconfig()])
    async with ApiServer(access, idle=20.0) as api:
        reflector = Reflector(text_of, streams=False)
        selection = Selection(CONFIG_MAPS, namespace.name)
        pages = 0
        while not reflector.synced:
            request = reflector.request()
            assert isinstance(request, List)
            reflector.page(await api.page(selection, request, limit=5))
            pages += 1
    assert pages == 3
    assert {name: text for (_, name), text in reflector.objects.items()} == expected


async def test_a_list_is_streamed_where_the_server_can(namespace):
    put(namespace, "a", "1")
    access = load([namespace.server.kubeconfig()])
    async with ApiServer(access, idle=20.0) as api:
        reflector = Reflector(text_of)
        request = reflector.request()
        assert request == Watch("", initial=True)
        async with api.events(Selection(CONFIG_MAPS, namespace.name), request, seconds=300) as events:
            async for several in events:
                for event in several:
                    reflector.event(event)
                if reflector.synced:
                    break
    assert {name: text for (_, name), text in reflector.objects.items()} == {"a": "1"}


async def test_a_page_is_compressed_on_its_way(kube, namespace):
    put(namespace, "large", "x" * 900_000)
    async with FaultyRelay(kube) as relay:
        access = load([kube.kubeconfig(server=relay.url)])
        async with ApiServer(access, idle=20.0) as api:
            page = await api.page(Selection(CONFIG_MAPS, namespace.name), List(""))
        assert len(page["items"][0]["data"]["text"]) == 900_000
        assert relay.answered < 50_000


async def test_a_selector_is_applied_by_the_server(namespace):
    put(namespace, "a", "1", chosen="yes")
    put(namespace, "b", "1")
    async with following(namespace, labels="chosen=yes") as follower:
        await until(follower, a="1")
        namespace.change("configmaps", "b", {"metadata": {"labels": {"chosen": "yes"}}})
        await until(follower, a="1", b="1")
        namespace.change("configmaps", "a", {"metadata": {"labels": {"chosen": None}}})
        await until(follower, b="1")


async def test_a_line_may_have_megabytes(kube, namespace):
    """As many as an API server writes to its etcd, 2 MiB. Of a kind of its own: ConfigMaps and Secrets hold 1 MiB."""
    install(kube, WIDGETS)
    large = "x" * 2_000_000
    async with following(namespace, kind=WIDGETS) as follower:
        await until(follower)
        namespace.create("widgets", custom(WIDGETS, "w", data={"text": large}))
        await until(follower, w=large)


async def test_a_watch_that_the_server_ends_goes_on_with_a_bookmarks_version(namespace):
    put(namespace, "a", "1")
    async with following(namespace, timing=Timing(renew=3.0)) as follower:
        await until(follower, a="1")
        listed = follower.reflector.version
        other = {"metadata": {"generateName": "elsewhere-"}, "data": {}}
        namespace.server.call("POST", "/api/v1/namespaces/default/configmaps", other)
        # no event of this namespace moves the version: a bookmark does
        await eventually(lambda: follower.reflector.version != listed)
        write(namespace, "a", "2")
        await until(follower, a="2")

        assert follower.reflector.lists == 1


async def test_connections_that_are_cut_lose_nothing(kube, namespace):
    async with FaultyRelay(kube) as relay, following(namespace, url=relay.url) as follower:
        await until(follower)
        for number in range(8):
            put(namespace, f"m-{number}", "1")
            relay.cut()
            if number:
                namespace.delete("configmaps", f"m-{number - 1}")
        await until(follower, **{"m-7": "1"})

        assert follower.reflector.lists == 1, "each went on where the last one was"


async def test_a_line_that_is_torn_is_not_taken_and_comes_again(kube, namespace):
    """Every connection is cut after so many bytes of its answer: somewhere in a head, in a line, between lines."""
    async with FaultyRelay(kube) as relay, following(namespace, url=relay.url) as follower:
        await until(follower)
        expected: dict[str, str] = {}
        for number in range(12):
            relay.cut_after = 500 + 61 * number
            relay.cut()
            put(namespace, f"m-{number}", "1")
            put(namespace, f"n-{number}", "1")
            expected |= {f"m-{number}": "1", f"n-{number}": "1"}
            await asyncio.sleep(0.02)
        relay.cut_after = None
        relay.cut()
        await until(follower, **expected)
        assert len(follower.told) == len(expected), "each was told once"


async def test_a_connection_that_goes_silent_is_given_up(kube, namespace):
    async with FaultyRelay(kube) as relay, following(namespace, url=relay.url, idle=1.0) as follower:
        await until(follower)
        relay.freeze()
        put(namespace, "a", "1")
        before = relay.connections
        await eventually(lambda: relay.connections > before)
        relay.thaw()
        await until(follower, a="1")
        assert follower.reflector.lists == 1


async def test_what_is_deleted_while_the_server_is_away_and_its_past_forgotten(kube, namespace):
    """Killed and restarted, the API server does not know the old version: 410, as an event in a watch."""
    put(namespace, "a", "1")
    put(namespace, "b", "1")
    async with FaultyRelay(kube) as relay, following(namespace, url=relay.url) as follower:
        await until(follower, a="1", b="1")
        relay.refuses = True
        relay.cut()
        await eventually(lambda: follower.trouble is not None)
        assert names(follower) == {"a": "1", "b": "1"}, "what was there stays"
        namespace.delete("configmaps", "a")
        write(namespace, "b", "2")
        kube.end("kube-apiserver", kill=True)
        kube.start_api()
        for number in range(3):  # the version moves on, with nobody watching
            put(namespace, f"c-{number}", "1")
            namespace.delete("configmaps", f"c-{number}")
        relay.refuses = False
        await until(follower, b="2")

        assert follower.reflector.lists == 2
        assert follower.trouble is None
        assert [(change.key[1], change.new) for change in follower.told[2:]] == [("a", None), ("b", "2")]


async def test_the_server_is_killed_in_the_middle_of_a_watch_and_comes_back(kube, namespace):
    put(namespace, "a", "1")
    async with following(namespace) as follower:
        await until(follower, a="1")
        try:
            kube.end("kube-apiserver", kill=True)
            await eventually(lambda: str(follower.trouble) == f"{kube.url}: Connection refused")
        finally:
            await asyncio.to_thread(kube.start_api)
        put(namespace, "b", "1")
        await until(follower, a="1", b="1")
        assert follower.trouble is None


async def test_a_past_that_is_compacted_is_a_410_and_a_new_list(kube, namespace):
    """Without a watch cache the API server asks etcd, which has forgotten: pages by a status, watches by an event."""
    kube.end("kube-apiserver")
    kube.start_api("--watch-cache=false")
    try:
        put(namespace, "a", "1")
        async with FaultyRelay(kube) as relay, following(namespace, url=relay.url) as follower:
            await until(follower, a="1")
            relay.refuses = True
            relay.cut()
            put(namespace, "b", "1")
            namespace.delete("configmaps", "a")
            kube.compact()
            relay.refuses = False
            await until(follower, b="1")
            assert follower.reflector.lists == 2
        assert await refusals(namespace) == ["status", "event"]
    finally:
        kube.end("kube-apiserver")
        kube.start_api()


async def refusals(namespace):
    """In which form a page and a watch whose past is compacted are refused."""
    selection, found = Selection(CONFIG_MAPS, namespace.name), []
    async with ApiServer(load([namespace.server.kubeconfig()]), idle=20.0) as api:
        put(namespace, "c", "1")
        first = await api.page(selection, List(""), limit=1)
        for name in ("d", "e"):  # the last change before a compaction is remembered
            put(namespace, name, "1")
        namespace.server.compact()
        with pytest.raises(ExpiredError):
            await api.page(selection, List(first["metadata"]["continue"]))
        found.append("status")
        watch = Watch(first["metadata"]["resourceVersion"])
        try:
            async with api.events(selection, watch, seconds=20) as events:
                [event, *_] = await anext(events)
                assert event["object"]["code"] == 410
                found.append("event")
        except ExpiredError:
            found.append("status")
    return found


async def test_a_kind_that_is_not_installed_yet_is_found_when_it_is(kube, namespace):
    async with following(namespace, kind=GADGETS) as follower:
        await eventually(lambda: follower.is_absent)
        assert follower.is_settled
        assert follower.trouble is None
        install(kube, GADGETS)
        namespace.create("gadgets", custom(GADGETS, "w", data={"text": "1"}))
        await until(follower, w="1")
        assert not follower.is_absent


async def test_what_is_forbidden_says_what_to_grant(kube, namespace):
    async with following(namespace, kubeconfig=kube.kubeconfig("nobody")) as follower:
        await eventually(lambda: follower.trouble is not None)
        assert str(follower.trouble).startswith(
            f"the verb 'watch' on 'configmaps' in the namespace '{namespace.name}' is not granted (403): "
            'configmaps is forbidden: User "nobody" cannot watch resource'
        )
        assert not follower.is_settled


async def test_a_new_list_now_and_then_tells_nothing_where_nothing_is_amiss(namespace):
    put(namespace, "a", "1")
    async with following(namespace, timing=Timing(renew=1.0, relist=0.1)) as follower:
        await until(follower, a="1")
        await eventually(lambda: follower.reflector.lists > 1 and follower.reflector.is_following)
        assert len(follower.told) == 1
