"""What mypyc is told of a class changes nothing but what Python's garbage collector has to look at."""

import gc

from rime_core import CLUSTER, COMPILED, Bodiless, Resource
from rime_core.native import mypyc_attr


def test_a_class_stays_what_it_is():
    assert mypyc_attr(acyclic=True)(Resource) is Resource


def test_the_garbage_collector_does_not_look_at_the_resources_of_a_compiled_core():
    for resource in (Resource(CLUSTER, "a", "1", b""), Bodiless(CLUSTER, "a", "1")):
        assert gc.is_tracked(resource) is not COMPILED
