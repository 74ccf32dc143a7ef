"""Every error that rime raises on purpose is a RimeError, and says whose fault it is."""

import inspect

import pytest

from rime_core import errors
from rime_core.errors import ClosedError, PeerError, RimeError, UsageError

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]


def test_every_error_is_a_rime_error():
    assert all(issubclass(each, RimeError) for each in ALL)


def test_using_what_is_closed_is_the_callers_fault():
    assert issubclass(ClosedError, UsageError)


def test_the_tree_in_the_docstring_is_the_tree():
    assert errors.__doc__ is not None
    tree = [
        line for line in errors.__doc__.splitlines() if "Error" in line and ("──" in line or line.endswith("RimeError"))
    ]
    drawn = {line.replace("│", " ").strip(" ├└─").split()[0] for line in tree}
    assert drawn == {each.__name__ for each in ALL}


def test_the_clients_fault_has_a_grpc_status():
    assert PeerError("what").code == "INVALID_ARGUMENT"
    error = PeerError("too many", code="RESOURCE_EXHAUSTED")
    assert error.code == "RESOURCE_EXHAUSTED"
    assert str(error) == "too many"


@pytest.mark.parametrize("each", ALL)
def test_every_error_can_be_raised_with_one_line(each):
    with pytest.raises(RimeError, match=r"^what happened$"):
        raise each("what happened")
