"""A FileSource on a real folder, with real events: what a writer is told, in order.

Nothing here sleeps: each step waits for the next thing that the writer is told. Where something must *not* happen, what
comes after it is awaited. What depends on time alone is in test_folder.py.
"""

import logging
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
import pytest

from rime_core import CLUSTER, ClosedError, Plane, Source, UsageError, Writer
from rime_core.testing import check_source
from rime_file_source import FileSource
from rime_file_source.watch import Watch

pytestmark = pytest.mark.asyncio

READY = "ready"


class Recorder:
    """A writer that remembers what it is told: a transaction as its bodies and removals, a list of faults, READY."""

    def __init__(self) -> None:
        self._told: list[object] = []
        self._news = anyio.Event()
        self.refuse = False

    @contextmanager
    def transaction(self) -> Iterator["Recorder"]:
        self._wrote: dict[str, str | None] = {}
        yield self
        if self.refuse:
            raise ClosedError("the Plane is closed")
        self._tell(self._wrote)

    def apply(
        self, type_url: str, name: str, body: bytes, *, aliases: Sequence[str], on_demand: bool, ttl: float | None
    ) -> None:
        assert type_url == CLUSTER
        self._wrote[name] = timeout_of(body)

    def remove(self, type_url: str, name: str) -> None:
        assert type_url == CLUSTER
        self._wrote[name] = None

    def ready(self) -> None:
        self._tell(READY)

    def incomplete(self, reasons: Sequence[str]) -> None:
        self._tell([Path(reason).name for reason in reasons])

    def _tell(self, what: object) -> None:
        self._told.append(what)
        self._news.set()

    async def next(self) -> object:
        while not self._told:
            self._news = anyio.Event()
            await self._news.wait()
        return self._told.pop(0)


def timeout_of(body: bytes) -> str:
    """The cluster's content, as far as these tests go: its connect_timeout in seconds."""
    _, _, duration = body.partition(b"\x22\x02\x08")  # field 4, two bytes, in them field 1: the seconds
    return str(duration[0])


def clusters(**timeouts: str) -> str:
    items = (
        f'- {{"@type": {CLUSTER}, name: "{name}", connect_timeout: {seconds}s}}' for name, seconds in timeouts.items()
    )
    return "\n".join(("resources:", *items, "")) if timeouts else "resources: []"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "conf"
    folder.mkdir()
    return folder


@asynccontextmanager
async def running(source: Source, writer: object) -> AsyncIterator[None]:
    """While `source` runs: it must neither raise nor end before it is cancelled."""
    ended = False

    async def run() -> None:
        nonlocal ended
        await source.run(cast("Writer", writer))
        ended = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield
        assert not ended
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def serving(place: Path, first: object, **options: str) -> AsyncIterator[Recorder]:
    """A source that runs, after its first state, which must be `first`."""
    recorder = Recorder()
    async with running(FileSource(str(place), {"quiet": "20ms", "settle": "100ms", **options}), recorder):
        if first:
            assert await recorder.next() == first
        assert await recorder.next() == []
        assert await recorder.next() == READY
        yield recorder


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - a Plane has no event for being complete
            await anyio.sleep(0.001)


@pytest.mark.parametrize(
    ("place", "options", "line"),
    [
        ("nowhere", {}, "file: nowhere: there is no such folder or file"),
        ("\0", {}, r"file: \x00 cannot be a path"),
        (".", {"max_file_size": "0"}, "file: max_file_size='0' should be a size from 1B to 1GiB"),
        (".", {"quick": "1s"}, "file: there is no option 'quick'; did you mean 'quiet'?"),
    ],
)
async def test_a_place_or_option_that_cannot_be_is_refused_when_it_is_made(
    place: str, options: dict[str, str], line: str
) -> None:
    with pytest.raises(UsageError) as caught:
        FileSource(place, options)
    assert str(caught.value) == line


async def test_it_keeps_what_every_source_promises(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    snapshot = await check_source(FileSource, str(folder), {})
    assert list(snapshot[CLUSTER]) == ["x"]


async def test_what_is_said_of_a_resource_beside_its_content_is_passed_on(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        '"@type": type.googleapis.com/envoy.service.discovery.v3.Resource\n'
        "aliases: [also]\n"
        "ttl: 30s\n"
        "metadata: {filter_metadata: {rime: {on_demand: true}}}\n"
        f'resource: {{"@type": {CLUSTER}, name: x}}\n'
    )
    found = (await check_source(FileSource, str(folder), {}))[CLUSTER]["x"]
    assert (found.aliases, found.ttl, found.on_demand) == (("also",), 30.0, True)


async def test_the_first_state_is_one_transaction_and_then_it_is_ready(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    (folder / "b.json").write_text(f'{{"resources": [{{"@type": "{CLUSTER}", "name": "z", "connect_timeout": "3s"}}]}}')
    async with serving(folder, first={"x": "1", "z": "3"}):
        pass


async def test_an_empty_folder_is_ready_and_its_log_says_what_is_looked_for(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "notes.txt").write_text("nothing")
    async with serving(folder, first=None):
        assert caplog.messages == [f"{folder}: no file here ends in .yaml, .yml, .json"]


async def test_an_edit_writes_what_differs(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1", y="1"))
    async with serving(folder, first={"x": "1", "y": "1"}) as writer:
        (folder / "a.yaml").write_text(clusters(x="1", y="2"))
        assert await writer.next() == {"y": "2"}


async def test_an_atomic_rename_as_editors_do_it(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    async with serving(folder, first={"x": "1"}) as writer:
        for seconds in "23":
            (folder / "a.yaml").rename(folder / "a.yaml~")
            (folder / ".a.yaml.tmp").write_text(clusters(x=seconds))
            (folder / ".a.yaml.tmp").rename(folder / "a.yaml")
            assert await writer.next() == {"x": seconds}


async def test_a_burst_of_saves_is_one_transaction(folder: Path) -> None:
    async with serving(folder, first=None, quiet="1s", settle="1s") as writer:
        for number in range(9):
            (folder / f"{number}.yaml").write_text(clusters(**{f"c{number}": "1"}))
        assert await writer.next() == {f"c{number}": "1" for number in range(9)}


async def test_files_in_folders_that_come_move_and_go(folder: Path, tmp_path: Path) -> None:
    async with serving(folder, first=None) as writer:
        (tmp_path / "new/deep").mkdir(parents=True)
        (tmp_path / "new/deep/a.yaml").write_text(clusters(x="1"))
        (tmp_path / "new").rename(folder / "new")
        assert await writer.next() == {"x": "1"}
        (folder / "new/deep/a.yaml").write_text(clusters(x="2"))
        assert await writer.next() == {"x": "2"}
        (folder / "new").rename(tmp_path / "old")
        assert await writer.next() == {"x": None}


async def test_a_deleted_file_takes_its_resources_along(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    (folder / "b.yaml").write_text(clusters(y="1"))
    async with serving(folder, first={"x": "1", "y": "1"}) as writer:
        (folder / "b.yaml").unlink()
        assert await writer.next() == {"y": None}


@pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a")])
async def test_a_resource_moved_from_one_file_to_another_is_not_removed(source: str, target: str, folder: Path) -> None:
    (folder / f"{source}.yaml").write_text(clusters(x="1"))
    (folder / f"{target}.yaml").write_text(clusters(y="1"))
    async with serving(folder, first={"x": "1", "y": "1"}, settle="1s") as writer:
        (folder / f"{source}.yaml").write_text(clusters())
        (folder / f"{target}.yaml").write_text(clusters(y="1", x="2"))
        assert await writer.next() == {"x": "2"}
        (folder / f"{target}.yaml").write_text(clusters(x="2"))
        assert await writer.next() == {"y": None}


async def test_a_broken_file_keeps_what_it_held_and_the_others_go_on(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (folder / "a.yaml").write_text(clusters(x="1"))
    (folder / "b.yaml").write_text(clusters(y="1"))
    async with serving(folder, first={"x": "1", "y": "1"}) as writer:
        caplog.clear()
        (folder / "a.yaml").write_text("resources: }")
        [said] = cast("list[str]", await writer.next())
        assert said.startswith("a.yaml:1: not YAML")
        (folder / "b.yaml").write_text(clusters(y="2"))
        assert await writer.next() == {"y": "2"}
        (folder / "a.yaml").write_text(clusters(x="2"))
        assert await writer.next() == {"x": "2"}
        assert await writer.next() == []
    appeared, other, repaired, gone = [record for record in caplog.records if record.name == "rime_file_source"]
    assert other.getMessage() == repaired.getMessage() == f"{folder}: 1 resource written, 0 to remove"
    assert (appeared.levelname, gone.levelname) == ("ERROR", "INFO")
    assert appeared.getMessage().startswith(f"{folder}/a.yaml:1: not YAML")
    assert gone.getMessage() == f"no longer: {appeared.getMessage()}"


async def test_a_resource_with_a_fault_keeps_its_last_good_version(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1", y="1"))
    async with serving(folder, first={"x": "1", "y": "1"}, settle="1s") as writer:
        (folder / "a.yaml").write_text(clusters(x="soon", y="2"))
        assert await writer.next() == {"y": "2"}
        [said] = cast("list[str]", await writer.next())
        assert said.startswith("a.yaml:2: clusters 'x': connect_timeout: ")


async def test_a_file_of_no_bytes_is_half_written(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    async with serving(folder, first={"x": "1"}) as writer:
        (folder / "a.yaml").write_bytes(b"")
        [said] = cast("list[str]", await writer.next())
        assert said.endswith("there is nothing in it: to serve no resources, write `resources: []`")
        (folder / "a.yaml").write_text("resources: []")
        assert await writer.next() == {"x": None}
        assert await writer.next() == []


async def test_an_unreadable_file_among_others(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    os.mkfifo(folder / "b.yaml")
    recorder = Recorder()
    async with running(FileSource(str(folder), {}), recorder):
        assert await recorder.next() == ["b.yaml: is a named pipe, not a file"]
        assert await recorder.next() == {"x": "1"}
        assert await recorder.next() == READY


async def test_two_files_that_claim_one_name(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    (folder / "b.yaml").write_text(clusters(x="2"))
    async with serving(folder, first={"x": "1"}) as writer:
        line = f"{folder}/a.yaml:2 and {folder}/b.yaml:2 hold the same clusters 'x'; {folder}/a.yaml is served"
        assert caplog.messages == [f"{line}, the first in order"]
        assert caplog.records[0].levelname == "WARNING"
        (folder / "a.yaml").unlink()
        assert await writer.next() == {"x": "2"}


async def test_the_swap_of_a_kubernetes_volume_is_one_transaction(folder: Path) -> None:
    def publish(version: str, **timeouts: str) -> None:
        (folder / f"..{version}").mkdir()
        for name, seconds in timeouts.items():
            (folder / f"..{version}/{name}.yaml").write_text(clusters(**{name: seconds}))
        (folder / "..data_tmp").symlink_to(f"..{version}")
        (folder / "..data_tmp").rename(folder / "..data")

    publish("1", x="1", y="1", z="1")
    for name in "xyz":
        (folder / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    async with serving(folder, first={"x": "1", "y": "1", "z": "1"}, rescan="0") as writer:
        publish("2", x="2", y="1", z="2")
        shutil.rmtree(folder / "..1")
        assert await writer.next() == {"x": "2", "z": "2"}
        publish("3", x="3", y="1", z="2")
        shutil.rmtree(folder / "..2")
        assert await writer.next() == {"x": "3"}


async def test_a_folder_that_vanishes_keeps_its_resources_until_it_comes_back(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1", y="1"))
    async with serving(folder, first={"x": "1", "y": "1"}, rescan="0") as writer:
        shutil.rmtree(folder)
        assert await writer.next() == ["conf: is gone"]
        folder.mkdir()  # noqa: ASYNC240 - done at once
        (folder / "a.yaml").write_text(clusters(x="2", y="1"))
        assert await writer.next() == {"x": "2"}
        assert await writer.next() == []
        (folder / "a.yaml").write_text(clusters(x="2", y="2"))
        assert await writer.next() == {"y": "2"}


async def test_a_folder_that_is_renamed_away_keeps_its_resources_until_it_is_back(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    async with serving(folder, first={"x": "1"}, rescan="0") as writer:
        for seconds in "23":
            folder.rename(folder.with_name("away"))  # noqa: ASYNC240 - done at once
            assert await writer.next() == ["conf: is gone"]
            folder.with_name("away").rename(folder)
            assert await writer.next() == []
            (folder / "a.yaml").write_text(clusters(x=seconds))
            assert await writer.next() == {"x": seconds}


async def test_a_folder_that_is_renamed_away_and_back_at_once_is_followed(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    async with serving(folder, first={"x": "1"}, rescan="0") as writer:
        for seconds in "23":
            folder.rename(folder.with_name("away"))  # noqa: ASYNC240 - done at once
            folder.with_name("away").rename(folder)
            (folder / "a.yaml").write_text(clusters(x=seconds))
            assert await writer.next() == {"x": seconds}


async def test_a_single_file_is_followed_through_atomic_renames(folder: Path) -> None:
    path = folder / "envoy.yaml"
    path.write_text(clusters(x="1"))
    async with serving(path, first={"x": "1"}, rescan="0") as writer:
        for seconds in "234":
            (folder / "tmp").write_text(clusters(x=seconds))
            (folder / "tmp").rename(path)
            assert await writer.next() == {"x": seconds}


async def test_a_single_file_is_followed_through_writes_in_place(folder: Path) -> None:
    path = folder / "envoy.yaml"
    path.write_text(clusters(x="1"))
    async with serving(path, first={"x": "1"}, rescan="0") as writer:
        for seconds in "234":
            path.write_text(clusters(x=seconds))
            assert await writer.next() == {"x": seconds}


async def test_a_single_file_that_vanishes_keeps_its_resources_until_it_comes_back(folder: Path) -> None:
    path = folder / "envoy.yaml"
    path.write_text(clusters(x="1", y="1"))
    async with serving(path, first={"x": "1", "y": "1"}, rescan="0") as writer:
        path.unlink()
        assert await writer.next() == ["envoy.yaml: is gone"]
        path.write_text(clusters(x="2", y="1"))
        assert await writer.next() == {"x": "2"}
        assert await writer.next() == []


async def test_what_has_no_event_is_found_by_looking_again(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(clusters(x="1"))
    (folder / "a.yaml").symlink_to(tmp_path / "elsewhere")
    async with serving(folder, first={"x": "1"}, rescan="50ms") as writer:
        (tmp_path / "next").write_text(clusters(x="2"))
        (tmp_path / "next").rename(tmp_path / "elsewhere")
        assert await writer.next() == {"x": "2"}


async def test_run_again_it_reads_all_and_removes_what_went_meanwhile_once(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1", y="1"))
    source, recorder = FileSource(str(folder), {}), Recorder()
    for expected in ({"x": "1", "y": "1"}, {"x": "2", "y": None}, {"x": "2"}):
        async with running(source, recorder):
            assert await recorder.next() == expected
            assert await recorder.next() == []
            assert await recorder.next() == READY
        (folder / "a.yaml").write_text(clusters(x="2"))


async def test_aliases_are_written_too(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        'resources: [{"@type": type.googleapis.com/envoy.service.discovery.v3.Resource, aliases: [also],'
        f' resource: {{"@type": {CLUSTER}, name: x, connect_timeout: 1s}}}}]'
    )
    plane = Plane()
    async with running(FileSource(str(folder), {}), plane.writer("file:conf")):
        await until(lambda: plane.complete)
        assert plane.snapshot()[CLUSTER]["x"].aliases == ("also",)


async def test_what_a_writer_refused_is_written_by_the_next_run(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    source, recorder = FileSource(str(folder), {}), Recorder()
    recorder.refuse = True
    with pytest.raises(ClosedError):
        await source.run(cast("Writer", recorder))
    recorder.refuse = False
    async with running(source, recorder):
        assert await recorder.next() == {"x": "1"}


async def test_cancelled_it_leaves_no_thread_waiting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, ended = threading.Event(), threading.Event()
    wait = Watch.wait

    def forever(watch: Watch, timeout: float) -> object:  # noqa: ARG001 - the source's own wait would end in time
        began.set()
        touched = wait(watch, 60)
        ended.set()
        return touched

    monkeypatch.setattr(Watch, "wait", forever)
    async with serving(folder, first=None):
        assert await anyio.to_thread.run_sync(began.wait, 30)
    assert await anyio.to_thread.run_sync(ended.wait, 30)


async def test_with_a_plane_a_restart_with_a_broken_file_takes_nothing_away(folder: Path) -> None:
    (folder / "a.yaml").write_text(clusters(x="1"))
    (folder / "b.yaml").write_text(clusters(y="1"))
    plane = Plane()
    writer = plane.writer("file:conf")
    source = FileSource(str(folder), {"settle": "50ms"})
    async with running(source, writer):
        await until(lambda: plane.complete)
    (folder / "b.yaml").write_text("resources: }")
    async with running(source, writer):
        await until(lambda: not plane.complete)
        assert set(plane.snapshot()[CLUSTER]) == {"x", "y"}
        (folder / "b.yaml").write_text(clusters(z="1"))
        await until(lambda: plane.complete)
        assert set(plane.snapshot()[CLUSTER]) == {"x", "z"}


@pytest.mark.parametrize("damage", [lambda folder: (folder / "b.yaml").write_text("resources: }"), shutil.rmtree])
async def test_with_a_plane_nothing_is_taken_away_however_often_it_is_run_while_something_cannot_be_read(
    damage: Callable[[Path], object], folder: Path
) -> None:
    class Unready:
        """The writer, which is not told that all is written."""

        def __init__(self) -> None:
            self.wrote = anyio.Event()

        def ready(self) -> None:
            self.wrote.set()

        def __getattr__(self, name: str) -> object:
            return getattr(writer, name)

    (folder / "a.yaml").write_text(clusters(x="1"))
    (folder / "b.yaml").write_text(clusters(y="1", z="1"))
    plane = Plane()
    writer = plane.writer("file:conf")
    source = FileSource(str(folder), {"settle": "50ms"})
    async with running(source, writer):
        await until(lambda: plane.complete)
    everything = plane.snapshot()[CLUSTER]
    damage(folder)
    for _ in range(3):
        unready = Unready()
        async with running(source, unready):
            await unready.wrote.wait()
        assert plane.snapshot()[CLUSTER] == everything
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - done at once
    (folder / "a.yaml").write_text(clusters(x="1"))
    (folder / "b.yaml").write_text(clusters(y="1"))
    async with running(source, writer):
        await until(lambda: plane.complete)
        assert set(plane.snapshot()[CLUSTER]) == {"x", "y"}


async def test_how_old_what_it_read_may_be_is_known_once_it_was_read_and_stays_small_while_nothing_happens(folder):
    """It is asked until the operating system was asked again, half a second later."""
    (folder / "a.yaml").write_text(clusters(a="1"))
    source, recorder = FileSource(str(folder), {}), Recorder()
    assert source.staleness() is None
    async with running(source, recorder):
        assert [await recorder.next() for _ in range(3)] == [{"a": "1"}, [], READY]
        first = source.staleness()
        assert first is not None
        with anyio.fail_after(30):
            while (now := source.staleness()) is None or now >= first:
                first = max(first, now or 0.0)
                await anyio.sleep(0.001)
    ended = source.staleness()
    assert ended is not None
    assert (source.staleness() or 0.0) > ended, "nobody looks any more"
