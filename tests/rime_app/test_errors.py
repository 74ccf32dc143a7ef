"""What people are told of an exception."""

import importlib

import pytest

from rime_app.errors import in_one_line, root_error
from rime_core.errors import SourceError


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_rimes_own_errors_speak_for_themselves():
    assert in_one_line(raised(SourceError("conf/a.yaml:3: not YAML"))) == "conf/a.yaml:3: not YAML"


def test_any_other_is_named_with_the_line_that_raised_it():
    line = raised.__code__.co_firstlineno + 2

    assert in_one_line(raised(KeyError("host"))) == f"KeyError: 'host' (test_errors.py:{line})"


def test_one_that_was_never_raised_has_no_line():
    assert in_one_line(ValueError("x")) == "ValueError: x"


def test_one_without_text_is_its_type():
    assert in_one_line(TimeoutError()) == "TimeoutError"


def test_many_lines_become_one():
    assert in_one_line(SourceError("first\n  second\r\nthird")) == "first second third"


def test_of_a_group_the_first_is_told_and_the_others_counted():
    group = ExceptionGroup("several", [ExceptionGroup("inner", [SourceError("first")]), ValueError(), ValueError()])

    assert in_one_line(group) == "first (and 2 more)"
    assert str(root_error(group)) == "first"


def test_of_a_group_of_one_nothing_more_is_said():
    assert in_one_line(ExceptionGroup("one", [SourceError("only")])) == "only"


def test_the_import_systems_own_frames_are_not_where_it_happened():
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("no_such_module_anywhere")

    assert "(test_errors.py:" in in_one_line(caught.value)
