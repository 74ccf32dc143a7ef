"""Every rule runs in the variants for which it is, over the bare state machine and over real gRPC, and in each over one
aggregated stream and over a stream for each type; but for what is about aggregated streams: AGGREGATED.
"""

import re

import pytest
import pytest_asyncio

from tests.conformance.bodies import refers
from tests.conformance.clients import WAYS, Connections, naming

_ORDER = "order across types"

AGGREGATED = {
    "R2": "on a stream of one type, the type is implied",
    "R3": "two types on one stream",
    "R63": "a cluster brings its assignment, which is of another type",
    "R65": _ORDER,
    "R66": _ORDER,
    "R67": _ORDER,
    "R68": _ORDER,
    "R69": _ORDER,
    "R70": _ORDER,
    "R71": _ORDER,
    "R72": "a cluster brings its assignment, which is of another type",
    "R78": "a route configuration brings its virtual hosts, which are of another type",
    "R1_the_node_of_the_first_request_holds_for_the_stream": "of all its types; for one there is another test",
    "R53_a_set_is_never_incomplete": "a cluster stays while a route, which is of another type, names it",
    "R77_a_first_empty_request_is_answered_by_what_is_not_there": "which route configurations a client asks for",
    "R77_it_is_for_each_route_configuration_that_comes_later": "a route configuration, which is of another type",
    "R90_what_is_held_back_is_told_as_not_sent": _ORDER,
}
"""A rule, or one test of it → why there is nothing of it on a stream of one type."""


def ways_of(test: str) -> tuple[str, ...]:
    """How a test of this name reaches rime."""
    rule = re.match(r"test_((R\d+)_\w+)", test)
    separate = rule is None or not {*rule.groups()} & set(AGGREGATED)
    return WAYS if separate else tuple(way for way in WAYS if not way.endswith("per-type"))


@pytest.fixture
def plane():
    return naming(refers)


def pytest_generate_tests(metafunc):
    """Over the incremental variant; a test, or a file, that is marked says over which."""
    if "connect" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("variants")
        variants = marker.args if marker is not None else ("delta",)
        ways = [(variant, way) for variant in variants for way in ways_of(metafunc.function.__name__)]
        metafunc.parametrize("connect", ways, indirect=True, ids=["-".join(way) for way in ways])


@pytest_asyncio.fixture
async def connect(request, plane):
    variant, way = request.param
    return Connections(variant, way, plane)


@pytest_asyncio.fixture
async def client(connect):
    async with connect() as client:
        yield client
