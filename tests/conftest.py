"""Settings that all tests share."""

import os

from hypothesis import settings

# Nothing here is about time, so no property test has a deadline. In CI the examples are the same each time: what a new
# one finds is found where somebody can look at it, and not in the way of a change that it has nothing to do with.
settings.register_profile("rime", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("rime")
