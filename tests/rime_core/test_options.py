"""Options are text; what they mean is written the same way for every plugin, and what is wrong is named."""

from pathlib import Path

import pytest

from rime_core import OptionReader, UsageError


def reader(value: str) -> OptionReader:
    return OptionReader("file", {"key": value})


def test_what_is_not_given_is_the_default():
    read = OptionReader("file", {})
    assert read.text("key", default="x") == "x"
    assert read.flag("key", default=True) is True
    assert read.duration("key", default=0.3) == 0.3
    assert read.size("key", default=7) == 7
    assert read.number("key", default=8) == 8
    assert read.share("key", default=0.5) == 0.5
    assert read.path("key") is None
    read.finish()


def test_text_is_taken_as_it_stands():
    assert reader(" as is ").text("key", default="") == " as is "
    assert reader("").text("key", default="x") == ""


def test_a_path_is_taken_as_it_stands_and_an_empty_one_refused():
    assert reader("a/b").path("key") == Path("a/b")
    with pytest.raises(UsageError, match=r"^file: key is empty; write key=FILE, or leave it out$"):
        reader("").path("key")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        *(("", True), ("true", True), ("Yes", True), ("on", True), ("1", True)),
        *(("false", False), ("NO", False), ("off", False), ("0", False)),
    ],
)
def test_flag(value, meaning):
    assert reader(value).flag("key", default=not meaning) is meaning


@pytest.mark.parametrize(
    ("value", "seconds"), [("100ms", 0.1), ("1.5s", 1.5), ("2m", 120.0), ("1h", 3600.0), ("0", 0.0), ("0s", 0.0)]
)
def test_duration(value, seconds):
    assert reader(value).duration("key", default=9.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "size"),
    [("0", 0), ("4194304", 4194304), ("10B", 10), ("512KiB", 524288), ("4MiB", 4194304), ("1GiB", 1 << 30)],
)
def test_size(value, size):
    assert reader(value).size("key", default=9) == size


def test_a_duration_may_be_the_shortest_and_a_day():
    assert reader("1s").duration("key", default=9.0, least=1.0) == 1.0
    assert reader("24h").duration("key", default=9.0) == 86_400.0


@pytest.mark.parametrize("value", ["999ms", "25h"])
def test_a_duration_out_of_range_is_refused(value):
    with pytest.raises(UsageError) as caught:
        reader(value).duration("key", default=9.0, least=1.0)
    assert str(caught.value) == f"file: key={value!r} should be a duration from 1s to 24h"


def test_a_size_may_be_the_smallest_and_the_largest():
    assert reader("512KiB").size("key", default=9, least=512 << 10, most=4 << 20) == 512 << 10
    assert reader("4MiB").size("key", default=9, least=512 << 10, most=4 << 20) == 4 << 20


@pytest.mark.parametrize("value", ["524287", "5MiB"])
@pytest.mark.parametrize(
    ("least", "most", "span"),
    [(512 << 10, 4 << 20, "512KiB to 4MiB"), (1 << 30, 3 << 30, "1GiB to 3GiB"), (0, 1500, "0B to 1500B")],
)
def test_a_size_out_of_range_is_refused_and_the_range_is_said_as_people_write_it(value, least, most, span):
    with pytest.raises(UsageError) as caught:
        reader(value).size("key", default=9, least=least, most=most)
    assert str(caught.value) == f"file: key={value!r} should be a size from {span}"


def test_number():
    assert reader("12").number("key", default=1) == 12
    assert reader("12").number("key", default=13, least=12) == 12


def test_a_number_that_is_too_small_is_refused():
    with pytest.raises(UsageError, match="should be a whole number from 12"):
        reader("11").number("key", default=13, least=12)


@pytest.mark.parametrize(("value", "share"), [("50%", 0.5), ("0.25", 0.25), ("0", 0.0), ("100%", 1.0), ("1", 1.0)])
def test_share(value, share):
    assert reader(value).share("key", default=0.9) == share


@pytest.mark.parametrize(
    ("method", "value", "expected"),
    [
        ("flag", "maybe", "true or false"),
        ("duration", "100", "a duration such as 100ms, 1.5s or 2m"),
        ("duration", "-1s", "a duration such as 100ms, 1.5s or 2m"),
        ("duration", "1 s", "a duration such as 100ms, 1.5s or 2m"),
        ("size", "4MB", "a size such as 512KiB or 4MiB"),
        ("size", "-1", "a size such as 512KiB or 4MiB"),
        ("number", "-1", "a whole number"),
        ("number", "1.5", "a whole number"),
        ("number", "²", "a whole number"),
        ("number", "", "a whole number"),
        ("share", "150%", "a share such as 50%"),
        ("share", "-0.1", "a share such as 50%"),
        ("share", "half", "a share such as 50%"),
        ("share", "nan", "a share such as 50%"),
    ],
)
def test_what_is_wrong_names_the_plugin_the_key_and_what_was_expected(method, value, expected):
    with pytest.raises(UsageError) as caught:
        getattr(reader(value), method)("key", default=None)
    assert str(caught.value) == f"file: key={value!r} should be {expected}"


def test_an_option_that_nobody_reads_is_refused():
    read = OptionReader("file", {"quiet": "1s"})
    read.duration("settle", default=0.0)
    read.flag("follow", default=False)
    with pytest.raises(UsageError, match=r"^file: there is no option 'quiet'; its options: follow, settle$"):
        read.finish()


def test_an_option_that_is_nearly_right_is_suggested():
    read = OptionReader("file", {"qiuet": "1s"})
    read.duration("quiet", default=0.0)
    with pytest.raises(UsageError, match=r"^file: there is no option 'qiuet'; did you mean 'quiet'\?$"):
        read.finish()


def test_a_plugin_without_options_says_so():
    with pytest.raises(UsageError, match=r"its options: none$"):
        OptionReader("file", {"x": ""}).finish()
