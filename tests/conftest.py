"""Settings that all tests share."""

import os

import pytest
from hypothesis import settings

from rime_core import COMPILED

# Nothing here is about time, so no property test has a deadline. In CI the examples are the same each time: what a new
# one finds is found where somebody can look at it, and not in the way of a change that it has nothing to do with.
settings.register_profile("rime", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("rime")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With the compiled core (`make test-compiled`), leave out what only the interpreted one can be asked."""
    if COMPILED:
        left_out = [item for item in items if item.get_closest_marker("interpreted")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
