"""What the operating system tells of a real folder. Each `wait` returns when there is something to return."""

import math
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from rime_file_source.watch import Watch

LONG = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "conf"
    folder.mkdir()
    return folder


@pytest.fixture
def watch(folder: Path) -> Iterator[Watch]:
    watch = Watch(str(folder))
    yield watch
    watch.close()


def wait_for(watch: Watch, *names: str) -> None:
    """Wait until there was an event for each of the paths."""
    missing = set(names)
    while missing:
        touched = watch.wait(LONG)
        assert touched
        missing -= touched


def wait_for_everything(watch: Watch) -> None:
    """Wait until it says that anything may have changed."""
    while (touched := watch.wait(LONG)) is not None:
        assert touched


def test_a_new_a_changed_and_a_deleted_file(watch: Watch, folder: Path) -> None:
    path = folder / "a.yaml"
    path.write_text("1")
    wait_for(watch, str(path))
    path.write_text("2")
    wait_for(watch, str(path))
    path.unlink()
    wait_for(watch, str(path))


def test_an_atomic_rename(watch: Watch, folder: Path) -> None:
    (folder / ".a.tmp").write_text("1")
    (folder / ".a.tmp").rename(folder / "a.yaml")
    wait_for(watch, f"{folder}/a.yaml")


def test_a_file_in_a_folder_that_came_later(watch: Watch, folder: Path) -> None:
    (folder / "sub").mkdir()
    wait_for(watch, f"{folder}/sub")
    (folder / "sub/a.yaml").write_text("1")
    wait_for(watch, f"{folder}/sub/a.yaml")


def test_the_swap_of_a_kubernetes_volume(folder: Path) -> None:
    (folder / "..1").mkdir()
    (folder / "..1/a.yaml").write_text("1")
    (folder / "..data").symlink_to("..1")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    watch = Watch(str(folder))
    (folder / "..2").mkdir()
    (folder / "..2/a.yaml").write_text("2")
    (folder / "..data_tmp").symlink_to("..2")
    (folder / "..data_tmp").rename(folder / "..data")
    shutil.rmtree(folder / "..1")
    wait_for(watch, f"{folder}/..data")
    watch.close()


def test_what_happens_between_making_it_and_waiting_is_not_lost(watch: Watch, folder: Path) -> None:
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (folder / name).write_text("1")
    wait_for(watch, *(f"{folder}/{name}" for name in ("a.yaml", "b.yaml", "c.yaml")))


def test_paths_come_as_the_folder_was_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    watch = Watch("conf")
    (folder / "a.yaml").write_text("1")
    wait_for(watch, "conf/a.yaml")
    monkeypatch.chdir(folder)
    watch.close()
    watch = Watch(".")
    (folder / "a.yaml").write_text("2")
    wait_for(watch, "./a.yaml")
    watch.close()


def test_a_folder_that_vanishes_and_comes_back_is_watched_again(watch: Watch, folder: Path) -> None:
    shutil.rmtree(folder)
    wait_for_everything(watch)
    folder.mkdir()
    wait_for_everything(watch)
    (folder / "a.yaml").write_text("1")
    wait_for(watch, f"{folder}/a.yaml")


def test_a_folder_that_is_replaced_at_once_is_watched_again(watch: Watch, folder: Path) -> None:
    """The new one may even have the inode of the old one."""
    for _ in range(5):
        folder.rmdir()
        folder.mkdir()
        wait_for_everything(watch)
        (folder / "a.yaml").write_text("1")
        wait_for(watch, f"{folder}/a.yaml")
        (folder / "a.yaml").unlink()
        wait_for(watch, f"{folder}/a.yaml")


def test_a_link_that_leads_to_another_folder_now(tmp_path: Path, folder: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    watch = Watch(str(link))
    (tmp_path / "next").mkdir()
    (tmp_path / "tmp").symlink_to(tmp_path / "next")
    (tmp_path / "tmp").rename(link)
    wait_for_everything(watch)
    (tmp_path / "next/a.yaml").write_text("1")
    wait_for(watch, f"{link}/a.yaml")
    watch.close()


def test_a_single_file_through_atomic_renames(folder: Path) -> None:
    path = folder / "envoy.yaml"
    path.write_text("0")
    watch = Watch(str(path))
    for content in "12":
        (folder / "tmp").write_text(content)
        (folder / "tmp").rename(path)
        wait_for_everything(watch)
    path.write_text("3")
    wait_for(watch, str(path))
    watch.close()


def test_without_any_event_it_returns_with_nothing_in_time(watch: Watch) -> None:
    assert watch.wait(0) == frozenset()
    assert watch.wait(0.01) == frozenset()


def test_a_wait_that_is_over_already_still_tells_what_happened_before(watch: Watch, folder: Path) -> None:
    (folder / "a.yaml").write_text("1")
    wait_for(watch, f"{folder}/a.yaml")
    (folder / "b.yaml").write_text("1")
    touched = frozenset[str]()
    for _ in range(1000):
        touched = touched or frozenset(watch.wait(-1) or ())
    assert touched == {f"{folder}/b.yaml"}


def test_close_ends_a_wait_in_another_thread(watch: Watch) -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(watch.wait(LONG)), daemon=True)
    thread.start()
    watch.close()
    thread.join(timeout=LONG / 2)
    assert results == [frozenset()]


def test_without_events_it_says_so_once_and_leaves_it_to_rescans(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr("rime_file_source.watch.RustNotify", refuse)
    watch = Watch(str(folder))
    [line] = caplog.messages
    assert line.startswith(f"{folder}: no events from the operating system (OS file watch limit reached.); ")
    assert watch.wait(0) == frozenset()
    assert len(caplog.messages) == 1


def test_up_to_when_nothing_happened_is_known_where_there_are_events(watch: Watch, folder: Path) -> None:
    assert watch.quiet_until == -math.inf
    before = monotonic()
    watch.wait(0.0)
    asked = watch.quiet_until
    assert asked >= before
    (folder / "a.yaml").write_text("1")
    wait_for(watch, f"{folder}/a.yaml")
    assert watch.quiet_until == asked
    watch.close()
    watch.wait(LONG)
    assert watch.quiet_until == asked


def test_without_events_nobody_knows(tmp_path: Path) -> None:
    watch = Watch(str(tmp_path / "nothing"))
    watch.wait(0.0)
    assert watch.quiet_until == -math.inf
