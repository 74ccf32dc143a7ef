"""What a Reader reports after each thing that can happen to a folder, and what it does not read again."""

import os
import shutil
from pathlib import Path

import pytest

from rime_envoy_api import Document, parse
from rime_file_source.errors import UnreadableError
from rime_file_source.files import read_bytes
from rime_file_source.reading import RECENT_NS, Reader

LONG_AGO = 10 * RECENT_NS


def cluster(*names: str) -> str:
    items = (
        f'- {{"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: "{name}", connect_timeout: 1s}}'
        for name in names
    )
    return "\n".join(("resources:", *items, ""))


class Disk:
    """A folder, a Reader of it, the Reader's clock, and the parses and reads that it did."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, root: Path | None = None) -> None:
        self.folder = folder
        self.root = str(root or folder)
        self.ahead = 0
        self.reader = Reader(self.root, max_file_size=1 << 20, now_ns=lambda: self.newest() + self.ahead)
        self.parsed: list[str] = []
        self.opened: list[str] = []

        def counting_parse(text: bytes, *, origin: str) -> Document:
            self.parsed.append(Path(origin).name)
            return parse(text, origin=origin)

        def counting_read(path: str, *, limit: int) -> bytes | None:
            self.opened.append(Path(path).name)
            return read_bytes(path, limit=limit)

        monkeypatch.setattr("rime_file_source.reading.parse", counting_parse)
        monkeypatch.setattr("rime_file_source.reading.read_bytes", counting_read)

    def newest(self) -> int:
        """The last change of anything in the folder, so that tests do not depend on the clock."""
        return max((path.lstat().st_ctime_ns for path in self.folder.rglob("*")), default=0)

    def write(self, name: str, *names: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(cluster(*names))

    def read(self, *touched: str) -> dict[str, list[str] | str | None]:
        """What was read anew: by path, the names in it or its faults, the reason why not, or None."""
        self.parsed.clear()
        self.opened.clear()
        readings = self.reader.read([f"{self.root}/{name}" for name in touched] if touched else None)
        return {
            os.path.relpath(path, self.root): each.why
            if isinstance(each, UnreadableError)
            else [resource.name for resource in each.resources] or [str(fault) for fault in each.faults]
            if each
            else None
            for path, each in readings.items()
        }


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    folder = tmp_path / "conf"
    folder.mkdir()
    return Disk(folder, monkeypatch)


def test_the_first_time_everything_is_read(disk: Disk) -> None:
    disk.write("a.yaml", "x")
    disk.write("sub/b.yaml", "y", "z")
    assert disk.read() == {"a.yaml": ["x"], "sub/b.yaml": ["y", "z"]}
    assert disk.reader.paths == [f"{disk.root}/a.yaml", f"{disk.root}/sub/b.yaml"]


def test_faults_name_the_file_as_it_was_given(disk: Disk) -> None:
    (disk.folder / "a.yaml").write_text("resources: [")
    assert str(disk.read()["a.yaml"]).startswith(f"['{disk.root}/a.yaml:2: not YAML")


def test_a_file_that_did_not_change_is_not_read_again(disk: Disk) -> None:
    disk.write("a.yaml", "x")
    disk.ahead = LONG_AGO
    disk.read()
    assert disk.read() == {}
    assert disk.opened == []


def test_a_file_that_was_just_written_is_read_again_but_not_parsed_again(disk: Disk) -> None:
    """Another write of as many bytes, within one tick of the file system's clock, would look the same."""
    disk.write("a.yaml", "x")
    disk.ahead = RECENT_NS - 1
    disk.read()
    assert disk.read() == {}
    assert (disk.opened, disk.parsed) == (["a.yaml"], [])


def test_one_changed_file_costs_itself(disk: Disk) -> None:
    for name in "abc":
        disk.write(f"{name}.yaml", name)
    disk.ahead = LONG_AGO
    disk.read()
    disk.write("b.yaml", "b", "b2")
    assert disk.read() == {"b.yaml": ["b", "b2"]}
    assert (disk.opened, disk.parsed) == (["b.yaml"], ["b.yaml"])


def test_an_event_about_a_file_looks_at_no_other(disk: Disk) -> None:
    disk.write("a.yaml", "x")
    disk.write("sub/b.yaml", "y")
    disk.read()
    disk.write("a.yaml", "x2")
    disk.write("sub/b.yaml", "y2")
    assert disk.read("sub/b.yaml") == {"sub/b.yaml": ["y2"]}
    assert disk.opened == ["b.yaml"]


def test_an_event_about_a_file_that_is_gone(disk: Disk) -> None:
    disk.write("a.yaml", "x")
    disk.read()
    (disk.folder / "a.yaml").unlink()
    assert disk.read("a.yaml") == {"a.yaml": None}
    assert disk.reader.paths == []


@pytest.mark.parametrize("event", ["sub", "..data", ".git/a.yaml", "notes.txt", "a.yaml/b.yaml"])
def test_any_other_event_looks_at_everything(event: str, disk: Disk) -> None:
    disk.write("a.yaml", "x")
    disk.read()
    disk.write("b.yaml", "y")
    assert disk.read(event) == {"b.yaml": ["y"]}


def test_where_there_are_links_every_event_looks_at_everything(disk: Disk) -> None:
    """The event of a file may come under another path, that of the link or that of its target."""
    disk.write("real/a.yaml", "x")
    (disk.folder / "link").symlink_to("real")
    disk.read()
    disk.write("real/a.yaml", "x2")
    assert disk.read("real/a.yaml") == {"real/a.yaml": ["x2"], "link/a.yaml": ["x2"]}


def test_a_kubernetes_volume_whose_link_was_swapped(disk: Disk) -> None:
    disk.write("..1/a.yaml", "x")
    disk.write("..1/b.yaml", "y")
    (disk.folder / "..data").symlink_to("..1")
    for name in ("a.yaml", "b.yaml"):
        (disk.folder / name).symlink_to(f"..data/{name}")
    disk.read()
    disk.write("..2/a.yaml", "x2")
    disk.write("..2/b.yaml", "y")
    (disk.folder / "..data_tmp").symlink_to("..2")
    (disk.folder / "..data_tmp").rename(disk.folder / "..data")
    shutil.rmtree(disk.folder / "..1")
    assert disk.read("..data") == {"a.yaml": ["x2"]}
    assert disk.parsed == ["a.yaml"]


def test_a_file_that_cannot_be_read_is_tried_each_time(disk: Disk) -> None:
    (disk.folder / "a.yaml").symlink_to("nowhere")
    refusal = {"a.yaml": "is a link to 'nowhere', which is not there"}
    assert disk.read() == refusal
    assert disk.read() == refusal
    disk.write("nowhere", "x")
    assert disk.read() == {"a.yaml": ["x"]}


def test_a_file_that_could_not_be_read_and_is_deleted_is_gone(disk: Disk) -> None:
    (disk.folder / "a.yaml").mkdir()
    disk.read()
    (disk.folder / "a.yaml").rmdir()
    assert disk.read() == {"a.yaml": None}


def test_a_file_that_can_be_read_again_is_news_although_it_is_as_before(disk: Disk) -> None:
    disk.write("real", "x")
    (disk.folder / "a.yaml").symlink_to("real")
    disk.read()
    (disk.folder / "real").rename(disk.folder / "away")
    disk.read()
    (disk.folder / "away").rename(disk.folder / "real")
    assert disk.read() == {"a.yaml": ["x"]}


def test_a_file_larger_than_the_bound_is_not_read(disk: Disk) -> None:
    (disk.folder / "a.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    assert disk.read() == {"a.yaml": "is larger than 1048576 bytes; split it, or raise max_file_size"}


def test_a_file_of_no_bytes_is_a_fault_and_an_empty_list_is_not(disk: Disk) -> None:
    (disk.folder / "a.yaml").write_bytes(b"")
    (disk.folder / "b.yaml").write_text("resources: []")
    readings = disk.read()
    assert "there is nothing in it" in str(readings["a.yaml"])
    assert readings["b.yaml"] == []


def test_files_of_a_folder_that_is_gone_are_gone(disk: Disk) -> None:
    disk.write("sub/a.yaml", "x")
    disk.read()
    shutil.rmtree(disk.folder / "sub")
    assert disk.read() == {"sub/a.yaml": None}


def test_files_of_a_folder_that_may_not_be_listed_are_not(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.write("sub/a.yaml", "x")
    disk.write("sub2/a.yaml", "y")
    disk.read()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path == f"{disk.root}/sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        shutil.rmtree(disk.folder / "sub2")
        assert disk.read() == {"sub": "cannot be read: Permission denied", "sub2/a.yaml": None}
    assert disk.read() == {"sub": None}


def test_a_root_that_is_gone_and_comes_back(disk: Disk) -> None:
    disk.write("a.yaml", "x")
    disk.write("b.yaml", "y")
    disk.read()
    disk.folder.rename(disk.folder.with_name("away"))
    assert disk.read() == {".": "is gone"}
    assert disk.read() == {".": "is gone"}
    disk.folder.with_name("away").rename(disk.folder)
    (disk.folder / "b.yaml").unlink()
    assert disk.read() == {".": None, "b.yaml": None}


def test_a_single_file_that_is_gone_and_comes_back(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = disk.folder / "envoy.yaml"
    disk.write("envoy.yaml", "x")
    alone = Disk(disk.folder, monkeypatch, root=path)
    assert alone.read() == {".": ["x"]}
    path.unlink()
    assert alone.read() == {".": "is gone"}
    disk.write("envoy.yaml", "x")
    assert alone.read() == {".": ["x"]}


def test_an_event_about_the_folder_itself_looks_at_everything(disk: Disk) -> None:
    disk.write("a.yaml", "x")
    disk.read()
    disk.write("b.yaml", "y")
    assert disk.read(".") == {"b.yaml": ["y"]}
    shutil.rmtree(disk.folder)
    assert disk.read(".")["."] == "is gone"


def test_an_event_about_a_single_file_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path, monkeypatch, root=tmp_path / "envoy.yaml")
    disk.write("envoy.yaml", "x")
    disk.read()
    disk.write("envoy.yaml", "y")
    assert disk.read(".") == {".": ["y"]}
    (tmp_path / "envoy.yaml").unlink()
    assert disk.read(".") == {".": "is gone"}


def test_a_single_file_that_goes_while_it_is_looked_at_is_gone_and_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path, monkeypatch, root=tmp_path / "envoy.yaml")
    disk.write("envoy.yaml", "x")
    disk.read()
    monkeypatch.setattr("rime_file_source.reading.sign", lambda _: None)
    assert disk.read() == {".": "is gone"}
