import pytest

from rime_core import RimeError, SourceError
from rime_file_source.errors import UnreadableError, counted, shown


def test_it_says_which_path_and_why_in_one_line() -> None:
    error = UnreadableError("conf/a.yaml", "is a folder, not a file")
    assert str(error) == "conf/a.yaml: is a folder, not a file"
    assert (error.path, error.why) == ("conf/a.yaml", "is a folder, not a file")
    assert isinstance(error, SourceError)
    assert isinstance(error, RimeError)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("conf/a.yaml", "conf/a.yaml"),
        ("conf/ä b.yaml", "conf/ä b.yaml"),
        ("conf/a\nb.yaml", r"conf/a\nb.yaml"),
        ("conf/\x1b[31m.yaml", r"conf/\x1b[31m.yaml"),
        ("conf/\udcff.yaml", r"conf/\udcff.yaml"),
    ],
)
def test_a_path_is_shown_in_one_printable_line(path: str, text: str) -> None:
    assert shown(path) == text


def test_counts_are_written_as_people_say_them() -> None:
    assert [counted(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
