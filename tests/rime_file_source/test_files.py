"""What counts as configuration, and reading it whatever stands in its place."""

import os
import socket
from pathlib import Path

import pytest

from rime_core import UsageError
from rime_file_source.errors import UnreadableError
from rime_file_source.files import check_place, is_configuration, read_bytes, sign, walk


def write(path: Path, text: str = "resources: []") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class TestPlace:
    def test_a_folder_and_a_file_can_be_served(self, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml")
        assert check_place(f"{tmp_path}/") == str(tmp_path)
        assert check_place(f"{tmp_path}/a.yaml") == f"{tmp_path}/a.yaml"

    def test_the_tilde_that_no_shell_expands_after_the_colon_is_the_home(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert check_place("~") == str(tmp_path)

    @pytest.mark.parametrize(
        ("place", "line"),
        [
            ("", "file: which folder? say file:PATH"),
            ("nowhere", "file: nowhere: there is no such folder or file"),
            ("a.yaml/b", "file: a.yaml/b: Not a directory"),
            ("a\0b", r"file: a\x00b cannot be a path"),
            ("~nobody-of-this-name", "file: ~nobody-of-this-name cannot be a path"),
            ("pipe", "file: pipe is neither a folder nor a file"),
        ],
    )
    def test_anything_else_is_refused_in_one_line(
        self, place: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "a.yaml")
        os.mkfifo("pipe")
        with pytest.raises(UsageError) as caught:
            check_place(place)
        assert str(caught.value) == line


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.json", "A.YAML", "a.b.yaml", "~a.yaml"])
def test_configuration_is_known_by_its_ending(name: str) -> None:
    assert is_configuration(name)


@pytest.mark.parametrize(
    "name",
    [
        "a.yaml~",
        ".a.yaml",
        ".a.yaml.swp",
        ".#a.yaml",
        "#a.yaml#",
        "a.yaml.tmp",
        "a.yaml.bak",
        "a.txt",
        "yaml",
        "..data",
    ],
)
def test_what_editors_and_mounts_leave_beside_it_is_not(name: str) -> None:
    assert not is_configuration(name)


class TestWalk:
    def test_it_goes_down_into_folders_in_path_order(self, tmp_path: Path) -> None:
        for name in ("z.yaml", "a/b/c.json", "a.yml", "notes.txt"):
            write(tmp_path / name)
        listing = walk(str(tmp_path))
        assert listing.files == [f"{tmp_path}/{name}" for name in ("a.yml", "a/b/c.json", "z.yaml")]
        assert (listing.unreadable, listing.linked) == ([], False)

    def test_hidden_folders_are_passed_over(self, tmp_path: Path) -> None:
        write(tmp_path / ".git/a.yaml")
        write(tmp_path / "..2026_01_01/a.yaml")
        assert walk(str(tmp_path)).files == []

    def test_a_kubernetes_volume_is_seen_through_its_links(self, tmp_path: Path) -> None:
        write(tmp_path / "..2026_01_01/a.yaml")
        write(tmp_path / "..2026_01_01/sub/b.yaml")
        (tmp_path / "..data").symlink_to("..2026_01_01")
        (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
        (tmp_path / "sub").symlink_to("..data/sub")
        listing = walk(str(tmp_path))
        assert listing.files == [f"{tmp_path}/a.yaml", f"{tmp_path}/sub/b.yaml"]
        assert listing.linked

    def test_a_link_that_leads_back_up_ends_there(self, tmp_path: Path) -> None:
        write(tmp_path / "a/a.yaml")
        (tmp_path / "a/up").symlink_to(tmp_path)
        (tmp_path / "a/here").symlink_to(".")
        assert walk(str(tmp_path)).files == [f"{tmp_path}/a/a.yaml"]

    def test_two_links_to_one_folder_are_two_folders(self, tmp_path: Path) -> None:
        write(tmp_path / ".store/a.yaml")
        (tmp_path / "x").symlink_to(".store")
        (tmp_path / "y").symlink_to(".store")
        assert walk(str(tmp_path)).files == [f"{tmp_path}/x/a.yaml", f"{tmp_path}/y/a.yaml"]

    def test_a_folder_with_the_name_of_a_file_is_listed_as_one(self, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml/b.yaml")
        assert walk(str(tmp_path)).files == [f"{tmp_path}/a.yaml"]

    def test_a_single_file_is_listed_whatever_its_name(self, tmp_path: Path) -> None:
        write(tmp_path / "envoy.conf")
        assert walk(f"{tmp_path}/envoy.conf").files == [f"{tmp_path}/envoy.conf"]

    def test_a_root_that_is_gone_is_unreadable_and_not_empty(self, tmp_path: Path) -> None:
        [error] = walk(f"{tmp_path}/gone").unreadable
        assert str(error) == f"{tmp_path}/gone: is gone"

    def test_a_folder_that_may_not_be_listed_does_not_hide_the_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Root may list everything, so the refusal is made."""
        write(tmp_path / "a.yaml")
        write(tmp_path / "closed/b.yaml")
        scandir = os.scandir

        def refuse(path: str) -> object:
            if path == f"{tmp_path}/closed":
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        listing = walk(str(tmp_path))
        assert listing.files == [f"{tmp_path}/a.yaml"]
        assert [str(error) for error in listing.unreadable] == [f"{tmp_path}/closed: cannot be read: Permission denied"]

    def test_a_folder_that_goes_while_it_is_walked_is_simply_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "going/b.yaml")
        scandir = os.scandir

        def vanish(path: str) -> object:
            return scandir(path if path == str(tmp_path) else f"{path}/nowhere")

        monkeypatch.setattr(os, "scandir", vanish)
        listing = walk(str(tmp_path))
        assert (listing.files, listing.unreadable) == ([], [])


class TestReading:
    def test_a_file(self, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml", "ä")
        assert sign(f"{tmp_path}/a.yaml") is not None
        assert read_bytes(f"{tmp_path}/a.yaml", limit=2) == "ä".encode()

    def test_nothing_there_is_nothing(self, tmp_path: Path) -> None:
        assert sign(f"{tmp_path}/a.yaml") is None
        assert read_bytes(f"{tmp_path}/a.yaml", limit=100) is None

    def test_every_save_has_another_signature(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        write(path, "1")
        before = sign(str(path))
        os.utime(path, ns=(0, 0))
        touched = sign(str(path))
        write(tmp_path / "b.yaml", "2")
        os.utime(tmp_path / "b.yaml", ns=(0, 0))
        (tmp_path / "b.yaml").rename(path)
        assert len({before, touched, sign(str(path))}) == 3

    def test_more_bytes_than_allowed_are_refused_with_the_bound(self, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml", "12345")
        assert read_bytes(f"{tmp_path}/a.yaml", limit=5) == b"12345"
        with pytest.raises(UnreadableError, match=r"larger than 4 bytes; split it, or raise max_file_size$"):
            read_bytes(f"{tmp_path}/a.yaml", limit=4)

    def test_what_is_no_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "folder.yaml").mkdir()
        os.mkfifo(tmp_path / "pipe.yaml")
        (tmp_path / "device.yaml").symlink_to("/dev/null")
        (tmp_path / "nowhere.yaml").symlink_to("no/such")
        (tmp_path / "circle.yaml").symlink_to("circle.yaml")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{tmp_path}/socket.yaml")
            assert self.refusals(tmp_path) == {
                "circle.yaml": "cannot be read: Too many levels of symbolic links",
                "device.yaml": "is a device, not a file",
                "folder.yaml": "is a folder, not a file",
                "nowhere.yaml": "is a link to 'no/such', which is not there",
                "pipe.yaml": "is a named pipe, not a file",
                "socket.yaml": "is a socket, not a file",
            }

    def refusals(self, folder: Path) -> dict[str, str]:
        refusals = {}
        for path in folder.iterdir():
            with pytest.raises(UnreadableError) as caught:
                sign(str(path))
            refusals[path.name] = caught.value.why
        return refusals

    def test_a_pipe_that_took_the_files_place_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.yaml")
        assert read_bytes(f"{tmp_path}/pipe.yaml", limit=100) == b""

    def test_a_folder_that_took_the_files_place_is_unreadable(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").mkdir()
        with pytest.raises(UnreadableError, match="cannot be read: Is a directory"):
            read_bytes(f"{tmp_path}/a.yaml", limit=100)
