import pytest

from rime_core import UsageError
from rime_file_source.config import FileOptions, read_options


def test_the_defaults_are_milliseconds_for_changes_and_300_for_removals() -> None:
    assert read_options({}) == FileOptions(quiet=0.005, settle=0.300, rescan=10.0, max_file_size=67_108_864)


def test_each_option_is_read_with_its_unit() -> None:
    options = {"quiet": "100ms", "settle": "2s", "rescan": "0", "max_file_size": "1MiB"}
    assert read_options(options) == FileOptions(quiet=0.1, settle=2.0, rescan=0.0, max_file_size=1_048_576)


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("1GiB", 1 << 30)])
def test_a_file_may_be_limited_to_anything_that_can_be_read(text: str, size: int) -> None:
    assert read_options({"max_file_size": text}).max_file_size == size


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"quite": "1s"}, "file: there is no option 'quite'; did you mean 'quiet'?"),
        ({"settle": "300"}, "file: settle='300' should be a duration such as 100ms, 1.5s or 2m"),
        ({"max_file_size": "0"}, "file: max_file_size='0' should be a size from 1B to 1GiB"),
        ({"max_file_size": "1073741825"}, "file: max_file_size='1073741825' should be a size from 1B to 1GiB"),
        (
            {"max_file_size": "99999999999999999999"},
            "file: max_file_size='99999999999999999999' should be a size from 1B to 1GiB",
        ),
        ({"quiet": "1s"}, "file: settle=300ms is shorter than quiet=1000ms"),
    ],
)
def test_a_bad_option_is_one_line(options: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_options(options)
    assert str(caught.value) == line
