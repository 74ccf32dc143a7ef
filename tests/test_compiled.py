"""What a program holds in its hands is no trap, be the core compiled (`make test-compiled`) or not."""

import gc
import weakref

import pytest

import rime_core
from rime_core import CLUSTER, Plane


def held():
    """One of each that a program is given."""
    plane = Plane()
    transaction = plane.transaction()
    with transaction:
        transaction.apply(CLUSTER, "a", b"1")
    server = plane.server()
    subscriber = server.subscribe(CLUSTER)
    update = subscriber.initial()
    writer = plane.writer("one more")
    things = plane, server, subscriber, update, update.resources[0], plane.snapshot(), transaction, writer
    return {type(thing).__name__: thing for thing in things}


@pytest.mark.parametrize("name", held())
def test_a_weak_reference_is_refused_or_ends_with_what_it_is_to(name):
    thing = held()[name]
    try:
        reference = weakref.ref(thing)
    except TypeError:
        return
    del thing
    gc.collect()
    assert reference() is None


def test_nothing_is_said_to_be_compiled_that_is_not():
    assert rime_core.COMPILED is not rime_core.index.__file__.endswith(".py")


def test_what_is_wrong_by_type_is_a_type_error_in_either():
    with pytest.raises(TypeError, match="str"):
        Plane().apply(CLUSTER, 5, b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Plane().apply(CLUSTER, "a", "text")  # type: ignore[arg-type]
