"""What a source tells in the status of XdsResources, when, and how little it writes. Time is virtual.

The API server is a model that keeps objects as a real one does where it matters here: an apply of an old version is a
conflict, and each change is an event. What a real one makes of it is in tests/integration/kube/test_xds_resources.py.
"""

import asyncio
import copy
import itertools
import json
import logging
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from rime_core import CLUSTER, Plane
from rime_k8s_source.api import State
from rime_k8s_source.errors import AbsentError, ApiError, ForbiddenError, UnreachableError
from rime_k8s_source.kinds import LEASES, XDS_RESOURCES, Selection
from rime_k8s_source.ledger import Ledger
from rime_k8s_source.mapping import Claim, Made, Trouble
from rime_k8s_source.replicas import ENTRY_PATIENCE, ENTRY_RENEW
from rime_k8s_source.report import ENTRY, share
from rime_k8s_source.reporting import WRITES, Reporter
from rime_k8s_source.units import Unit
from tests.rime_grpc.virtual_loop import VirtualLoop

from .api_model import bookmark

HOUR = 3600.0

LOST = UnreachableError("https://h: Connection refused")

FORBIDDEN = ForbiddenError("no", verb="patch", resource="xdsresources.rime.dev/status", namespace="shop")


def is_in(selection, namespace):
    return selection.namespace in {"", namespace}


class Api:
    """XdsResources and Leases, by (kind, namespace, name)."""

    def __init__(self):
        self.version = 10
        self._uids = itertools.count()
        self.objects = {}
        self.writes = []
        """(time, how, kind, body)"""
        self.refuses = lambda _kind, _body: None
        """The error in place of a write."""
        self._watches = []

    def put(self, kind, body):
        self.version += 1
        key = (kind, body["metadata"]["namespace"], body["metadata"]["name"])
        uid = self.objects[key]["metadata"]["uid"] if key in self.objects else f"uid-{next(self._uids)}"
        metadata = body["metadata"] | {"resourceVersion": str(self.version), "uid": uid}
        what = "MODIFIED" if key in self.objects else "ADDED"
        self.objects[key] = copy.deepcopy(body | {"metadata": metadata})
        self._tell(kind, what, self.objects[key])
        return copy.deepcopy(self.objects[key])

    def create(self, name, generation=1):
        self.put(XDS_RESOURCES, {"metadata": {"namespace": "shop", "name": name, "generation": generation}})

    def status(self, name="edge"):
        return self.objects[XDS_RESOURCES, "shop", name].get("status", {})

    def patches(self, name="edge"):
        """When the status of an object was written, and how."""
        written = [(at, how, body["metadata"]["name"]) for at, how, kind, body in self.writes if kind is XDS_RESOURCES]
        return [(at, how) for at, how, of in written if of == name]

    async def has(self, _kind):
        return True

    @asynccontextmanager
    async def events(self, selection, _request, *, seconds):
        queue: asyncio.Queue[list[object]] = asyncio.Queue()
        listed = [
            {"type": "ADDED", "object": body}
            for (kind, namespace, _), body in self.objects.items()
            if kind is selection.kind and is_in(selection, namespace)
        ]
        queue.put_nowait([*listed, bookmark(self.version, ends_initial=True)])
        self._watches.append((selection, queue))

        async def events():
            while True:
                yield await queue.get()

        yield events()

    async def apply(self, kind, body, *, manager, subresource=""):
        self._write("apply", kind, body)
        key = (kind, body["metadata"]["namespace"], body["metadata"]["name"])
        before = self.objects.get(key, {"metadata": {}})
        if kind is LEASES:
            assert (subresource, manager) == ("", body["spec"]["holderIdentity"])
            return self.put(kind, body)
        assert subresource == "status"
        status = body.get("status", {})
        kept = {name: each for name, each in before.get("status", {}).get("replicas", {}).items() if name != manager}
        sums = status or before.get("status", {})  # who applies nothing leaves what others have applied as well
        return self.put(kind, before | {"status": sums | {"replicas": kept | status.get("replicas", {})}})

    async def delete(self, kind, namespace, name, *, only):
        metadata = {"namespace": namespace, "name": name, "resourceVersion": only.version}
        self._write("delete", kind, {"metadata": metadata})
        if only.uid != self.objects[kind, namespace, name]["metadata"]["uid"]:
            raise ApiError(409, "the UID in the precondition is another")
        body = self.objects.pop((kind, namespace, name))
        self.version += 1
        self._tell(kind, "DELETED", body | {"metadata": body["metadata"] | {"resourceVersion": str(self.version)}})

    def _write(self, how, kind, body):
        self.writes.append((asyncio.get_running_loop().time() - 1000, how, kind, copy.deepcopy(body)))
        error = self.refuses(kind, body)
        if error is not None:
            raise error
        key = (kind, body["metadata"]["namespace"], body["metadata"]["name"])
        version = body["metadata"].get("resourceVersion")
        if version is not None and key not in self.objects:
            raise AbsentError(404, "not found")
        if version is not None and version != self.objects[key]["metadata"]["resourceVersion"]:
            raise ApiError(409, "the object has been modified")

    def _tell(self, kind, what, body):
        namespace = body["metadata"]["namespace"]
        for watched, queue in self._watches:
            if watched.kind is kind and is_in(watched, namespace):
                queue.put_nowait([{"type": what, "object": copy.deepcopy(body)}])


class Replica:
    """A reporter that runs, with a Plane and what it serves."""

    def __init__(self, api, name, namespace="rime"):
        self.plane = Plane()
        self.writer = self.plane.writer("kubernetes:", allow_empty=True)
        self.ledger = Ledger(0.0)
        self.told = SimpleNamespace(reception=self.writer.reception)
        """What the reporter has of the writer."""
        self.reporter = Reporter(
            api,
            self.told,  # type: ignore[arg-type] # all that it needs of a Writer
            self.ledger,
            rank=0,
            selections=[Selection(XDS_RESOURCES)],
            namespace=namespace,
            interval=2.0,
            name=name,
        )
        self.id = f"{namespace}/{name}"

    def serve(self, name, *claims, generation=1, troubles=(), rank=0):
        """What an object became: a cluster of each name, with its name as its content."""
        made = Made([Claim(CLUSTER, each, each.encode()) for each in claims], troubles, generation=generation)
        unit = Unit(rank, ("shop", name))
        self.ledger.observe({unit: made}, 0.0)
        for claim in self.ledger.take(0.0).apply:
            self.writer.apply(claim.type_url, claim.name, claim.body)
        self.reporter.note({unit: made})

    def client(self, why=None):
        """One who takes everything, and accepts it or refuses it."""
        subscriber = self.plane.server().subscribe(CLUSTER)
        update = subscriber.initial()
        if why is None:
            subscriber.acknowledge_update(update)
        else:
            subscriber.reject(update, why)
        return subscriber


@pytest.fixture
def api():
    return Api()


@pytest.fixture(autouse=True)
def _chance():
    """Pauses are cut at random; here each time alike."""
    random.seed(6)


def play(scene):
    """Run what a test tells on an event loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scene())


@asynccontextmanager
async def running(api, name="own", **more):
    replica = Replica(api, name, **more)
    task = asyncio.ensure_future(replica.reporter.run())
    try:
        yield replica
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def of_two_namespaces(api):
    """Two replicas that have reported an object, with a client each."""
    api.create("edge")
    async with running(api) as one, running(api, namespace="staging") as two:
        for replica in (one, two):
            replica.serve("edge", "a")
            replica.client()
        await asyncio.sleep(60)
        yield one, two


def cut_off(api, replica):
    """From now on nothing of what this replica writes arrives."""

    def refuses(_, body):
        entry = body.get("status", {}).get("replicas", {}).get(replica.id)
        is_its_own = entry or body.get("spec", {}).get("holderIdentity") == replica.id
        return UnreachableError("https://h: Connection refused") if is_its_own else None

    api.refuses = refuses


LEFT = {"observedGeneration": 1, "valid": True, "resources": 1, "clients": 9, "acknowledged": 9, "rejected": 0}


def leave(api, *replicas):
    """An object, with the entries that these have left in it."""
    status = {"clients": 9 * len(replicas), "replicas": dict.fromkeys(replicas, LEFT)}
    api.put(XDS_RESOURCES, {"metadata": {"namespace": "shop", "name": "edge", "generation": 1}, "status": status})


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def counts(status):
    return status["clients"], status["acknowledged"], status["rejected"]


def test_the_rejection_that_is_told_is_the_last_of_all_resources(api):
    async def scene():
        api.create("edge")
        async with running(api) as replica:
            replica.serve("edge", "a", "b")
            for name, at in (("b", 7.0), ("a", 5.0)):
                subscriber = replica.plane.server().subscribe(CLUSTER)
                subscriber.reject(subscriber.initial(), f"of {name}", [name], at=at)
            await asyncio.sleep(5)
            assert counts(api.status()) == (4, 0, 2)
            assert api.status()["message"] == api.status()["replicas"][replica.id]["rejection"] == "of b"

    play(scene)


def test_nothing_is_asked_or_written_before_there_is_an_object(api):
    async def scene():
        async with running(api) as replica:
            replica.serve("a-service", "a", rank=1)
            await asyncio.sleep(100)
            assert (api.writes, api._watches) == ([], [])

    play(scene)


def test_what_clients_made_of_it_is_told_and_then_only_what_differs(api):
    async def scene():
        api.create("edge")
        async with running(api) as replica:
            replica.serve("edge", "a")
            replica.client()
            replica.client("no such filter")
            await asyncio.sleep(5)
            assert counts(api.status()) == (2, 1, 1)
            assert api.status()["message"] == "no such filter"
            assert list(api.status()["replicas"]) == [replica.id]
            await asyncio.sleep(3 * HOUR)
            assert len(api.patches()) == 1
            replica.client()
            await asyncio.sleep(5)
            assert counts(api.status()) == (3, 2, 1)
            assert len(api.patches()) == 2

    play(scene)


def test_however_much_happens_it_is_written_once_in_an_interval(api):
    async def scene():
        api.create("edge")
        async with running(api) as replica:
            replica.serve("edge", "a")
            for _ in range(100):
                replica.client()
                await asyncio.sleep(0.1)
            assert len(api.patches()) <= 6

    play(scene)


def test_many_objects_are_written_a_few_a_second(api):
    async def scene():
        for number in range(50):
            api.create(f"e{number}")
        async with running(api) as replica:
            for number in range(50):
                replica.serve(f"e{number}", f"c{number}")
            await asyncio.sleep(30)
            times = [at for at, _, kind, _ in api.writes if kind is XDS_RESOURCES]
            assert len(times) == 50
            assert times[-1] - times[0] == pytest.approx(49 / WRITES)

    play(scene)


def test_counting_takes_a_small_share_of_the_time(api):
    async def scene():
        api.create("edge")
        async with running(api) as replica:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            counted = []

            def slow(type_url, name):
                counted.append(loop.time())
                loop.now += 0.5
                return replica.writer.reception(type_url, name)

            replica.told.reception = slow
            replica.serve("edge", "a")
            await asyncio.sleep(100)
            assert 5 < len(counted) < 12

    play(scene)


def test_what_cannot_be_read_is_told_without_the_objects_own_name(api):
    async def scene():
        api.create("edge", generation=2)
        async with running(api) as replica:
            replica.serve("edge", "a", generation=2, troubles=[Trouble("xdsresources shop/edge: clusters 'b': wrong")])
            await asyncio.sleep(5)
            assert api.status()["valid"] is False
            assert api.status()["observedGeneration"] == 2
            assert api.status()["replicas"][replica.id]["faults"] == ["clusters 'b': wrong"]

    play(scene)


def test_a_resource_that_is_served_from_elsewhere_says_from_where(api):
    async def scene():
        api.create("first")
        api.create("second")
        async with running(api) as replica:
            replica.plane.apply(CLUSTER, "b", b"of the program, which comes first")
            replica.serve("first", "a", "b")
            replica.serve("second", "a")
            await asyncio.sleep(5)
            assert api.status("second")["message"] == "clusters 'a' is served from shop/first"
            assert api.status("first")["message"] == "clusters 'b' is served from another source"
            versions = ["version" in line for line in api.status("first")["replicas"][replica.id]["listed"]]
            assert versions == [True, False]

    play(scene)


def test_the_sums_are_right_with_several_replicas_and_when_one_ends(api):
    async def scene():
        api.create("edge")
        async with running(api, "one") as one:
            async with running(api, "two") as two:
                for replica in (one, two):
                    replica.serve("edge", "a")
                one.client()
                two.client()
                two.client("no")
                await asyncio.sleep(20)
                assert counts(api.status()) == (3, 2, 1)
                assert set(api.status()["replicas"]) == {one.id, two.id}
            await asyncio.sleep(5)
            assert counts(api.status()) == (1, 1, 0)
            assert set(api.status()["replicas"]) == {one.id}
            assert api.status()["message"] == ""

    play(scene)


def test_one_that_dies_is_pruned_with_its_lease_after_a_minute(api):
    async def scene():
        api.create("edge")
        async with running(api, "one") as one, running(api, "two") as two:
            for replica in (one, two):
                replica.serve("edge", "a")
                replica.client()
            await asyncio.sleep(20)
            cut_off(api, two)
            await asyncio.sleep(55)
            assert set(api.status()["replicas"]) == {one.id, two.id}
            await asyncio.sleep(35)
            assert set(api.status()["replicas"]) == {one.id}
            assert counts(api.status()) == (1, 1, 0)
            await asyncio.sleep(30)
            assert (LEASES, "rime", "two") not in api.objects
            api.refuses = lambda *_: None
            await asyncio.sleep(60)
            assert set(api.status()["replicas"]) == {one.id, two.id}, "it was only cut off"
            assert counts(api.status()) == (2, 2, 0)

    play(scene)


def test_a_lease_that_is_renewed_just_before_it_would_be_taken_away_stays(api, caplog):
    async def scene():
        api.create("edge")
        async with running(api, "one") as one, running(api, "two") as two:
            one.serve("edge", "a")
            two.serve("edge", "a")
            await asyncio.sleep(20)

            def renews_in_time(_, body):
                if body["metadata"]["name"] != "two":
                    return None
                if "spec" not in body:
                    api.put(LEASES, api.objects[LEASES, "rime", "two"])
                return UnreachableError("https://h: Connection refused") if "spec" in body else None

            api.refuses = renews_in_time
            await asyncio.sleep(100)
            assert [how for _, how, kind, _ in api.writes if (how, kind) == ("delete", LEASES)] == ["delete"]
            assert (LEASES, "rime", "two") in api.objects

    play(scene)
    assert len(warnings(caplog)) == 1, "of the one that cannot renew"


def test_a_lease_that_another_replica_takes_away_first_is_nothing_to_speak_of(api, caplog):
    async def scene():
        api.create("edge")
        async with running(api, "one") as one, running(api, "two") as two, running(api, "three") as three:
            for replica in (one, two, three):
                replica.serve("edge", "a")
            await asyncio.sleep(20)
            delete, taken = api.delete, []

            async def with_help(kind, namespace, name, *, only):
                taken.append(name)
                await delete(kind, namespace, name, only=only)
                for other in {"two", "three"} - {name}:  # another replica, meanwhile
                    await delete(kind, namespace, other, only=State.of(api.objects[kind, namespace, other]))
                await asyncio.sleep(1)

            api.delete = with_help
            api.refuses = lambda kind, body: (
                LOST if kind is LEASES and body["metadata"]["name"] != "one" and "spec" in body else None
            )
            await asyncio.sleep(100)
            assert len(taken) == 1
            assert set(api.status()["replicas"]) == {one.id}
            api.delete = delete

    play(scene)
    assert "not told any more" not in caplog.text


def test_what_a_replica_left_that_has_no_lease_any_more_is_pruned(api):
    async def scene():
        leave(api, "rime/old")
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(40)
            assert set(api.status()["replicas"]) == {replica.id}
            assert counts(api.status()) == (0, 0, 0)

    play(scene)


def test_what_a_replica_of_another_namespace_left_is_pruned_when_it_has_not_been_written_for_long(api):
    async def scene():
        leave(api, "staging/gone")
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(ENTRY_PATIENCE - 60)
            assert set(api.status()["replicas"]) == {replica.id, "staging/gone"}
            assert counts(api.status()) == (9, 9, 0)
            await asyncio.sleep(ENTRY_RENEW + 60)
            assert set(api.status()["replicas"]) == {replica.id}
            assert counts(api.status()) == (0, 0, 0)
            written = len(api.patches())
            assert written <= 2 + (ENTRY_PATIENCE + ENTRY_RENEW) / ENTRY_RENEW
            await asyncio.sleep(3 * HOUR)
            assert len(api.patches()) == written, "there are no strangers in it any more"

    play(scene)


def test_a_replica_of_another_namespace_that_lives_is_never_pruned(api):
    async def scene():
        async with of_two_namespaces(api) as (one, two):
            began = len(api.patches())
            for _ in range(100):
                await asyncio.sleep(3 * HOUR / 100)
                assert set(api.status()["replicas"]) == {one.id, two.id}
                assert counts(api.status()) == (2, 2, 0)
            assert 30 <= len(api.patches()) - began <= 40, "each once in ten minutes"
            assert len(one.reporter._tried["shop", "edge"]) <= 1, "of older versions nothing is remembered"

    play(scene)


def test_one_of_another_namespace_that_was_cut_off_is_pruned_and_comes_back(api):
    async def scene():
        async with of_two_namespaces(api) as (one, two):
            cut_off(api, two)
            await asyncio.sleep(HOUR)
            assert set(api.status()["replicas"]) == {one.id}
            api.refuses = lambda *_: None
            await asyncio.sleep(60)
            assert set(api.status()["replicas"]) == {one.id, two.id}
            assert counts(api.status()) == (2, 2, 0)

    play(scene)


def test_replicas_that_do_not_agree_on_who_has_gone_do_not_write_by_turns(api):
    async def scene():
        leave(api, "staging/gone", "staging/too")
        async with running(api, "one") as one:
            one.serve("edge", "a")
            await asyncio.sleep(ENTRY_PATIENCE / 2)
            async with running(api, "two") as two:
                two.serve("edge", "a")
                await asyncio.sleep(ENTRY_PATIENCE)
                assert set(api.status()["replicas"]) == {one.id, two.id}
                assert counts(api.status()) == (0, 0, 0)
                assert len(api.patches()) < 20

    play(scene)


def test_an_entry_that_cannot_be_taken_out_keeps_no_other_in_and_is_not_counted(api):
    async def scene():
        leave(api, "staging/a", "staging/b", "staging/c")
        apply = api.apply

        async def applied_by_somebody_else(kind, body, *, manager, subresource=""):
            if manager == "staging/b":
                api.writes.append((0, "apply", kind, body))
                return body
            return await apply(kind, body, manager=manager, subresource=subresource)

        api.apply = applied_by_somebody_else
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(2 * HOUR)
            assert set(api.status()["replicas"]) == {replica.id, "staging/b"}
            assert counts(api.status()) == (0, 0, 0)
            assert len(api.patches()) < 40

    play(scene)


def test_where_there_are_many_replicas_each_says_less(api):
    async def scene():
        leave(api, *(f"staging/{number}" for number in range(200)))
        async with running(api) as replica:
            replica.serve("edge", *(f"c{number}" for number in range(200)))
            await asyncio.sleep(5)
            entry = api.status()["replicas"][replica.id]
            assert entry["resources"] == 200
            assert 0 < len(json.dumps(entry)) <= share(201) == ENTRY // 4
            assert (len(api.patches()), len(entry["listed"]) + entry["unlisted"]) == (1, 200)

    play(scene)


def test_an_entry_says_when_it_was_written(api):
    async def scene():
        api.create("edge")
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(5)
            [entry] = api.status()["replicas"].values()
            assert datetime.now(UTC) - datetime.fromisoformat(entry["renewTime"]) < timedelta(minutes=1)

    play(scene)


def test_an_object_that_somebody_else_changes_is_written_later(api):
    async def scene():
        api.create("edge")
        conflicts = [ApiError(409, "the object has been modified")] * 2
        api.refuses = lambda kind, _: conflicts.pop() if kind is XDS_RESOURCES and conflicts else None
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(10)
            assert counts(api.status()) == (0, 0, 0)

    play(scene)


def test_what_the_api_server_does_not_take_is_said_and_not_tried_again_before_it_differs(api, caplog):
    refusal = ApiError(422, "status.valid: Invalid value")

    async def scene():
        for name in ("edge", "other"):
            api.create(name)
        api.refuses = lambda _, body: refusal if body["metadata"]["name"] == "edge" else None
        async with running(api) as replica:
            replica.serve("edge", "a")
            replica.serve("other", "b")
            await asyncio.sleep(60)
            assert len(api.patches("edge")) == 1
            assert len(api.patches("other")) == 1
            replica.client()
            await asyncio.sleep(10)
            assert len(api.patches("edge")) == 2

    play(scene)
    said = (
        "the status of xdsresources shop/edge is not written: the API server answers 422: status.valid: Invalid value"
    )
    assert warnings(caplog) == [said] * 2


def test_without_a_permission_it_is_said_once_and_tried_again_with_pauses(api, caplog):
    caplog.set_level(logging.INFO)

    async def scene():
        api.create("edge")
        api.refuses = lambda kind, _: FORBIDDEN if kind is XDS_RESOURCES else None
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(300)
            assert 5 < len(api.patches()) < 25
            api.refuses = lambda *_: None
            await asyncio.sleep(60)
            assert counts(api.status()) == (0, 0, 0)

    play(scene)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "this is the replica rime/own"),
        ("ERROR", f"the status of xdsresources cannot be told: {FORBIDDEN}"),
        ("INFO", f"no longer: the status of xdsresources cannot be told: {FORBIDDEN}"),
    ]


def test_an_object_whose_status_may_not_be_written_keeps_no_other_from_its_own(api, caplog):
    caplog.set_level(logging.INFO)

    async def scene():
        for name in ("a", "b"):
            api.create(name)
        api.refuses = lambda kind, body: FORBIDDEN if (kind, body["metadata"]["name"]) == (XDS_RESOURCES, "a") else None
        async with running(api) as replica:
            replica.serve("a", "x")
            replica.serve("b", "y")
            for clients in range(5):
                await asyncio.sleep(60)
                assert counts(api.status("b")) == (clients, clients, 0)
                replica.client()
                await asyncio.sleep(3)
                assert counts(api.status("b")) == (clients + 1, clients + 1, 0), "as soon as without the other"
            assert 5 < len(api.patches("a")) < 25
            replica.reporter.note({Unit(0, ("shop", "a")): Made()})
            await asyncio.sleep(60)

    play(scene)
    assert caplog.messages == [
        "this is the replica rime/own",
        f"the status of xdsresources cannot be told: {FORBIDDEN}",
        f"no longer: the status of xdsresources cannot be told: {FORBIDDEN}",
    ]


def test_while_its_lease_cannot_be_written_nothing_is_for_others_would_take_it_out(api, caplog):
    async def scene():
        api.create("edge")
        api.refuses = lambda kind, _: UnreachableError("https://h: Connection refused") if kind is LEASES else None
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(200)
            assert api.patches() == []
            api.refuses = lambda *_: None
            await asyncio.sleep(40)
            assert counts(api.status()) == (0, 0, 0)

    play(scene)
    assert warnings(caplog) == ["the status of xdsresources cannot be told: https://h: Connection refused"]


def test_a_fault_of_its_own_ends_it_and_nothing_else(api, caplog):
    async def scene():
        api.create("edge")
        replica = Replica(api, "own")
        replica.told.reception = lambda *_: 1 / 0
        replica.serve("edge", "a")
        await replica.reporter.run()
        assert (LEASES, "rime", "own") not in api.objects

    play(scene)
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert (record.getMessage(), bool(record.exc_info)) == ("the status of xdsresources is not told any more", True)


def test_an_object_that_goes_is_forgotten(api):
    async def scene():
        leave(api, "staging/a")
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(5)
            replica.reporter.note({Unit(0, ("shop", "edge")): Made()})
            replica.client()
            await asyncio.sleep(60)
            assert len(api.patches()) == 1
            strangers = replica.reporter._strangers
            remembered = (replica.reporter._tried, strangers._hearing, strangers._entries)
            assert not any(remembered), "nothing is remembered of it"
            replica.serve("gone", "b")  # the API server has it no more, or not yet
            await asyncio.sleep(60)
            assert api.patches("gone") == []

    play(scene)


def test_one_that_is_deleted_while_its_status_is_written_is_nothing_to_speak_of(api, caplog):
    async def scene():
        api.create("edge")
        api.refuses = lambda kind, _: AbsentError(404, "not found") if kind is XDS_RESOURCES else None
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(10)

    play(scene)
    assert warnings(caplog) == []


@pytest.mark.parametrize("is_new", [False, True])
def test_at_the_end_it_leaves_a_lease_that_somebody_else_has_taken_over_or_made_anew(api, is_new):
    async def scene():
        api.create("edge")
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(1)
            lease = api.objects[LEASES, "rime", "own"]
            if is_new:
                del api.objects[LEASES, "rime", "own"]
                api.version = int(lease["metadata"]["resourceVersion"]) - 1  # restored from a backup
            api.put(LEASES, lease | {"spec": {"holderIdentity": "somebody else"}})
        assert api.objects[LEASES, "rime", "own"]["spec"]["holderIdentity"] == "somebody else"

    play(scene)


def test_where_it_never_had_a_lease_there_is_none_to_take_away(api):
    async def scene():
        api.create("edge")
        api.refuses = lambda *_: UnreachableError("https://h: Connection refused")
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(1)
        assert [how for _, how, _, _ in api.writes if how == "delete"] == []

    play(scene)


def test_at_the_end_it_takes_its_lease_away_and_does_not_wait_for_that(api):
    async def scene():
        api.create("edge")
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(1)
            lease = api.objects[LEASES, "rime", "own"]
            assert lease["metadata"]["labels"] == {"rime.dev/replica": "true"}
            assert lease["spec"]["leaseDurationSeconds"] == 60
        assert (LEASES, "rime", "own") not in api.objects

        async def never(*_, **__):
            await asyncio.sleep(1000)

        api.delete = never
        began = asyncio.get_running_loop().time()
        async with running(api) as replica:
            replica.serve("edge", "a")
            await asyncio.sleep(1)
        assert asyncio.get_running_loop().time() - began == pytest.approx(3, abs=0.1)

    play(scene)
